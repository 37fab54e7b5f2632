"""What the stages of a run share: its settings, the engine, the policy, and where things are told and kept."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from envs.base import Task
from rollout.chat import ChatRenderer
from rollout.collect import Player, collect_groups
from rollout.driver_actor import DriverSettings
from rollout.drivers import Drivers
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.models import load_renderer
from rollout.ray_session import start_ray
from rollout.schedule import Slots
from rollout.trajectory import Group, Trajectory
from rollout.vllm_engine import VllmEngine
from rollout.workers import EnvWorkers, WorkerSettings
from trainer.config import Config, RolloutConfig
from trainer.evaluate import engine_settings
from trainer.logs import Display, PhaseLog
from trainer.lora import sent_adapter
from trainer.policy import Policy, return_freed_memory
from trainer.processes import check_gpus, check_shards
from trainer.run_folder import weight_folder
from trainer.sinks import Described, Sink, open_sinks
from trainer.tasks import Mixture
from trainer.weight_sync import WeightSync


@dataclass(frozen=True, slots=True)
class Parts:
    """The working parts of one run, made at its start."""

    config: Config
    folder: Path
    model_folder: str
    mixture: Mixture
    engine: VllmEngine
    renderer: ChatRenderer
    policy: Policy
    weights: WeightSync
    display: Display
    phases: PhaseLog
    sink: Sink
    sync_folder: Path
    workers: EnvWorkers | None = None
    drivers: Drivers | None = None

    def close(self) -> None:
        """Ends the drivers, workers, engine and trackers; what was written for the engine to read goes."""
        if self.drivers is not None:
            self.drivers.close()
        if self.workers is not None:
            self.workers.close()
        self.engine.close()
        self.sink.close()
        shutil.rmtree(self.sync_folder, ignore_errors=True)

    def send_weights(self, runner: asyncio.Runner, version: int) -> float:
        """Gives the engine the policy's weights; how far its logprobs are from the trainer's."""
        return runner.run(self.weights.send(self.policy, version))

    @contextlib.asynccontextmanager
    async def engine_asleep(self) -> AsyncIterator[None]:
        """The trainer has the GPU's memory to itself here, where `rollout.sleep_while_training` says so."""
        if not self.config.rollout.sleep_while_training:
            yield
            return
        await self.engine.sleep()
        try:
            yield
        finally:
            return_freed_memory()
            await self.engine.wake_up()

    @property
    def restarts(self) -> dict[str, int]:
        """Replicas and drivers that died and were started again, as the metrics name them."""
        return {
            "engine_restarts": self.engine.restarts,
            "driver_restarts": self.drivers.restarts if self.drivers is not None else 0,
        }

    def player(self, on_episode: Callable[[Trajectory], None]) -> Player | Drivers:
        """What the rounds are played with, as `rollout` says; `on_episode` sees every episode as it ends."""
        if self.drivers is not None:
            self.drivers.on_episode = on_episode
            return self.drivers
        settings = self.config.rollout
        return Player(
            self.mixture.make_world,
            self.engine,
            self.renderer,
            _limits(settings),
            Slots(settings.concurrency, self.mixture.concurrency),
            on_episode=on_episode,
        )

    async def expert_groups(self, tasks: Sequence[Task]) -> list[Group]:
        """One episode of the expert a task."""
        settings = self.config.rollout
        return await collect_groups(
            tasks,
            1,
            self.mixture.make_world,
            ScriptedEngine(self.mixture.expert, self.renderer.turn_ids),
            self.renderer,
            Sampling(settings.max_new_tokens, settings.temperature),
            Limits(settings.max_context, settings.step_seconds),
            settings.concurrency,
            by_environment=self.mixture.concurrency,
        )


def make_parts(
    config: Config,
    folder: Path,
    model_folder: str,
    precision: str,
    mixture: Mixture,
    display: Display,
    phases: PhaseLog,
) -> Parts:
    """Starts the engine and loads the policy.

    Raises:
        ConfigError: the model can't be loaded, or a sink's package is missing.
        EngineError: the engine can't start.
    """
    described = Described(folder, config.name, config.model_dump(mode="json"), config.logging.project)
    sink = open_sinks(config.logging.sinks, described, display.say)
    if config.trainer.processes > 1:
        ray = start_ray(config.rollout.ray_address, whole_weights=True)
        if gpus := int(ray.cluster_resources().get("GPU", 0)):
            check_gpus(config.trainer.processes, gpus - config.rollout.replicas * config.rollout.tensor_parallel)
    adapter = sent_adapter(config, model_folder, precision)
    engine = VllmEngine(engine_settings(model_folder, config.rollout, precision, config.logging.vllm_metrics, adapter))
    renderer = load_renderer(model_folder, config.rollout.tool_format)
    policy = Policy(model_folder, precision, config.rollout.temperature, config.trainer.memory)
    if policy.notice:
        display.say(policy.notice)
    if config.trainer.processes > 1:  # now, not when hours of cold start are over
        check_shards(policy)
    sync_folder = weight_folder(folder)
    weights = WeightSync(engine, sync_folder, renderer, config.trainer.max_mismatch)
    drivers = _drivers(config, model_folder, mixture, engine)
    workers = None
    if (settings := worker_settings(config.rollout)) is not None:
        workers = mixture.make_world = EnvWorkers(settings, mixture.make_env)
    return Parts(
        config,
        folder,
        model_folder,
        mixture,
        engine,
        renderer,
        policy,
        weights,
        display,
        phases,
        sink,
        sync_folder,
        workers,
        drivers,
    )


def _drivers(config: Config, model_folder: str, mixture: Mixture, engine: VllmEngine) -> Drivers | None:
    """The processes that play episodes, sent the mixture as it is: its worlds must not be workers' yet."""
    rollout = config.rollout
    if not rollout.drivers:
        return None
    settings = DriverSettings(
        mixture.make_env,
        partial(load_renderer, model_folder, rollout.tool_format),
        _limits(rollout),
        rollout.replicas,
        rollout.concurrency,
        mixture.concurrency,
        worker_settings(rollout),
    )
    return Drivers(rollout.drivers, settings, engine)


def _limits(rollout: RolloutConfig) -> Limits:
    return Limits(rollout.max_context, rollout.step_seconds, rollout.straggler_seconds)


def worker_settings(rollout: RolloutConfig) -> WorkerSettings | None:
    """The processes for environments that a config asks for; None where they are played in this one."""
    if not rollout.env_workers:
        return None
    slots = -(-rollout.concurrency // rollout.env_workers)
    return WorkerSettings(rollout.env_workers, slots, rollout.env_memory_gb, rollout.ray_address)
