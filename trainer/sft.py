"""Cold start: supervised fine-tuning on expert episodes, by TRL's SFTTrainer, assistant tokens only."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rewards.errors import TaskError, TrainingError
from rollout.chats import Example
from rollout.trajectory import Group, Trajectory
from trainer.config import SftConfig
from trainer.optimizer import make_adamw
from trainer.policy import Policy, return_freed_memory
from trainer.trainer_config import MemoryConfig

_SAVE_STEPS = 10
_MICRO_BATCH = 2  # all logits of a row exist at once here: 200 MB for 500 tokens of the default model


def expert_trajectories(groups: Sequence[Group]) -> list[Trajectory]:
    """The episodes that experts played, one a group.

    Raises:
        TaskError: an expert missed the full score: its traces would teach mistakes.
    """
    found = [t for g in groups for t in g.trajectories]
    for t in found:
        if t.score.value != 1:
            raise TaskError(f"{t.task.id}: the expert earned {t.score.value}, not 1 ({t.score.reason})")
    return found


def fine_tune(
    policy: Policy,
    tokenizer: Any,
    examples: Sequence[Trajectory | Example],
    config: SftConfig,
    folder: Path,
    seed: int,
    on_step: Callable[[dict[str, float]], None],
) -> None:
    """Trains `policy` in place on the sampled tokens of `examples`.

    Args:
        folder: where TRL keeps its own checkpoints; an interrupted call goes on from the last of them.
        on_step: told the step and loss after every optimiser step.

    Raises:
        TrainingError: a gradient is not finite; the weights are untouched by it.
    """
    import transformers
    from datasets import Dataset
    from trl import SFTTrainer

    class Report(transformers.TrainerCallback):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if not math.isfinite(math.hypot(*policy.gradient_norms().values())):
                raise TrainingError(
                    f"the gradient of step {state.global_step + 1} of the cold start is not finite: the weights would "
                    "be lost; lower sft.learning_rate, with another --name"
                )

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                on_step({"step": state.global_step, "of": state.max_steps, "loss": float(logs["loss"])})

    rows = [{"input_ids": e.token_ids.tolist(), "assistant_masks": e.loss_mask.astype(int).tolist()} for e in examples]
    trainer = SFTTrainer(
        policy.model,
        args=_arguments(policy, config, folder, seed),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[Report()],
        optimizers=(_own_optimizer(policy, config), None),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=_last_whole_checkpoint(folder))
    policy.settle()
    policy.model.zero_grad(set_to_none=True)
    del trainer  # and with it Adam's state
    return_freed_memory()


def _arguments(policy: Policy, config: SftConfig, folder: Path, seed: int) -> Any:
    from trl import SFTConfig

    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=min(config.batch_size, _MICRO_BATCH),
        gradient_accumulation_steps=-(-config.batch_size // _MICRO_BATCH),
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=2,
        bf16=policy.precision == "bfloat16",
        use_cpu=policy.device.type == "cpu",
        gradient_checkpointing=False,
        max_length=None,
        train_sampling_strategy="group_by_length",
        save_steps=_SAVE_STEPS,
        save_total_limit=1,
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        seed=seed,
        dataloader_pin_memory=False,
    )


def _own_optimizer(policy: Policy, config: SftConfig) -> Any:
    """Ours where `trainer.memory` asks for more than TRL's: it would move bf16 weights themselves."""
    plain = MemoryConfig()
    if (policy.memory.weights, policy.memory.optimizer) == (plain.weights, plain.optimizer):
        return None
    return make_adamw(policy.parameters, config.learning_rate, 0.0, policy.memory)


def _last_whole_checkpoint(folder: Path) -> str | None:
    # TRL writes trainer_state.json last: a folder without it was cut by a kill.
    whole = [p.parent for p in folder.glob("checkpoint-*/trainer_state.json")]
    return str(max(whole, key=lambda p: int(p.name.rsplit("-", 1)[1]))) if whole else None
