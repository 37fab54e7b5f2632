"""The word problems: their trees, sizes, stories, calculator and what cannot be earned."""

import pickle
import random
import re
import time
from fractions import Fraction
from itertools import chain, pairwise
from statistics import mean

import gymnasium
import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.actions import render_action
from envs.proof import play, prove
from envs.word_problem_situations import SITUATIONS
from envs.word_problems import MAX_STEPS, Op, calculate, combine, equations, value_of
from rewards.arithmetic import calculate as arithmetic
from rewards.arithmetic import show
from rewards.transcript import Message, ToolCall

ID = "postgym/WordProblems-v0"
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def env():
    return envs.make(ID)


@pytest.fixture(scope="module")
def many(env):
    """Tasks of every level and split."""
    return {
        level: [env.sample_task(i, "test" if i % 4 == 0 else "train", level) for i in range(300)] for level in LEVELS
    }


def question(task) -> str:
    return task.prompt[1].content


def score_of(env, task, text: str) -> float:
    return play(env, task, lambda messages: text)[1].value


# The tree.


def test_a_tree_is_worked_out_from_the_leaves_up():
    tree = combine("+", combine("*", 3, 4), 5)
    assert equations(tree) == ["3 * 4 = 12", "12 + 5 = 17"]
    assert value_of(tree) == 17


def test_a_branch_used_twice_is_worked_out_once():
    amount = combine("*", 8, 5)
    tree = combine("-", amount, combine("/", amount, 4))
    assert equations(tree) == ["8 * 5 = 40", "40 / 4 = 10", "40 - 10 = 30"]


TREES = st.recursive(
    st.integers(1, 99).map(Fraction),
    lambda inner: st.builds(combine, st.sampled_from("+*"), inner, inner),
    max_leaves=8,
)


@given(TREES)
def test_the_written_equations_are_true_and_end_with_the_value(tree):
    lines = [line.split(" = ") for line in equations(tree)]
    assert all(arithmetic(left).value == Fraction(right) for left, right in lines)
    if isinstance(tree, Op):
        assert Fraction(lines[-1][1]) == value_of(tree)


# The tasks.


def test_every_value_follows_from_the_written_work_at_every_level(many):
    for task in chain.from_iterable(many.values()):
        left, right = task.target["work"][-1].split(" = ")
        assert arithmetic(left).value == Fraction(right) == Fraction(task.target["value"])


def test_every_number_of_the_work_is_in_the_question_or_worked_out_before(many):
    for task in chain.from_iterable(many.values()):
        known = {Fraction(n) for n in re.findall(r"\d+(?:\.\d+)?", question(task))} | {Fraction(100)}
        for line in task.target["work"]:
            left, right = line.split(" = ")
            assert set(arithmetic(left).numbers) <= known, (question(task), line)
            known.add(Fraction(right))


def test_the_easiest_take_one_step_with_numbers_below_twenty(many):
    for task in many[0.0]:
        assert task.meta["steps"] == 1
        assert all(int(n) < 20 for n in re.findall(r"\d+", question(task)))


def test_the_hardest_take_seven_steps_and_use_decimals_percents_fractions_and_idle_numbers(many):
    texts = [question(t) for t in many[1.0]]
    assert {t.meta["steps"] for t in many[1.0]} == {MAX_STEPS}
    for sign in (r"\d\.\d", r"\d%", r"\d/\d", r"years old|lives at|walk home|degrees outside|houses|members"):
        assert mean(bool(re.search(sign, text)) for text in texts) > 0.1, sign


def test_no_operation_answers_most_of_the_easiest(many):
    signs = [t.target["work"][0].split()[1] for t in many[0.0]]
    for sign in "+-*/":
        assert 0.08 < signs.count(sign) / len(signs) < 0.4, sign


def test_every_situation_is_met_at_every_level(many):
    assert len(SITUATIONS) >= 12
    for tasks in many.values():
        assert {t.meta["situation"] for t in tasks} == {s.name for s in SITUATIONS}


def test_every_event_of_every_situation_reads_as_a_whole_sentence():
    words = {"who": "Ana", "friend": "Ben", "item": "apples", "n": 2, "a": 3, "b": 4}
    for situation in SITUATIONS:
        kinds = [situation.sentence(k) for k in situation.events]
        for text in [situation.start, situation.groups, *filter(None, kinds)]:
            assert re.fullmatch(r"[A-Z\d{][^{}]*\.", text.format(**words)), text
        for text in filter(None, (situation.ask, situation.together, situation.more, situation.sale)):
            assert text.format(**words).endswith("?")


def test_things_that_are_counted_stay_whole(many):
    smooth = {s.name for s in SITUATIONS if s.smooth}
    for task in chain.from_iterable(many.values()):
        if task.meta["situation"] not in smooth and "dollars" not in question(task):
            assert "/" not in task.target["value"], question(task)


def test_thousands_of_questions_differ_at_difficulty_zero(env):
    seen = {env.sample_task(i, "train", 0.0).fingerprint for i in range(3000)}
    assert len(seen) > 2900


def test_no_answer_is_common(many):
    for tasks in many.values():
        values = [t.target["value"] for t in tasks]
        assert max(values.count(v) for v in set(values)) < 0.12 * len(values)


def test_prompts_and_easy_solutions_are_short(many):
    assert max(len(question(t)) for t in many[0.0]) < 200
    assert max(len(question(t)) for t in many[1.0]) < 700
    assert max(len("\n".join(t.target["work"])) for t in many[0.25]) < 80


# Difficulty, seen by solvers whose skill is fixed.


