"""vLLM's `AsyncLLM` in a Ray actor: generates many requests at once and takes new weights without a restart.

An actor that dies is started again with the weights it had, and the turns it was at are sampled again.
"""

import asyncio
import contextlib
import io
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards.errors import EngineError
from rollout.engine import Completion, Request
from rollout.weights import weight_checksum


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """What the engine is started with.

    Args:
        model: folder or hub id.
        max_context: longest episode in tokens.
        max_concurrent: sequences that are decoded together.
        kv_cache_gb: KV cache in GiB (CPU); on a GPU `gpu_memory_share` of the card is used instead.
        precision: `bfloat16` or `float32`.
        max_restarts: how often a dead engine is started again before the run stops.
        metrics: HOST:PORT where the engine answers Prometheus; empty for nowhere, which costs nothing.
    """

    model: str
    max_context: int = 2048
    max_concurrent: int = 64
    kv_cache_gb: float = 1.0
    gpu_memory_share: float = 0.45
    precision: str = "bfloat16"
    ray_address: str = "local"
    metrics: str = ""
    max_restarts: int = 3


class _Actor:
    """Lives in its own process; the only place that imports vllm."""

    def __init__(self, settings: VllmSettings) -> None:
        import torch
        from vllm import SamplingParams
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.async_llm import AsyncLLM

        if settings.metrics:
            _serve_metrics(settings.metrics)
        self._params, self._delta = SamplingParams, RequestOutputKind.DELTA
        self._version = 0
        self._requests = 0
        on_gpu = torch.cuda.is_available()
        args = AsyncEngineArgs(
            model=settings.model,
            dtype=settings.precision,
            max_model_len=settings.max_context,
            max_num_seqs=settings.max_concurrent,
            enforce_eager=not on_gpu,  # on a CPU compiling costs 90 s and gains little
            logprobs_mode="processed_logprobs",
            generation_config="vllm",  # the model's own defaults (top-p, penalties) would bias the ratio
            disable_log_stats=not settings.metrics,
            seed=0,
            **(
                {"gpu_memory_utilization": settings.gpu_memory_share}
                if on_gpu
                # A seeded request whose prompt is split over two steps kills the CPU worker (its generator
                # can't be rewound): prompts go in whole.
                # Small blocks, because only whole ones are found again by the next turn and the group.
                else {
                    "block_size": 32,
                    "enable_chunked_prefill": False,
                    "max_num_batched_tokens": max(settings.max_context, 4096),
                }
            ),
        )
        self._engine = AsyncLLM.from_engine_args(args)

    async def generate(
        self, prompt_ids: list[int], max_tokens: int, temperature: float, seed: int | None, stop_ids: list[int]
    ) -> tuple:
        self._requests += 1
        params = self._params(
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            stop_token_ids=stop_ids,
            logprobs=0,
            detokenize=False,
            output_kind=self._delta,
        )
        token_ids, logprobs, versions = [], [], []
        async for output in self._engine.generate({"prompt_token_ids": prompt_ids}, params, f"r{self._requests}"):
            new = output.outputs[0]
            token_ids += new.token_ids
            logprobs += [entry[token].logprob for entry, token in zip(new.logprobs, new.token_ids, strict=True)]
            # What was sampled before a pause has all come out when it begins, so these are of the weights of now.
            versions += [self._version] * len(new.token_ids)
        return token_ids, logprobs, new.finish_reason, versions

    async def score(self, token_ids: list[int]) -> list[float]:
        """Logprobs of `token_ids[1:]` under the engine's weights."""
        params = self._params(max_tokens=1, temperature=1.0, prompt_logprobs=0, detokenize=False)
        self._requests += 1
        final = None
        async for output in self._engine.generate({"prompt_token_ids": token_ids}, params, f"r{self._requests}"):
            final = output
        return [final.prompt_logprobs[i][token].logprob for i, token in enumerate(token_ids) if i > 0]

    async def update_weights(self, folder: str, version: int, checksum: int | None) -> None:
        if checksum is not None and (found := weight_checksum(Path(folder))) != checksum:
            raise RuntimeError(f"{folder} holds other weights than were sent ({found:08x}, not {checksum:08x})")
        await self._engine.pause_generation(mode="keep")
        try:
            await self._engine.collective_rpc("reload_weights", kwargs={"weights_path": folder})
            if not await self._engine.reset_prefix_cache():
                raise RuntimeError("the prefix cache could not be emptied: old weights' keys would be used")
            self._version = version
        finally:
            await self._engine.resume_generation()

    async def shutdown(self) -> None:
        self._engine.shutdown()


def _serve_metrics(address: str) -> None:
    """Answers Prometheus at HOST:PORT/metrics with all that vLLM counts in this process."""
    from prometheus_client import start_http_server

    host, _, port = address.rpartition(":")
    try:
        start_http_server(int(port), host or "127.0.0.1")
    except OSError as error:
        raise RuntimeError(f"logging.vllm_metrics: can't listen on {address} ({error.strerror or error})") from error


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
        actor = self._ray.remote(_Actor).options(runtime_env={"env_vars": environment}, **options)
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
                why = f"the vLLM engine failed in {method}: {_last_line(str(error))}"
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
                raise EngineError(f"{why}; it can't be started again: {_last_line(str(error))}") from error
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


def start_ray(address: str) -> Any:
    """A Ray session: a new local one (whatever an earlier run left behind), or the cluster at `address`."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        return ray
    if address not in ("local", "auto"):
        _check_reachable(address)
    local = {"include_dashboard": False, "object_store_memory": 256 * 2**20} if address == "local" else {}
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False, **local)
    except Exception as error:
        hint = "run `ray stop --force` and try again" if address == "local" else "check rollout.ray_address"
        raise EngineError(f"Ray can't start at {address!r}: {_last_line(str(error))}; {hint}") from error
    return ray


def _check_reachable(address: str) -> None:
    # Ray itself would retry for minutes.
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no Ray cluster at rollout.ray_address={address!r} ({error}); "
            "use `local`, `auto`, or the host:port that `ray start` printed"
        ) from None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _explain(settings: VllmSettings, text: str) -> str:
    if "KV cache" in text or "out of memory" in text.lower():
        return (
            f"no memory for the KV cache with rollout.kv_cache_gb={settings.kv_cache_gb:g} and context "
            f"{settings.max_context}; raise the one or lower the other ({_last_line(text)})"
        )
    return f"vLLM can't start with {settings.model}: {_last_line(text)}"
