"""The way to an answer: equations found in prose, numbers traced, waste seen; each attack beside its honest twin."""

import json
import re
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.reasoning import derivation, not_repetitive, one_language, own_words, soft_overlong
from rewards.score import Score, Status
from rewards.steps import numbers_in, read_steps
from rewards.transcript import Message, Transcript

GSM8K = Path(__file__).parents[2].parent / "shared" / "data" / "gsm8k_train.jsonl"
QUESTION = "Ana has 3 bags of 4 apples. She finds 5 apples on the way home. How many apples has she?"
SEVENTEEN = {"value": "17", "units": ["apples"]}
WORK = "The bags hold 3 * 4 = 12 apples. With the 5 she found she has 12 + 5 = 17 apples."
ONE_LINE_EACH = "The bags hold 3 * 4 = 12 apples.\nWith those she found she has 12 + 5 = 17 apples."
REWARDS = {
    "derivation": derivation(),
    "reply only": derivation(thinking=False),
    "not_repetitive": not_repetitive,
    "own_words": own_words,
    "one_language": one_language,
    "soft_overlong": soft_overlong(50, 10),
}


def said(text: str, question: str = QUESTION, **evidence) -> Transcript:
    return Transcript((Message("user", question), Message("assistant", text)), evidence=evidence)


def derived(text: str, question: str = QUESTION, **target) -> float:
    return derivation()(said(text, question), {**SEVENTEEN, **target}).value


# Equations in text.


@pytest.mark.parametrize(
    ("text", "result", "true"),
    [
        ("3 * 4 = 12", 12, True),
        ("She has 3 x 4 = 12 apples.", 12, True),
        ("So, 3x4= 12 are left", 12, True),
        ("2. 3 bags * 4 apples/bag = 12 apples", 12, True),
        ("Cost = $1,200 + $50.50 = $1,250.50.", Fraction(2501, 2), True),
        (r"\( 3 \times 4 = 12 \)", 12, True),
        (r"$\frac{12}{4} = 3$", 3, True),
        ("25% of 40 = 10", 10, True),
        ("10/40 = 25%", 25, True),
        ("10/40 * 100 = 25%", 25, True),
        (".5 * 4 = 2", 2, True),
        ("80(.25) = 20", 20, True),
        ("3 times 4 equals 12", 12, True),
        ("10 / 3 ≈ 3.33", Fraction(333, 100), True),
        ("10 / 3 ≈ 3.3", Fraction(33, 10), True),
        ("3 * 4 + 5 = 12 + 5 = 17", 17, True),
        ("1 / 3 = 1/3", Fraction(1, 3), True),
        ("10 / 3 = 3.33", Fraction(333, 100), False),
        ("10 / 3 ≈ 3.4", Fraction(34, 10), False),
        ("3 * 4 + 5 = 13 + 5 = 17", 17, False),
        ("3 * 4 = 12 + 5 = 17", 17, False),
        ("3 * 5 = 12", 12, False),
        ("−2 + 5 = 4", 4, False),
    ],
)
def test_equations_are_found_in_prose_and_judged_exactly(text, result, true):
    (step,) = read_steps(text)
    assert (step.read, step.result, step.true) == (True, result, true)


@pytest.mark.parametrize(
    "text",
    [
        "x = 5",
        "2p + 600 = 1000",
        "p - 5 = 3",
        "17 = 17",
        "2^3 + 4 = 12",
        "√(144) = 12",
        "8 x Y = 24",
        "a = b",
        "= 5",
        "5 =",
    ],
)
def test_algebra_and_definitions_are_no_steps_that_can_be_read(text):
    assert [s.read for s in read_steps(text)] == [False]


@pytest.mark.parametrize("text", ["3 <= 4", "3 != 4", "3 => 4", "all men are created equal", "3 >= 2"])
def test_what_claims_no_equality_is_no_true_step(text):
    assert not any(s.read for s in read_steps(text))


def test_two_equations_on_a_line_are_two_steps():
    assert [s.result for s in read_steps("x = 3 * 4 = 12, and y = 12 + 5 = 17")] == [12, 17]


def test_words_stand_for_numbers_where_asked():
    assert numbers_in("3 bags of 1,200.5") == {3, Fraction("1200.5")}
    assert {3, 12, Fraction(1, 2), 7} <= numbers_in("half of three dozen a week", implied=True)
    assert {Fraction(1, 4), Fraction(3, 4), 100} <= numbers_in("25% off", implied=True)


