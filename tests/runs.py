"""A run's folder without training: real episodes of scripted policies, written as a run writes them."""

import asyncio
import copy
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from envs.base import Policy, Task, TextEnv
from rewards.files import write_json_atomically
from rollout.chat import ChatRenderer
from rollout.collect import collect_groups, episode_seed
from rollout.engine import Completion, Request, Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.store import write_groups
from rollout.trajectory import Group
from trainer.config import Config
from trainer.evaluate import keep_evaluation
from trainer.learned import Learned, LearnedLog, learned_path
from trainer.logs import MetricsLog
from trainer.rollout_metrics import rollout_metrics
from trainer.run_folder import claim_folder
from trainer.tasks import Mixture

GROUPS, GROUP_SIZE = 4, 4


class Apprentice:
    """An engine that plays the expert with the given skill, and otherwise an exploit or the expert's mistakes."""

    def __init__(self, mixture: Mixture, renderer: ChatRenderer, skill: float, version: int, seed: int) -> None:
        self._mixture, self._skill, self._version = mixture, skill, version
        self._rng = random.Random(seed)
        self._scripted = ScriptedEngine(self._policy, renderer.turn_ids)
        self._chosen: dict[tuple[int, str], Policy] = {}

    def _policy(self, task: Task) -> Policy:
        key = (id(asyncio.current_task()), task.id)
        if key not in self._chosen:
            env = self._mixture.make_env(task.env)
            env.reset(options={"task": task})
            self._chosen[key] = self._draw(env, task)
        return self._chosen[key]

    def _draw(self, env: TextEnv, task: Task) -> Policy:
        if self._rng.random() < self._skill:
            return env.expert(task)
        cheats = [exploit.policy for exploit in env.exploits(task).values()]
        return self._rng.choice([env.wrong_policy(task, self._rng.randrange(3)), *cheats])

    async def generate(self, request: Request) -> Completion:
        """A turn with made-up logprobs of this version."""
        turn = await self._scripted.generate(request)
        made_up = tuple(-self._rng.expovariate(1.5) for _ in turn.token_ids)
        return Completion(turn.token_ids, made_up, turn.finish, (self._version,) * len(made_up))


class _Fails(TextEnv):
    """Stands in for an environment whose service is gone."""

    def step(self, action):
        raise ConnectionError("the weather service is gone")


