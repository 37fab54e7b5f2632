"""Reinforcement learning, round after round: play episodes, learn from them, hand the weights to the engine.

A round leaves its episodes, its numbers and its checkpoint behind, in this order: a run that is killed goes on from
the last checkpoint, and rows of rounds that it repeats are dropped. With `trainer.max_staleness` the rounds
after it are played meanwhile (trainer/rounds.py).
"""

import asyncio
from contextlib import closing
from functools import partial

import numpy as np

from rollout.trajectory import Group, Trajectory
from trainer.alarms import alarms
from trainer.checkpoint import CheckpointStore, ranking
from trainer.curriculum import Curriculum, Plan, plan_metrics
from trainer.learned import LearnedLog, learned_path
from trainer.learner import Learner, make_learner
from trainer.lessons import Lesson
from trainer.logs import Bar, MetricsLog, Stopwatch, read_metrics
from trainer.parts import Parts
from trainer.rollout_metrics import Tally, errors_shown, rollout_metrics
from trainer.rounds import Round, Rounds
from trainer.throughput import make_throughput


class Reinforcement:
    """The stage that learns from rewards, by `trainer.algorithm`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.config, self.folder, self.policy = parts.config, parts.folder, parts.policy
        self.say = parts.display.say
        wanted, lag = self.config.curriculum, self.config.trainer.max_staleness
        self.curriculum = wanted and Curriculum(wanted, self.config.environments, lag)

    def run(self, runner: asyncio.Runner) -> None:
        """Plays and learns the rounds that are still to do."""
        parts = self.parts
        with closing(make_learner(self.policy, parts.model_folder, self.config, self.folder)) as learner:
            self._go_on(runner, learner)

    def _go_on(self, runner: asyncio.Runner, learner: Learner) -> None:
        settings = self.config.trainer
        self.throughput = make_throughput(self.policy, self.config)
        # What a checkpoint is worth is known when the rounds that it sampled have been learned from.
        keep = max(settings.keep_checkpoints, 1 + settings.max_staleness if settings.keep_best else 1)
        store = CheckpointStore(self.folder / "checkpoints", keep, settings.keep_best)
        first = store.load_newest(self.policy, learner.optimizer, self.say, learner.critic) or 0
        if first:
            self.say(f"  going on after step {first} of {settings.steps}")
        if first >= settings.steps:
            return
        self.metrics = metrics = MetricsLog(self.folder, first, self.parts.sink)
        with (
            self.parts.phases.measure("grpo"),
            self.parts.display.bar("grpo", settings.steps, first, lines=True) as bar,
        ):
            runner.run(self._learn_rounds(first, learner, store, metrics, bar))
            store.wait()

    async def _learn_rounds(
        self, first: int, learner: Learner, store: CheckpointStore, metrics: MetricsLog, bar: Bar
    ) -> None:
        parts, settings = self.parts, self.config.trainer
        await parts.weights.send(self.policy, first)
        start = self._first_reward() if first else None
        self.tally, saving = Tally(), 0.0

        def seen(trajectory: Trajectory) -> None:
            said = self.tally.add(trajectory)
            bar.tell(f"{self.tally.episodes} episodes  {said}")

        rounds = Rounds(self.config, self.folder, parts.mixture, parts.player(seen), first, self._plan)
        try:
            for step in range(first, settings.steps):
                row = await self._step(rounds, step, learner) | {"seconds_checkpoint": saving}
                metrics.write(row)  # before the checkpoint: a run that goes on from it must find the row
                ranked = ranking(metrics.rows, settings.best_by, settings.best_over)
                clock = Stopwatch()
                store.save(step + 1, self.policy, learner.optimizer, learner.critic, ranked)
                saving = clock.lap()
                for alarm in alarms(metrics.rows):
                    self.say(f"  [yellow]warning:[/yellow] {alarm}")
                start = row.get("reward_mean") if start is None else start
                bar.advance(_step_line(row, start))
        finally:
            await rounds.close()

    async def _step(self, rounds: Rounds, step: int, learner: Learner) -> dict[str, float]:
        before, clock = self.parts.restarts, Stopwatch()
        played = await rounds.take(step)
        seconds, self.tally = {"rollout": clock.lap()}, Tally()
        log = LearnedLog(played.groups)
        async with self.parts.engine_asleep():
            seconds["sleep"] = clock.lap()
            learned = await self._update(played.groups, step, learner, log)
            seconds["update"] = clock.lap()
        seconds["sleep"] += clock.lap()
        probe = await self.parts.weights.send(self.policy, step + 1)
        seconds["sync"] = clock.lap()
        log.write(learned_path(played.path))
        engine = {"probe": probe} | {name: float(n - before[name]) for name, n in self.parts.restarts.items()}
        if engine["engine_restarts"]:
            self.say("  [yellow]warning:[/yellow] the engine died and was started again; no episode is lost")
        if engine["driver_restarts"]:
            self.say("  [yellow]warning:[/yellow] a driver died and was started again; its groups are played again")
        numbers = rollout_metrics([*played.groups, *played.unused], step) | plan_metrics(self._plan(step))
        numbers |= self.throughput.report(played.ended, played.busy_seconds, seconds["update"]) | played.flow
        learned["zero_variance_share"] = _share_of_all(learned["zero_variance_share"], played)
        times = {f"seconds_{name}": value for name, value in seconds.items()}
        return {"step": step, **numbers, **learned, **engine, **times}

    def _plan(self, step: int) -> Plan | None:
        """What the curriculum gives to a round; all that it needs is known when the round begins."""
        return self.curriculum and self.curriculum.plan(self.metrics.rows, step)

    async def _update(self, groups: list[Group], step: int, learner: Learner, log: LearnedLog) -> dict[str, float]:
        def seen(lesson: Lesson, trainer_logprobs: np.ndarray) -> None:
            log.add(lesson, trainer_logprobs)
            self.throughput.learned(lesson.pack)

        learn = partial(learner.update, groups, step, seen)
        # In turns nothing is played now; else the loop goes on with its episodes.
        return await asyncio.to_thread(learn) if self.config.trainer.max_staleness else learn()

    def _first_reward(self) -> float | None:
        rows = read_metrics(self.folder / "metrics.jsonl")
        return next((row["reward_mean"] for row in rows if "reward_mean" in row), None)


def _share_of_all(share: float, played: Round) -> float:
    """Of the groups that are learned from `share` teach nothing, of those that they replaced all."""
    used, unused = len(played.groups), len(played.unused)
    return (share * used + unused) / max(1, used + unused)


def _step_line(row: dict[str, float], start: float | None) -> str:
    said = []
    if (reward := row.get("reward_mean")) is None:
        said.append("no episode judged")
    else:
        said += [f"reward {reward:.3f} ({reward - start:+.3f})", f"success {row['success_rate']:.2f}"]
    if "tokens_per_second" in row:
        said.append(f"{row['tokens_per_second']:.0f} tok/s")
    said.append(f"{row['seconds_rollout']:.0f}+{row['seconds_update']:.0f} s")
    return "  ".join(said) + errors_shown(row)
