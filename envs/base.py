"""`Task` and `TextEnv`: the contract of every environment, on top of Gymnasium's own.

An author writes `generate`, `rubric`, tools where there are any, and the proof (`expert`, `exploits`).
Observations are the new messages; actions are the assistant's text or a `Message`.
"""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, SupportsFloat

import gymnasium
from pydantic import BaseModel, ConfigDict, Field

from envs.actions import parse_action
from envs.mutants import mutants
from envs.tools import Tool, execute, render_result
from rewards.errors import ConfigError, TaskError
from rewards.faults import without_repeated_faults
from rewards.score import Rubric, Score
from rewards.transcript import CallRecord, Message, Transcript, with_call_ids

Split = Literal["train", "test"]
Observation = tuple[Message, ...]
Policy = Callable[[Sequence[Message]], "str | Message"]
Transport = Callable[["Task", tuple[Tool, ...]], tuple[Tool, ...]]

TEST_SHARE = 0.2  # of all distinct prompts
MAX_CALLS_PER_TURN = 8
_TEST_DIGESTS = (int(TEST_SHARE * 2**32) + 1).to_bytes(4, "big")  # those below it, as bytes compare
_MAX_DRAWS = 2_000
_PATIENCE = 2  # turns that faults may add for each turn of the task: a call meets two of them in a row at most


class Task(BaseModel):
    """One problem. `generate` fills prompt, target and meta; the environment stamps the rest.

    `target` is what the rubric judges by and `meta` what tools and worlds are built from: both plain
    JSON, neither shown to the policy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: tuple[Message, ...]
    target: dict[str, Any]
    meta: dict[str, Any] = Field(default_factory=dict)
    env: str = ""
    split: Split = "train"
    seed: int = 0
    difficulty: float = 0.0

    @property
    def id(self) -> str:
        """Names the task and suffices to make it again: environment, split, seed, difficulty."""
        return f"{self.env}|{self.split}|{self.seed}|{self.difficulty!r}"

    @property
    def fingerprint(self) -> str:
        """Hash of what the policy is asked: two tasks with one fingerprint are the same question."""
        return self._digest().hex()

    def _digest(self) -> bytes:
        return hashlib.sha256("\x1f".join([f"{m.role}\x1e{m.content}" for m in self.prompt]).encode()).digest()

    def _stamped(self, env: str, split: Split, seed: int, difficulty: float) -> "Task":
        """The draft itself, which nobody holds yet: a copy would cost a cheap generator a tenth of its rate.

        One that is stamped already came from a generator that keeps its tasks; that one is copied.
        """
        task = self.model_copy() if self.env else self
        stamp = {"env": env, "split": split, "seed": seed, "difficulty": difficulty}
        task.__dict__.update(stamp)
        task.__pydantic_fields_set__.update(stamp)
        return task


@dataclass(frozen=True, slots=True)
class Exploit:
    """A cheating policy and the mean score it must stay under; a bound above 0.2 needs its `reason`."""

    policy: Policy
    bound: float = 0.2
    reason: str = ""


def split_of(task: Task) -> Split:
    """The split that a question belongs to, by its fingerprint: train and test can't share one."""
    return "test" if task._digest() < _TEST_DIGESTS else "train"


