"""Which tasks a run sees: held-out ones for evaluation, training ones for SFT and for every round."""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from envs.base import Policy, Task, TextEnv
from envs.registry import make
from envs.sandbox.level import level
from envs.transport.retrying import over_transport
from rewards.rubric_yaml import rubric_from_dict, rubric_rows
from rollout.collect import episode_seed
from rollout.world import World
from trainer.config import EnvironmentConfig
from trainer.curriculum import Plan


class Mixture:
    """The environments of a run with their difficulties and weights."""

    def __init__(self, environments: Sequence[EnvironmentConfig]) -> None:
        self.environments = tuple(environments)
        self._options = {e.id: e.options for e in environments}
        self._rubrics = {e.id: rubric_from_dict(e.rubric) for e in environments if e.rubric is not None}
        self._samplers = {e.id: self.make_env(e.id) for e in environments}
        self.make_world: Callable[[str], TextEnv | World] = self.make_env  # or workers that make it elsewhere

    def make_env(self, env_id: str) -> TextEnv:
        """A fresh environment for one episode, with the config's rubric where it names one."""
        env = make(env_id, **self._options[env_id])
        if env_id in self._rubrics:
            env.rubric = self._rubrics[env_id]  # shadows the class's
        return env

    @property
    def concurrency(self) -> dict[str, int]:
        """How many episodes of an environment may run at once, where it has a limit of its own."""
        return {e.id: e.concurrency for e in self.environments if e.concurrency is not None}

    def expert(self, task: Task) -> Policy:
        """The expert on `task`, patient where the transport of its environment has faults."""
        env = self._samplers[task.env]
        return over_transport(env, env.expert(task))

    def walls(self) -> str | None:
        """The sandbox's level in words, where an environment runs untrusted code.

        Raises:
            EnvError: this machine can't wall it off.
        """
        return str(level()) if any(env.sandboxed for env in self._samplers.values()) else None

    def rubrics(self) -> dict[str, list[dict[str, Any]]]:
        """What earns points in each environment, as reports show it."""
        return {env_id: rubric_rows(env.rubric) for env_id, env in self._samplers.items()}

    def held_out(self, count: int) -> list[Task]:
        """Test-split tasks, the same for every run: split evenly, difficulty from the first to the last."""
        tasks = []
        for i, spec in enumerate(self.environments):
            share = count // len(self.environments) + (i < count % len(self.environments))
            low, high = spec.difficulty
            for n in range(share):
                level = low + (high - low) * n / max(1, share - 1)
                tasks.append(self._samplers[spec.id].sample_task(n, "test", level))
        return tasks

    def training(self, count: int, *key: object, plan: Plan | None = None) -> list[Task]:
        """Train-split tasks that follow from `key` (run seed, stage, step): environments in turn by weight.

        Args:
            plan: in place of the config's difficulties and weights.
        """
        order = self._in_turn(count, key) if plan is None else self._drawn(count, key, plan)
        tasks = []
        for n, spec in enumerate(order):
            low, high = spec.difficulty if plan is None else (plan[spec.id].low, plan[spec.id].high)
            level = low + (high - low) * (episode_seed("level", *key, n) / 2**31)
            tasks.append(self._samplers[spec.id].sample_task(episode_seed(*key, n), "train", level))
        return tasks

    def _in_turn(self, count: int, key: Sequence[object]) -> list[EnvironmentConfig]:
        total = sum(e.weight for e in self.environments)
        owed = [0.0] * len(self.environments)
        found = []
        # A phase from the key rotates who comes first, so that small rounds give everybody their share.
        start = episode_seed("phase", *key) % len(self.environments)
        for _ in range(count):
            owed = [o + e.weight / total for o, e in zip(owed, self.environments, strict=True)]
            order = sorted(range(len(owed)), key=lambda i: (-round(owed[i], 9), (i - start) % len(owed)))
            owed[order[0]] -= 1
            found.append(self.environments[order[0]])
        return found

    def _drawn(self, count: int, key: Sequence[object], plan: Plan) -> list[EnvironmentConfig]:
        """By systematic sampling: a share too small for a task in every round still gets its tasks over the rounds."""
        shares = list(accumulate(plan[e.id].share for e in self.environments))
        first = episode_seed("share", *key) / 2**31
        points = [(n + first) / count * shares[-1] for n in range(count)]
        found = [self.environments[min(bisect(shares, point), len(shares) - 1)] for point in points]
        random.Random(episode_seed("order", *key)).shuffle(found)
        return found
