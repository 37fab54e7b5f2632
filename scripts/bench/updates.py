"""Both sides of the update benchmark: our `update` and one optimiser step of TRL's GRPOTrainer on the same tokens.

TRL is given the completions through its `rollout_func`, so nobody generates, and its step is timed from the first
gradient to the last weight. Completions are of random tokens, their lengths spread evenly from shortest to longest.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from envs.base import Task
from rewards.score import Score
from rewards.transcript import Message, Transcript
from rollout.trajectory import Group, Trajectory
from trainer.logs import quiet_libraries

LEARNING_RATE = 1e-6


@dataclass(frozen=True, slots=True)
class Way:
    """How TRL is set up.

    Args:
        settings: of GRPOConfig, beside those that say what is learned.
        tokens_at_once: of a micro-batch, padding included: what fits a machine with 24 GB.
        as_with_vllm: compute old logprobs, as TRL does when vLLM samples, which nobody does here.
        keeps_memory: lend it the allocator's settings of trainer/policy.py, which spare page faults.
    """

    settings: dict[str, Any]
    tokens_at_once: int
    as_with_vllm: bool = False
    keeps_memory: bool = False


_PLAIN: dict[str, Any] = {"gradient_checkpointing": False}
_HALF = {"model_init_kwargs": {"dtype": "bfloat16"}}
WAYS = {
    "as it comes": Way({}, 16_384),
    "as it comes with vLLM": Way({}, 16_384, as_with_vllm=True),
    "tuned": Way(_PLAIN | _HALF, 4_096, keeps_memory=True),
    "tuned, in fp32": Way(_PLAIN | {"bf16": False}, 4_096, keeps_memory=True),
}


@dataclass(frozen=True, slots=True)
class Size:
    """Of a round: groups, completions of each, tokens of a prompt, of the shortest completion and the longest."""

    prompts: int = 1
    group_size: int = 8
    prompt_tokens: int = 220
    shortest: int = 16
    longest: int = 256

    def __str__(self) -> str:
        completions = f"completions {self.shortest} to {self.longest}"
        return f"{self.prompts} x {self.group_size}, prompt {self.prompt_tokens} tokens, {completions}"


def make_groups(size: Size) -> list[Group]:
    """The round that both learn from: random ids, the same for the same size."""
    rng = np.random.default_rng(0)
    lengths = np.linspace(size.shortest, size.longest, size.group_size).astype(int)
    groups = []
    for number in range(size.prompts):
        task = Task(prompt=(Message("user", str(number)),), target={}, env="bench")
        prompt = rng.integers(5, 1000, size.prompt_tokens)
        members = [_trajectory(task, prompt, rng.integers(5, 1000, n), float(rng.random())) for n in lengths]
        groups.append(Group(task, tuple(members)))
    return groups


def rows_at_once(group_size: int, row_tokens: int, tokens_at_once: int) -> int:
    """TRL's micro-batch: its default of 8 rows, halved until it divides a group and its tokens fit."""
    rows = 8
    while rows > 1 and (group_size % rows or rows * row_tokens > tokens_at_once):
        rows //= 2
    return rows


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


def ours(model: str, groups: Sequence[Group], pack_tokens: int) -> Callable[[], float]:
    """Seconds of one `update` on the groups."""
    from trainer.optimizer import make_optimizer
    from trainer.policy import Policy, faster_precision
    from trainer.trainer_config import TrainerConfig
    from trainer.update import update

    quiet_libraries()
    policy = Policy(model, faster_precision())
    config = TrainerConfig(
        algorithm="dapo",
        learning_rate=LEARNING_RATE,
        pack_tokens=pack_tokens,
        max_mismatch=1e9,  # the sampler's logprobs are made up
    )
    optimizer = make_optimizer(policy, config)

    def seconds() -> float:
        started = time.perf_counter()
        update(policy, optimizer, groups, config, 0)  # ends by reading numbers back: nothing is left running
        taken = time.perf_counter() - started
        _make_room()
        return taken

    return seconds


def trls(model: str, groups: Sequence[Group], folder: str, way: Way) -> Callable[[], float]:
    """Seconds of one optimiser step of GRPOTrainer on the same groups."""
    from trainer.policy import keep_freed_memory

    quiet_libraries()
    if way.keeps_memory:
        keep_freed_memory()
    members = [t for group in groups for t in group.trajectories]
    size, prompt = len(groups[0].trajectories), members[0].prompt_length
    longest = max(t.sampled_tokens for t in members)
    rows = rows_at_once(size, prompt + longest, way.tokens_at_once)
    trainer, clock = make_trl(
        model,
        folder,
        [str(number) for number in range(len(groups))],
        _given_rewards,
        rollout_func=partial(_given_completions, groups),
        per_device_train_batch_size=rows,
        num_generations=size,
        gradient_accumulation_steps=len(members) // rows,
        max_completion_length=longest,
        learning_rate=LEARNING_RATE,
        max_steps=1,
        **way.settings,
    )
    if way.as_with_vllm:
        trainer.use_vllm, trainer._last_loaded_step = True, -1
        trainer.vllm_generation = SimpleNamespace(sync_weights=lambda: None)

    def seconds() -> float:
        trainer.train()
        _make_room()
        return clock.seconds[-1]

    return seconds


def _make_room() -> None:
    """Gives freed memory back where this side keeps much of the machine's: the other, whose turn it is, needs it."""
    import psutil

    from trainer.policy import return_freed_memory

    if psutil.Process().memory_info().rss > psutil.virtual_memory().total / 4:
        return_freed_memory()


def make_trl(
    model: str,
    folder: str,
    prompts: Sequence[str],
    reward: Callable[..., list[float]],
    rollout_func: Callable[..., Any] | None = None,
    **settings: Any,
) -> tuple[Any, Any]:
    """A GRPOTrainer that writes and shows nothing, and its clock: `seconds` of each step, generation included.

    Args:
        settings: of GRPOConfig.
    """
    import torch
    import transformers
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    class Clock(transformers.TrainerCallback):
        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.seconds.append(time.perf_counter() - self.started)

    clock = Clock()
    quiet = {"save_strategy": "no", "report_to": [], "disable_tqdm": True, "logging_steps": 1}
    trainer = GRPOTrainer(
        model,
        reward_funcs=reward,
        args=GRPOConfig(output_dir=folder, use_cpu=not torch.cuda.is_available(), **quiet, **settings),
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
        processing_class=transformers.AutoTokenizer.from_pretrained(model),
        rollout_func=rollout_func,
        callbacks=[clock],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer, clock


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