def slips(task, skill: float) -> str:
    """A solver that gets each step right with probability `skill`, decided by the task alone."""
    rng = random.Random(task.seed)
    value = Fraction(task.target["value"])
    right = all(rng.random() < skill for _ in range(task.meta["steps"]))
    return "\n".join([*task.target["work"], f"Answer: {show(value if right else value + 1)}"])


def at_most_two_steps(task) -> str:
    return slips(task, 1.0 if task.meta["steps"] <= 2 else 0.0)


def test_a_solver_of_two_steps_scores_less_the_harder_it_gets(env, many):
    scores = [mean(score_of(env, t, at_most_two_steps(t)) for t in many[level]) for level in LEVELS]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1
    assert scores[-1] == 0


def test_a_solver_that_slips_scores_less_the_harder_it_gets(env, many):
    scores = [mean(score_of(env, t, slips(t, 0.8)) for t in many[level]) for level in LEVELS]
    assert all(a > b for a, b in pairwise(scores)), scores
    assert scores[0] > 0.7
    assert scores[-1] < 0.35


# What is earned.


@pytest.mark.parametrize("calculator", [False, True])
def test_the_proof_holds_with_and_without_the_calculator(calculator):
    for row in prove(envs.make(ID, calculator=calculator), n=200, n_null=100):
        assert row.ok, row


def test_right_work_beats_no_work_beats_a_wrong_answer(env, many):
    for task in many[0.5][:50]:
        gold, work = show(Fraction(task.target["value"])), "\n".join(task.target["work"])
        full = score_of(env, task, f"{work}\nAnswer: {gold}")
        false = score_of(env, task, f"{work}\n2 + 2 = 5\nAnswer: {gold}")
        bare = score_of(env, task, f"Answer: {gold}")
        restated = score_of(env, task, f"{gold} = {gold}\nAnswer: {gold}")
        wrong = score_of(env, task, f"{work}\nAnswer: {Fraction(gold) + 1}")
        assert 1 == full > false > bare == restated > wrong == 0


def test_the_unit_of_the_question_may_be_written(env):
    tasks = [env.sample_task(i, "train", 0.0) for i in range(200)]
    sold = [t for t in tasks if t.target["units"][0] == "$"]
    counted = [t for t in tasks if t.target["units"][0] in question(t).split()]
    assert sold
    assert counted
    for task in sold:
        assert score_of(env, task, f"Answer: ${task.target['value']}") > 0
    for task in counted:
        assert score_of(env, task, f"Answer: {task.target['value']} {task.target['units'][0]}") > 0


# The calculator.


@pytest.fixture
def with_calculator():
    env = envs.make(ID, calculator=True, difficulty=0.5)
    env.reset(seed=1)
    return env


def call(env, expression) -> Message:

    messages, *_ = env.step(
        render_action(Message("assistant", "", (ToolCall("calculate", {"expression": expression}),)))
    )
    return messages[0].content


def test_the_calculator_is_there_only_when_asked_for(env):
    assert env.reset(seed=1)[1]["tools"] == []
    schemas = envs.make(ID, calculator=True).reset(seed=1)[1]["tools"]
    assert [s["function"]["name"] for s in schemas] == ["calculate"]


@pytest.mark.parametrize(("expression", "shown"), [("3 * 4 + 5", '"17"'), ("1 / 4", '"0.25"'), ("1 / 3", '"1/3"')])
def test_the_calculator_is_exact(with_calculator, expression, shown):
    assert call(with_calculator, expression) == shown


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("9**9**9", "invalid_expression"),
        ("9" * 10_000, "too_large"),
        ("(" * 5_000, "too_large"),
        ("(" * 50 + "1" + ")" * 50, "too_large"),
        ("1 / 0", "division_by_zero"),
        ("__import__('os').system('true')", "invalid_expression"),
        ("", "invalid_expression"),
        (7, "invalid_argument"),
    ],
)
def test_hostile_expressions_get_a_typed_error_at_once(with_calculator, expression, kind):
    start = time.process_time()
    assert f'"error": "{kind}"' in call(with_calculator, expression)
    assert time.process_time() - start < 0.05


@pytest.mark.parametrize("seed", [504, 1213, 2454])  # drafts with 1 * 4 = 4, with 8 * 2 and 2 * 8, with 2 * 4 and 8 / 2
def test_no_step_of_a_story_undoes_or_repeats_another(seed):
    env = envs.make("postgym/WordProblems-v0")
    task = env.sample_task(seed)
    assert play(env, task, env.expert(task))[1].value == 1


def test_a_derivation_on_the_calculator_earns_everything_and_idle_sums_cost(with_calculator):
    task = with_calculator.task
    expert = with_calculator.expert(task)
    assert play(with_calculator, task, expert)[1].value == 1
    with_calculator.reset(options={"task": task})
    call(with_calculator, "1 + 1")
    _, reward, terminated, _, _ = with_calculator.step(
        "\n".join([*task.target["work"], "Answer: " + task.target["value"]])
    )
    assert terminated
    assert 0.85 < reward < 1


def test_the_task_is_the_same_with_and_without_the_calculator(env):
    assert envs.make(ID, calculator=True).sample_task(5) == env.sample_task(5)


def test_an_episode_with_the_calculator_can_be_pickled_midway(with_calculator):
    call(with_calculator, "1 + 1")
    copy = pickle.loads(pickle.dumps(with_calculator))
    assert call(copy, "2 + 2") == call(with_calculator, "2 + 2") == '"4"'
    assert copy.transcript == with_calculator.transcript


def test_gymnasium_passes_the_option_on():
    assert gymnasium.make(ID, calculator=True).unwrapped.calculator
    assert calculate("2 * 3") == "6"
