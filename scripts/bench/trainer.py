"""Our trainer against TRL's GRPOTrainer on the same model, prompts and completions: time, memory, and what is learned.

    python -m scripts.bench.trainer --json trainer.json              # everything
    python -m scripts.bench.trainer --part update --part memory

`update`: seconds of one update at a prompt of 220 tokens, 8 completions of 16 to 256 tokens. TRL runs as it comes; as
it comes when vLLM samples, where it computes old logprobs by one more forward pass; tuned, without gradient
checkpointing, with bf16 weights and the allocator's settings of trainer/policy.py; and tuned in fp32, which some CPUs
multiply faster, and which is ours on those. Each side has a process of its own, as it has when it is used: neither
lends the other its allocator's settings or leaves it holes.
`memory`: the peak of each side in a process of its own.
`table`: updates at prompts of 50, 1,000 and 4,000 tokens in groups of 4 and 16, against TRL as it comes.
`step`: whole steps, ours with vLLM and the weights handed over, TRL's with the generation that it comes with, on other
tasks each time; they ask for what the model answers at any length, from a few tokens to the bound.
`curves`: rewards of some seeds at equal settings in fp32, on a small model that learns in minutes.

TRL's micro-batch is its default of 8 rows, halved until it divides a group and holds at most 16,384 tokens, or 4,096
without checkpointing: that is what a machine with 24 GB carries. Ours is one pack a group, up to `--pack-tokens`.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from envs.base import Task
from rollout.models import DEFAULT_MODEL, resolve_model
from scripts.bench.curves import paired
from scripts.bench.processes import in_fresh_process, in_own_process
from scripts.bench.ratios import Ratio, compare, of_pairs, parser, write
from scripts.bench.steps import OurSide, StepSize, make_small_model, tasks_of, trl_side
from scripts.bench.updates import WAYS, Size, make_groups, ours, peak_gb, trls
from trainer.logs import quiet_libraries
from trainer.run_folder import machine

PEER = f"TRL {version('trl')} GRPOTrainer"
_TABLE = [
    Size(1, group_size, prompt, 16, 64) for prompt in (50, 1000, 4000) for group_size in (4, 16)
]  # short completions: a cell of the longest prompts takes TRL minutes
# Its prompts have one length: padded to one, they cost TRL's generation half as much again.
_STEP = StepSize(4, group_size=8, words=200, new_tokens=256, learning_rate=1e-6, ask="Words: {} Explain one of them.")
_CURVE = StepSize(prompts=4, group_size=8, words=8, new_tokens=16, learning_rate=3e-3)


def update_part(options: argparse.Namespace) -> list[Ratio]:
    """Seconds of an update, against every way of TRL's."""
    size = Size(options.prompts)
    return [_updates(options, size, way, options.repeats) for way in WAYS]


def table_part(options: argparse.Namespace) -> list[Ratio]:
    """Seconds of an update at other sizes, as often as fits the time of a cell."""
    return [_updates(options, size, "as it comes", options.repeats, options.cell_seconds) for size in _TABLE]


def _updates(options: argparse.Namespace, size: Size, way: str, repeats: int, seconds: float = float("inf")) -> Ratio:
    groups = make_groups(size)
    with tempfile.TemporaryDirectory() as folder:
        our_side = partial(ours, options.model, groups, options.pack_tokens)
        their_side = partial(trls, options.model, groups, folder, WAYS[way])
        with in_own_process(our_side) as mine, in_own_process(their_side) as theirs:
            return compare(f"update, {size}", mine, theirs, f"{PEER}, {way}", "s", repeats, False, seconds)


def memory_part(options: argparse.Namespace) -> list[Ratio]:
    """Peak memory of two updates, of each side alone."""
    size, found = Size(options.prompts), []
    groups = make_groups(size)
    mine = _once(partial(in_fresh_process, partial(peak_gb, partial(ours, options.model, groups, options.pack_tokens))))
    for name, way in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            theirs = _once(
                partial(in_fresh_process, partial(peak_gb, partial(trls, options.model, groups, folder, way)))
            )
            found.append(compare(f"peak memory, {size}", mine, theirs, f"{PEER}, {name}", "GB", 1, False))
    return found


def _once(measure: Callable[[], float]) -> Callable[[], float]:
    """Memory is the same each time, and dear to measure."""
    found: list[float] = []

    def known() -> float:
        if not found:
            found.append(measure())
        return found[0]

    return known


