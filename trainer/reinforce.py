"""Reinforcement learning, round after round: play episodes, learn from them, hand the weights to the engine.

A round leaves its episodes, its numbers and its checkpoint behind, in this order: a run that is killed goes on from
the last checkpoint, and rows of rounds that it repeats are dropped.
"""

import asyncio
import time
from typing import Any

from safetensors.torch import load_file

from rollout.collect import episode_seed
from rollout.store import read_groups, write_groups
from trainer.alarms import alarms
from trainer.checkpoint import CheckpointStore, ranking
from trainer.critic import make_critic
from trainer.learned import LearnedLog, learned_path
from trainer.logs import MetricsLog, read_metrics
from trainer.optimizer import make_optimizer
from trainer.parts import Parts
from trainer.policy import Policy
from trainer.rollout_metrics import errors_shown, rollout_metrics
from trainer.update import update


class Reinforcement:
    """The stage that learns from rewards, by `trainer.algorithm`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.config, self.folder, self.policy = parts.config, parts.folder, parts.policy
        self.say = parts.display.say

    def run(self, runner: asyncio.Runner) -> None:
        """Plays and learns the rounds that are still to do."""
        settings = self.config.trainer
        optimizer = make_optimizer(self.policy, settings)
        self.critic = make_critic(self.policy, settings)
        self.reference = self._reference_policy() if settings.kl_coefficient else None
        store = CheckpointStore(self.folder / "checkpoints", settings.keep_checkpoints, settings.keep_best)
        first = store.load_newest(self.policy, optimizer, self.say, self.critic) or 0
        if first:
            self.say(f"  going on after step {first} of {settings.steps}")
        if first >= settings.steps:
            return
        metrics = MetricsLog(self.folder, first, self.parts.sink)
        with (
            self.parts.phases.measure("grpo"),
            self.parts.display.bar("grpo", settings.steps, first, lines=True) as bar,
        ):
            self.parts.send_weights(runner, first)
            start = self._mean_reward(0) if first else None
            for step in range(first, settings.steps):
                row = self._step(runner, step, optimizer)
                metrics.write(row)  # before the checkpoint: a run that goes on from it must find the row
                ranked = ranking(metrics.rows, settings.best_by, settings.best_over)
                store.save(step + 1, self.policy, optimizer, self.critic, ranked)
                for alarm in alarms(metrics.rows):
                    self.say(f"  [yellow]warning:[/yellow] {alarm}")
                start = row["reward_mean"] if start is None else start
                bar.advance(_step_line(row, start))
            store.wait()

    def _reference_policy(self) -> Any:
        """A frozen copy of the policy as it was before this stage."""
        reference = Policy(self.parts.model_folder, self.policy.precision, self.config.rollout.temperature)
        reference.load_state(load_file(self.folder / "sft" / "weights.safetensors"))
        return reference

    def _step(self, runner: asyncio.Runner, step: int, optimizer: Any) -> dict[str, float]:
        started, restarts = time.monotonic(), self.parts.engine.restarts
        path = self.folder / "trajectories" / f"step-{step:05d}.parquet"
        if path.is_file():  # sampled before a kill, not learned from yet
            groups = read_groups(path)
        else:
            tasks = self.parts.mixture.training(self.config.rollout.groups, self.config.seed, "grpo", step)
            seed = episode_seed(self.config.seed, "sampling", step)
            groups = runner.run(self.parts.collect(tasks, self.config.rollout.group_size, self.parts.engine, seed))
            write_groups(path, groups)
        sampled = time.monotonic()
        log = LearnedLog(groups)
        settings = self.config.trainer
        learned = update(self.policy, optimizer, groups, settings, step, self.reference, self.critic, log.add)
        updated = time.monotonic()
        log.write(learned_path(path))
        probe = self.parts.send_weights(runner, step + 1)
        seconds = {
            "seconds_rollout": sampled - started,
            "seconds_update": updated - sampled,
            "seconds_sync": time.monotonic() - updated,
        }
        engine = {"probe": probe, "engine_restarts": float(self.parts.engine.restarts - restarts)}
        if engine["engine_restarts"]:
            self.say("  [yellow]warning:[/yellow] the engine died and was started again; no episode is lost")
        return {"step": step, **rollout_metrics(groups, sampled - started, step), **learned, **engine, **seconds}

    def _mean_reward(self, step: int) -> float | None:
        rows = read_metrics(self.folder / "metrics.jsonl")
        return next((row["reward_mean"] for row in rows if row["step"] == step), None)


def _step_line(row: dict[str, float], start: float) -> str:
    gain = row["reward_mean"] - start
    return (
        f"reward {row['reward_mean']:.3f} ({gain:+.3f})  success {row['success_rate']:.2f}  "
        f"{row['tokens_per_second']:.0f} tok/s  {row['seconds_rollout']:.0f}+{row['seconds_update']:.0f} s"
        + errors_shown(row)
    )
