"""`postgym/reasoning_gym/<name>`: the datasets of the package reasoning-gym, judged by their own `score_answer`.

    envs.make("postgym/reasoning_gym/chain_sum", difficulty=0.5)

The package is optional and imported by the first environment that needs it. A task names an entry (dataset, step of
difficulty, index), which is made anew to judge it: nothing of it has to survive JSON. Full marks pay 1, all else 0.
"""

import ast
import decimal
import io
import json
import random
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from envs.base import Exploit, Policy, Split, Task, TextEnv
from envs.reasoning.gym_datasets import (
    CALCULATED,
    DATASETS,
    EVALUATED,
    EXAMPLES,
    FORMS,
    GLOBAL_STATE,
    GUESSED,
    LENIENT,
    MIXED,
    NOTES,
    PREFIX,
    SIZES,
)
from envs.reasoning.gym_judges import JUDGES
from envs.reasoning.gym_mends import ANSWERS, HOLDS, MENDS, SETTINGS
from envs.reasoning.gym_programs import Programs
from rewards.arithmetic import ExpressionError, calculate
from rewards.errors import ConfigError, TaskError, nearest
from rewards.format import tagged_answer
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message, Transcript

SYSTEM = Message("system", "Think it through step by step. End with the answer alone in tags: <answer>...</answer>")
INSTALL = "pip install 'postgym[reasoning-gym]'"
MAX_CHARS = 2_000  # of an answer, beyond four times the right one's
_DRAWS = 200  # of an entry, where a generator or scorer fails on some, or nine of ten are passed over
_NO_END = 2**31
_PLAIN = re.compile(r"[\w\s.,-]*")  # no brackets and no operators but "-": nothing that eval could run away with
_GLOBAL = threading.Lock()  # held while the process's one global random state and stdout are borrowed


class Entry(NamedTuple):
    """An entry of a dataset with the answer that its scorer pays in full."""

    raw: Mapping[str, Any]
    question: str
    answer: str


def _package() -> Any:
    try:
        import reasoning_gym
    except ImportError as error:
        raise ConfigError(f"{PREFIX}* needs the package reasoning-gym ({error}): {INSTALL}") from error
    return reasoning_gym


@lru_cache(maxsize=512)
def _dataset(name: str, step: int) -> Any:
    """The dataset at a step of difficulty, mended where it has to be."""
    if name == "codeio":
        return Programs()
    make_dataset, _ = _package().factory.DATASETS[name]
    dataset = make_dataset(_config(name, step))
    if name in MENDS:
        MENDS[name](dataset)
    return dataset


def _config(name: str, step: int) -> Any:
    """Each attribute of the curriculum at `step` eighths of its levels, where there is one of use."""
    from reasoning_gym.coaching.base_curriculum import DefaultCurriculumContext, RangeAttributeMode

    factory = _package().factory
    _, make_config = factory.DATASETS[name]
    settings = {"seed": 0, **({"size": SIZES[name]} if name in SIZES else {})}
    if name in SETTINGS:
        return make_config(**settings, **SETTINGS[name](step))
    if not factory.has_curriculum(name):
        return make_config(**settings)
    curriculum = factory.create_curriculum(name)
    for attribute in curriculum.attributes.values():
        curriculum.set_attr_level(attribute.name, round((len(attribute.levels) - 1) * step / 8))
    hardest = DefaultCurriculumContext(mode=RangeAttributeMode.UPPER_BOUND)  # not the easier levels as well
    return curriculum.generate_configuration(settings, context=hardest)


@contextmanager
def _isolated(name: str, index: int) -> Iterator[None]:
    """Keeps a generator or scorer from what is global: the context of decimals and, where it uses them, stdout and
    the random states, which are seeded for it and put back.
    """
    with decimal.localcontext(decimal.Context()):
        if name not in GLOBAL_STATE:
            yield
            return
        with _GLOBAL:
            kept, kept_numpy = random.getstate(), np.random.get_state()
            random.seed(index)
            np.random.seed(index)
            try:
                with redirect_stdout(io.StringIO()):
                    yield
            finally:
                random.setstate(kept)
                np.random.set_state(kept_numpy)


@lru_cache(maxsize=1024)
def find_entry(name: str, step: int, index: int) -> Entry | None:
    """The entry, or None where the generator fails on it, or its answer is not what its scorer pays in full."""
    dataset = _dataset(name, step)
    try:
        with _isolated(name, index):
            raw = dataset[index]
        answer = _answer(name, raw)
        if name in HOLDS and not HOLDS[name](raw):
            return None
        if tagged_answer(f"<answer>{answer}</answer>", signs=True) != answer.strip():
            return None
        paid = _paid(name, step, index, answer.strip(), raw)
    except Exception:  # of whatever kind: other entries may do
        return None
    question = "\n\n".join([str(raw["question"]), *([NOTES[name]] if name in NOTES else [])])
    return Entry(raw, question, answer.strip()) if paid >= 1 else None


def _answer(name: str, raw: Mapping[str, Any]) -> str:
    if name in ANSWERS:
        right = ANSWERS[name](raw)
    else:
        right = raw["metadata"][EXAMPLES[name]] if name in EXAMPLES else raw["answer"]
    return json.dumps(right) if isinstance(right, dict) else str(right)


