"""Several trainer processes, started by Ray Train, that the driver uses as if they were one learner.

The driver keeps the loop, the engine and a whole copy of the weights. A round goes out to all processes, they learn
from it together (trainer/trainer_process.py), and the copy takes the new weights: engine, probe, checkpoints and the
final model see what they would see of one process.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from rewards.errors import ConfigError, TrainingError
from rollout.ray_session import last_line, start_ray
from rollout.trajectory import Group
from trainer.algorithms import ALGORITHMS
from trainer.config import Config
from trainer.desk import Desk
from trainer.policy import Policy
from trainer.trainer_process import Start, TrainerProcess, serve
from trainer.trunk import sharing
from trainer.update import OnLesson

_CLOSING_SECONDS = 20.0
_MEND = "run the same command again: it goes on from the last checkpoint, with another trainer.processes if you like"


class SeveralProcesses:
    """Learns as one process would, in `trainer.processes` of them; they start in the background.

    Args:
        policy: the driver's. The processes take its weights before their first update; after each it takes theirs.
        model_folder: what it was loaded from.
        folder: the run's; Ray Train keeps its own files in it until `close`.
        reference: the weights that `kl_coefficient` holds on to; needed when it isn't 0.

    Attributes:
        optimizer, critic: what a checkpoint keeps and restores, as of one process.

    Raises:
        ConfigError: the cluster has fewer GPUs free than there are processes, or the model can't share prompts.
    """

    def __init__(
        self,
        policy: Policy,
        model_folder: str,
        config: Config,
        folder: Path,
        reference: dict[str, torch.Tensor] | None = None,
    ) -> None:
        check_shards(policy)
        size = config.trainer.processes
        self._ray = start_ray(config.rollout.ray_address, whole_weights=True)
        on_gpu = "GPU" in self._ray.cluster_resources()
        if on_gpu:
            check_gpus(size, int(self._ray.available_resources().get("GPU", 0)))
        self.policy = policy
        self.optimizer = _Optimizer(self._order_ready)
        self.critic = _Critic(self._order_ready) if ALGORITHMS[config.trainer.algorithm].advantage is None else None
        self._has_weights = False
        self._storage = folder.resolve() / ".ray-train"
        self._desk = self._ray.remote(Desk).options(num_cpus=0).remote(size)
        start = Start(
            self._desk,
            str(Path(model_folder).resolve()) if Path(model_folder).exists() else model_folder,  # Ray Train changes cwd
            policy.precision,
            policy.temperature,
            config.trainer,
            0 if on_gpu else max(1, (os.cpu_count() or 1) // size),
            None if reference is None else self._ray.put(reference),
        )
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._train, args=(start, size, on_gpu), daemon=True)
        self._thread.start()

    def update(self, groups: Sequence[Group], step: int, on_lesson: OnLesson) -> dict[str, float]:
        """Learns from one round; `on_lesson` hears of all lessons at its end.

        Raises:
            TrainingError: a process died, or as of one process.
            EngineError: as of one process.
        """
        found = self._order_ready(TrainerProcess.update, groups, step)
        for lesson, trainer_logprobs in found.seen:
            on_lesson(lesson, trainer_logprobs)
        self.policy.load_state(found.weights)
        return found.metrics

    def close(self) -> None:
        """Ends the processes."""
        with contextlib.suppress(Exception):  # they may be dead already
            self._ray.get(self._desk.give.remote(None), timeout=_CLOSING_SECONDS)
            self._thread.join(_CLOSING_SECONDS)
        self._ray.kill(self._desk)
        shutil.rmtree(self._storage, ignore_errors=True)

    def _order_ready(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """As `_order`, to processes that hold the driver's weights, if only to get unrounded ones of a checkpoint."""
        if not self._has_weights:
            self._order(TrainerProcess.load, self.policy.state())
            self._has_weights = True
        return self._order(method, *arguments)

    def _order(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """Has every process call a method of `TrainerProcess`; what the first one found."""
        # Within a list a reference stays one: the desk passes on what it never reads.
        self._ray.get(self._desk.give.remote([self._ray.put((method, arguments))]))
        answer = self._desk.found.remote()
        while not self._ray.wait([answer], timeout=1)[0]:
            if not self._thread.is_alive():
                raise TrainingError(
                    f"a trainer process has died, of too little memory perhaps ({_reason(self._failure)}); {_MEND}"
                )
        found = self._ray.get(self._ray.get(answer)[0])
        if isinstance(found, Exception):
            raise found
        return found

    def _train(self, start: Start, size: int, on_gpu: bool) -> None:
        """Ray Train's `fit` returns when the processes do."""
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        # A share of a CPU reserves nothing: the processes wait while episodes are played, and the other way round.
        resources = {"CPU": 0.01} | ({"GPU": 1} if on_gpu else {})
        try:
            TorchTrainer(
                lambda: serve(start),
                scaling_config=ScalingConfig(num_workers=size, use_gpu=on_gpu, resources_per_worker=resources),
                run_config=RunConfig(name="processes", storage_path=str(self._storage)),
            ).fit()
        except Exception as error:  # told by the order that waits for an answer
            self._failure = error


class _Optimizer:
    """A sharded optimiser as checkpoints see one: whole states in and out."""

    def __init__(self, order: Callable[..., Any], of_critic: bool = False) -> None:
        self._order, self._of_critic = order, of_critic

    def state_dict(self) -> dict[str, Any]:
        return {"state": self._order(TrainerProcess.optimizer_state, self._of_critic)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._order(TrainerProcess.load_optimizer, self._of_critic, state["state"])


class _Critic:
    """The sharded critic, likewise."""

    def __init__(self, order: Callable[..., Any]) -> None:
        self._order, self.optimizer = order, _Optimizer(order, of_critic=True)

    def state(self) -> dict[str, torch.Tensor]:
        return self._order(TrainerProcess.critic_state)

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        self._order(TrainerProcess.load_critic, state)


def check_shards(policy: Policy) -> None:
    """Refuses a model that can't share prompts.

    A row an episode is a pass an episode, and all processes must make equally many.

    Raises:
        ConfigError: it can't.
    """
    if (way := sharing(policy.trunk, policy.device)).attention is None:
        raise ConfigError(f"{way.notice}; in shards it can't be trained: set trainer.processes to 1")


def check_gpus(size: int, free: int) -> None:
    """Refuses more processes than there are GPUs: Ray would wait for the rest forever.

    Args:
        free: GPUs that the engine, and whoever else uses the cluster, has left.
    """
    if free < size:
        raise ConfigError(
            f"trainer.processes {size} needs as many GPUs beside the engine's, and Ray has {free} free: lower "
            "it, or name a larger cluster in rollout.ray_address"
        )


def _reason(failure: Exception | None) -> str:
    """A line on each process that failed, out of Ray Train's report.

    Where one is killed, the others' connections break: they may be all that is reported.
    """
    found = getattr(failure, "worker_failures", None) or {"start": failure}
    return "; ".join(f"{rank}: {last_line(str(error))}"[:300] for rank, error in found.items())
