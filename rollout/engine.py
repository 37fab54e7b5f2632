"""The `Engine` protocol: token ids in, sampled token ids and logprobs out; and the engine that plays a script.
`rollout/recorded.py` plays what a run has stored.

`ChatEngine` is its sibling for models that are reached by messages only: they can be evaluated, not trained.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from envs.base import Policy, Task
from rewards.errors import EngineError
from rewards.transcript import Message


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample. Temperature 0 is greedy; `seed` makes a request repeatable."""

    max_tokens: int
    temperature: float = 1.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One turn to generate: the ids so far, and what they mean for engines that don't read tokens.

    `prompt_ids` grow once the turn is over: an engine that keeps them keeps a copy. `stop_ids` end the turn, beside the
    tokenizer's own end.
    """

    prompt_ids: Sequence[int]
    sampling: Sampling
    task: Task
    messages: Sequence[Message] = field(default=())
    stop_ids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What was sampled: ids with the end-of-turn token when it was sampled, a logprob and a weight version each.

    Sequences of any kind; the standard library's arrays cost least.

    Args:
        weight_versions: of the weights that sampled each token; weights that arrive amid a turn sample its rest.

    Raises:
        EngineError: ids, logprobs and versions differ in number.
    """

    token_ids: Sequence[int]
    logprobs: Sequence[float]
    finish: Literal["stop", "length"]
    weight_versions: Sequence[int]

    def __post_init__(self) -> None:
        if not len(self.token_ids) == len(self.logprobs) == len(self.weight_versions):
            raise EngineError(
                f"{len(self.token_ids)} sampled tokens came with {len(self.logprobs)} logprobs "
                f"and {len(self.weight_versions)} weight versions"
            )


class Engine(Protocol):
    """Anything that continues token ids. Adding one is one file."""

    async def generate(self, request: Request) -> Completion:
        """Samples one turn. Raises `EngineError` when the engine is gone."""
        ...


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One turn to generate from messages: the conversation so far and the tools' OpenAI schemas."""

    messages: Sequence[Message]
    tools: Sequence[dict[str, Any]]
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said; `tokens` of the whole conversation as it counts them, 0 where it doesn't say."""

    message: Message
    tokens: int = 0


@runtime_checkable
class ChatEngine(Protocol):
    """Anything that continues messages."""

    async def reply(self, request: ChatRequest) -> Reply | None:
        """The next turn; None when the conversation has become too long for the model.

        Raises:
            TurnError: this turn can't be had, the next may.
            EngineError: the engine is gone.
        """
        ...


class ScriptedEngine:
    """Plays policies (experts, exploits) through the same token path as a model.

    Args:
        policy_of: the policy for a task.
        turn_ids: the ids that say an action after a prompt, the turn's end included (`ChatRenderer.turn_ids`):
            the policy speaks in the model's own tool format.
    """

    def __init__(
        self,
        policy_of: Callable[[Task], Policy],
        turn_ids: Callable[[Sequence[int], "str | Message"], list[int]],
    ) -> None:
        self._policy_of = policy_of
        self._turn_ids = turn_ids

    async def generate(self, request: Request) -> Completion:
        """The policy's next turn, with logprob 0 for every token; its length is not limited."""
        action = self._policy_of(request.task)(request.messages)
        ids = tuple(self._turn_ids(request.prompt_ids, action))
        return Completion(ids, (0.0,) * len(ids), "stop", (0,) * len(ids))
