"""Numbers read, calculated and judged; each attack beside its honest twin."""

import threading
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.arithmetic import ExpressionError, calculate, show
from rewards.math import numeric_answer, parse_number, true_equations
from rewards.score import Status
from rewards.transcript import Message, Transcript

QUESTION = "Ana has 3 bags of 4 apples. She is 9 years old. She finds 5 apples. How many has she?"
SEVENTEEN = {"value": "17", "units": ["apples", "apple"]}
DERIVATION = "3 * 4 = 12\n12 + 5 = 17\nAnswer: 17"
HOSTILE = {
    "ten thousand digits": "9" * 10_000,
    "a huge exponent": "1e999999999",
    "a tower of powers": "9**9**9",
    "a factorial": "99999999!",
    "five thousand brackets": "(" * 5_000 + "1" + ")" * 5_000,
    "five thousand signs": "-" * 5_000 + "1",
    "code": "__import__('os').system('true')",
    "many operators": "1+" * 5_000 + "1",
}


def said(text: str, question: str = QUESTION, **evidence) -> Transcript:
    return Transcript((Message("user", question), Message("assistant", text)), evidence=evidence)


def answer_score(text: str, gold: str = "5", **target) -> float:
    return numeric_answer(said(text), {"value": gold, **target}).value


def work_score(text: str, target=SEVENTEEN, **evidence) -> float:
    return true_equations(said(text, **evidence), target).value


# Numbers in text.


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("17", 17),
        ("+17", 17),
        ("-17", -17),
        ("\u221217", -17),
        ("1,234,567", 1234567),
        ("0.25", Fraction(1, 4)),
        ("17.", 17),
        ("3/4", Fraction(3, 4)),
        ("-3 / 4", Fraction(-3, 4)),
        ("1.5e3", 1500),
        ("2E-7", Fraction(2, 10**7)),
        ("１７", 17),
        ("𝟏𝟕", 17),
        ("1e99", 10**99),
    ],
)
def test_plain_numbers_are_read_exactly(text, value):
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "1 2", "1,23", "12,3456", "1/0", "3/4/5", "1e100", "5 or 7", "5=5", "x", ".5", "1.2.3", "--5"),
        *("0x10", "1_000", "nan", "inf", "50%", "$5", "10²", "5½", "½", "①", "٥", "५", "1\u200b7"),
    ],
)
def test_anything_else_is_no_number(text):
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("$5", ["$"]),
        ("5 apples", ["apples"]),
        ("5 Apples.", ["apples"]),
        ("5km", ["km"]),
        ("5%", ["%"]),
        ("$ 5", ["$"]),
    ],
)
def test_a_unit_of_the_target_may_stand_by_the_number(text, units):
    assert parse_number(text, units) == 5
    assert parse_number(text) is None


def test_a_wrong_unit_or_only_a_unit_is_no_number():
    assert parse_number("5 pears", ["apples"]) is None
    assert parse_number("apples", ["apples"]) is None
    assert parse_number("5 ml", ["l"]) is None
    assert parse_number("-$5", ["$"]) == parse_number("$-5", ["$"]) == -5


def test_a_percent_is_its_number_never_a_hundredth():
    assert parse_number("50%", ["%"]) == 50


@given(st.text(), st.lists(st.text(max_size=3), max_size=2))
def test_any_text_is_a_number_or_none(text, units):
    assert parse_number(text, units) is None or isinstance(parse_number(text, units), Fraction)


@given(st.fractions(max_denominator=10**6))
def test_what_is_shown_is_read_back(value):
    assert parse_number(show(value)) == value


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_no_number_no_expression_and_costs_no_time(name):
    start = time.process_time()
    assert parse_number(HOSTILE[name]) is None
    with pytest.raises(ExpressionError):
        calculate(HOSTILE[name])
    assert numeric_answer(said(f"Answer: {HOSTILE[name]}"), SEVENTEEN).value == 0
    assert work_score(f"{HOSTILE[name]} = 17\nAnswer: 17") == 0
    assert time.process_time() - start < 0.05


# The answer.


@pytest.mark.parametrize(
    "text", ["Answer: 5", "2 + 3 = 5\nAnswer: 5.0", "answer: 5.", "\\boxed{5}\nAnswer: 5", "Answer: 10e-1"]
)
def test_the_right_number_scores_one_and_another_zero(text):
    assert answer_score(text, "1" if "10e-1" in text else "5") == 1
    assert answer_score(text, "6") == 0


