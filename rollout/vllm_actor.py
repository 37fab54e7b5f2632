"""What lives in the engine's own process: vLLM's `AsyncLLM` as a Ray actor, and the settings that it starts with."""

import contextlib
import os
import sysconfig
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rollout.adapters import Adapter, AdapterShape, adapter_arguments
from rollout.mail import SamplingActor
from rollout.processes import EndTogether, divide_cores, vllm_processes
from rollout.transports import shared_folder
from rollout.weights import weight_checksum

VLLM_GIB = 1.5  # that vLLM holds itself on a CPU, without weights and KV cache


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """What the engine is started with.

    Args:
        model: folder or hub id.
        max_context: longest episode in tokens.
        max_concurrent: sequences that are decoded together, over all replicas.
        kv_cache_gb: KV cache in GiB (CPU); on a GPU `gpu_memory_share` of the card is used instead.
        precision: `bfloat16` or `float32`.
        replicas: engines with the whole model each, which share the requests.
        tensor_parallel: GPUs (on a CPU: processes) of one node that hold one replica together.
        weight_transport: how new weights get to the replicas, see rollout/transports.py.
        adapter: what will be sent in place of whole weights; None: whole weights will.
        sleeps: whether `sleep` will be called: the GPU's memory must then be given back (GPU).
        compiles: whether vLLM compiles the model on a CPU too; on a GPU it always does.
        max_restarts: how often a dead replica is started again before the run stops.
        place_seconds: how long a replica waits for a node that has room.
        metrics: HOST:PORT where the first replica answers Prometheus, the next at PORT + 1 and so on; empty for
            nowhere, which costs nothing.
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
    replicas: int = 1
    tensor_parallel: int = 1
    weight_transport: Literal["auto", "files", "object_store", "nccl", "ipc"] = "auto"
    adapter: AdapterShape | None = None
    sleeps: bool = False
    compiles: bool = False
    place_seconds: float = 300

    @property
    def takes_module(self) -> bool:
        """Whether weights come from the trainer's GPU without files between (rollout/gpu_transport.py)."""
        return self.weight_transport in ("nccl", "ipc")


def vllm_arguments(settings: VllmSettings) -> dict[str, Any]:
    """What any vLLM is started with that is to sample as the engine does: the keywords of its `EngineArgs`."""
    import torch

    common = {
        "model": settings.model,
        "dtype": settings.precision,
        "max_model_len": settings.max_context,
        "max_num_seqs": settings.max_concurrent,
        "tensor_parallel_size": settings.tensor_parallel,
        "logprobs_mode": "processed_logprobs",
        "generation_config": "vllm",  # the model's own defaults (top-p, penalties) would bias the ratio
        "seed": 0,
        **(adapter_arguments(settings.adapter) if settings.adapter else {}),
    }
    if torch.cuda.is_available():
        return common | {"gpu_memory_utilization": settings.gpu_memory_share, "enable_sleep_mode": settings.sleeps}
    if settings.compiles:
        require_compiler()
    return common | {
        "enforce_eager": not settings.compiles,
        # A seeded request whose prompt is split over two steps kills the CPU worker (its generator
        # can't be rewound): prompts go in whole.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(settings.max_context, 4096),
        "block_size": 32,  # small, because only whole ones are found again by the next turn and the group
    }


