"""Both sides of whole steps: episodes, update and weights handed over, ours with vLLM, TRL's as GRPOTrainer comes.

The world pays for the share of small letters in what is said: any model learns that. Both sides get
the same prompts, token for token, the same reward of the same text, and the same settings.
"""

import asyncio
import random
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from envs.base import Task, TextEnv
from rewards.score import Criterion, Rubric, Score
from rewards.transcript import Message, Transcript
from rollout.chat import ChatRenderer
from rollout.models import load_renderer
from scripts.bench.updates import make_trl

_WORDS = ("river", "stone", "lamp", "garden", "paper", "window", "cloud", "metal", "bridge", "ladder", "market")
_ASK = "Go on: {}"


@dataclass(frozen=True, slots=True)
class StepSize:
    """Of a step: tasks, episodes of each, words of a prompt, most tokens of an answer, and the learning rate.

    Args:
        ask: what is said around the words; how long the answers get depends on it.
    """

    prompts: int
    group_size: int
    words: int
    new_tokens: int
    learning_rate: float
    ask: str = _ASK

    def __str__(self) -> str:
        return f"{self.prompts} x {self.group_size}, about {self.words} words in, {self.new_tokens} tokens out"


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a step: mean reward of its episodes, their mean length in sampled tokens, and its seconds."""

    reward: float
    tokens: float
    seconds: float


def small_letters(text: str) -> float:
    """The share of a to z in a text: in [0, 1]. Special tokens are no text: TRL hides them, our transcripts don't."""
    said = re.sub(r"<\|\w+\|>", "", text)
    return sum("a" <= letter <= "z" for letter in said) / max(1, len(said))


def _judge(transcript: Transcript, target: Any) -> Score:
    share = small_letters(transcript.messages[-1].content)
    return Score(share, f"{share:.2f} of it are small letters")


class SmallLetters(TextEnv):
    """Says some words and pays for small letters; the words are of no matter."""

    id = "bench/SmallLetters"
    rubric = Rubric([Criterion("small letters", _judge)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """Twenty words, whatever the difficulty."""
        return _task(rng, 20, _ASK)


def _task(rng: random.Random, words: int, ask: str) -> Task:
    said = ask.format(" ".join(rng.choices(_WORDS, k=words)))
    return Task(prompt=(Message("user", said),), target={}, env=SmallLetters.id, seed=rng.getrandbits(31))


def tasks_of(size: StepSize, steps: int, seed: int) -> list[list[Task]]:
    """The tasks of each step; the same for both sides."""
    rng = random.Random(seed)
    return [[_task(rng, size.words, size.ask) for _ in range(size.prompts)] for _ in range(steps)]


class OurSide:
    """Our loop without its files: vLLM in its actor, the update, the weights handed over and proved.

    Args:
        precision: of engine and trainer.
        compiles: as `rollout.compile`.
    """

    def __init__(self, model: str, size: StepSize, precision: str, pack_tokens: int, compiles: bool = False) -> None:
        from rollout.vllm_actor import VllmSettings
        from rollout.vllm_engine import VllmEngine
        from trainer.trainer_config import TrainerConfig

        self.model, self.size, self.precision = model, size, precision
        self.config = TrainerConfig(
            algorithm="dr_grpo",
            learning_rate=size.learning_rate,
            length_constant=size.new_tokens,
            pack_tokens=pack_tokens,
            warmup_steps=0,
        )
        self.renderer = load_renderer(model)
        self.engine = VllmEngine(VllmSettings(model, max_context=1024, precision=precision, compiles=compiles))
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.version = -1

    def begin(self) -> None:
        """Starts from the model as it is on disk."""
        from trainer.optimizer import make_optimizer
        from trainer.policy import Policy
        from trainer.weight_sync import WeightSync

        self.policy = Policy(self.model, self.precision)
        self.optimizer = make_optimizer(self.policy, self.config)
        self.weights = WeightSync(self.engine, self.folder, self.renderer, self.config.max_mismatch)
        self._send()

    def _send(self) -> None:
        self.version += 1
        self.runner.run(self.weights.send(self.policy, self.version))

    def step(self, tasks: Sequence[Task], seed: int) -> Step:
        """Plays the tasks, learns from them and hands the weights over."""
        from rollout.collect import collect_groups
        from rollout.engine import Sampling
        from rollout.episode import Limits
        from trainer.update import update

        started = time.perf_counter()
        sampling = Sampling(self.size.new_tokens, 1.0, seed)
        playing = collect_groups(
            tasks, self.size.group_size, lambda _: SmallLetters(), self.engine, self.renderer, sampling, Limits(1024)
        )
        groups = self.runner.run(playing)
        update(self.policy, self.optimizer, groups, self.config, 0)
        self._send()
        episodes = [t for group in groups for t in group.trajectories]
        seconds = time.perf_counter() - started
        return Step(fmean(t.score.value for t in episodes), fmean(t.sampled_tokens for t in episodes), seconds)

    def close(self) -> None:
        """Ends the engine."""
        self.engine.close()
        self.runner.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def trl_side(
    model: str, size: StepSize, tasks: Sequence[Sequence[Task]], renderer: ChatRenderer, seed: int, **settings: Any
) -> list[Step]:
    """GRPOTrainer's steps.

    Args:
        settings: of GRPOConfig, beside those that say what is learned and from what.
    """
    batch = size.prompts * size.group_size
    rows = settings.pop("per_device_train_batch_size", batch)
    with tempfile.TemporaryDirectory() as folder:
        trainer, clock = make_trl(
            model,
            folder,
            [_same_ids(renderer, task) for step in tasks for task in step],
            _pay_small_letters,
            per_device_train_batch_size=rows,
            gradient_accumulation_steps=batch // rows,
            num_generations=size.group_size,
            max_completion_length=size.new_tokens,
            max_steps=len(tasks),
            learning_rate=size.learning_rate,
            loss_type="dr_grpo",
            scale_rewards="none",
            adam_beta2=0.99,
            lr_scheduler_type="constant",
            shuffle_dataset=False,
            seed=seed,
            **settings,
        )
        trainer.train()
    logged = [row for row in trainer.state.log_history if "reward" in row]
    return [
        Step(row["reward"], row["completions/mean_length"], seconds)
        for row, seconds in zip(logged, clock.seconds, strict=True)
    ]


def _same_ids(renderer: ChatRenderer, task: Task) -> str:
    """A task's prompt as the text that TRL turns into the ids that our engine gets."""
    ids = renderer.prompt_ids(task.prompt, ())
    text = renderer.tokenizer.decode(ids)
    if renderer.tokenizer(text)["input_ids"] != ids:
        raise ValueError(f"TRL would read other ids than our engine: {text!r:.200}")
    return text


def _pay_small_letters(completions: Sequence[str], **_: Any) -> list[float]:
    return [small_letters(text) for text in completions]


def make_small_model(folder: Path, like: str) -> str:
    """A two-layer Llama that reads bytes, with random weights and another model's chat template; its folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    known = AutoTokenizer.from_pretrained(like)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytewise = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    bytewise.pre_tokenizer, bytewise.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = {f"{name}_token": getattr(known, f"{name}_token") for name in ("bos", "eos", "pad")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytewise, chat_template=known.chat_template, **special)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=0.05,  # nearly uniform at first
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
