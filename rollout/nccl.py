"""The third way for weights: from the trainer's GPU to the replicas' GPUs by NCCL, without files between.

vLLM's own transfer does the work on both ends; here is what it is told: the weights' names and shapes, and which
rank each replica has. It needs GPUs of the trainer's own, NCCL knows each GPU once.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch


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
        """Has each replica join at its ranks."""
        first = init_info["rank_offset"]
        infos = [init_info | {"rank_offset": first + i * self._gpus} for i in range(len(self._actors))]
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


class NcclTransport:
    """Opens the channel with the first weights and sends through it from then on."""

    def __init__(self, group: ReplicaGroup, module: torch.nn.Module, dtype: torch.dtype) -> None:
        from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo, NCCLTrainerWeightTransferEngine

        self._group = group
        info = NCCLTrainerInitInfo(rank=0, master_address=_address(), master_port=_free_port(), world_size=group.ranks)
        self._sender = NCCLTrainerWeightTransferEngine.trainer_init(
            info, client=group, source=ModuleWeights(module, dtype)
        )

    def send(self, version: int) -> None:
        """Broadcasts the module's weights; returns when every replica computes with them."""
        self._group.version = version
        self._sender.send_weights()


def _address() -> str:
    from ray.util import get_node_ip_address

    return get_node_ip_address()


def _free_port() -> int:
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]
