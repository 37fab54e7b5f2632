"""The driver's end of vLLM: requests go to replicas in Ray actors, which take new weights without a restart.

An actor that dies is started again with the weights it had, and the turns it was at are sampled again, by the others
where there are any.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from rewards.errors import ConfigError, EngineError
from rollout.engine import Completion, Request
from rollout.gpu_transport import ModuleTransport, ReplicaGroup, check_same_gpu, own_gpu
from rollout.mail import ActorDiedError, Directory
from rollout.ray_session import last_line, start_ray
from rollout.replica import NoPlaceError, Replica
from rollout.routing import Router
from rollout.transports import FileTransport, ObjectStoreTransport, Weights
from rollout.vllm_actor import VLLM_GIB, VllmActor, VllmSettings

_CATCH_UP_TRIES = 10  # one a second
_LOOK_SECONDS = 1.0


class VllmEngine:
    """One or more replicas of vLLM; an `Engine`.

    Episodes don't notice when an actor dies: the turn that was being sampled is sampled again, from the same ids,
    seed and weights. A dead replica is replaced while the others go on. One that finds no room any more (its node is
    gone) is left out, and tried again with each weight update.

    Args:
        actor_class: what the replicas are made of; another `SamplingActor` than `VllmActor` is a stand-in.

    Raises:
        ConfigError: a setting needs a GPU and there is none, or one that trainer and engine share and they don't.
        EngineError: too little memory for model and KV cache, Ray or vLLM can't start, no node has room, or actors
            keep dying.
    """

    def __init__(self, settings: VllmSettings, actor_class: type = VllmActor) -> None:
        self.settings = settings
        self._weights: Weights | None = None  # the newest that were sent
        check_memory(settings)
        self._ray = start_ray(settings.ray_address)
        _check_gpus(settings, self._ray)
        self._home = _own_node(self._ray, settings.ray_address)
        self._files, self._store = FileTransport(), ObjectStoreTransport(self._ray)
        self._module: ModuleTransport | None = None
        self._router = Router(settings.replicas)
        self._replicas = [Replica(self._ray, settings, i, actor_class) for i in range(settings.replicas)]
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def restarts(self) -> int:
        """Actors that died and were replaced, over all replicas."""
        return sum(replica.restarts for replica in self._replicas)

    @property
    def living(self) -> int:
        """Replicas that answer."""
        return sum(replica.alive for replica in self._replicas)

    def _start(self) -> None:
        for replica in self._replicas:
            replica.place()
        for replica in self._replicas:
            replica.spawn(*self._share(replica))
        try:
            self._ray.get([replica.actor.__ray_ready__.remote() for replica in self._replicas])
        except self._ray.exceptions.RayError as error:
            raise EngineError(_explain(self.settings, str(error))) from error
        if self.settings.weight_transport == "ipc":
            check_same_gpu(own_gpu(), self._ray.get([replica.actor.gpu.remote() for replica in self._replicas]))
        for replica in self._replicas:
            replica.alive = True

    def _share(self, replica: Replica) -> tuple[int, int]:
        """Which of how many it is on its node."""
        there = [other for other in self._replicas if other.node == replica.node]
        return there.index(replica), len(there)

    async def generate(self, request: Request) -> Completion:
        """Samples one turn. The task names the replica: its group's members and its own later turns share prefixes."""
        return await self._ask(request.task.id, lambda replica: replica.mail.generate(request))

    async def score(self, token_ids: list[int]) -> list[float]:
        """Logprobs of `token_ids[1:]` under the weights of one of the replicas."""
        return await self._ask("score", lambda replica: replica.call("score", token_ids))

    async def scores(self, token_ids: list[int]) -> list[list[float]]:
        """As `score`, of every living replica: proves what each of them holds."""
        found = await self._everywhere("score", token_ids)
        return found or [await self.score(token_ids)]

    async def update_weights(self, folder: Path, version: int, checksum: int | None = None) -> None:
        """Loads the safetensors of `folder` in place, in all replicas; requests in flight go on with the new weights.

        They are a whole model's, or with `takes_adapter` those of an adapter to the model that the engine started with.

        Args:
            folder: must stay as it is until the next update: a replica that is started again loads it again.
            checksum: what `weight_checksum` said where they were written; None loads whatever is there.
        """
        self._weights = Weights(Path(folder), version, checksum)
        for replica in self._replicas:
            if not replica.alive and replica.revival is None:  # it had found no room
                self._revive(replica, "its node is gone")
        await asyncio.gather(*(self._load(replica) for replica in self._replicas if replica.alive))
        await self._living()

    @property
    def takes_module(self) -> bool:
        """Whether weights come by `update_from`; else by `update_weights`."""
        return self.settings.takes_module

    @property
    def takes_adapter(self) -> bool:
        """Whether `update_weights` is given an adapter's folder, not a whole model's."""
        return self.settings.adapter is not None

    async def update_from(self, module: torch.nn.Module, version: int) -> None:
        """Sends the weights of a module on the trainer's GPU to all replicas, always those of one module.

        Raises:
            EngineError: it failed; a replica that has died can't join again.
        """
        try:
            if self._module is None:
                actors = [replica.actor for replica in self._replicas]
                group = ReplicaGroup(self._ray, actors, self.settings.tensor_parallel)
                dtype = getattr(torch, self.settings.precision)
                way = self.settings.weight_transport
                self._module = await asyncio.to_thread(ModuleTransport, way, group, module, dtype)
            await asyncio.to_thread(self._module.send, version)
        except (self._ray.exceptions.RayError, RuntimeError) as error:
            raise EngineError(
                f"weight update {version} by {self.settings.weight_transport} failed: {last_line(str(error))}"
            ) from error

    async def sleep(self) -> None:
        """Gives the GPUs' memory back until `wake_up`; nothing may be generated meanwhile."""
        await self._everywhere("sleep")

    async def wake_up(self) -> None:
        """Takes the GPUs' memory again."""
        await self._everywhere("wake_up")

    def close(self) -> None:
        """Ends the replicas and gives their memory back."""
        for replica in self._replicas:
            for task in (replica.revival, replica.watch):
                if task is not None:
                    task.cancel()
        with ThreadPoolExecutor(len(self._replicas)) as at_once:
            list(at_once.map(Replica.leave, self._replicas))

    async def directory(self, known: Directory) -> Directory:
        """Who lives, as soon as it isn't `known` any more; deaths are noticed though nothing is asked here.

        Raises:
            EngineError: as `generate` does.
        """
        while True:
            await self._living()
            found = {r.index: (r.restarts, r.actor) for r in self._replicas if r.alive}
            if found != known:
                return found
            for replica in self._replicas:
                if replica.alive and (replica.watch is None or replica.watch.done()):
                    replica.watch = asyncio.create_task(self._watch(replica))
            changes = [task for r in self._replicas for task in (r.watch, r.revival) if task and not task.done()]
            await asyncio.wait(changes, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)

    def dismiss(self, client: str) -> None:
        """Gives up what a client of the replicas' actors that is gone had asked of them."""
        for replica in self._replicas:
            if replica.alive:
                replica.actor.leave.remote(client)

    async def _watch(self, replica: Replica) -> None:
        try:
            await replica.call("live")
        except ActorDiedError as death:
            self._mourn(replica, death)

    async def _ask(self, key: str, ask: Callable[[Replica], Awaitable[Any]]) -> Any:
        """Asks the replica for `key`, and another when it dies of it."""
        while True:
            alive = await self._living()
            replica = self._replicas[self._router.take(key, alive)]
            try:
                return await ask(replica)
            except ActorDiedError as death:
                self._mourn(replica, death)
            finally:
                self._router.give_back(replica.index)

    async def _everywhere(self, method: str, *arguments: Any) -> list[Any]:
        """What every living replica answers; those that die of it are replaced and left out."""

        async def ask(replica: Replica) -> list[Any]:
            try:
                return [await replica.call(method, *arguments)]
            except ActorDiedError as death:
                self._mourn(replica, death)
                return []

        await self._living()
        answers = await asyncio.gather(*(ask(replica) for replica in self._replicas if replica.alive))
        return [value for answer in answers for value in answer]

    async def _living(self) -> Sequence[int]:
        """The replicas that answer; waits for one where all are dead."""
        while True:
            for replica in self._replicas:
                if replica.revival is not None and replica.revival.done():
                    replica.revival.result()  # raises what stops the run
            if alive := [replica.index for replica in self._replicas if replica.alive]:
                return alive
            revivals = [replica.revival for replica in self._replicas if replica.revival is not None]
            await asyncio.wait(revivals, return_when=asyncio.FIRST_COMPLETED)

    async def _load(self, replica: Replica) -> None:
        """Has a replica compute with the newest weights."""
        try:
            await self._send(replica, self._weights)
        except ActorDiedError as death:
            self._mourn(replica, death)

    async def _send(self, replica: Replica, weights: Weights) -> None:
        wanted, actor = self.settings.weight_transport, replica.actor
        near = wanted == "files" or (wanted == "auto" and replica.node == self._home)
        transport = self._files if near else self._store
        await replica.answer(actor, "update_weights", transport.send(weights, actor))

    def _mourn(self, replica: Replica, death: ActorDiedError) -> None:
        """Sees to it that a dead actor is replaced, once for all that waited for it."""
        if replica.actor is death.actor and replica.alive:
            self._revive(replica, str(death))

    def _revive(self, replica: Replica, why: str) -> None:
        replica.alive = False
        replica.revival = asyncio.get_running_loop().create_task(self._replace(replica, why))

    async def _replace(self, replica: Replica, why: str) -> None:
        if replica.restarts >= self.settings.max_restarts:
            raise EngineError(
                f"{why}; it was started again {replica.restarts} times: free memory, or lower rollout.kv_cache_gb "
                "and rollout.concurrency"
            )
        if self._module is not None:
            raise EngineError(
                f"{why}; with rollout.weight_transport={self.settings.weight_transport} it can't get the newest "
                "weights again: run the same command again, it goes on from the last checkpoint"
            )
        replica.restarts += 1
        try:
            await asyncio.to_thread(replica.place)
            replica.spawn(*self._share(replica))
            await replica.call("__ray_ready__")
            await self._catch_up(replica)
        except NoPlaceError:
            if not any(other.alive or other.revival for other in self._replicas if other is not replica):
                raise
            replica.revival = None
            return
        except (ActorDiedError, EngineError) as error:
            raise EngineError(f"{why}; it can't be started again: {error}") from error
        replica.alive, replica.revival = True, None

    async def _catch_up(self, replica: Replica) -> None:
        """Has a new actor load the newest weights: while it did, newer ones may have been sent, or be being written."""
        loaded, failures = None, 0
        while loaded is not self._weights:
            weights = self._weights
            try:
                await self._send(replica, weights)
                loaded = weights
            except EngineError:
                failures += 1
                if failures == _CATCH_UP_TRIES:
                    raise
                await asyncio.sleep(1)


