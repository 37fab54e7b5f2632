"""What the rollout benchmark plays, the record of the token work that it asked for, and raw vLLM that does it again."""

import asyncio
import itertools
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from envs.base import Task, TextEnv
from rewards.score import Criterion, Rubric, Score
from rewards.transcript import Message, Transcript
from rollout.engine import Completion, Engine, Request
from rollout.processes import divide_cores
from rollout.ray_session import start_ray
from rollout.replica import vllm_environment
from rollout.vllm_actor import VllmSettings, vllm_arguments

LATENCY = (0.1, 2.0)  # seconds of a tool, uniform


def _fine(transcript: Transcript, target: Any) -> Score:
    return Score(1.0, "played to its end")


class ToolTurns(TextEnv):
    """Every turn but the last is answered by a tool: an untrained model need not know how to call it.

    Args:
        latencies: seconds that the tool takes after each turn but the last.
        busy: whether it computes for so long, and doesn't just wait.
    """

    id = "bench/ToolTurns"
    rubric = Rubric([Criterion("end", _fine)])

    def __init__(self, latencies: Sequence[float] = (0.0,) * 4, busy: bool = False) -> None:
        super().__init__()
        self.max_turns, self._latencies, self._busy = len(latencies) + 1, latencies, busy

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A question with a number that tells tasks apart."""
        number = rng.randrange(10**6)
        return Task(prompt=(Message("user", f"Tell me what you know about the number {number}."),), target={})

    def reply(self, message: Message) -> tuple[Message, ...]:
        """What the tool found, until the last turn."""
        if self._turns == self.max_turns:
            return ()
        seconds = self._latencies[self._turns - 1]
        if self._busy:
            until = time.thread_time() + seconds
            while time.thread_time() < until:
                pass
        elif seconds:
            time.sleep(seconds)
        return (Message("tool", f"Row {self._turns} of the table: 17, 4, 23."),)

    def expert(self, task: Task) -> Any:
        """Says the same thing every turn."""
        return lambda messages: "I should like to see the next row of the table."


def drawn_latencies(count: int, seed: int = 0) -> list[tuple[float, ...]]:
    """Seconds of the tools of `count` episodes: 1 to 5 calls each, so 2 to 6 turns."""
    rng = random.Random(seed)
    return [tuple(rng.uniform(*LATENCY) for _ in range(rng.randint(1, 5))) for _ in range(count)]


class Worlds:
    """Makes the environments of one measurement in a fixed order: `worlds(env_id)` is the next."""

    def __init__(self, latencies: Sequence[Sequence[float]], wait: bool) -> None:
        self._next: Iterator[Sequence[float]] = itertools.cycle(
            latencies if wait else [(0.0,) * len(episode) for episode in latencies]
        )

    def __call__(self, env_id: str) -> ToolTurns:
        """The next episode's environment."""
        return ToolTurns(next(self._next))


@dataclass(frozen=True, slots=True)
class Work:
    """One turn of token work: continue `prompt_ids` by `tokens`."""

    prompt_ids: tuple[int, ...]
    tokens: int
    seed: int | None
    temperature: float


class Recorder:
    """An `Engine` that keeps what it was asked for, turn by turn of each episode."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self._episodes: dict[Any, list[Work]] = {}

    async def generate(self, request: Request) -> Completion:
        """What the inner engine says."""
        prompt, sampling = tuple(request.prompt_ids), request.sampling
        turns = self._episodes.setdefault(asyncio.current_task(), [])  # an episode is a task
        completion = await self._inner.generate(request)
        turns.append(Work(prompt, len(completion.token_ids), sampling.seed, sampling.temperature))
        return completion

    @property
    def episodes(self) -> list[list[Work]]:
        """The turns of each episode, in the order in which they began."""
        return list(self._episodes.values())


class _Raw:
    """vLLM's own offline `LLM`, in a process like the engine's."""

    def __init__(self, settings: VllmSettings) -> None:
        from vllm import LLM, SamplingParams

        self._params = SamplingParams
        self._llm = LLM(**vllm_arguments(settings))

    def replay(self, work: Sequence[Work], fresh: bool) -> float:
        """Seconds for all of `work` at once; `fresh` forgets the prompts of earlier calls."""
        if fresh:
            self._llm.reset_prefix_cache()
        params = [
            self._params(
                max_tokens=w.tokens,
                temperature=w.temperature,
                seed=w.seed,
                ignore_eos=True,
                logprobs=0,
                detokenize=False,
            )
            for w in work
        ]
        prompts = [{"prompt_token_ids": list(w.prompt_ids)} for w in work]
        started = time.perf_counter()
        done = self._llm.generate(prompts, params, use_tqdm=False)
        seconds = time.perf_counter() - started
        made = sum(len(output.outputs[0].token_ids) for output in done)
        assert made == sum(w.tokens for w in work), f"{made} tokens are not the recorded work"
        return seconds


class RawVllm:
    """The driver's end of raw vLLM.

    Args:
        settings: those of the engine that it is compared with.
    """

    def __init__(self, settings: VllmSettings) -> None:
        self._ray = start_ray(settings.ray_address)
        cores = divide_cores(os.cpu_count() or 1, slot=0, peers=1, ranks=1)
        environment = vllm_environment(settings) | {"VLLM_CPU_OMP_THREADS_BIND": cores}
        options = {"num_cpus": 0, "runtime_env": {"env_vars": environment}}
        self._actor = self._ray.remote(_Raw).options(**options).remote(settings)
        self._ray.get(self._actor.__ray_ready__.remote())

    def offline(self, episodes: Sequence[Sequence[Work]], together: int) -> float:
        """Tokens per second when every turn of every episode is there from the start.

        They stand in the order that is best for vLLM: `together` episodes' first turns, their second turns and so on,
        then those of the next. In any other a turn's beginning is still being computed, or forgotten again.
        """
        batches = [episodes[first : first + together] for first in range(0, len(episodes), together)]
        work = [w for batch in batches for turns in itertools.zip_longest(*batch) for w in turns if w is not None]
        return sum(w.tokens for w in work) / self._replay(work, fresh=True)

    def lockstep(self, episodes: Sequence[Sequence[Work]], together: int) -> tuple[float, float]:
        """Tokens per second in batches of `together` that take each turn as one: generate all, await all tools.

        Returns:
            With the tools of a batch awaited at the same time, and, worked out, one episode's after another's.
        """
        rng, seconds, in_a_row = random.Random(0), 0.0, 0.0
        for first in range(0, len(episodes), together):
            batch = episodes[first : first + together]
            for turn in range(max(map(len, batch))):
                generating = self._replay([e[turn] for e in batch if turn < len(e)], fresh=first == turn == 0)
                waits = [rng.uniform(*LATENCY) for e in batch if turn + 1 < len(e)]
                time.sleep(max(waits, default=0.0))
                seconds += generating + max(waits, default=0.0)
                in_a_row += generating + sum(waits)
        tokens = sum(w.tokens for e in episodes for w in e)
        return tokens / seconds, tokens / in_a_row

    def close(self) -> None:
        """Ends the process."""
        self._ray.kill(self._actor)

    def _replay(self, work: Sequence[Work], fresh: bool) -> float:
        return self._ray.get(self._actor.replay.remote(list(work), fresh))