class VllmActor(SamplingActor):
    """Lives in its own process; the only place that imports vllm.

    Args:
        slot, peers: this is the `slot`-th of `peers` replicas on its node, which divide the cores between them (CPU).
    """

    def __init__(self, settings: VllmSettings, slot: int = 0, peers: int = 1) -> None:
        super().__init__()
        cores = divide_cores(os.cpu_count() or 1, slot, peers, settings.tensor_parallel)
        os.environ["VLLM_CPU_OMP_THREADS_BIND"] = cores  # read when vllm is imported
        import torch

        if settings.compiles and not torch.cuda.is_available():
            # What 0.32 saves ahead of time on a CPU it can't load again: its older cache spares most of a later start.
            os.environ["VLLM_USE_AOT_COMPILE"] = "0"
        from vllm import SamplingParams
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.async_llm import AsyncLLM

        if settings.metrics:
            serve_metrics(settings.metrics)
        self._params, self._delta = SamplingParams, RequestOutputKind.DELTA
        self._version = 0
        self._requests = 0
        self._adapter = Adapter(settings.adapter) if settings.adapter else None
        self._lora = self._adapter.named if self._adapter else None  # of every request
        args = AsyncEngineArgs(
            **vllm_arguments(settings),
            # Left to itself vLLM would start more Ray actors, for GPUs that this one holds already.
            distributed_executor_backend="mp" if settings.tensor_parallel > 1 else None,
            disable_log_stats=not settings.metrics,
            weight_transfer_config={"backend": settings.weight_transport} if settings.takes_module else None,
        )
        self._engine = AsyncLLM.from_engine_args(args)
        self._watch = EndTogether(vllm_processes())

    async def generate(
        self, prompt_ids: list[int], max_tokens: int, temperature: float, seed: int | None, stop_ids: list[int]
    ) -> tuple[list[int], list[float], list[int], str]:
        """See `SamplingActor.generate`."""
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
        async for output in self._engine.generate(
            {"prompt_token_ids": prompt_ids}, params, f"r{self._requests}", lora_request=self._lora
        ):
            new = output.outputs[0]
            token_ids += new.token_ids
            logprobs += [entry[token].logprob for entry, token in zip(new.logprobs, new.token_ids, strict=True)]
            # What was sampled before a pause has all come out when it begins, so these are of the weights of now.
            versions += [self._version] * len(new.token_ids)
        return token_ids, logprobs, versions, new.finish_reason

    async def score(self, token_ids: list[int]) -> list[float]:
        """Logprobs of `token_ids[1:]` under the engine's weights."""
        params = self._params(max_tokens=1, temperature=1.0, prompt_logprobs=0, detokenize=False)
        self._requests += 1
        final = None
        async for output in self._engine.generate(
            {"prompt_token_ids": token_ids}, params, f"r{self._requests}", lora_request=self._lora
        ):
            final = output
        return [final.prompt_logprobs[i][token].logprob for i, token in enumerate(token_ids) if i > 0]

    async def update_weights(self, folder: str, version: int, checksum: int | None) -> None:
        """Loads a folder's weights, or its adapter, between two decoding steps; refuses files with another checksum."""
        if checksum is not None and (found := weight_checksum(Path(folder))) != checksum:
            raise RuntimeError(f"{folder} holds other weights than were sent ({found:08x}, not {checksum:08x})")
        async with self._paused(version):
            if self._adapter:
                await self._engine.add_lora(self._adapter.replaced_by(folder))
            else:
                await self._engine.collective_rpc("reload_weights", kwargs={"weights_path": folder})

    async def load_weights(self, files: dict[str, Any], version: int, checksum: int | None) -> None:
        """As `update_weights`, from files that came through Ray's object store: name to bytes (uint8 arrays)."""
        with shared_folder() as folder:
            for name, content in files.items():
                content.tofile(folder / name)
            await self.update_weights(str(folder), version, checksum)

    @contextlib.asynccontextmanager
    async def _paused(self, version: int) -> AsyncIterator[None]:
        """Between two decoding steps: what is in flight waits, and goes on with the weights of `version`."""
        await self._engine.pause_generation(mode="keep")
        try:
            yield
            await self._adopt(version)
        finally:
            await self._engine.resume_generation()

    async def _adopt(self, version: int) -> None:
        if not await self._engine.reset_prefix_cache():
            raise RuntimeError("the prefix cache could not be emptied: old weights' keys would be used")
        self._version = version

    async def join_transfer(self, info: dict[str, Any]) -> None:
        """Opens its end of the channel that rollout/gpu_transport.py describes."""
        from vllm.distributed.weight_transfer.base import WeightTransferInitRequest

        await self._engine.init_weight_transfer_engine(WeightTransferInitRequest(info))

    async def begin_transfer(self) -> None:
        """What is in flight waits from here to `end_transfer`."""
        await self._engine.pause_generation(mode="keep")
        await self._engine.start_weight_update()

    async def receive_transfer(self, info: Any) -> None:
        """Takes weights that the trainer sends meanwhile (NCCL), or that lie where `info` says (IPC)."""
        from vllm.distributed.weight_transfer.base import WeightTransferUpdateRequest

        await self._engine.update_weights(WeightTransferUpdateRequest(info))

    async def end_transfer(self, version: int) -> None:
        """What was in flight goes on, with the weights of `version`."""
        await self._engine.finish_weight_update()
        await self._adopt(version)
        await self._engine.resume_generation()

    async def gpu(self) -> str:
        """The GPU that it is on."""
        from rollout.gpu_transport import own_gpu

        return own_gpu()

    async def sleep(self) -> None:
        """Gives the GPU's memory back: weights go to the CPU's, the KV cache is dropped."""
        await self._engine.sleep(level=1, mode="wait")

    async def wake_up(self) -> None:
        """Takes the GPU's memory again."""
        await self._engine.wake_up()

    async def shutdown(self) -> None:
        """Ends vLLM's own processes."""
        self._watch.stop()
        self._engine.shutdown()


def require_compiler() -> None:
    """Refuses to go on where torch can't compile for a CPU; what is missing is named."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    missing = []
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        missing.append("a C++ compiler")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        missing.append("Python.h")
    if missing:
        raise RuntimeError(
            f"rollout.compile: {' and '.join(missing)} not found here, and torch compiles with it; install it (Debian: "
            "apt install g++ python3-dev), or set rollout.compile to false"
        )


def serve_metrics(address: str) -> None:
    """Answers Prometheus at HOST:PORT/metrics with all that vLLM counts in this process."""
    from prometheus_client import start_http_server

    host, _, port = address.rpartition(":")
    try:
        start_http_server(int(port), host or "127.0.0.1")
    except OSError as error:
        raise RuntimeError(f"logging.vllm_metrics: can't listen on {address} ({error.strerror or error})") from error
