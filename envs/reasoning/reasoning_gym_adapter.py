"""Every dataset of the package reasoning-gym as `postgym/reasoning_gym/<name>`, scored by its own `score_answer`.

    envs.make("postgym/reasoning_gym/chain_sum", difficulty=0.5)

The package is optional and imported by the first environment that needs it. A task holds which entry it is; the
scorer gets the entry made anew, so that nothing of it has to survive JSON. Difficulty chooses the levels of the
dataset's curriculum, where it has one.
"""

import random
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from envs.base import Exploit, Policy, Split, Task, TextEnv
from envs.reasoning.reasoning_gym_limits import PAYS_GUESSES, why_refused
from rewards.errors import ConfigError, TaskError, nearest
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message, Transcript

SYSTEM = "Reason step by step. End with the answer alone in tags: <answer>...</answer>"
NAMESPACE = "postgym/reasoning_gym/"
_OPEN, _CLOSE = "<answer>", "</answer>"
_STEPS = 8  # of difficulty: so many configurations of a dataset are kept at most
_NO_END = 2**31
_DRAWS = 20  # of an entry, where a generator gives up on some

Entry = dict[str, Any]


def dataset_names() -> list[str]:
    """The names of all datasets, sorted.

    Raises:
        ConfigError: reasoning-gym isn't installed.
    """
    return sorted(set(_factory().DATASETS) - {"composite"})


def _factory() -> Any:
    try:
        import reasoning_gym
    except ImportError as error:
        install = "pip install 'postgym[reasoning-gym]'"
        raise ConfigError(f"{NAMESPACE}* needs the package reasoning-gym ({error}); {install}") from error
    return reasoning_gym.factory


@lru_cache(maxsize=512)
def _dataset(name: str, step: int) -> Any:
    """The dataset at one of `_STEPS` + 1 steps of difficulty; its defaults at -1."""
    factory = _factory()
    make_dataset, make_config = factory.DATASETS[name]
    if step < 0 or not factory.has_curriculum(name):
        return make_dataset(make_config(seed=0))
    curriculum = factory.create_curriculum(name)
    for attribute in curriculum.attributes.values():
        top = len(attribute.levels) - 1
        curriculum.set_attr_level(attribute.name, round(top * step / _STEPS))
    try:
        return make_dataset(curriculum.generate_configuration({"seed": 0}))
    except (AssertionError, TypeError, ValueError):  # some curricula reach levels that their dataset refuses
        return _dataset(name, step - 1)


@lru_cache(maxsize=512)
def _index_limit(name: str, step: int) -> int:
    """How many entries there are: no end of them, but where a dataset makes all of its `size` beforehand."""
    try:
        _dataset(name, step)[_NO_END - 1]
    except IndexError:
        return len(_dataset(name, step))
    except Exception:  # of one entry: others may do
        return _NO_END
    return _NO_END


@lru_cache(maxsize=256)
def _entry(name: str, step: int, index: int) -> Entry:
    return _dataset(name, step)[index]


def read_answer(text: str) -> str | None:
    """What stands in the only `<answer>` tags, which must close the text; None for anything else.

    Unlike `rewards.format.tagged_answer` it may be signs alone: some datasets ask for brackets.
    """
    if text.count(_OPEN) != 1 or text.count(_CLOSE) != 1 or not text.rstrip().endswith(_CLOSE):
        return None
    return text.partition(_OPEN)[2].rstrip().removesuffix(_CLOSE).strip() or None


def scores_as_its_dataset(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """What the dataset's own scorer gives the answer in the tags, part credit included.

    `target` holds the dataset's `name`, the `step` of difficulty, the `index` and the gold `answer`. A scorer that
    fails on an answer but not on the gold one was given something unreadable; one that fails on both is broken.
    """
    try:
        name, gold = target["name"], target["answer"]
        dataset, entry = _dataset(name, target["step"]), _entry(name, target["step"], target["index"])
    except (KeyError, TypeError) as error:
        return failure(Status.TASK_ERROR, f"the target names no entry: {error!r:.80}")
    answer = read_answer(transcript.answer)
    if answer is None:
        return Score(0.0, "no single closing <answer>...</answer>", status=Status.INVALID_OUTPUT)
    if why := why_refused(name, answer, gold):
        return Score(0.0, why, status=Status.INVALID_OUTPUT)
    try:
        value = float(dataset.score_answer(answer, entry))
    except Exception as error:
        if _fails(dataset, entry, gold):
            return failure(Status.TASK_ERROR, f"{name}'s scorer fails on its own answer: {error!r:.80}")
        return Score(0.0, f"{name}'s scorer can't read the answer: {error!r:.80}", status=Status.INVALID_OUTPUT)
    return Score(min(1.0, max(0.0, value)), "right" if value >= 1 else f"{name}'s scorer gives {value:g}")


def _fails(dataset: Any, entry: Entry, answer: str) -> bool:
    try:
        dataset.score_answer(answer, entry)
    except Exception:
        return True
    return False


class ReasoningGym(TextEnv):
    """One dataset of reasoning-gym.

    Args:
        name: the dataset's.
        split: which half of its questions.
        difficulty: 0 to 1, mapped onto the levels of its curriculum; or None to draw it.

    Raises:
        ConfigError: reasoning-gym isn't installed, or has no such dataset.
    """

    rubric = Rubric([Criterion("answer", scores_as_its_dataset)])

    def __init__(self, name: str, split: Split = "train", difficulty: float | None = None) -> None:
        if name not in (names := dataset_names()):
            raise ConfigError(f"reasoning-gym has no dataset {name!r}; {nearest(name, names)}")
        self.name = name
        self.id = f"{NAMESPACE}{name}"  # type: ignore[misc]
        super().__init__(split, difficulty)

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """An entry of the dataset at the nearest step of difficulty."""
        step = round(_STEPS * difficulty)
        for _ in range(_DRAWS):
            index = rng.randrange(_index_limit(self.name, step))
            try:
                entry = _entry(self.name, step, index)
            except Exception as error:
                fault = error
                continue
            return Task(
                prompt=(Message("system", SYSTEM), Message("user", str(entry["question"]))),
                target={"name": self.name, "step": step, "index": index, "answer": str(entry["answer"])},
            )
        raise TaskError(f"{self.id}: its generator fails at difficulty {difficulty}: {fault!r:.80}")

    def expert(self, task: Task) -> Policy:
        """The gold answer; the datasets give no worked solutions."""
        return lambda messages: f"{_OPEN}{task.target['answer']}{_CLOSE}"

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Answers that need no look at the question, and the gold one hedged or hidden."""
        bound, reason = PAYS_GUESSES.get(self.name, (0.2, ""))
        gold = task.target["answer"]

        def says(text: str) -> Exploit:
            return Exploit(lambda messages: f"{_OPEN}{text}{_CLOSE}", bound, reason)

        return {
            "nothing in the tags": says(""),
            "zero": says("0"),
            "one": says("1"),
            "yes": says("Yes"),
            "no": says("No"),
            "true": says("True"),
            "false": says("False"),
            "an empty list": says("[]"),
            "the question": says(task.prompt[-1].content),
            "two answers in tags": Exploit(lambda messages: f"{_OPEN}0{_CLOSE} {_OPEN}{gold}{_CLOSE}"),
            "the answer in the thinking": Exploit(
                lambda messages: f"<think>{_OPEN}{gold}{_CLOSE}</think> I don't know."
            ),
        }
