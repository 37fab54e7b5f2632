"""What rollouts cost: against raw vLLM, against lockstep batches, in CPU time, and with ever more workers.

    python -m scripts.bench.rollout --json rollout.json
    python -m scripts.bench.rollout --part overhead

`engine` plays multi-turn tool episodes on real vLLM and then has raw vLLM (its offline `LLM`, the same settings, all
turns there from the start) do the very same token work, both in the precision that a run takes here. Lockstep, as
TRL's GRPOTrainer has it, is raw vLLM too: every episode of a batch generates a turn, then all their tools are awaited.
That is kinder than TRL 1.16, which awaits the tools of one episode after those of another: this figure is worked out
from the same run and told beside it.
`overhead` is the CPU time of this process per turn, tokenising included, with experts for a model; also of a turn in a
driver among many replicas, and of a group that a driver plays. `workers` needs about 0.2 GB a worker process.
`simulator` is scripts/bench/rollout_simulator.py on the last two of `overhead`.
"""

import argparse
import asyncio
import os
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rollout.collect import collect_groups
from rollout.driver_actor import DriverSettings, LivingReplicas
from rollout.drivers import Drivers
from rollout.engine import Engine, Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.mail import SamplingActor
from rollout.models import DEFAULT_MODEL, load_renderer, resolve_model
from rollout.ray_session import start_ray
from rollout.vllm_actor import VllmSettings
from rollout.vllm_engine import VllmEngine
from rollout.workers import EnvWorkers, WorkerSettings
from scripts.bench.ratios import Ratio, compare, of_pairs, parser, write
from scripts.bench.rollout_simulator import simulations
from scripts.bench.rollout_work import RawVllm, Recorder, ToolTurns, Work, Worlds, drawn_latencies
from trainer.policy import faster_precision

GROUP = 4
OVERHEAD_MS = 1.0  # of a turn, at most
GROUP_MS = 10.0  # of a group, at most
REPLICAS = 1_000
DRIVER_TURN = f"CPU of a turn, about 2,000 tokens, a driver's among {REPLICAS:,} replicas"
GROUP_TURNS = "CPU of the run's own process for a group of 8 that a driver plays"
_LIMITS = Limits(max_context=1024, step_seconds=60)
_LONG = Limits(max_context=32_768, step_seconds=60)