def step_part(options: argparse.Namespace) -> list[Ratio]:
    """Seconds of a whole step, after one of a single prompt that doesn't count."""
    from trainer.policy import faster_precision

    size = replace(_STEP, prompts=options.step_prompts)
    first, *rounds = tasks_of(size, options.repeats + 1, seed=0)
    side = OurSide(options.model, size, faster_precision(), options.pack_tokens, options.compile)

    def both(tasks: Sequence[Task], seed: int) -> tuple[float, float]:
        mine = side.step(tasks, seed)
        few, rows = replace(size, prompts=len(tasks)), {"per_device_train_batch_size": size.group_size}
        (theirs,) = trl_side(options.model, few, [tasks], side.renderer, seed, **rows)
        shown = [f"{step.seconds:.1f} s for {step.tokens:.0f} tokens an episode" for step in (mine, theirs)]
        print(f"  {len(tasks)} x {size.group_size}: {' against '.join(shown)}", flush=True)
        return mine.seconds, theirs.seconds

    with contextlib.closing(side):
        side.begin()
        both(first[:1], 0)
        pairs = [both(tasks, seed) for seed, tasks in enumerate(rounds, 1)]
    name = f"whole step, {size}{', rollout.compile' if options.compile else ''}"
    return [of_pairs(name, pairs, f"{PEER}, as it comes, its own generation", "s", higher_is_better=False)]


def curves_part(options: argparse.Namespace) -> list[Ratio]:
    """Mean rewards of both sides by step, on the small model."""
    steps, curves = options.steps, []
    with tempfile.TemporaryDirectory() as folder:
        model = make_small_model(Path(folder), options.model)
        with contextlib.closing(OurSide(model, _CURVE, "float32", options.pack_tokens)) as side:
            for seed in range(options.seeds):
                tasks = tasks_of(_CURVE, steps, seed)
                side.begin()
                mine = [side.step(each, seed * steps + number).reward for number, each in enumerate(tasks)]
                theirs = [step.reward for step in trl_side(model, _CURVE, tasks, side.renderer, seed, bf16=False)]
                curves.append((mine, theirs))
                for name, curve in (("ours", mine), ("TRL's", theirs)):
                    shown = " ".join(f"{curve[i]:.3f}" for i in np.linspace(0, steps - 1, 7).astype(int))
                    print(f"seed {seed}, {name}: {shown}", flush=True)
    mine, theirs = (np.array(side) for side in zip(*curves, strict=True))
    tested = paired(mine, theirs)
    name = f"mean reward of {steps} steps, {_CURVE}: {tested}"
    print(f"{name}: {mine.mean():.4f} against {theirs.mean():.4f} of {PEER}", flush=True)
    means = float(mine.mean()), float(theirs.mean())
    return [Ratio(name, *means, f"{PEER}, equal settings", means[0] / means[1], "reward", options.seeds, machine())]


PARTS = {
    "update": update_part,
    "memory": memory_part,
    "table": table_part,
    "step": step_part,
    "curves": curves_part,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--part", action="append", choices=PARTS, help="what to measure; may be repeated (default: all)")
    made.add_argument("--model", default=DEFAULT_MODEL, help="name, folder or hub id (default: the default model)")
    made.add_argument("--prompts", type=int, default=1, help="groups of an update (default 1)")
    made.add_argument("--step-prompts", type=int, default=_STEP.prompts, help="groups of a whole step (default 4)")
    made.add_argument("--compile", action="store_true", help="whole steps with rollout.compile on our side")
    made.add_argument("--pack-tokens", type=int, default=2048, help="of one of our forward passes (default 2048)")
    made.add_argument("--cell-seconds", type=float, default=45, help="of the table: no round begins after (default 45)")
    made.add_argument("--seeds", type=int, default=3, help="curves of each side (default 3)")
    made.add_argument("--steps", type=int, default=40, help="steps of a curve (default 40)")
    options = made.parse_args(arguments)
    options.model = resolve_model(options.model)
    quiet_libraries()
    found: list[Ratio] = []
    for part in options.part or PARTS:
        print(f"-- {part}", flush=True)
        found += PARTS[part](options)
        write(options.json, found)  # what is measured is kept if a later part is stopped
    return 0


if __name__ == "__main__":
    sys.exit(main())
