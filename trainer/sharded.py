"""A policy and a critic whose weights, gradients and optimiser state are in shards, over a team's processes (FSDP2).

Each decoder layer is gathered when it is computed and let go again; embedding, last norm and head are gathered
together around the whole of `logprobs`, so that prefix sharing and logits by the chunk work as in one process.

Where `trainer.memory.weights` is bfloat16 the shards are the fp32 weights that learn, and what is gathered of them is
rounded: no copy is needed. Frozen weights beside adapters are held and gathered in the type that they were loaded in.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from trainer.critic import Critic, value_model
from trainer.optimizer import MasterWeights
from trainer.packing import Pack
from trainer.policy import Policy
from trainer.team import Team
from trainer.trainer_config import MemoryConfig, TrainerConfig


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
        self._whole = _shard(self.model, _layers(self), team, self.memory.rounded)

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
        mine = self.model.state_dict()
        shards = {name: mine[name] for name in self._learned_names(mine)}
        if self.memory.rounded:
            shards = {name: shard.bfloat16() for name, shard in shards.items()}
        return _whole_state(shards, self.team)

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Takes whole weights as `Policy.state` gives them; every process keeps its shard."""
        mine = self.model.state_dict()
        super().load_state({name: _like(mine[name], t) if name in mine else t for name, t in state.items()})


class ShardedCritic(Critic):
    """A `Critic` that does everything together with the other processes.

    Args:
        policy: a whole one. Its trunk becomes the critic's and is cut; nothing else of it is kept.
        config, team: as of `Critic` and `ShardedPolicy`.
    """

    def __init__(self, policy: Policy, config: TrainerConfig, team: Team) -> None:
        model = value_model(policy, policy.trunk)
        self._whole = _shard(model, _layers(policy), team, policy.memory.rounded, exact=model["head"])
        self.team = team
        super().__init__(policy, config, model)

    def values(self, pack: Pack) -> Tensor:
        """As `Critic.values`, of this process's pack."""
        return self._whole(super().values, pack)

    def whole_state(self) -> dict[str, Tensor]:
        """What `Critic.state` gives of one process, in the first; the others help to gather it and get nothing."""
        shards, rounded = self._changing(), self.config.memory.rounded
        given = {name: t.bfloat16() if rounded and name.startswith("trunk.") else t for name, t in shards.items()}
        return _whole_state(given, self.team)

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Takes whole weights; every process keeps its shard."""
        mine = self.model.state_dict()
        super().load_state({name: _like(mine[name], tensor) for name, tensor in state.items()})


def _layers(policy: Policy) -> list[torch.nn.Module]:
    names = set(policy.model._no_split_modules or ())
    return [module for module in policy.trunk.modules() if type(module).__name__ in names]


def _shard(
    model: torch.nn.Module,
    layers: Sequence[torch.nn.Module],
    team: Team,
    rounded: bool,
    exact: torch.nn.Module | None = None,
) -> _Whole:
    """Cuts a whole model into shards, which are fp32 where its weights are to be `rounded`; what computes with it.

    Args:
        layers: what is gathered each by itself.
        exact: a part of the model that is never rounded.
    """
    if rounded:
        for weight in model.parameters():
            weight.data = weight.data.float()
    whole, mesh = _Whole(model), init_device_mesh(next(model.parameters()).device.type, (team.size,))
    for module in (*layers, *([exact] if exact else []), whole):
        computing = torch.bfloat16 if rounded and module is not exact else None
        precision = MixedPrecisionPolicy(computing, torch.float32 if computing else None)
        sharded = fully_shard(module, mesh=mesh, reshard_after_forward=True, mp_policy=precision)
        # Losses are divided by what all processes hold: gradients are to be added up, not averaged.
        sharded.set_gradient_divide_factor(1.0)
        sharded.set_force_sum_reduction_for_comms(True)  # gloo knows no other
    return whole


def _whole_state(shards: dict[str, Tensor], team: Team) -> dict[str, Tensor]:
    """Copies of whole tensors, in the first process; in the others nothing."""
    found = {}
    for name, shard in shards.items():
        whole = gathered(shard.detach())
        if team.rank == 0:
            found[name] = whole.to("cpu", copy=True).contiguous()
    return found


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
    """This process's shard of `whole`, cut as `known` is; a tensor with other rows (a step count) stays whole."""
    if not isinstance(known, DTensor) or known.shape[:1] != whole.shape[:1]:
        return whole
    cut = distribute_tensor(whole, known.device_mesh, known.placements, src_data_rank=None)
    return cut.to(known.device)  # in host memory, where the optimiser is offloaded
