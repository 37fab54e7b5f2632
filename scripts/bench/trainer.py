"""The update of GRPO against TRL's GRPOTrainer: seconds and peak memory on the same model, prompts and completions.

    python -m scripts.bench.trainer --json trainer.json

TRL is given the completions through its `rollout_func`, so nobody generates, and its step is timed from the first
gradient to the last weight. It runs once as it comes and once tuned: no gradient checkpointing, bf16 weights. It
computes no old logprobs here, as always when it samples without vLLM; a run with vLLM has that forward pass on top.
Both sides of a row share a process, and with it the allocator's settings of trainer/policy.py; memory is that of
processes of their own. Completions are of random tokens, with lengths spread evenly from the shortest to the longest.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from envs.base import Task
from rewards.score import Score
from rewards.transcript import Message, Transcript
from rollout.models import DEFAULT_MODEL, resolve_model
from rollout.trajectory import Group, Trajectory
from scripts.bench.envs import in_fresh_process
from scripts.bench.ratios import Ratio, compare, parser, write
from trainer.logs import quiet_libraries

_WAYS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "tuned": {"gradient_checkpointing": False, "model_init_kwargs": {"dtype": "bfloat16"}},
}
_LEARNING_RATE = 1e-6


def make_groups(options: argparse.Namespace) -> list[Group]:
    """The round that both learn from: random ids, the same for the same options."""
    rng = np.random.default_rng(0)
    lengths = np.linspace(*options.completion_tokens, options.group_size).astype(int)
    groups = []
    for number in range(options.prompts):
        task = Task(prompt=(Message("user", str(number)),), target={}, env="bench")
        prompt = rng.integers(5, 1000, options.prompt_tokens)
        members = [_trajectory(task, prompt, rng.integers(5, 1000, n), float(rng.random())) for n in lengths]
        groups.append(Group(task, tuple(members)))
    return groups


def _trajectory(task: Task, prompt: np.ndarray, completion: np.ndarray, reward: float) -> Trajectory:
    ids = np.concatenate((prompt, completion)).astype(np.int32)
    sampled = np.arange(len(ids)) >= len(prompt)
    return Trajectory(
        task,
        ids,
        sampled,
        np.where(sampled, -6, 0).astype(np.float32),
        np.where(sampled, 0, -1).astype(np.int32),
        len(prompt),
        Transcript(()),
        Score(reward, ""),
        "terminated",
        0.1,
    )


def ours(model: str, groups: Sequence[Group]) -> Callable[[], float]:
    """Seconds of one `update` on the groups."""
    from trainer.config import TrainerConfig
    from trainer.optimizer import make_optimizer
    from trainer.policy import Policy, faster_precision
    from trainer.update import update

    policy = Policy(model, faster_precision())
    config = TrainerConfig(algorithm="dapo", learning_rate=_LEARNING_RATE, max_mismatch=1e9)  # logprobs are made up
    optimizer = make_optimizer(policy, config)

    def seconds() -> float:
        started = time.perf_counter()
        update(policy, optimizer, groups, config, 0)  # ends by reading numbers back: nothing is left running
        return time.perf_counter() - started

    return seconds


def trls(model: str, groups: Sequence[Group], folder: str, way: str) -> Callable[[], float]:
    """Seconds of one optimiser step of GRPOTrainer on the same groups; a group is a micro-batch, as it comes."""
    import torch
    import transformers
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    class Clock(transformers.TrainerCallback):
        seconds = started = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.seconds = time.perf_counter() - self.started

    size = len(groups[0].trajectories)
    arguments = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=size,
        num_generations=size,
        gradient_accumulation_steps=len(groups),
        max_completion_length=max(t.sampled_tokens for g in groups for t in g.trajectories),
        learning_rate=_LEARNING_RATE,
        max_steps=1,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **_WAYS[way],
    )
    clock = Clock()
    trainer = GRPOTrainer(
        model,
        reward_funcs=_given_rewards,
        args=arguments,
        train_dataset=Dataset.from_list([{"prompt": str(number)} for number in range(len(groups))]),
        processing_class=transformers.AutoTokenizer.from_pretrained(model),
        rollout_func=partial(_given_completions, groups),
        callbacks=[clock],
    )
    trainer.remove_callback(transformers.PrinterCallback)

    def seconds() -> float:
        trainer.train()
        return clock.seconds

    return seconds


def _given_completions(groups: Sequence[Group], prompts: Sequence[str], trainer: Any) -> dict[str, list[Any]]:
    """TRL's rollout: each time a prompt is asked for, the next of its completions."""
    following = {str(number): iter(group.trajectories) for number, group in enumerate(groups)}
    chosen = [next(following[prompt]) for prompt in prompts]
    return {
        "prompt_ids": [t.token_ids[: t.prompt_length].tolist() for t in chosen],
        "completion_ids": [t.token_ids[t.prompt_length :].tolist() for t in chosen],
        "logprobs": [t.logprobs[t.prompt_length :].tolist() for t in chosen],
        "given_reward": [t.score.value for t in chosen],
    }


def _given_rewards(given_reward: Sequence[float], **_: Any) -> list[float]:
    return list(given_reward)


def peak_gb(side: Callable[[], Callable[[], float]]) -> float:
    """The most memory, in GB, that this process held up to the end of two updates: resident, or the GPU's."""
    import torch

    update = side()
    update(), update()
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    # Not getrusage: its figure begins with that of the parent, which holds models of its own.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e9


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--model", default=DEFAULT_MODEL, help="name, folder or hub id (default: the default model)")
    made.add_argument("--prompts", type=int, default=2, help="groups of a step (default 2)")
    made.add_argument("--group-size", type=int, default=8, help="completions of a prompt (default 8)")
    made.add_argument("--prompt-tokens", type=int, default=220, help="length of a prompt (default 220)")
    made.add_argument(
        "--completion-tokens",
        type=int,
        nargs=2,
        default=(16, 256),
        metavar=("SHORTEST", "LONGEST"),
        help="lengths of the completions (default 16 256)",
    )
    options = made.parse_args(arguments)
    quiet_libraries()
    model, groups = resolve_model(options.model), make_groups(options)
    peer, found = f"TRL {version('trl')} GRPOTrainer", list[Ratio]()
    of = f"{options.prompts} x {options.group_size}, prompt {options.prompt_tokens} tokens"
    with tempfile.TemporaryDirectory() as folder:
        for way in _WAYS:
            mine, theirs = partial(ours, model, groups), partial(trls, model, groups, folder, way)
            named = f"{peer}, {way}"
            found.append(
                compare(f"update, {of}", mine(), theirs(), named, "s", options.repeats, higher_is_better=False)
            )
            memory = [partial(in_fresh_process, partial(peak_gb, side)) for side in (mine, theirs)]
            found.append(compare(f"peak memory, {of}", *memory, named, "GB", 1, higher_is_better=False))
    write(options.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