# Derivations.


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{WORK}</think>Answer: 17",
        f"{WORK}\nAnswer: 17",
        "<think>Let x be the total.\nx = 3 * 4 + 5 = 12 + 5 = 17</think>\nAnswer: 17 apples",
        "Step 1: 3 * 4 = 12\nStep 2: 12 + 5 = 17\nAnswer: 17",
        "1. The bags hold 3 x 4 = 12\n2. Together 5 + 12 = 17\nAnswer: 17",
    ],
)
def test_a_right_derivation_earns_everything(text):
    assert derived(text) == 1


@pytest.mark.parametrize(
    "text",
    {
        "no work": "Answer: 17",
        "restated": "17 = 17\nThe answer is 17.\nAnswer: 17",
        "copied": f"<think>{QUESTION}</think>Answer: 17",
        "false steps": "3 * 4 = 11\n11 + 5 = 17\nAnswer: 17",
        "numbers from nowhere": "10 + 7 = 17\nAnswer: 17",
        "work elsewhere": "3 * 4 = 12\nAnswer: 17",
        "wrong answer": f"{WORK}\nAnswer: 18",
        "the answer used to reach itself": "17 * 1 = 17\n17 + 5 - 5 = 17\nAnswer: 17",
    }.items(),
    ids=lambda item: item[0],
)
def test_no_derivation_no_score(text):
    assert derived(text[1]) == 0


@pytest.mark.parametrize(
    ("noise", "share"),
    [
        ("3 + 5 = 9\n", 2 / 3),
        ("3 + 5 = 8\n", 2 / 3),
        ("3 * 4 = 12\n", 2 / 3),
        ("4 * 3 = 12\n", 2 / 3),
        ("There were 99 trees.\n", 2 / 3),
        ("9 + 90 = 99\n", 2 / 3),
    ],
    ids=["false", "idle", "again", "turned round", "a number from nowhere", "a step from nowhere"],
)
def test_every_unsound_claim_costs_its_share(noise, share):
    assert derived(f"{ONE_LINE_EACH}\n{noise}Answer: 17") == pytest.approx(share)


def test_steps_that_go_nowhere_do_not_dilute_a_false_one():
    false = f"3 + 5 = 9\n{ONE_LINE_EACH}\n"
    idle = "17 * 1 = 17\n17 + 0 = 17\n17 + 4 - 4 = 17\n5 + 12 = 17\n"
    assert derived(f"{false}{idle}Answer: 17") < derived(f"{false}Answer: 17") < 1


def test_a_wrong_derivation_with_the_right_number_scores_lower_than_a_right_one():
    right, wrong = derived(f"{WORK}\nAnswer: 17"), derived("3 * 4 = 12\n12 + 4 = 17\n12 + 5 = 17\nAnswer: 17")
    assert 0 < wrong < right == 1


def test_thinking_is_judged_unless_left_out():
    text = "<think>3 * 4 = 13</think>\n3 * 4 = 12\n12 + 5 = 17\nAnswer: 17"
    assert derived(text) == pytest.approx(2 / 3)
    assert REWARDS["reply only"](said(text), SEVENTEEN).value == 1


def test_any_judge_of_the_answer_can_stand_before_it():
    refuse = derivation(answer=lambda transcript, target: Score(0.0, "no"))
    assert refuse(said(f"{WORK}\nAnswer: 17"), SEVENTEEN) == Score(0.0, "no")


@pytest.mark.parametrize("value", [None, "", "x", 17, "1/0"])
def test_a_broken_gold_is_the_tasks_fault(value):
    assert derivation()(said(f"{WORK}\nAnswer: 17"), {"value": value}).status is Status.TASK_ERROR


@pytest.mark.skipif(not GSM8K.exists(), reason="the data for trials is not here")
def test_what_people_wrote_is_read_and_earns_most_of_the_points():
    rows = [json.loads(line) for line in GSM8K.read_text().splitlines()[::37]]
    steps, full = [], 0
    for row in rows:
        work, gold = re.sub(r"<<[^>]*>>", "", row["answer"]).split("####")
        gold = gold.strip().replace(",", "")
        steps += read_steps(work)
        full += derivation()(said(f"{work}\nAnswer: {gold}", row["question"]), {"value": gold}).value == 1
    read = [s for s in steps if s.read]
    assert len(read) > 0.9 * len(steps)
    assert sum(s.true for s in read) > 0.98 * len(read)
    assert full > 0.75 * len(rows)


# Manners.


def test_fresh_text_keeps_its_score_and_repeated_text_loses_it():
    fresh = "Ana packs the bags. Each holds four apples, so that makes twelve. Five more lie by the road."
    assert not_repetitive(said(fresh), {}).value == 1
    assert not_repetitive(said("I check this again. " * 6), {}).value == 0
    assert not_repetitive(said(f"{fresh} {fresh}"), {}).value < 0.5
    assert (
        not_repetitive(said("Step 1 is to think hard. Step 2 is to think hard. Step 3 is to think hard."), {}).value
        == 0
    )