def _paid(name: str, step: int, index: int, answer: str, raw: Mapping[str, Any]) -> float:
    """What the dataset's scorer gives, or our own judge where that one isn't fit."""
    with _isolated(name, index):
        if name in JUDGES:
            return float(JUDGES[name](answer, raw))
        return float(_dataset(name, step).score_answer(answer, raw))


def why_refused(name: str, answer: str, right: str) -> str:
    """Why the dataset's scorer must not see this answer; "" where it may.

    Some scorers hand the answer to `eval` or to sympy's parser, which does the same; some pay any text that holds the
    right answer.
    """
    if len(answer) > MAX_CHARS + 4 * len(right):
        return f"{len(answer)} characters"
    if name in LENIENT and answer.casefold().split() != right.casefold().split():
        return "other words than the right one"
    if name in FORMS and not re.fullmatch(FORMS[name], answer):
        return "not in the form that is asked for"
    if name in EVALUATED and not (_PLAIN.fullmatch(answer) or _is_literal(answer)):
        return "neither plain text nor a list"
    if name in CALCULATED:
        try:
            calculate(answer)
        except ExpressionError as error:
            return f"no calculation ({error})"
    return ""


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return False
    return True


def scores_as_its_dataset(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the dataset's scorer gives the answer in the closing tags full marks; what it pays for less is 0 here.

    `target` holds `dataset`, `step`, `index` and the right `answer`.
    """
    try:
        name, right = target["dataset"], target["answer"]
        entry = find_entry(name, target["step"], target["index"])
    except (KeyError, TypeError) as error:
        return failure(Status.TASK_ERROR, f"the target names no entry: {error!r:.80}")
    if entry is None or entry.answer != right:
        return failure(Status.TASK_ERROR, f"{name} no longer makes entry {target['index']} as it did")
    answer = tagged_answer(transcript.answer, signs=True)
    if answer is None:
        return Score(0.0, "no single closing <answer>...</answer>", status=Status.INVALID_OUTPUT)
    if why := why_refused(name, answer, right):
        return Score(0.0, f"the answer is {why}", status=Status.INVALID_OUTPUT)
    try:
        paid = _paid(name, target["step"], target["index"], answer, entry.raw)
    except Exception as error:  # it paid the right answer, so this one was the cause
        return Score(0.0, f"the scorer can't read it: {error!r:.80}", status=Status.INVALID_OUTPUT)
    return Score(1.0, "right") if paid >= 1 else Score(0.0, f"{answer[:40]!r} gets {paid:.2f} of its dataset's 1")


class ReasoningGym(TextEnv):
    """One dataset of reasoning-gym.

    Args:
        name: the dataset's.
        split: which half of its questions.
        difficulty: 0 to 1, over the levels of its curriculum that `envs.reasoning.gym_datasets` offers; None draws it.

    Raises:
        ConfigError: reasoning-gym isn't installed, or there is no such dataset.
    """

    rubric = Rubric([Criterion("answer", scores_as_its_dataset)])

    def __init__(self, name: str, split: Split = "train", difficulty: float | None = None) -> None:
        if name not in DATASETS:
            raise ConfigError(f"no environment '{PREFIX}{name}'; {nearest(name, DATASETS)}")
        _package()
        self.name = name
        self.id = f"{PREFIX}{name}"  # type: ignore[misc]
        self.endless = name not in SIZES  # type: ignore[misc]
        super().__init__(split, difficulty)

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """An entry of the dataset (the composite's: of any that it is mixed of) at the nearest step of difficulty."""
        name = rng.choice(MIXED) if self.name == "composite" else self.name
        step = round(DATASETS[name] * difficulty)
        for _ in range(_DRAWS):
            index = rng.randrange(SIZES.get(name, _NO_END))
            if (entry := find_entry(name, step, index)) is not None:
                return Task(
                    prompt=(SYSTEM, Message("user", entry.question)),
                    target={"dataset": name, "step": step, "index": index, "answer": entry.answer},
                )
        raise TaskError(f"{self.id}: {_DRAWS} entries at difficulty {difficulty} failed; lower the difficulty")

    def expert(self, task: Task) -> Policy:
        """The right answer; the datasets give no worked solutions."""
        return lambda messages: f"<answer>{task.target['answer']}</answer>"

    def wrong_texts(self, task: Task, text: str) -> list[str]:
        """The right answer with a sign too many, and none."""
        return [f"<answer>{task.target['answer']} {extra}</answer>" for extra in ("#", "~ 7 x")] + ["<answer></answer>"]

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Answers that need no look at the question, and the right one hedged, repeated or hidden."""
        bound = GUESSED.get(self.name, 0.2)
        reason = "few answers are possible" if self.name in GUESSED else ""
        right = task.target["answer"]

        def says(text: str) -> Exploit:
            return Exploit(lambda messages: text)

        guesses = {
            f"always {guess!r}": Exploit(lambda messages, guess=guess: f"<answer>{guess}</answer>", bound, reason)
            for guess in ("0", "1", "2", "Yes", "No", "True", "False", "[]", "None")
        }
        return guesses | {
            "the question as the answer": says(f"<answer>{task.prompt[-1].content[:MAX_CHARS]}</answer>"),
            "the answer and another": says(f"<answer>{right} or 0, or 1, or Yes, or No</answer>"),
            "two answers in tags": says(f"<answer>0</answer> <answer>{right}</answer>"),
            "the answer in the thinking": says(f"<think><answer>{right}</answer></think> I don't know."),
            "nothing in the tags": says("<answer> </answer>"),
        }
