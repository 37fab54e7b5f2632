"""Weights from the trainer's GPU without files between: by NCCL to the replicas' GPUs, or by CUDA IPC within one GPU.

vLLM's own transfer does the work on both ends; here is what it is told: the weights' names and shapes, and which rank
each replica has. NCCL knows each GPU once, so the trainer needs one of its own; IPC hands over where the weights lie in
the memory of the GPU that both compute on. Neither has run on a GPU yet.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rewards.errors import ConfigError

_IPC_BYTES = 2**28  # of the weights are copied at once, or the largest alone


@dataclass(frozen=True, slots=True)
class Parameter:
    """What vLLM is told of a weight before it comes."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]


class ModuleWeights:
    """A module's weights as they are sent: tied ones once, in the engine's precision. Iterating reads them anew."""

    def __init__(self, module: torch.nn.Module, dtype: torch.dtype) -> None:
        self._module, self._dtype = module, dtype

    def metadata(self) -> list[Parameter]:
        """Names and shapes, in the order of iteration."""
        return [Parameter(name, self._dtype, tuple(p.shape)) for name, p in self._module.named_parameters()]

    @property
    def largest(self) -> int:
        """Bytes of the largest one."""
        return max(p.numel() for p in self._module.parameters()) * self._dtype.itemsize

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, parameter in self._module.named_parameters():
            yield name, parameter.detach().to(self._dtype).contiguous()


class ReplicaGroup:
    """All replicas as one receiver: vLLM's weight-transfer client (each call blocks until every replica has done it).

    vLLM gives ranks from 1 to one engine's GPUs; here every replica is an engine, so the next one's come after.
    """

    def __init__(self, ray: Any, actors: Sequence[Any], gpus_each: int, version: int = 0) -> None:
        self._ray, self._actors, self._gpus = ray, actors, gpus_each
        self.version = version

    @property
    def ranks(self) -> int:
        """Of the trainer and all replicas' GPUs."""
        return 1 + self._gpus * len(self._actors)

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        """Has each replica join, at its ranks where it is told of ranks."""
        infos = [dict(init_info) for _ in self._actors]
        if "rank_offset" in init_info:
            for i, info in enumerate(infos):
                info["rank_offset"] += i * self._gpus
        self._ray.get([a.join_transfer.remote(info) for a, info in zip(self._actors, infos, strict=True)])

    def start_weight_update(self) -> None:
        """Has what is in flight wait."""
        self._ray.get([actor.begin_transfer.remote() for actor in self._actors])

    def update_weights(self, update_info: Any) -> None:
        """Has the replicas receive, while the trainer sends."""
        self._ray.get([actor.receive_transfer.remote(update_info) for actor in self._actors])

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        """Has the replicas compute with what they received, as `version`."""
        self._ray.get([actor.end_transfer.remote(self.version) for actor in self._actors])


class ModuleTransport:
    """Opens the channel with the first weights and sends through it from then on.

    Args:
        way: `nccl` or `ipc`.
        dtype: the engine's precision.
    """

    def __init__(self, way: str, group: ReplicaGroup, module: torch.nn.Module, dtype: torch.dtype) -> None:
        from vllm.distributed.weight_transfer.factory import WeightTransferTrainerFactory

        self._group = group
        weights = ModuleWeights(module, dtype)
        info = ipc_channel(weights) if way == "ipc" else _nccl_channel(group.ranks)
        self._sender = WeightTransferTrainerFactory.trainer_init(info, client=group, source=weights)

    def send(self, version: int) -> None:
        """Sends the module's weights; returns when every replica computes with them."""
        self._group.version = version
        self._sender.send_weights()


def ipc_channel(weights: ModuleWeights) -> Any:
    """What vLLM's sender by IPC starts with: a buffer on the GPU that the weights go through part by part."""
    from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo

    return IPCTrainerInitInfo(rank=0, packed=True, packed_buffer_size_bytes=max(_IPC_BYTES, weights.largest))


def _nccl_channel(ranks: int) -> Any:
    from ray.util import get_node_ip_address
    from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    return NCCLTrainerInitInfo(rank=0, master_address=get_node_ip_address(), master_port=port, world_size=ranks)


def own_gpu() -> str:
    """The GPU that this process computes on, by the name that it has for every process."""
    from vllm.platforms import current_platform

    return current_platform.get_device_uuid(0)


def check_same_gpu(trainer: str, replicas: Sequence[str]) -> None:
    """Refuses replicas on other GPUs than the trainer's, as `own_gpu` names them: IPC doesn't leave a GPU."""
    if apart := [gpu for gpu in replicas if gpu != trainer]:
        raise ConfigError(
            f"rollout.weight_transport=ipc is for an engine on the trainer's own GPU ({trainer}), this one is on "
            f"{apart[0]}: take nccl or auto; in a Ray job, leave --entrypoint-num-gpus out to have both on one"
        )