def test_equations_that_differ_in_their_figures_are_no_repetition():
    assert not_repetitive(said("3 * 4 = 12.\n12 + 5 = 17.\n17 - 2 = 15.\n15 / 3 = 5."), {}).value == 1


def test_a_copied_question_is_nobodys_work():
    assert own_words(said(QUESTION), {}).value == 0
    assert own_words(said(WORK), {}).value == 1
    assert 0 <= own_words(said(f"{QUESTION} {WORK}"), {}).value < 1


@pytest.mark.parametrize(
    ("text", "question", "value"),
    [
        ("So it is twelve apples.", QUESTION, 1),
        ("So α = 12 apples.", QUESTION, 1),
        ("所以是 12 个苹果。", QUESTION, 0),
        ("So it is 十二 apples ok.", QUESTION, 4 / 6),
        ("猫 means cat.", "What does 猫 mean?", 1),
        ("这是猫。", "什么是猫？", 1),
        ("川はとても長いです。", "川は長いですか？", 1),
        ("This is a cat.", "这是什么？", 0),
        ("S\u043e it is.", QUESTION, 2 / 3),
        ("```\nэто код\n```\nSo it is.", QUESTION, 1),
    ],
)
def test_words_in_another_script_cost_their_share(text, question, value):
    assert one_language(said(text, question), {}).value == pytest.approx(value)


def test_the_script_can_be_asked_for():
    assert one_language(said("所以是十二。"), {"script": "Han"}).value == 1
    assert one_language(said("twelve"), {"script": "Han"}).value == 0
    assert one_language(said("twelve", "3 + 4?"), {}).status is Status.TASK_ERROR
    assert one_language(said("twelve"), {"script": 5}).status is Status.TASK_ERROR


@pytest.mark.parametrize(("length", "value"), [(1, 1), (80, 1), (85, 0.75), (90, 0.5), (100, 0), (101, 0), (10**9, 0)])
def test_length_is_shaped_as_dapo_does(length, value):
    reward = soft_overlong(limit=100, buffer=20)
    assert reward(said("word " * min(length, 200)), {}).value == pytest.approx(value if length <= 200 else 0)
    assert reward(said("word", completion_tokens=length), {}).value == pytest.approx(value)


@pytest.mark.parametrize(("limit", "buffer"), [(10, 0), (10, 11), (0, 0), (-1, -2)])
def test_lengths_that_make_no_sense_are_refused(limit, buffer):
    with pytest.raises(ValueError, match="buffer"):
        soft_overlong(limit, buffer)


@pytest.mark.parametrize("name", REWARDS)
@pytest.mark.parametrize("text", ["", " \n", "<think></think>", "\u200b"])
def test_nothing_earns_nothing(name, text):
    assert REWARDS[name](said(text), SEVENTEEN).value == 0


@pytest.mark.parametrize("name", ["derivation", "not_repetitive", "own_words", "soft_overlong"])
@pytest.mark.parametrize(
    "padding", ["I will think about this with great care. ", QUESTION + " ", "1 + 1 = 2\n", "As said before. "]
)
def test_padding_never_raises_a_score(name, padding):
    reward = REWARDS[name]
    plain = reward(said(f"{WORK}\nAnswer: 17"), SEVENTEEN).value
    assert reward(said(f"{WORK}\n{padding * 12}\nAnswer: 17"), SEVENTEEN).value <= plain


# Anything at all.


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.text(alphabet="0123456789+-*/=≈(). \n%$xX,\\abof"),
        st.lists(st.sampled_from([WORK, QUESTION, "3 * 4 = 12\n", "Answer: 17", "\\frac{", "<think>", "</think>"])).map(
            "\n".join
        ),
    )
)
def test_any_text_gets_the_same_score_twice(text):
    for reward in REWARDS.values():
        score = reward(said(text), SEVENTEEN)
        assert 0 <= score.value <= 1
        assert score == reward(said(text), SEVENTEEN)


@pytest.mark.parametrize(
    "text",
    [
        "=" * 90_000,
        "1+" * 45_000 + "=1",
        "1 = " * 20_000,
        "(" * 50_000 + "=1",
        "5 apples " * 9_000 + "= 3",
        "1 " * 45_000 + "= 1",
        "9" * 90_000 + " = 1",
        "\\frac{" * 15_000,
        "% of " * 15_000 + "=",
        "3 * 4 = 12\n" * 9_000,
    ],
    ids=lambda t: repr(t[:9]),
)
def test_hostile_work_costs_little_time(text):
    start = time.process_time()
    for reward in REWARDS.values():
        assert 0 <= reward(said(f"{text}\nAnswer: 17"), SEVENTEEN).value <= 1
    assert time.process_time() - start < 3