def tokens_per_second(
    runner: asyncio.Runner,
    engine: Engine,
    renderer: Any,
    options: argparse.Namespace,
    episodes: int,
    round_: int,
    wait: bool,
) -> tuple[float, list[list[Work]]]:
    """Sampled tokens per second of one round of tool episodes, and the token work that it was."""
    tasks = [ToolTurns().sample_task(1_000 * round_ + i) for i in range(episodes // GROUP)]
    recorder = Recorder(engine)
    worlds = Worlds(drawn_latencies(episodes), wait)
    sampling = Sampling(options.max_new_tokens, seed=round_)
    started = time.perf_counter()
    groups = runner.run(
        collect_groups(tasks, GROUP, worlds, recorder, renderer, sampling, _LIMITS, options.concurrency)
    )
    seconds = time.perf_counter() - started
    assert all(t.score.value == 1 for g in groups for t in g.trajectories), "an episode of the benchmark failed"
    return sum(t.sampled_tokens for g in groups for t in g.trajectories) / seconds, recorder.episodes


def against_vllm(options: argparse.Namespace) -> list[Ratio]:
    """Episodes on real vLLM against the same token work without them, and against lockstep batches."""
    model = resolve_model(options.model)
    renderer = load_renderer(model)
    settings = VllmSettings(model, _LIMITS.max_context, options.concurrency, precision=faster_precision())
    engine = VllmEngine(settings)
    raw = RawVllm(settings)
    measure = partial(tokens_per_second, engine=engine, renderer=renderer, options=options)
    plain, waiting, lockstep, in_a_row = [], [], [], []
    try:
        with asyncio.Runner() as runner:
            for round_ in range(options.repeats + 1):
                episodes = options.episodes if round_ else 4 * GROUP  # it warms up
                ours, work = measure(runner, episodes=episodes, round_=2 * round_, wait=False)
                offline = raw.offline(work, options.concurrency)
                late, late_work = measure(runner, episodes=episodes, round_=2 * round_ + 1, wait=True)
                late_offline = raw.offline(late_work, options.concurrency)
                together, one_by_one = raw.lockstep(late_work, options.concurrency)
                _say(
                    f"round {round_}: {ours:.0f} tok/s, raw {offline:.0f}; with latency {late:.0f}, raw "
                    f"{late_offline:.0f}, lockstep {together:.0f}, tools in a row {one_by_one:.0f}"
                )
                if round_:
                    plain.append((ours, offline))
                    waiting.append((late, late_offline))
                    lockstep.append((late, together))
                    in_a_row.append((late, one_by_one))
    finally:
        engine.close()
        raw.close()
    waits = f"tools of 0.1 to 2 s, {options.concurrency} at once"
    return [
        of_pairs("tool episodes", plain, "raw vLLM offline, same tokens", "tokens/s"),
        of_pairs(f"tool episodes, {waits}", waiting, "raw vLLM offline, same tokens", "tokens/s"),
        of_pairs(f"tool episodes, {waits}", lockstep, "lockstep batches, tools at once", "tokens/s"),
        of_pairs(f"tool episodes, {waits}", in_a_row, "lockstep batches, tools in a row (worked out)", "tokens/s"),
    ]


def remote_expert(token_ids: Sequence[int]) -> VllmEngine:
    """The engine with an actor that says a fixed turn at once: what is left is what a turn costs this process."""

    class Expert(SamplingActor):
        def __init__(self, *settings: Any) -> None:
            super().__init__()

        async def generate(self, *order: Any) -> tuple[Sequence[int], list[float], list[int], str]:
            return token_ids, [0.0] * len(token_ids), [0] * len(token_ids), "stop"

        async def shutdown(self) -> None:
            pass

    return VllmEngine(VllmSettings("none", kv_cache_gb=0), Expert)


def cpu_per_turn(engine: Engine, renderer: Any, episodes: int) -> float:
    """CPU milliseconds of this process for one turn of episodes with trivial tools, nothing taken off."""
    tasks = [ToolTurns().sample_task(i) for i in range(episodes // GROUP)]
    sampling = Sampling(64, seed=0)
    started = time.process_time()
    groups = asyncio.run(collect_groups(tasks, GROUP, lambda i: ToolTurns(), engine, renderer, sampling, _LONG))
    spent = time.process_time() - started
    turns = sum(m.role == "assistant" for g in groups for t in g.trajectories for m in t.transcript.messages)
    return spent / turns * 1_000


def driver_turn(actor: Any, renderer: Any, episodes: int) -> float:
    """As `cpu_per_turn`, in a driver of a large cluster: a turn finds few others on the way to its replica."""
    among_many = LivingReplicas(start_ray("local"), uuid.uuid4().hex, REPLICAS)
    among_many.direct(1, dict.fromkeys(range(REPLICAS), (0, actor)))  # one actor can stand for all: it costs nothing
    return cpu_per_turn(among_many, renderer, episodes)


def cpu_per_group(drivers: Drivers, groups: int) -> float:
    """CPU milliseconds of this process for one group of 8 that a driver plays; keeping it on disk is a thread's."""
    tasks = [ToolTurns().sample_task(i) for i in range(groups)]

    async def play() -> None:
        await asyncio.gather(*(drivers.play(task, 8, Sampling(4_096, seed=0)) for task in tasks))

    started = time.process_time()
    asyncio.run(play())
    return (time.process_time() - started) / groups * 1_000


def overhead(options: argparse.Namespace) -> list[Ratio]:
    """CPU time of a turn and of a group against the goals, with experts in this process and behind a Ray actor."""
    model = resolve_model(options.model)
    renderer = load_renderer(model)
    env = ToolTurns()
    prompt = renderer.prompt_ids(env.sample_task(0).prompt, ())
    long = "The next row is what I should like to see. " * 180  # about 2,000 tokens
    here = ScriptedEngine(env.expert, renderer.turn_ids)
    short_turn, long_turn = (renderer.turn_ids(prompt, text) for text in (env.expert(env.sample_task(0))(()), long))
    short, far = remote_expert(short_turn), remote_expert(long_turn)
    _, actor = asyncio.run(far.directory({}))[0]
    settings = DriverSettings(partial(_tool_turns, 0.0, False), partial(load_renderer, model), _LONG, 1, 400)
    drivers = Drivers(1, settings, far)
    costs = [
        ("CPU of a turn, scripted engine", partial(cpu_per_turn, here, renderer, 400), OVERHEAD_MS),
        (f"CPU of a turn, {len(short_turn)} tokens", partial(cpu_per_turn, short, renderer, 400), OVERHEAD_MS),
        (f"CPU of a turn, {len(long_turn):,} tokens", partial(cpu_per_turn, far, renderer, 400), OVERHEAD_MS),
        (DRIVER_TURN, partial(driver_turn, actor, renderer, 400), OVERHEAD_MS),
        (GROUP_TURNS, partial(cpu_per_group, drivers, 50), GROUP_MS),
    ]
    try:
        return [
            compare(name, ours, lambda goal=goal: goal, "goal", "ms", options.repeats, higher_is_better=False)
            for name, ours, goal in costs
        ]
    finally:
        drivers.close()
        short.close()
        far.close()


def turns_per_second(renderer: Any, count: int, seconds: float, busy: bool) -> float:
    """Tool calls per second of experts in `count` workers, each playing one episode at a time."""
    pool = EnvWorkers(WorkerSettings(count, slots=1), partial(_tool_turns, seconds, busy))
    env = ToolTurns()
    engine = ScriptedEngine(env.expert, renderer.turn_ids)

    async def played(episodes: int) -> int:
        tasks = [env.sample_task(i) for i in range(episodes)]
        groups = await collect_groups(tasks, 1, pool, engine, renderer, Sampling(64), _LIMITS, count)
        assert all(t.score.value == 1 for g in groups for t in g.trajectories), "an episode of the benchmark failed"
        return sum(m.role == "tool" for g in groups for t in g.trajectories for m in t.transcript.messages)

    with asyncio.Runner() as runner:
        runner.run(played(count))  # starts the workers
        started = time.perf_counter()
        calls = runner.run(played(4 * count))
        seconds = time.perf_counter() - started
        pool.close()
    return calls / seconds


def _tool_turns(seconds: float, busy: bool, env_id: str) -> ToolTurns:
    return ToolTurns((seconds,) * 4, busy)


def workers(options: argparse.Namespace) -> list[Ratio]:
    """Tool calls per second in ever more workers against as many times those of the fewest."""
    renderer = load_renderer(resolve_model(options.model))
    found = []
    for seconds, busy, counts in ((0.1, False, options.workers), (0.02, True, [1, os.cpu_count() or 1])):
        what = f"a tool that {'computes' if busy else 'waits'} {seconds * 1_000:.0f} ms"
        fewest = turns_per_second(renderer, counts[0], seconds, busy)
        for count in counts[1:]:
            rate = turns_per_second(renderer, count, seconds, busy)
            linear = fewest * count / counts[0]
            name = f"{what}, {count} workers"
            found.append(of_pairs(name, [(rate, linear)], f"linear from {counts[0]}", "calls/s"))
    return found


def measured(before: Sequence[Ratio], name: str, otherwise: float) -> float:
    """What an earlier part has found under `name`."""
    return next((ratio.ours for ratio in before if ratio.name == name), otherwise)


PARTS: dict[str, Callable[[argparse.Namespace, Sequence[Ratio]], list[Ratio]]] = {
    "engine": lambda options, before: against_vllm(options),
    "overhead": lambda options, before: overhead(options),
    "workers": lambda options, before: workers(options),
    "simulator": lambda options, before: simulations(
        measured(before, DRIVER_TURN, OVERHEAD_MS), measured(before, GROUP_TURNS, GROUP_MS)
    ),
}


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


def main() -> int:
    """Measures the chosen parts and writes the figures."""
    options = parser(__doc__ or "")
    options.add_argument("--part", choices=PARTS, action="append", help="only this one; may be given again")
    options.add_argument("--model", default=DEFAULT_MODEL, help="name or folder (default: %(default)s)")
    options.add_argument("--episodes", type=int, default=256, help="of a measurement of `engine` (default %(default)s)")
    options.add_argument("--max-new-tokens", type=int, default=16, help="of a turn of `engine` (default %(default)s)")
    options.add_argument("--concurrency", type=int, default=64, help="episodes at once (default %(default)s)")
    options.add_argument(
        "--workers", type=int, nargs="+", default=[4, 16, 64], help="worker processes of `workers` (default 4 16 64)"
    )
    options.set_defaults(repeats=3)
    chosen = options.parse_args()
    found: list[Ratio] = []
    for part in chosen.part or PARTS:
        print(f"{part}:", flush=True)
        found += PARTS[part](chosen, found)
        write(chosen.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
