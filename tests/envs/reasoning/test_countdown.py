"""Countdown: every expression that reaches the target is right, and no other."""

import random
from fractions import Fraction
from itertools import combinations
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.proof import play
from envs.reasoning.countdown import Term, join, reaches_target
from rewards.arithmetic import calculate
from rewards.score import Status
from rewards.transcript import Message, Transcript

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def env():
    return envs.make("postgym/Countdown-v0")


def score(text: str, numbers=(3, 5, 7), value=36):
    said = Transcript((Message("assistant", text),))
    return reaches_target(said, {"numbers": list(numbers), "value": value})


def reachable(numbers: tuple[Fraction, ...]) -> set[Fraction]:
    """Everything that some of the numbers come to, by trying all."""
    found = set(numbers)
    for (i, a), (j, b) in combinations(enumerate(numbers), 2):
        rest = tuple(n for k, n in enumerate(numbers) if k not in (i, j))
        results = {a + b, a - b, b - a, a * b} | ({a / b} if b else set()) | ({b / a} if a else set())
        for result in results:
            found |= reachable((*rest, result))
    return found


def random_search(env, task, tries: int) -> float:
    """A handicapped solver: joins the numbers at random a few times and answers with what fits, if any."""
    rng = random.Random(task.seed)
    for _ in range(tries):
        terms = [Term(n, str(n)) for n in task.target["numbers"]]
        while len(terms) > 1:
            left, right = rng.sample(terms, 2)
            if (term := join(rng.choice("+-*/"), left, right)) is None:
                break
            terms = [t for t in terms if t is not left and t is not right] + [term]
            if term.value == task.target["value"]:
                return float(score(f"Answer: {term.text}", task.target["numbers"], term.value).value)
    return 0.0


def test_a_full_search_agrees_that_every_easy_target_can_be_reached(env):
    for seed in range(60):
        task = env.sample_task(seed, "train", 0.1)
        assert Fraction(task.target["value"]) in reachable(tuple(map(Fraction, task.target["numbers"])))


def test_no_target_is_a_number_a_sum_or_a_product_of_what_is_given(env):
    for level in LEVELS:
        for seed in range(40):
            task = env.sample_task(seed, "test", level)
            numbers = task.target["numbers"]
            assert task.target["value"] not in (*numbers, sum(numbers))


def test_every_step_of_the_expert_is_true(env):
    for seed in range(60):
        task = env.sample_task(seed, "train", seed / 59)
        for step in task.target["steps"]:
            left, _, right = step.partition(" (left")[0].partition("=")
            assert calculate(left).value == calculate(right).value


@pytest.mark.parametrize(
    "expression", ["(5 + 7) * 3", "3 × (7 + 5)", "3*5 + 3*7 - 0*5", "(7 - -5) * 3", "3 * (5 + 7) = 36", "36", "(5+7"]
)
def test_the_judge_agrees_with_what_is_allowed(expression):
    allowed = {"(5 + 7) * 3", "3 × (7 + 5)", "(7 - -5) * 3", "3 * (5 + 7) = 36"}
    assert score(f"Answer: {expression}").value == float(expression in allowed)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Answer: 36", "not given"),
        ("Answer: 3 * 5 + 7 * 3", "too often: 3"),
        ("Answer: 3 * 57", "not given, or used too often: 57"),
        ("Answer: 3 + 5 + 7", "is not 36"),
        ("Answer: 3 + 5 + 7 = 36", "is not 36"),
        ("Answer: (5 + 7) * 3 = 37", "is not 36"),
        ("Answer: (5 + 7) * 3 or 36", "no expression"),
        ("Answer: __import__('os').system('true')", "no expression"),
        ("Answer: 3 ** 5 ** 7", "no powers"),
        ("Answer: 5 / (3 - 3)", "division by zero"),
        ("Answer: " + "(" * 5000, "5000 characters"),
        ("(5 + 7) * 3", "no single closing line"),
        ("Answer: (5 + 7) * 3\nAnswer: 36", "no single closing line"),
        ("<think>Answer: (5 + 7) * 3</think>no", "no single closing line"),
    ],
)
def test_what_is_no_solution_is_told_why(text, why):
    judged = score(text)
    assert judged.value == 0
    assert why in judged.reason


def test_a_number_given_twice_may_be_used_twice():
    assert score("Answer: 4 * 4", (4, 4, 1), 16).value == 1
    assert score("Answer: 4 * 4", (4, 3, 1), 16).value == 0


def test_a_broken_target_is_the_tasks_fault():
    said = Transcript((Message("assistant", "Answer: 1"),))
    assert reaches_target(said, {"numbers": [], "value": 1}).status is Status.TASK_ERROR


@given(st.text(alphabet="357+-*/()=. ,$×", max_size=40))
def test_only_an_expression_of_the_right_value_and_numbers_scores(text):
    if score(f"Answer: {text}").value:
        expression = calculate(text.partition("=")[0])
        assert expression.value == 36
        assert sorted(expression.numbers) in ([3, 5, 7],)


def test_a_few_random_tries_find_less_and_less(env):
    earned = [
        mean(random_search(env, env.sample_task(i, "train", level), 12) for i in range(60)) for level in (0, 0.5, 1)
    ]
    assert earned == sorted(earned, reverse=True)
    assert earned[0] > 0.2 > earned[-1]


def test_another_solution_than_the_experts_is_right(env):
    task = env.sample_task(1, "train", 0.0)
    expression = task.target["expression"]
    assert play(env, task, lambda messages: f"Answer: ({expression})")[1].value == 1