class TextSpace(gymnasium.Space[str]):
    """Any text: the action space."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(None, None, seed)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """Eight random words."""
        letters = ["abc", "Answer:", "42", "<tool_call>", "{", "}", "</tool_call>", "?"]
        return " ".join(letters[int(i)] for i in self.np_random.integers(0, len(letters), 8))

    def contains(self, x: Any) -> bool:
        """Text, or a message."""
        return isinstance(x, str | Message)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    __hash__ = None  # type: ignore[assignment]


class MessageSpace(TextSpace):
    """A tuple of messages: the observation space."""

    def sample(self, mask: Any = None, probability: Any = None) -> Any:
        """One random user message."""
        return (Message("user", super().sample()),)

    def contains(self, x: Any) -> bool:
        """A tuple that holds messages only."""
        return isinstance(x, tuple) and all(isinstance(m, Message) for m in x)


class TextEnv(gymnasium.Env[Observation, "str | Message"]):
    """A text world whose answers can be verified.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (easiest) to 1, or None to draw it anew for every task.

    Raises:
        ConfigError: `split` or `difficulty` is outside its range.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}
    id: ClassVar[str]
    rubric: ClassVar[Rubric]
    max_turns: ClassVar[int] = 1
    endless: ClassVar[bool] = True  # makes new questions for ever, harder ones where that is asked for
    tools_vary: ClassVar[bool] = False  # which tools are on offer is part of the question
    sandboxed: ClassVar[bool] = False  # runs untrusted code: a run without walls for it is refused at the start
    process_credit: ClassVar[float] = 0.0  # the most that a wrong answer earns, for sound work towards it
    null_bounds: ClassVar[Mapping[str, tuple[float, str]]] = {}  # null policies that may pay over 0.2, and why

    def __init__(self, split: Split = "train", difficulty: float | None = None) -> None:
        if split not in ("train", "test"):
            raise ConfigError(f"{self.id}: split {split!r} is not known; use 'train' or 'test'")
        if difficulty is not None and not 0 <= difficulty <= 1:
            raise ConfigError(f"{self.id}: difficulty {difficulty} is outside 0 to 1")
        self.split = split
        self.difficulty = difficulty
        self.observation_space = MessageSpace()
        self.action_space = TextSpace()
        self.task: Task | None = None
        self.tools: tuple[Tool, ...] = ()
        self.transport: Transport | None = None  # what stands between the model and the tools (see envs.transport)
        self._messages: list[Message] = []
        self._calls: list[CallRecord] = []
        self._turns = 0
        self._struck = 0
        self._over = True

    # What an author writes.

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A new task from the given randomness alone: same rng state, same task."""
        raise NotImplementedError(f"{type(self).__name__} must define generate")

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """The tools of a fresh episode of `task`; none by default."""
        return ()

    def reply(self, message: Message) -> tuple[Message, ...]:
        """What a simulated user says to a message without tool calls; nothing ends the episode."""
        return ()

    def evidence(self, task: Task, transcript: Transcript) -> Mapping[str, Any]:
        """Plain JSON that the rubric judges beside the transcript (test results, a database diff)."""
        return {}

    def expert(self, task: Task) -> Policy:
        """A policy that earns the full score on `task`; it may read the target."""
        raise NotImplementedError(f"{type(self).__name__} must define expert")

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Cheating policies of this environment's own kind, each with the bound it must stay under."""
        raise NotImplementedError(f"{type(self).__name__} must define exploits")

    def wrong_texts(self, task: Task, text: str) -> list[str]:
        """Wrong versions of the expert's closing `text`, for the proof; override it where these might be right."""
        return list(mutants(text).values())

    def wrong_policy(self, task: Task, which: int) -> Policy:
        """The expert with its closing text made wrong; override it where the work lies in calls."""
        policy = self.expert(task)

        def act(messages: Sequence[Message]) -> "str | Message":
            turn = policy(messages)
            if isinstance(turn, Message) and turn.tool_calls:
                return turn
            wrong = self.wrong_texts(task, turn if isinstance(turn, str) else turn.content)
            return wrong[which % len(wrong)]

        return act

    # What everybody gets.

    def sample_task(self, seed: int, split: Split | None = None, difficulty: float | None = None) -> Task:
        """The task that (seed, split, difficulty) names; pure, whatever was sampled before.

        Raises:
            TaskError: the generator finds no new question of that split.
        """
        split = split or self.split
        difficulty = self.difficulty if difficulty is None else difficulty
        wanted = "any" if difficulty is None else repr(float(difficulty))
        rng = random.Random(hashlib.sha256(f"{self.id}|{split}|{seed}|{wanted}".encode()).digest())
        level = rng.random() if difficulty is None else float(difficulty)
        for _ in range(_MAX_DRAWS):
            draft = self.generate(rng, level)
            if split_of(draft) == split:
                return draft._stamped(self.id, split, seed, level)
        raise TaskError(f"{self.id}: no {split} task at difficulty {level} in {_MAX_DRAWS} draws; widen generate")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict]:
        """Starts an episode.

        Args:
            seed: names the task; None draws one.
            options: `task` (a `Task` to run as it is), or `split` and `difficulty` for this episode.

        Returns:
            The prompt messages, and info with `tools` (OpenAI schemas) and `task_id`.
        """
        super().reset(seed=seed)
        options = options or {}
        if unknown := set(options) - {"task", "split", "difficulty"}:
            raise ConfigError(f"{self.id}: unknown reset options {sorted(unknown)}; known: task, split, difficulty")
        task = options.get("task")
        if task is None:
            task_seed = int(self.np_random.integers(2**31)) if seed is None else seed
            task = self.sample_task(task_seed, options.get("split"), options.get("difficulty"))
        self._release_tools()
        self.task = task
        tools = self.make_tools(task)
        self.tools = self.transport(task, tools) if self.transport else tools
        self._messages, self._calls = list(task.prompt), []
        self._turns, self._struck, self._over = 0, 0, False
        return task.prompt, {"tools": [t.schema for t in self.tools], "task_id": task.id}

    def step(self, action: "str | Message") -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Takes the assistant's turn; tools run, the simulated user answers, or the episode ends.

        Returns:
            (new messages, reward, terminated, truncated, info); the reward is the score's value at the
            end and 0 before, `info["score"]` the whole `Score` at the end.

        Raises:
            gymnasium.error.ResetNeeded: the episode is over or never began.
        """
        if self._over or self.task is None:
            raise gymnasium.error.ResetNeeded(f"{self.id}: call reset() before step()")
        message = with_call_ids(parse_action(action) if isinstance(action, str) else action, self._messages)
        self._messages.append(message)
        self._turns += 1
        new = self._run_calls(message) if message.tool_calls else self.reply(message)
        self._messages.extend(new)
        truncated = bool(new) and self._turns >= self.turn_limit
        self._over = truncated or not new
        if not self._over:
            return new, 0.0, False, False, {}
        score = self._score()
        return new, score.value or 0.0, not truncated, truncated, {"score": score}

    def truncate(self) -> Score:
        """Ends the episode where it stands (no room for another turn) and scores it."""
        self._over = True
        return self._score()

    def close(self) -> None:
        """Ends what the tools hold open, such as a server's process."""
        self._release_tools()

    def _release_tools(self) -> None:
        tools, self.tools = self.tools, ()
        for tool in tools:
            if tool.close is not None:
                tool.close()

    @property
    def turn_limit(self) -> int:
        """How many turns the episode may take: `max_turns`, and one for each in which a fault struck a call."""
        return self.max_turns + min(self._struck, _PATIENCE * self.max_turns)

    @property
    def transcript(self) -> Transcript:
        """The episode so far."""
        return Transcript(tuple(self._messages), tuple(self._calls))

    def _run_calls(self, message: Message) -> tuple[Message, ...]:
        new, before = [], len(self._calls)
        for index, call in enumerate(message.tool_calls):
            if index >= MAX_CALLS_PER_TURN:
                record = CallRecord(
                    call.name, {}, {"message": f"at most {MAX_CALLS_PER_TURN} calls a turn"}, "too_many_calls"
                )
                new.append(Message("tool", render_result(record), tool_call_id=call.id))
                self._calls.append(record)
                break
            record = execute(self.tools, call)
            self._calls.append(record)
            new.append(Message("tool", render_result(record), tool_call_id=call.id))
        self._struck += any(record.fault for record in self._calls[before:])
        return tuple(new)

    def _score(self) -> Score:
        assert self.task is not None
        seen = without_repeated_faults(self.transcript)  # as rubrics see it
        return self.rubric(
            Transcript(seen.messages, seen.calls, self.evidence(self.task, seen)),
            self.task.target,
        )