@pytest.mark.parametrize(
    ("attack", "gold", "honest"),
    [
        (r"\boxed{3=5}", "5", "Answer: 5"),
        ("Answer: 3=5", "5", "Answer: 5"),
        (r"<think>\boxed{5}</think>I give up", "5", "<think>hm</think>Answer: 5"),
        ("<think>Answer: 5</think>", "5", "<think></think>Answer: 5"),
        ("Answer: 5\n<think>or 3</think>", "5", "<think>or 3</think>\nAnswer: 5"),
        (r"Answer: 5, then \boxed{3}", "5", "Answer: 5"),
        ("\\boxed{3}\nAnswer: 5", "5", "\\boxed{5}\nAnswer: 5"),
        (r"final answer is $5$ ... But \boxed{3}", "5", "Answer: 5"),
        ("Answer: 1 2 3 4 5", "5", "1 2 3 4 5\nAnswer: 5"),
        (r"Answer: 5\text{ or }7", "5", "Answer: 5"),
        ("Answer: 3\nAnswer: 5", "5", "Answer: 5"),
        (r"\boxed{3}\boxed{4}\boxed{5}", "5", "Answer: 5"),
        ("Answer: 0.5", "50", "Answer: 50"),
        ("Answer: 5000", "50", "Answer: 50"),
        ("Answer: 50%", "50", "Answer: 50.0"),
        ("Answer: 100009", "100000", "Answer: 100,000"),
        ("Answer: 2e-7", "1/10000000", "Answer: 1e-7"),
        ("Answer: 0.333333", "1/3", "Answer: 1/3"),
        ("Answer: 1/2006", "1/2004", "Answer: 1/2004"),
        ("Answer: 4*sqrt(2)", "4", "Answer: 4"),
        (r"Answer: \int_0^{17}1dx", "17", "Answer: 17"),
        ("Answer: 34/2", "17", "Answer: 17"),
        ("Answer: 6/8", "3/4", "Answer: 3/4"),
        ("Answer: 17/1", "17", "Answer: 17"),
        ("Answer: 10 + 7", "17", "Answer: 17"),
        ("Answer: __import__('os').getpid()", "5", "Answer: 5"),
        ("Answer: 5²", "52", "Answer: ５２"),
        ("Answer: -5", "5", "Answer: 5"),
        ("Answer:", "0", "Answer: 0"),
    ],
)
def test_an_attack_scores_zero_and_its_honest_twin_one(attack, gold, honest):
    assert answer_score(attack, gold) == 0
    assert answer_score(honest, gold) == 1


def test_a_text_without_a_number_is_invalid_output_and_a_wrong_number_is_not():
    assert numeric_answer(said("no idea"), SEVENTEEN).status is Status.INVALID_OUTPUT
    assert numeric_answer(said("Answer: many"), SEVENTEEN).status is Status.INVALID_OUTPUT
    assert numeric_answer(said("Answer: 18"), SEVENTEEN).status is Status.OK


@pytest.mark.parametrize("value", [None, "", "x", "1/0", 17, 17.0, True, "1.5", "1e9", ["17"], "9" * 500])
def test_a_target_without_a_value_is_the_tasks_fault(value):
    for reward in (numeric_answer, true_equations):
        score = reward(said("Answer: 17"), {"value": value})
        assert (score.value, score.status) == (None, Status.TASK_ERROR)


@pytest.mark.parametrize("units", ["apples", [1], None])
def test_units_that_are_no_list_of_texts_are_the_tasks_fault(units):
    assert numeric_answer(said("Answer: 17"), {"value": "17", "units": units}).status is Status.TASK_ERROR


def test_scoring_works_off_the_main_thread():
    scores = []
    thread = threading.Thread(target=lambda: scores.append(work_score(DERIVATION)))
    thread.start()
    thread.join()
    assert scores == [1]


# The work.


@pytest.mark.parametrize(
    "text",
    [
        DERIVATION,
        "3 × 4 = 12\n12 + 5 = 17\nAnswer: 17",
        "3 * 4 + 5 = 17\nAnswer: 17 apples",
        "Bags: 3 * 4 = 12.\nAll: (12) + 5 = 17.\nAnswer: 17",
        "<think>9 + 9 = 3</think>\n" + DERIVATION,
    ],
)
def test_a_right_derivation_earns_the_whole_share(text):
    assert work_score(text) == 1


