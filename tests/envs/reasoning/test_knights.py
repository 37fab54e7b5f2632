"""Knights: one way to be who they are, found again by reading the question alone; lists of names are judged whole."""

import itertools
import re
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.proof import play
from envs.reasoning.knights import names_the_honest
from rewards.score import Status
from rewards.transcript import Message, Transcript

TARGET = {"names": ["Ada", "Ben", "Cora", "Dan"], "honest": ["Ada", "Cora"]}


@pytest.fixture(scope="module")
def env():
    return envs.make("postgym/Knights-v0")


def score(text: str, target=TARGET):
    return names_the_honest(Transcript((Message("assistant", text),)), target)


def holds(said: str, honest: dict[str, bool], good: str, bad: str) -> bool:
    """Whether the sentence is true of these people, by its words."""
    said = said[0].lower() + said[1:]
    if said.startswith("if "):
        left, right = said[3:].split(", then ")
        return not holds(left, honest, good, bad) or holds(right, honest, good, bad)
    if match := re.fullmatch(r"exactly (\d) of us (?:is|are) .*", said):
        return sum(honest.values()) == int(match[1])
    if match := re.fullmatch(r"(\w+) and (\w+) are of (the same kind|different kinds)", said, re.IGNORECASE):
        alike = honest[match[1].title()] == honest[match[2].title()]
        return alike == (match[3] == "the same kind")
    for word, join in ((" or ", any), (" and ", all)):
        if word in said:
            return join(holds(part, honest, good, bad) for part in said.split(word))
    who, kind = said.split(" is a ")
    return honest[who.title()] == {good: True, bad: False}[kind]


def answers(task) -> list[list[str]]:
    """All lists of honest people that fit the words of the question, by trying every one."""
    names, (good, bad) = task.target["names"], task.meta["kinds"]
    text = task.prompt[1].content
    said = re.findall(r'(\w+) says: "(.*)\."', text)
    known = re.findall(r": (\w+) is a ([\w -]+)\.$|known that (\w+) is a ([\w -]+)\.$", text, re.MULTILINE)
    fits = []
    for kinds in itertools.product((True, False), repeat=len(names)):
        honest = dict(zip(names, kinds, strict=True))
        facts = [("".join((a, c)), "".join((b, d))) for a, b, c, d in known]
        if all(honest[who] == (kind == good) for who, kind in facts) and all(
            holds(words, honest, good, bad) == honest[speaker] for speaker, words in said
        ):
            fits.append([name for name in names if honest[name]])
    return fits


def test_the_words_of_the_question_fit_one_answer_only(env):
    for seed in range(40):
        task = env.sample_task(seed, "train", seed / 39)
        assert answers(task) == [task.target["honest"]]


def test_there_are_always_both_kinds(env):
    for seed in range(60):
        target = env.sample_task(seed, "test", seed / 59).target
        assert 0 < len(target["honest"]) < len(target["names"])


def test_the_expert_names_everybody_it_speaks_of_rightly_outside_its_suppositions(env):
    for seed in range(40):
        task = env.sample_task(seed, "train", seed / 39)
        supposing = False
        for line in env.expert(task)(task.prompt).splitlines()[:-1]:
            supposing = (supposing or line.startswith("Suppose")) and not line.startswith("So ")
            if not supposing:
                who, kind = re.search(r"(\w+) is a ([\w -]+)\.$", line).groups()
                assert (kind == task.meta["kinds"][0]) == (who in task.target["honest"])


def test_easy_tasks_need_no_supposing_and_hard_ones_do(env):
    def suppositions(level: float) -> float:
        tasks = [env.sample_task(i, "train", level) for i in range(40)]
        return mean(env.expert(t)(t.prompt).count("Suppose") for t in tasks)

    found = [suppositions(level) for level in (0, 0.5, 1)]
    assert found == sorted(found)
    assert found[0] < 0.2
    assert found[-1] > 1


def test_who_never_supposes_solves_less_and_less(env):
    def solved(task) -> float:
        work = env.expert(task)(task.prompt)
        answer = work.splitlines()[-1] if "Suppose" not in work else f"Answer: {task.target['names'][0]}"
        return play(env, task, lambda messages: answer)[1].value

    earned = [mean(solved(env.sample_task(i, "train", level)) for i in range(60)) for level in (0, 0.5, 1)]
    assert earned == sorted(earned, reverse=True)
    assert earned[0] > earned[-1] + 0.5


@pytest.mark.parametrize("answer", ["Ada, Cora", "Cora,Ada", "ada and cora", "Cora, and Ada.", "Cora and Ada."])
def test_any_order_and_usual_spelling_is_right(answer):
    assert score(f"Answer: {answer}").value == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("Ada", "wrong"),
        ("Ada, Ben, Cora", "wrong"),
        ("Ada, Cora, Ada", "each once"),
        ("Ada or Cora", "each once"),
        ("Ada, Cora, Eve", "each once"),
        ("Ada is a knight, Cora is a knight", "each once"),
        ("Ad\u0430, Cora", "each once"),
        ("nobody", "each once"),
        (", ,", "each once"),
    ],
)
def test_what_is_not_the_answer_is_told_why(answer, why):
    judged = score(f"Answer: {answer}")
    assert judged.value == 0
    assert why in judged.reason


@pytest.mark.parametrize("target", [{}, {"names": ["A"], "honest": []}, {"names": ["A"], "honest": ["B"]}])
def test_a_broken_target_is_the_tasks_fault(target):
    assert score("Answer: A", target).status is Status.TASK_ERROR


@given(st.lists(st.sampled_from([*TARGET["names"], "and", ",", "or", "not"]), max_size=6))
def test_only_the_two_names_score(words):
    if score(f"Answer: {' '.join(words)}").value:
        assert sorted(w for w in words if w not in ("and", ",")) == ["Ada", "Cora"]
