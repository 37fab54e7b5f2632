"""The whole run: evaluate, cold start, evaluate, GRPO, evaluate, report. Any of it can be killed and resumed.

Every stage leaves a file when it is done, and a stage whose file is there is not done again.
"""

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

from rewards.files import read_json, write_json_atomically
from rollout.chats import encode_chat, read_chats
from rollout.collect import collect_groups, episode_seed
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.models import load_renderer, resolve_model
from rollout.store import read_groups, write_groups
from rollout.trajectory import Group
from rollout.vllm_engine import VllmEngine
from trainer.alarms import alarms
from trainer.checkpoint import CheckpointStore
from trainer.compare import Outcome, compare, read_outcomes
from trainer.config import Config
from trainer.evaluate import engine_settings, evaluate_with_bar, keep_evaluation
from trainer.learned import LearnedLog, learned_path
from trainer.logs import Display, MetricsLog, PhaseLog, quiet_libraries, read_metrics
from trainer.report import write_report
from trainer.rollout_metrics import rollout_metrics
from trainer.run_folder import claim_folder, fixed_precision, weight_folder
from trainer.sinks import Described, check_sinks, open_sinks
from trainer.tasks import Mixture

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
        # Who watches doesn't change what is learned: a resumed run may name other sinks.
        claim_folder(folder, config.model_dump(mode="json", exclude={"logging"}))
        self.phases = PhaseLog(folder)
        self.mixture = Mixture(config.environments)

    def execute(self) -> dict[str, Any]:
        """Runs what is still to do and returns the summary."""
        if (self.folder / "summary.json").is_file():
            self.display.say(f"{self.folder} is finished already: remove it, or give another --name, to train again")
            return read_json(self.folder / "summary.json")
        with asyncio.Runner() as runner:
            with self.phases.measure("start"):
                self._start()
            try:
                self._evaluate(runner, "base", self.model_folder, 0)
                self._cold_start(runner)
                self._evaluate(runner, "sft", None, 0)
                self._grpo(runner)
                self._evaluate(runner, "grpo", None, self.config.trainer.steps)
            except KeyboardInterrupt:
                self.display.say("stopped; the same command goes on from here")
                raise
            finally:
                self.engine.close()
                self.sink.close()
                shutil.rmtree(self.sync_folder, ignore_errors=True)
        return self._finish()

    def _start(self) -> None:
        from trainer.policy import Policy

        quiet_libraries()
        self.precision = fixed_precision(self.folder, self.config.precision)
        what = f"model {self.config.model}, {self.precision}, folder {self.folder}"
        self.display.say(f"[bold]postgym[/bold] {self.config.name}: {what}")
        if walls := self.mixture.walls():
            self.display.say(walls)
        described = Described(
            self.folder, self.config.name, self.config.model_dump(mode="json"), self.config.logging.project
        )
        self.sink = open_sinks(self.config.logging.sinks, described, self.display.say)
        self.engine = VllmEngine(
            engine_settings(self.model_folder, self.config.rollout, self.precision, self.config.logging.vllm_metrics)
        )
        self.renderer = load_renderer(self.model_folder, self.config.rollout.tool_format)
        self.tokenizer = self.renderer.tokenizer
        self.policy = Policy(self.model_folder, self.precision, self.config.rollout.temperature)
        if self.policy.notice:
            self.display.say(self.policy.notice)
        self.sync_folder = weight_folder(self.folder)

    # Evaluation

    def _evaluate(self, runner: asyncio.Runner, stage: str, model: str | None, version: int) -> None:
        if (self.folder / "eval" / f"{stage}.jsonl").is_file():
            return
        with self.phases.measure(f"evaluate {stage}"):
            if model is None:
                self._sync(runner, version)
            groups = evaluate_with_bar(
                runner,
                self.engine,
                self.renderer,
                self.mixture,
                self.config.evaluation.tasks,
                self.config.rollout,
                self.display,
                stage,
            )
            keep_evaluation(self.folder, stage, groups)

    # Cold start

    def _cold_start(self, runner: asyncio.Runner) -> None:
        from safetensors.torch import load_file, save_file

        from rewards.files import write_atomically

        weights = self.folder / "sft" / "weights.safetensors"
        if weights.is_file():
            self.policy.load_state(load_file(weights))
            return
        if self.config.sft.traces or self.chats:
            with self.phases.measure("sft"):
                self._fine_tune(runner)
        write_atomically(weights, lambda staging: save_file(self.policy.state(), staging))
        shutil.rmtree(self.folder / "sft" / "trl", ignore_errors=True)

    def _fine_tune(self, runner: asyncio.Runner) -> None:
        from trainer.sft import expert_trajectories, fine_tune

        tasks = self.mixture.training(self.config.sft.traces, self.config.seed, "sft")
        experts = ScriptedEngine(self.mixture.expert, self.renderer.turn_ids)
        groups = runner.run(self._collect(tasks, 1, experts, None))
        if groups:
            write_groups(self.folder / "trajectories" / "experts.parquet", groups)
        examples = [*expert_trajectories(groups), *(encode_chat(c, self.renderer) for c in self.chats)]
        steps = -(-len(examples) // self.config.sft.batch_size) * self.config.sft.epochs
        with self.display.bar("sft", steps) as bar:
            fine_tune(
                self.policy,
                self.tokenizer,
                examples,
                self.config.sft,
                self.folder / "sft" / "trl",
                self.config.seed,
                lambda row: bar.advance(f"loss {row['loss']:.3f}"),
            )

    # GRPO

    def _grpo(self, runner: asyncio.Runner) -> None:
        from trainer.critic import make_critic
        from trainer.update import make_optimizer

        settings = self.config.trainer
        optimizer = make_optimizer(self.policy, settings)
        self.critic = make_critic(self.policy, settings)
        self.reference = self._reference_policy() if settings.kl_coefficient else None
        store = CheckpointStore(self.folder / "checkpoints", settings.keep_checkpoints)
        first = store.load_newest(self.policy, optimizer, self.display.say, self.critic) or 0
        if first:
            self.display.say(f"  going on after step {first} of {settings.steps}")
        if first >= settings.steps:
            return
        metrics = MetricsLog(self.folder, first, self.sink)
        with self.phases.measure("grpo"), self.display.bar("grpo", settings.steps, first, lines=True) as bar:
            self._sync(runner, first)
            start = self._mean_reward(0) if first else None
            for step in range(first, settings.steps):
                row = self._step(runner, step, optimizer)
                store.save(step + 1, self.policy, optimizer, self.critic)
                metrics.write(row)
                for alarm in alarms(metrics.rows):
                    self.display.say(f"  [yellow]warning:[/yellow] {alarm}")
                start = row["reward_mean"] if start is None else start
                bar.advance(_step_line(row, start))
            store.wait()

    def _reference_policy(self) -> Any:
        """A frozen copy of the policy as it was before this stage."""
        from safetensors.torch import load_file

        from trainer.policy import Policy

        reference = Policy(self.model_folder, self.precision, self.config.rollout.temperature)
        reference.load_state(load_file(self.folder / "sft" / "weights.safetensors"))
        return reference

    def _step(self, runner: asyncio.Runner, step: int, optimizer: Any) -> dict[str, float]:
        from trainer.update import update

        started = time.monotonic()
        path = self.folder / "trajectories" / f"step-{step:05d}.parquet"
        if path.is_file():  # sampled before a kill, not learned from yet
            groups = read_groups(path)
        else:
            tasks = self.mixture.training(self.config.rollout.groups, self.config.seed, "grpo", step)
            seed = episode_seed(self.config.seed, "sampling", step)
            groups = runner.run(self._collect(tasks, self.config.rollout.group_size, self.engine, seed))
            write_groups(path, groups)
        sampled = time.monotonic()
        log = LearnedLog(groups)
        settings = self.config.trainer
        learned = update(self.policy, optimizer, groups, settings, step, self.reference, self.critic, log.add)
        updated = time.monotonic()
        log.write(learned_path(path))
        self._sync(runner, step + 1)
        seconds = {
            "seconds_rollout": sampled - started,
            "seconds_update": updated - sampled,
            "seconds_sync": time.monotonic() - updated,
        }
        return {"step": step, **rollout_metrics(groups, sampled - started, step), **learned, **seconds}

    async def _collect(self, tasks: list, group_size: int, engine: Any, seed: int | None) -> list[Group]:
        r = self.config.rollout
        return await collect_groups(
            tasks,
            group_size,
            self.mixture.make_env,
            engine,
            self.renderer,
            Sampling(r.max_new_tokens, r.temperature, seed),
            Limits(r.max_context, r.step_seconds),
            r.concurrency,
        )

    def _sync(self, runner: asyncio.Runner, version: int) -> None:
        self.policy.save(self.sync_folder, precision=self.precision, for_engine=True)
        runner.run(self.engine.update_weights(self.sync_folder, version))

    def _mean_reward(self, step: int) -> float | None:
        rows = read_metrics(self.folder / "metrics.jsonl")
        return next((row["reward_mean"] for row in rows if row["step"] == step), None)

    # The end

    def _finish(self) -> dict[str, Any]:
        final = self.folder / "model"
        staging = self.folder / ".model"
        shutil.rmtree(staging, ignore_errors=True)
        self.policy.save(staging, self.tokenizer)
        shutil.rmtree(final, ignore_errors=True)
        staging.rename(final)
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


def _step_line(row: dict[str, float], start: float) -> str:
    gain = row["reward_mean"] - start
    return (
        f"reward {row['reward_mean']:.3f} ({gain:+.3f})  success {row['success_rate']:.2f}  "
        f"{row['tokens_per_second']:.0f} tok/s  {row['seconds_rollout']:.0f}+{row['seconds_update']:.0f} s"
    )