@pytest.mark.parametrize(
    "text",
    {
        "no work": "Answer: 17",
        "the answer restated": "17 = 17\nAnswer: 17",
        "steps copied from the question": QUESTION + "\nAnswer: 17",
        "borrowed numbers": "10 + 7 = 17\nAnswer: 17",
        "the answer used to reach itself": "17 + 5 - 5 = 17\nAnswer: 17",
        "a false step": "3 * 5 = 17\nAnswer: 17",
        "work that leads elsewhere": "3 * 4 = 12\nAnswer: 17",
        "words for numbers": "three times four plus five = 17\nAnswer: 17",
        "code": "__import__('os').getpid() = 17\nAnswer: 17",
        "endless work": "3 * 4 = 12\n" * 5_000 + DERIVATION,
    }.items(),
    ids=lambda item: item[0],
)
def test_work_that_does_not_lead_to_the_answer_earns_nothing(text):
    assert work_score(text[1]) == 0


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("3 * 4 = 13\n" + DERIVATION, 2 / 3),
        ("9 + 9 = 18\n" + DERIVATION, 2 / 3),
        ("3 * 4 = 12\n" * 2 + DERIVATION, 2 / 4),
        ("apples = many\n" + DERIVATION, 2 / 3),
        (DERIVATION.replace("12\n", "11\n"), 0),
    ],
    ids=["false", "idle", "repeated", "unreadable", "false steps then the right number"],
)
def test_every_unsound_step_costs_its_share(text, share):
    assert work_score(text) == pytest.approx(share)


def test_a_wrong_answer_earns_nothing_for_true_work():
    assert work_score("3 * 4 = 12\n12 + 5 = 17\nAnswer: 18") == 0


def test_a_constant_may_be_used_only_where_the_target_grants_it():
    question, text = "Ana eats 25% of 40 nuts. How many?", "40 * 25 = 1000\n1000 / 100 = 10\nAnswer: 10"
    assert true_equations(said(text, question), {"value": "10", "constants": ["100"]}).value == 1
    assert true_equations(said(text, question), {"value": "10"}).value == 0


def test_what_the_calculator_worked_out_counts_as_work():
    assert work_score("Answer: 17", equations=["3 * 4 + 5 = 17"]) == 1
    assert work_score("Answer: 17", equations=["10 + 7 = 17"]) == 0


def test_numbers_of_tool_results_are_not_the_questions_numbers():
    messages = (Message("user", QUESTION), Message("assistant", "hm"), Message("tool", "10 7"))
    asked = Transcript((*messages, Message("assistant", "10 + 7 = 17\nAnswer: 17")))
    assert true_equations(asked, SEVENTEEN).value == 0


@given(st.text(alphabet="0123456789+-*/=(). \nansweAr:"))
def test_any_text_gets_a_score_and_work_never_beats_a_wrong_answer(text):
    for closing in ("", "\nAnswer: 17"):
        judged, work = numeric_answer(said(text + closing), SEVENTEEN), true_equations(said(text + closing), SEVENTEEN)
        assert 0 <= work.value <= judged.value <= 1


# Arithmetic.


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("10 - 4 - 3", 3),
        ("12 / 4 / 3", 1),
        ("-(2 - 5)", 3),
        ("1,200 * $0.5", 600),
        ("6 ÷ 4", Fraction(3, 2)),
        ("0.1 + 0.2", Fraction(3, 10)),
    ],
)
def test_arithmetic_is_exact(text, value):
    assert calculate(text).value == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1 / 0", "division_by_zero"),
        ("1 / (2 - 2)", "division_by_zero"),
        ("2 ** 3", "invalid_expression"),
        ("2 ^ 3", "invalid_expression"),
        ("2 3", "invalid_expression"),
        ("(2", "invalid_expression"),
        ("2 +", "invalid_expression"),
        ("", "invalid_expression"),
        ("x", "invalid_expression"),
        ("2\n\n3 +", "invalid_expression"),
        ("٥ + 1", "invalid_expression"),
        ("9" * 21, "too_large"),
        ("(" * 30 + "1" + ")" * 30, "too_large"),
        ("1 + " * 60 + "1", "too_large"),
    ],
)
def test_what_is_no_arithmetic_has_a_typed_error(text, kind):
    with pytest.raises(ExpressionError) as caught:
        calculate(text)
    assert caught.value.kind == kind


@given(st.text(alphabet="0123456789+-*/(). ,$^\n", max_size=40))
def test_any_text_is_calculated_or_refused(text):
    try:
        outcome = calculate(text).value
    except ExpressionError as refused:
        outcome = refused.kind
    assert isinstance(outcome, Fraction) or outcome in {"too_large", "division_by_zero", "invalid_expression"}


TREES = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=10,
)


@given(TREES)
def test_arithmetic_agrees_with_pythons(text):
    assert calculate(text).value == eval(text)
