"""How a model takes its turns in an episode: over token ids, which are recorded, or over messages.

The episode's loop knows only `Talk`: the model speaks, then hears what the environment answered.
"""

from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from envs.base import Task
from rewards.errors import Fault, TaskError
from rewards.score import Score
from rewards.transcript import Message, Transcript, with_call_ids
from rollout.chat import ChatRenderer
from rollout.engine import ChatEngine, ChatRequest, Completion, Engine, Request, Sampling
from rollout.tool_formats import Tools
from rollout.trajectory import Finish, Trajectory

# Longer than this times the room for it, a text needn't be encoded to see that it's too long.
_MAX_CHARS_PER_TOKEN = 100


class Talk(Protocol):
    """The model's side of an episode."""

    async def speak(self, messages: Sequence[Message], turn: int) -> Message | None:
        """The model's turn after `messages`; None when there is no room for one."""
        ...

    def hear(self, new: Sequence[Message], action: Message) -> bool:
        """Takes the answer to `action`; False when it leaves no room for another turn."""
        ...


class Tape:
    """The append-only record of an episode's ids."""

    def __init__(self, prompt_ids: Sequence[int]) -> None:
        self.ids = array("i")
        self.prompt_length = len(prompt_ids)
        self._mask, self._logprobs, self._versions = bytearray(), array("f"), array("i")
        self.given(prompt_ids)

    def sampled(self, completion: Completion) -> None:
        """Appends what the policy sampled."""
        self._append(completion.token_ids, True, completion.logprobs, completion.weight_versions)

    def given(self, ids: Sequence[int]) -> None:
        """Appends what it was told."""
        self._append(ids, False, array("f", [0]) * len(ids), array("i", [-1]) * len(ids))

    def _append(self, ids: Sequence[int], sampled: bool, logprobs: Sequence[float], versions: Sequence[int]) -> None:
        self.ids.extend(array("i", ids))
        self._mask += bytes([sampled]) * len(ids)
        self._logprobs.extend(array("f", logprobs))
        self._versions.extend(array("i", versions))

    def trajectory(self, task: Task, seen: Transcript, score: Score, finish: Finish, seconds: float) -> Trajectory:
        """The record of the whole episode."""
        return Trajectory(
            task,
            np.array(self.ids, np.int32),
            np.array(self._mask, np.bool_),
            np.array(self._logprobs, np.float32),
            np.array(self._versions, np.int32),
            self.prompt_length,
            seen,
            score,
            finish,
            seconds,
        )


class TokenTalk:
    """Over an `Engine`: ids are appended to the tape and nothing is tokenised twice.

    Args:
        max_context: tokens of the whole episode.
        tape: holds the prompt's ids.
    """

    def __init__(
        self,
        engine: Engine,
        renderer: ChatRenderer,
        sampling: Sampling,
        max_context: int,
        tools: Tools,
        task: Task,
        tape: Tape,
    ) -> None:
        self._engine, self._renderer, self._sampling, self._max_context = engine, renderer, sampling, max_context
        self._tools, self._task, self._tape = tools, task, tape
        self._ended = False

    async def speak(self, messages: Sequence[Message], turn: int) -> Message | None:
        """Samples a turn and reads it in the model's tool format.

        Raises:
            TaskError: the prompt leaves no room.
        """
        ids = self._tape.ids
        if self._room <= 0:
            raise TaskError(
                f"a prompt of {len(ids)} tokens leaves no room; raise rollout.max_context", Fault.TASK_TOO_LONG
            )
        sampling = _of_turn(self._sampling, turn, self._room)
        completion = await self._engine.generate(Request(ids, sampling, self._task, messages, self._renderer.stop_ids))
        action = with_call_ids(self._renderer.read(ids, completion.token_ids, self._tools), messages)
        self._tape.sampled(completion)
        self._ended = self._renderer.ended(completion.token_ids)
        return action

    def hear(self, new: Sequence[Message], action: Message) -> bool:
        """Appends the answer's ids. What can't be answered any more isn't appended: it would only be carried."""
        if sum(len(m.content) for m in new) > self._room * _MAX_CHARS_PER_TOKEN:
            return False
        ids = self._renderer.continuation_ids(new, self._ended, action.tool_calls)
        if len(ids) >= self._room:
            return False
        self._tape.given(ids)
        return True

    @property
    def _room(self) -> int:
        return self._max_context - len(self._tape.ids)


class MessageTalk:
    """Over a `ChatEngine`: it is sent the whole conversation each turn and counts the tokens itself.

    Args:
        max_context: tokens of the whole episode, by the model's own count; an endpoint that doesn't count has no
            limit but its own.
    """

    def __init__(self, engine: ChatEngine, sampling: Sampling, max_context: int, tools: Tools) -> None:
        self._engine, self._sampling, self._room, self._tools = engine, sampling, max_context, tools
        self._max_context = max_context

    async def speak(self, messages: Sequence[Message], turn: int) -> Message | None:
        """Asks for a turn.

        Raises:
            TaskError: the prompt doesn't fit the model.
        """
        request = ChatRequest(messages, self._tools, _of_turn(self._sampling, turn, self._room))
        reply = await self._engine.reply(request)
        if reply is None and turn == 0:
            raise TaskError("the prompt is longer than the model's context", Fault.TASK_TOO_LONG)
        if reply is None:
            return None
        self._room = self._max_context - reply.tokens
        return with_call_ids(reply.message, messages)

    def hear(self, new: Sequence[Message], action: Message) -> bool:
        """The environment keeps the conversation; its answer is counted with the next turn."""
        return self._room > 0


def _of_turn(sampling: Sampling, turn: int, room: int) -> Sampling:
    # Every turn needs its own seed: with one seed, equal prompts would sample equal tokens turn after turn.
    seed = None if sampling.seed is None else (sampling.seed * 1_000_003 + turn) % 2**31
    return replace(sampling, max_tokens=min(sampling.max_tokens, room), seed=seed)
