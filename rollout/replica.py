"""One replica of the engine: a placement group on one node, and the actor that lives there for now."""

import asyncio
import contextlib
import math
import os
from dataclasses import replace
from typing import Any

from rewards.errors import EngineError
from rollout.mail import Mail, engine_failure
from rollout.routing import most_running
from rollout.vllm_actor import VllmSettings

_SHUTDOWN_SECONDS = 20


class NoPlaceError(EngineError):
    """No node has room for the replica."""


class Replica:
    """Starts, calls and replaces an actor.

    Args:
        ray: the session.
        actor_class: what is started: `VllmActor`, or another `SamplingActor` that is cheap to start.

    Attributes:
        alive: whether it answers requests with the newest weights.
        revival: what makes it alive again, when something does.
        restarts: how many actors of it died and were replaced.
        node: id of the Ray node where it is.
        mail: takes turns to the actor.
        watch: what notices that the actor has died though nothing is asked of it, when something does.
    """

    def __init__(self, ray: Any, settings: VllmSettings, index: int, actor_class: type) -> None:
        self.index, self.alive, self.restarts, self.node = index, False, 0, ""
        self.revival: asyncio.Task | None = None
        self.actor: Any = None
        self.mail: Mail | None = None
        self.watch: asyncio.Task | None = None
        self._ray, self._settings, self._class = ray, settings, actor_class
        self._group: Any = None
        self._bundle: dict[str, float] = {}

    def place(self) -> None:
        """Takes room on one node.

        Raises:
            NoPlaceError: there is none within `place_seconds`.
        """
        from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group

        self.leave()
        self._bundle = _bundle(self._settings, self._ray.nodes())
        self._group = placement_group([self._bundle], strategy="STRICT_PACK")
        if not self._group.wait(self._settings.place_seconds):
            remove_placement_group(self._group)
            self._group = None
            raise NoPlaceError(
                f"no node of the Ray cluster has room for replica {self.index} ({self._bundle}) within "
                f"{self._settings.place_seconds:g} s: add nodes, or lower rollout.replicas or rollout.tensor_parallel"
            )
        self.node = placement_group_table(self._group)["bundles_to_node_id"][0]

    def spawn(self, slot: int, peers: int) -> None:
        """Starts the actor in its place, as the `slot`-th of `peers` on that node; it isn't ready yet."""
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        actor = self._ray.remote(self._class).options(
            num_cpus=self._bundle["CPU"],
            num_gpus=self._bundle.get("GPU", 0),
            max_concurrency=10_000,
            runtime_env={"env_vars": vllm_environment(self._settings)},
            scheduling_strategy=PlacementGroupSchedulingStrategy(placement_group=self._group),
        )
        self.actor = actor.remote(self._own_settings(), slot, peers)
        self.mail = Mail(self._ray, self.actor)

    async def call(self, method: str, *arguments: Any) -> Any:
        """What a method of the actor returns.

        Raises:
            ActorDiedError: it is gone.
            EngineError: the method failed.
        """
        actor = self.actor
        return await self.answer(actor, method, getattr(actor, method).remote(*arguments))

    async def answer(self, actor: Any, method: str, result: Any) -> Any:
        """As `call`, where the call has been made."""
        try:
            return await result
        except asyncio.CancelledError:
            self._ray.cancel(result)  # whoever asked has gone: vLLM drops the request and frees its place
            raise
        except self._ray.exceptions.RayError as error:
            raise engine_failure(self._ray, actor, method, error) from error

    def leave(self) -> None:
        """Ends the actor, gently if it still answers, and gives its place back."""
        from ray.util.placement_group import remove_placement_group

        if self.actor is not None:
            with contextlib.suppress(Exception):  # it may be dead already
                self._ray.get(self.actor.shutdown.remote(), timeout=_SHUTDOWN_SECONDS if self.alive else 0.1)
            self._ray.kill(self.actor)
            self.actor = None
        if self._group is not None:
            remove_placement_group(self._group)
            self._group = None

    def _own_settings(self) -> VllmSettings:
        s = self._settings
        host, _, port = s.metrics.rpartition(":")
        metrics = f"{host}:{int(port) + self.index}" if port else ""
        return replace(s, metrics=metrics, max_concurrent=most_running(s.max_concurrent, s.replicas))


def _bundle(settings: VllmSettings, nodes: list[dict[str, Any]]) -> dict[str, float]:
    """What Ray is asked for.

    vLLM's threads aren't Ray's to count, but without GPUs it is by its share of a node's CPUs that a replica keeps
    others from landing beside it while another node has none. A third of the CPUs at least is left to other actors.
    """
    there = [node["Resources"] for node in nodes if node["Alive"]]
    if any(resources.get("GPU") for resources in there):
        return {"CPU": 0.01, "GPU": settings.tensor_parallel}
    cpus = [resources["CPU"] for resources in there if resources.get("CPU")]
    if settings.ray_address == "local" or not cpus:
        return {"CPU": 0.01}
    each = math.ceil(settings.replicas / len(cpus))
    return {"CPU": round(min(cpus) / (each + 0.5), 3)}


def vllm_environment(settings: VllmSettings) -> dict[str, str]:
    """What is set in the process of a vLLM before it starts."""
    return {
        "VLLM_CPU_KVCACHE_SPACE": str(max(1, round(settings.kv_cache_gb))),
        "VLLM_LOGGING_LEVEL": os.environ.get("VLLM_LOGGING_LEVEL", "ERROR"),
        "VLLM_NO_USAGE_STATS": "1",
        "TQDM_DISABLE": "1",
        "MALLOC_MMAP_THRESHOLD_": str(2**30),
        "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
        # What tells where weights lie on the GPU is no plain data: vLLM must pickle it for its own process.
        **({"VLLM_ALLOW_INSECURE_SERIALIZATION": "1"} if settings.weight_transport == "ipc" else {}),
    }