class RunMaker:
    """Writes a run stage by stage, so that tests can watch it grow."""

    def __init__(self, folder: Path, renderer: ChatRenderer, model: str = "smollm2-135m-instruct") -> None:
        self.folder, self.renderer = folder, renderer
        self.config = Config.model_validate(
            {
                "name": folder.name,
                "model": model,
                "environments": [
                    {"id": "postgym/Weather-v0", "difficulty": [0.0, 0.4]},
                    {"id": "postgym/WordProblems-v0", "difficulty": [0.0, 0.3], "options": {"calculator": True}},
                ],
                "rollout": {"groups": GROUPS, "group_size": GROUP_SIZE},
                "trainer": {"steps": 40},
                "evaluation": {"tasks": 8},
            }
        )
        self.mixture = Mixture(self.config.environments)
        claim_folder(folder, self.config.model_dump(mode="json"))

    def copied(self, to: Path) -> "RunMaker":
        """The same in another place, for a test that changes it."""
        twin = copy.copy(self)
        twin.folder = shutil.copytree(self.folder, to / self.folder.name)
        return twin

    def play(self, tasks: list[Task], size: int, skill: float, version: int, failing: int = 0) -> list[Group]:
        """Groups of episodes; the first `failing` ones end with an error of the machinery."""
        left = iter(range(failing))

        def make_env(env_id: str) -> TextEnv:
            env = self.mixture.make_env(env_id)
            if next(left, None) is not None:
                env.step = _Fails.step.__get__(env)
            return env

        engine = Apprentice(self.mixture, self.renderer, skill, version, episode_seed("run", version, skill))
        limits = Limits(max_context=2048)
        playing = collect_groups(tasks, size, make_env, engine, self.renderer, Sampling(128), limits, 1)
        with ThreadPoolExecutor(1) as apart:  # a browser test has a loop running in its thread already
            return apart.submit(asyncio.run, playing).result()

    def experts(self) -> None:
        """The traces that SFT learned from."""
        groups = self.play(self.mixture.training(6, 0, "sft"), 1, 1.0, 0)
        write_groups(self.folder / "trajectories" / "experts.parquet", groups)

    def evaluate(self, stage: str, skill: float) -> None:
        """A stage's greedy episodes on the held-out tasks."""
        keep_evaluation(self.folder, stage, self.play(self.mixture.held_out(8), 1, skill, 0))

    def step(self, step: int, skill: float, failing: int = 0) -> None:
        """A round: its episodes, what the update saw of them, its line of metrics."""
        groups = self.play(self.mixture.training(GROUPS, 0, "grpo", step), GROUP_SIZE, skill, step, failing)
        path = self.folder / "trajectories" / f"step-{step:05d}.parquet"
        write_groups(path, groups)
        rng = np.random.default_rng(step)
        _pretend_update(groups, rng).write(learned_path(path))
        log = MetricsLog(self.folder, step)
        made_up = {"entropy": 1.4 * 0.97**step, "mismatch": 0.02 + 0.005 * rng.random(), "grad_norm": 1 + rng.random()}
        sampled = sum(t.sampled_tokens for g in groups for t in g.trajectories)
        made_up |= {"tokens_per_second": sampled / (4.0 + rng.random())}
        log.write({"step": step, **rollout_metrics(groups, step), **made_up})

    def begin(self, step: int, skill: float, failing: int = 0) -> None:
        """The first group of a round has ended, the others are still being played."""
        groups = self.play(self.mixture.training(1, 0, "grpo", step), GROUP_SIZE, skill, step, failing)
        write_groups(self.folder / "playing" / f"step-{step:05d}" / "group-00002.parquet", groups)

    def finish(self) -> None:
        """Says that the run is over."""
        write_json_atomically(self.folder / "summary.json", {"name": self.config.name})


def make_run(folder: Path, renderer: ChatRenderer, steps: int = 3) -> RunMaker:
    """A whole run of `steps` rounds, the second with an episode that failed."""
    maker = RunMaker(folder, renderer)
    maker.experts()
    maker.evaluate("base", 0.1)
    maker.evaluate("sft", 0.4)
    for step in range(steps):
        maker.step(step, 0.35 + 0.5 * step / max(1, steps - 1), failing=int(step == 1))
    maker.evaluate("grpo", 0.85)
    return maker


def _pretend_update(groups: list[Group], rng: np.random.Generator) -> LearnedLog:
    """What an update would have kept: advantages by the trainer's function, logprobs near the sampler's."""
    from trainer.algorithms import ALGORITHMS

    log, row = LearnedLog(groups), 0
    worth = ALGORITHMS["grpo"].advantage([np.array([t.score.value for t in g.judged]) for g in groups])
    for group, advantages in zip(groups, worth, strict=True):
        given = iter(advantages)
        for t in group.trajectories:
            advantage = next(given) if t.score.value is not None else 0.0
            if advantages.any() and t.score.value is not None:
                near = t.logprobs[t.loss_mask] + rng.normal(0, 0.05, t.sampled_tokens)
                log.rows[row] = Learned(np.full(t.sampled_tokens, advantage, np.float32), near.astype(np.float32))
            row += 1
    return log


def with_text(group: Group, text: str) -> Group:
    """The group as if its first episode's last turn had said `text`."""
    first = group.trajectories[0]
    *before, last = first.transcript.messages
    transcript = replace(first.transcript, messages=(*before, replace(last, content=text)))
    return Group(group.task, (replace(first, transcript=transcript), *group.trajectories[1:]))
