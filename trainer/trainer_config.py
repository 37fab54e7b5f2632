"""Settings of learning: the section `trainer` of a configuration, and those inside it."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from rewards.errors import nearest
from trainer.algorithms import ALGORITHMS, Aggregation, KlEstimator

Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of a configuration: an unknown field is an error, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CriticConfig(Section):
    """The value model of `ppo`; no other algorithm has one."""

    learning_rate: float = Field(3e-5, gt=0, description="constant; the policy's has a schedule of its own")
    epochs: int = Field(2, ge=1, description="passes over each round, with trainer.minibatches steps in each")
    warmup_rounds: int = Field(2, ge=0, description="rounds at the start in which the critic alone learns")
    value_clip: float | None = Field(0.2, gt=0, description="how far a value may move in a round; null: anywhere")
    gae_decay: Share = Field(1.0, description="lambda; below 1 a token hears less of what came long after it")
    bootstrap: bool = Field(
        True,
        description="what ran into a limit of turns or context is worth the critic's value there; false: its score",
    )


class OverlongConfig(Section):
    """DAPO's soft punishment of long episodes, taken from the score before advantages."""

    limit: int = Field(ge=1, description="sampled tokens of an episode at which all of the penalty is taken")
    buffer: int = Field(ge=1, description="tokens before the limit at which it begins to grow")
    penalty: float = Field(0.5, gt=0, description="at the limit, or out of context; DAPO's is half its rewards' range")

    @model_validator(mode="after")
    def _usable(self) -> "OverlongConfig":
        if self.buffer > self.limit:
            raise ValueError(f"buffer {self.buffer} begins before the first token: take at most limit ({self.limit})")
        return self


class LoraConfig(Section):
    """Low-rank adapters, learned in place of the weights that they are added to (Hu et al. 2021). No dropout."""

    rank: int = Field(16, ge=1, le=512)
    alpha: float = Field(32.0, gt=0, description="the adapter's product is scaled by alpha / rank")
    targets: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        "all-linear", description="names of the layers that get an adapter, such as [q_proj, v_proj]"
    )


class MemoryConfig(Section):
    """What the trainer's memory is spent on (docs/training.md, Memory)."""

    gradient_checkpointing: bool = Field(
        False, description="keep only what enters a layer, compute the layer again going backward"
    )
    weights: Literal["float32", "bfloat16"] = Field(
        "float32", description="bfloat16: the model's weights are rounded copies of fp32 ones that the optimiser holds"
    )
    optimizer: Literal["adamw", "adamw_8bit", "adamw_offload"] = Field(
        "adamw", description="8bit: moments in 8 bits; offload: moments in host memory, updated by the CPU (GPU)"
    )
    lora: LoraConfig | None = Field(None, description="adapters to learn; null learns all weights")

    @property
    def rounded(self) -> bool:
        """Whether the weights that learn are rounded copies of fp32 ones: adapters are fp32 themselves."""
        return self.weights == "bfloat16" and self.lora is None


