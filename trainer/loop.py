"""The whole run: evaluate, cold start, evaluate, GRPO, evaluate, report. Any of it can be killed and resumed.

Every stage leaves a file when it is done, and a stage whose file is there is not done again.
"""

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewards.errors import CheckpointError
from rewards.files import read_json, write_json_atomically
from rollout.chats import encode_chat, read_chats
from rollout.models import resolve_model
from rollout.store import write_groups
from trainer.compare import Outcome, compare, read_outcomes
from trainer.config import Config
from trainer.evaluate import evaluate_with_bar, keep_evaluation
from trainer.logs import Display, PhaseLog, quiet_libraries, read_metrics
from trainer.report import write_report
from trainer.run_folder import claim_folder, fixed_precision
from trainer.sinks import check_sinks
from trainer.tasks import Mixture

if TYPE_CHECKING:
    from trainer.parts import Parts  # loads torch: a wrong setting is told before that

STAGES = ("base", "sft", "grpo")


class Run:
    """One training run in its folder.

    Args:
        config: validated.
        folder: made if missing; one that another config made is refused.

    Raises:
        ConfigError: the folder holds a run with other settings, the model or a sink's package is missing, or
            `sft.file` is no chats.
    """

    def __init__(self, config: Config, folder: Path, display: Display | None = None) -> None:
        self.config = config
        self.folder = folder
        self.display = display or Display()
        self.model_folder = resolve_model(config.model)
        self.chats = read_chats(config.sft.file) if config.sft.file else []
        check_sinks(config.logging.sinks)
        # Who watches, and how many compute or play, doesn't change what is learned: a resumed run may name others.
        others = {"logging": True, "trainer": {"processes"}, "rollout": {"drivers"}}
        claim_folder(folder, config.model_dump(mode="json", exclude=others))
        self.phases = PhaseLog(folder)
        self.mixture = Mixture(config.environments)

    def execute(self) -> dict[str, Any]:
        """Runs what is still to do and returns the summary."""
        if (self.folder / "summary.json").is_file():
            self.display.say(f"{self.folder} is finished already: remove it, or give another --name, to train again")
            return read_json(self.folder / "summary.json")
        with asyncio.Runner() as runner:
            with self.phases.measure("start"):
                self.parts = self._start()
            try:
                self._evaluate(runner, "base", self.model_folder, 0)
                self._cold_start(runner)
                self._evaluate(runner, "sft", None, 0)
                self._reinforce(runner)
                self._evaluate(runner, "grpo", None, self.config.trainer.steps)
            except KeyboardInterrupt:
                self.display.say("stopped; the same command goes on from here")
                raise
            finally:
                self.parts.close()
        return self._finish()

    def _start(self) -> "Parts":
        from trainer.memory import check_fits, this_machine
        from trainer.parts import make_parts

        quiet_libraries()
        precision = fixed_precision(self.folder, self.config.precision)
        what = f"model {self.config.model}, {precision}, folder {self.folder}"
        self.display.say(f"[bold]postgym[/bold] {self.config.name}: {what}")
        if walls := self.mixture.walls():
            self.display.say(walls)
        if self.config.trainer.processes == 1 or self.config.rollout.ray_address == "local":
            self.display.say(check_fits(self.config, self.model_folder, precision, this_machine()).line())
        return make_parts(
            self.config, self.folder, self.model_folder, precision, self.mixture, self.display, self.phases
        )

    # Evaluation

    def _evaluate(self, runner: asyncio.Runner, stage: str, model: str | None, version: int) -> None:
        if (self.folder / "eval" / f"{stage}.jsonl").is_file():
            return
        with self.phases.measure(f"evaluate {stage}"):
            if model is None:
                self.parts.send_weights(runner, version)
            groups = evaluate_with_bar(
                runner,
                self.parts.engine,
                self.parts.renderer,
                self.mixture,
                self.config.evaluation.tasks,
                self.config.rollout,
                self.display,
                stage,
            )
            keep_evaluation(self.folder, stage, groups)

    # Cold start

    def _cold_start(self, runner: asyncio.Runner) -> None:
        from trainer.checkpoint import read_weights, write_weights

        policy, weights = self.parts.policy, self.folder / "sft" / "weights.safetensors"
        if weights.is_file():
            try:
                policy.load_state(read_weights(weights))
                return
            except CheckpointError as error:
                self.display.say(f"{error}; the cold start is made again")
        if self.config.sft.traces or self.chats:
            with self.phases.measure("sft"):
                self._fine_tune(runner)
        write_weights(weights, policy.state())
        shutil.rmtree(self.folder / "sft" / "trl", ignore_errors=True)

    def _fine_tune(self, runner: asyncio.Runner) -> None:
        from trainer.sft import expert_trajectories, fine_tune

        renderer = self.parts.renderer
        tasks = self.mixture.training(self.config.sft.traces, self.config.seed, "sft")
        groups = runner.run(self.parts.expert_groups(tasks))
        if groups:
            write_groups(self.folder / "trajectories" / "experts.parquet", groups)
        examples = [*expert_trajectories(groups), *(encode_chat(c, renderer) for c in self.chats)]
        steps = -(-len(examples) // self.config.sft.batch_size) * self.config.sft.epochs
        with self.display.bar("sft", steps) as bar:
            fine_tune(
                self.parts.policy,
                renderer.tokenizer,
                examples,
                self.config.sft,
                self.folder / "sft" / "trl",
                self.config.seed,
                lambda row: bar.advance(f"loss {row['loss']:.3f}"),
            )

    # Reinforcement learning

    def _reinforce(self, runner: asyncio.Runner) -> None:
        from trainer.reinforce import Reinforcement

        Reinforcement(self.parts).run(runner)

    # The end

    def _finish(self) -> dict[str, Any]:
        final = self.folder / "model"
        staging = self.folder / ".model"
        shutil.rmtree(staging, ignore_errors=True)
        self.parts.policy.save(staging, self.parts.renderer.tokenizer)
        shutil.rmtree(final, ignore_errors=True)
        staging.rename(final)
        if self.config.trainer.memory.lora:
            self.parts.policy.save_adapter(self.folder / "adapter")
        stages: dict[str, list[Outcome]] = {s: read_outcomes(self.folder / "eval" / f"{s}.jsonl") for s in STAGES}
        summary = {
            "name": self.config.name,
            "machine": read_json(self.folder / "machine.json"),
            **compare(stages),
            "rubrics": self.mixture.rubrics(),
            "phases": self.phases.summary(),
            "config": self.config.model_dump(mode="json"),
        }
        write_report(self.folder / "report.html", summary, stages, read_metrics(self.folder / "metrics.jsonl"))
        write_json_atomically(self.folder / "summary.json", summary)
        return summary