def _check_gpus(settings: VllmSettings, ray: Any) -> None:
    in_cluster = bool(ray.cluster_resources().get("GPU"))
    if settings.sleeps and not in_cluster:
        raise ConfigError("rollout.sleep_while_training gives a GPU's memory back; there is no GPU: leave it out")
    if settings.takes_module and not (in_cluster and torch.cuda.is_available()):
        way = settings.weight_transport
        raise ConfigError(f"rollout.weight_transport={way} sends what lies on a GPU; there is no GPU: take auto")


def _own_node(ray: Any, address: str) -> str:
    """The Ray node whose shared memory this process sees; none through Ray's client."""
    return "" if address.startswith("ray://") else ray.get_runtime_context().get_node_id()


def check_memory(settings: VllmSettings) -> None:
    """Refuses before anything heavy loads when model and KV cache can't fit into what is free (CPU)."""
    import psutil

    if torch.cuda.is_available():
        return
    here = settings.replicas if settings.ray_address == "local" else 1  # a cluster's other nodes can't be seen
    weights = sum(f.stat().st_size for f in Path(settings.model).glob("*.safetensors")) / 2**30
    free = psutil.virtual_memory().available / 2**30
    needed = here * (settings.kv_cache_gb + weights + VLLM_GIB)
    if needed > free:
        raise EngineError(
            f"no memory for the KV cache: {settings.kv_cache_gb:g} GiB asked with rollout.kv_cache_gb, "
            f"{needed:.1f} GiB with model and engine{f' in {here} replicas' if here > 1 else ''}, {free:.1f} GiB free; "
            "lower it or free memory"
        )


def _explain(settings: VllmSettings, text: str) -> str:
    if "KV cache" in text or "out of memory" in text.lower():
        return (
            f"no memory for the KV cache with rollout.kv_cache_gb={settings.kv_cache_gb:g} and context "
            f"{settings.max_context}; raise the one or lower the other ({last_line(text)})"
        )
    return f"vLLM can't start with {settings.model}: {last_line(text)}"
