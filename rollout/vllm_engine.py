"""vLLM's `AsyncLLM` in a Ray actor: generates many requests at once and takes new weights without a restart.

An actor that dies is started again with the weights it had, and the turns it was at are sampled again.
"""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

from rewards.errors import EngineError
from rollout.engine import Completion, Request
from rollout.ray_session import last_line, start_ray
from rollout.vllm_actor import VllmActor, VllmSettings


class VllmEngine:
    """The driver's end of the actor; an `Engine`.

    `restarts` counts the actors that died and were replaced. Episodes don't notice: the turn that was being sampled
    is sampled again by the new actor, from the same ids, seed and weights.

    Raises:
        EngineError: too little memory for model and KV cache, Ray or vLLM can't start, or actors keep dying.
    """

    def __init__(self, settings: VllmSettings) -> None:
        self.settings = settings
        self.restarts = 0
        self._weights: tuple[str, int, int | None] | None = None  # the newest that were sent
        self._reviving = asyncio.Lock()
        check_memory(settings)
        self._ray = start_ray(settings.ray_address)
        self._actor = self._spawn()
        try:
            self._ray.get(self._actor.__ray_ready__.remote())
        except self._ray.exceptions.RayError as error:
            raise EngineError(_explain(settings, str(error))) from error

    def _spawn(self) -> Any:
        on_gpu = bool(self._ray.cluster_resources().get("GPU"))
        environment = {
            "VLLM_CPU_KVCACHE_SPACE": str(max(1, round(self.settings.kv_cache_gb))),
            "VLLM_CPU_OMP_THREADS_BIND": f"0-{(os.cpu_count() or 1) - 1}",
            "VLLM_LOGGING_LEVEL": os.environ.get("VLLM_LOGGING_LEVEL", "ERROR"),
            "VLLM_NO_USAGE_STATS": "1",
            "TQDM_DISABLE": "1",
            "MALLOC_MMAP_THRESHOLD_": str(2**30),
            "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
        }
        options = {"num_cpus": 0, "num_gpus": 1 if on_gpu else 0, "max_concurrency": 10_000}
        actor = self._ray.remote(VllmActor).options(runtime_env={"env_vars": environment}, **options)
        return actor.remote(self.settings)

    async def generate(self, request: Request) -> Completion:
        """Samples one turn."""
        s = request.sampling
        ids, logprobs, finish, versions = await self._call(
            "generate", list(request.prompt_ids), s.max_tokens, s.temperature, s.seed, list(request.stop_ids)
        )
        return Completion(tuple(ids), tuple(logprobs), "stop" if finish == "stop" else "length", tuple(versions))

    async def score(self, token_ids: list[int]) -> list[float]:
        """Logprobs of `token_ids[1:]` under the engine's weights: proves what the engine holds."""
        return await self._call("score", token_ids)

    async def update_weights(self, folder: Path, version: int, checksum: int | None = None) -> None:
        """Loads the safetensors of `folder` in place; requests in flight go on with the new weights.

        Args:
            checksum: what `weight_checksum` said where they were written; None loads whatever is there.
        """
        self._weights = (str(folder), version, checksum)
        await self._call("update_weights", *self._weights)

    def close(self) -> None:
        """Ends the engine and gives its memory back."""
        with contextlib.suppress(Exception):  # it may be dead already
            self._ray.get(self._actor.shutdown.remote(), timeout=20)
        self._ray.kill(self._actor)

    async def _call(self, method: str, *arguments: Any) -> Any:
        while True:
            actor = self._actor
            asked = getattr(actor, method).remote(*arguments)
            try:
                return await asked
            except asyncio.CancelledError:
                self._ray.cancel(asked)  # whoever asked has gone: vLLM drops the request and frees its place
                raise
            except self._ray.exceptions.RayError as error:
                why = f"the vLLM engine failed in {method}: {last_line(str(error))}"
                if not self._is_death(error):
                    raise EngineError(why) from error
            await self._revive(actor, why)

    def _is_death(self, error: Exception) -> bool:
        """Whether the actor is gone, or lives on without the process that computes."""
        died = isinstance(error, self._ray.exceptions.RayActorError)
        return died or type(getattr(error, "cause", None)).__name__ == "EngineDeadError"

    async def _revive(self, dead: Any, why: str) -> None:
        """Replaces a dead actor, once for all that waited for it."""
        async with self._reviving:
            if self._actor is not dead:
                return
            if self.restarts >= self.settings.max_restarts:
                raise EngineError(
                    f"{why}; it was started again {self.restarts} times: free memory, or lower rollout.kv_cache_gb "
                    "and rollout.concurrency"
                )
            self.restarts += 1
            self._ray.kill(dead)  # vLLM's own process may be what died
            actor = self._spawn()
            try:
                await actor.__ray_ready__.remote()
                if self._weights:
                    await actor.update_weights.remote(*self._weights)
            except self._ray.exceptions.RayError as error:
                raise EngineError(f"{why}; it can't be started again: {last_line(str(error))}") from error
            self._actor = actor


def check_memory(settings: VllmSettings) -> None:
    """Refuses before anything heavy loads when model and KV cache can't fit into what is free (CPU)."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return
    weights = sum(f.stat().st_size for f in Path(settings.model).glob("*.safetensors")) / 2**30
    free = psutil.virtual_memory().available / 2**30
    needed = settings.kv_cache_gb + weights + 1.5  # vLLM itself holds about 1.5 GiB
    if needed > free:
        raise EngineError(
            f"no memory for the KV cache: {settings.kv_cache_gb:g} GiB asked with rollout.kv_cache_gb, "
            f"{needed:.1f} GiB with model and engine, {free:.1f} GiB free; lower it or free memory"
        )


def _explain(settings: VllmSettings, text: str) -> str:
    if "KV cache" in text or "out of memory" in text.lower():
        return (
            f"no memory for the KV cache with rollout.kv_cache_gb={settings.kv_cache_gb:g} and context "
            f"{settings.max_context}; raise the one or lower the other ({last_line(text)})"
        )
    return f"vLLM can't start with {settings.model}: {last_line(text)}"
