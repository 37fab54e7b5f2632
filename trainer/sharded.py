"""A policy whose weights, gradients and optimiser state are sharded over the processes of a team (FSDP2).

Each decoder layer is gathered when it is computed and let go again; embedding, last norm and head are gathered
together around the whole of `logprobs`, so that prefix sharing and logits by the chunk work as in one process.

Where `trainer.memory.weights` is bfloat16 the shards are the fp32 weights that learn, and what is gathered of them is
rounded: no copy is needed. Frozen weights beside adapters are held and gathered in the type that they were loaded in.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from trainer.optimizer import MasterWeights
from trainer.packing import Pack
from trainer.policy import Policy
from trainer.team import Team
from trainer.trainer_config import MemoryConfig


class _Whole(torch.nn.Module):
    """Runs any computation with the model as one forward pass: FSDP's hooks hang on `forward`."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, compute: Callable[..., Any], *arguments: Any) -> Any:
        for weight in self.model.parameters():
            if weight.requires_grad and not isinstance(weight, DTensor):  # gathered, used for each chunk of logits
                weight.grad_dtype = torch.float32
        return compute(*arguments)


class ShardedPolicy(Policy):
    """A `Policy` that does everything together with the other processes: all call the same methods in the same order.

    Args:
        folder, precision, temperature, memory: as of `Policy`; the whole model is loaded once before it is sharded.
        team: of torch.distributed's default group, which stands already.
    """

    def __init__(
        self, folder: str, precision: str, temperature: float, team: Team, memory: MemoryConfig | None = None
    ) -> None:
        super().__init__(folder, precision, temperature, memory)
        self.team = team
        rounding = MixedPrecisionPolicy()
        if self.memory.rounded:
            rounding = MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32)
            for weight in self.model.parameters():
                weight.data = weight.data.float()
        self._whole = _Whole(self.model)
        mesh = init_device_mesh(self.device.type, (team.size,))
        for module in (*self._layers(), self._whole):
            sharded = fully_shard(module, mesh=mesh, reshard_after_forward=True, mp_policy=rounding)
            # Losses are divided by what all processes hold: gradients are to be added up, not averaged.
            sharded.set_gradient_divide_factor(1.0)
            sharded.set_force_sum_reduction_for_comms(True)  # gloo knows no other

    def _layers(self) -> list[torch.nn.Module]:
        names = set(self.model._no_split_modules or ())
        return [module for module in self.trunk.modules() if type(module).__name__ in names]

    def logprobs(self, pack: Pack, entropy_gradient: bool = False) -> tuple[Tensor, Tensor]:
        """As `Policy.logprobs`, of this process's pack."""
        return self._whole(super().logprobs, pack, entropy_gradient)

    def _squares(self) -> dict[str, float]:
        found = self.team.gather(super()._squares())
        return {part: sum(squares[part] for squares in found) for part in found[0]}

    def whole_state(self) -> dict[str, Tensor]:
        """What `Policy.state` gives of one process, in the first; the others help to gather it and get nothing.

        Weights that are computed with rounded are given so, in bf16.
        """
        found, mine = {}, self.model.state_dict()
        for name in self._learned_names(mine):
            shard = mine[name].detach()
            whole = gathered(shard.bfloat16() if self.memory.rounded else shard)
            if self.team.rank == 0:
                found[name] = whole.to("cpu", copy=True).contiguous()
        return found

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Takes whole weights as `Policy.state` gives them; every process keeps its shard."""
        mine = self.model.state_dict()
        super().load_state({name: _like(mine[name], t) if name in mine else t for name, t in state.items()})


def gathered(tensor: Tensor) -> Tensor:
    """The whole of a sharded tensor, in every process; others as they are."""
    if not isinstance(tensor, DTensor):
        return tensor
    return tensor.to(tensor.device_mesh.device_type).full_tensor()  # what was offloaded can't be sent from where it is


def optimizer_state(
    optimizer: torch.optim.Optimizer, team: Team, rounded: bool = False
) -> dict[int, dict[str, Tensor]]:
    """The whole state by parameter, as an optimiser of one process has it; only the first process gets it.

    Args:
        rounded: one process would hold rounded weights: those that the optimiser moves are in the state as `master`.
    """
    state = optimizer.state_dict()["state"]
    if rounded:
        state = {i: {"master": weight.detach()} | state.get(i, {}) for i, weight in enumerate(_moved(optimizer))}
    found: dict[int, dict[str, Tensor]] = {}
    for index, values in state.items():
        for name, value in values.items():
            full = gathered(torch.as_tensor(value))
            if team.rank == 0:
                found.setdefault(index, {})[name] = full.to("cpu", copy=True)
    return found


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Tensor]]) -> None:
    """Takes a whole state; every process keeps its shard. A `master` is what the weight becomes."""
    shards = {
        index: {name: _like(weight, value) for name, value in state[index].items()}
        for index, weight in enumerate(_moved(optimizer))
        if index in state
    }
    if not isinstance(optimizer, MasterWeights):
        for index, weight in enumerate(_moved(optimizer)):
            if (master := shards.get(index, {}).pop("master", None)) is not None:
                weight.detach().copy_(master)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": shards})


def _moved(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def _like(known: Tensor, whole: Tensor) -> Tensor:
    """This process's shard of `whole`, cut as `known` is; a tensor of another shape (a step count) stays whole."""
    if not isinstance(known, DTensor) or known.shape != whole.shape:
        return whole
    cut = distribute_tensor(whole, known.device_mesh, known.placements, src_data_rank=None)
    return cut.to(known.device)  # in host memory, where the optimiser is offloaded