class TrainerConfig(Section):
    """Reinforcement learning from groups of episodes; clips and aggregation are the algorithm's where None."""

    algorithm: str = Field("grpo", description=f"one of {', '.join(ALGORITHMS)} (trainer/algorithms.py)")
    steps: int = Field(40, ge=0, description="rollout-and-update rounds; 0 skips the stage")
    learning_rate: float = Field(1e-5, gt=0)
    warmup_steps: int = Field(2, ge=0)
    schedule: Literal["constant", "linear"] = Field("constant", description="after the warm-up; linear falls to 0")
    minibatches: int = Field(1, ge=1, description="optimiser steps per round")
    clip_low: float | None = Field(
        None, gt=0, le=1, description="ratio is clipped below 1 - clip_low; None: as published"
    )
    clip_high: float | None = Field(None, gt=0, description="ratio is clipped above 1 + clip_high")
    dual_clip: float | None = Field(None, gt=1, description="bounds what a token of a bad episode can cost")
    aggregation: Aggregation | None = Field(None, description="how tokens add up")
    length_constant: int = Field(1024, ge=1, description="tokens that `constant` aggregation divides by")
    kl_coefficient: float = Field(0.0, ge=0, description="weight of KL to the policy before the stage; 0 needs no copy")
    kl_estimator: KlEstimator = Field("k3", description="see trainer/losses.py")
    kl_in: Literal["loss", "reward"] = "loss"
    overlong: OverlongConfig | None = Field(None, description="limit, buffer and penalty; null punishes no length")
    credit: Literal["episode", "turn"] = Field(
        "episode", description="turn: each turn is compared with the group's same turn, by what was earned from it on"
    )
    turn_discount: Share = Field(1.0, description="of what later turns earn, with credit: turn")
    entropy_coefficient: float = Field(0.0, ge=0, description="weight of the entropy bonus")
    importance_cap: float = Field(2.0, ge=1, description="largest engine/trainer importance weight")
    importance_floor: float = Field(0.5, ge=0, le=1, description="smallest one that `mask` keeps")
    importance_level: Literal["token", "sequence"] = "token"
    importance_beyond: Literal["truncate", "mask"] = Field("truncate", description="truncate: TIS, mask: IcePop")
    max_grad_norm: float = Field(1.0, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    pack_tokens: int = Field(
        1024,
        ge=64,
        description="tokens of one forward pass; longer groups are split (where an episode alone is longer, a pack is "
        "up to a quarter longer than that)",
    )
    max_mismatch: float = Field(0.1, gt=0, description="mean |delta logprob| that proves a failed weight update")
    keep_checkpoints: int = Field(2, ge=1, description="how many of the newest are kept")
    keep_best: int = Field(1, ge=0, description="kept besides: those of the highest best_by; best.json names the best")
    best_by: str = Field(
        "reward_mean",
        pattern=r"^(reward_mean|success_rate|(reward|success)/.+)$",
        description="reward_mean, success_rate, or reward/ID and success/ID of an environment",
    )
    best_over: int = Field(5, ge=1, description="rounds whose mean says how good a checkpoint is: one is mostly luck")
    max_staleness: int = Field(
        0, ge=0, description="updates between sampling and learning: 0 in turns, 1 one step off, more: asynchronous"
    )
    processes: int = Field(
        1, ge=1, description="trainer processes that hold the policy in shards (GPU: one each); 1 trains in the driver"
    )
    critic: CriticConfig = CriticConfig()
    memory: MemoryConfig = MemoryConfig()

    @field_validator("algorithm")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ALGORITHMS:
            raise ValueError(f"no algorithm {value!r}; {nearest(value, list(ALGORITHMS))}")
        return value

    @model_validator(mode="after")
    def _usable(self) -> "TrainerConfig":
        if self.kl_in == "loss" and self.kl_estimator == "k1" and self.kl_coefficient:
            raise ValueError("kl_estimator: k1 has no gradient as a loss; take k2 or k3, or set kl_in to reward")
        algorithm = ALGORITHMS[self.algorithm]
        if self.credit == "turn" and algorithm.advantage and not algorithm.compares_in_groups:
            raise ValueError(
                f"credit: {self.algorithm} compares with the whole round, and a turn only with the same turn of its "
                "group; take another algorithm (reinforce++_baseline), or credit: episode"
            )
        if self.overlong and algorithm.advantage is None and self.critic.bootstrap:
            raise ValueError(
                "overlong: what ran into a limit is worth what the critic says there (critic.bootstrap), and would not "
                "be punished; set trainer.critic.bootstrap to false"
            )
        return self

    @model_serializer(mode="wrap")
    def _used(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the critic's settings where there is none: a run's folder knows its run by what is written here."""
        values = handler(self)
        if self.algorithm in ALGORITHMS and ALGORITHMS[self.algorithm].advantage is not None:
            values.pop("critic", None)
        return values
