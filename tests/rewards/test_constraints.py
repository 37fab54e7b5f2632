"""Every constraint: met by an honest reply, unmet by a violation, unmet by form without content."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.constraint_types import RELATIONS
from rewards.constraints import CONSTRAINTS, check, describe, follows_all_constraints, follows_constraints
from rewards.errors import TaskError
from rewards.language import LANGUAGES, detect_language
from rewards.score import Status
from rewards.text import count_phrase, repeated_share, sentences, words
from rewards.transcript import Message, Transcript
from tests.rewards.constraint_cases import CASES


def score(text: str, *wanted: tuple[str, dict], **target) -> float:
    return judged(text, *wanted, **target).value


def judged(text: str, *wanted: tuple[str, dict], **target):
    asked = {"constraints": [{"name": n, "parameters": p} for n, p in wanted], **target}
    return follows_constraints(Transcript((Message("user", "?"), Message("assistant", text))), asked)


def test_there_is_a_case_for_every_constraint():
    assert CASES.keys() == CONSTRAINTS.keys()
    assert len(CONSTRAINTS) >= 30


@pytest.mark.parametrize("name", CASES)
def test_an_honest_reply_meets_it_and_a_violation_or_an_empty_form_does_not(name):
    parameters, honest, violated, empty = CASES[name]
    assert score(honest, (name, parameters)) == 1, judged(honest, (name, parameters)).reason
    assert score(violated, (name, parameters)) == 0
    assert score(empty, (name, parameters)) == 0


@pytest.mark.parametrize("name", CASES)
def test_it_is_asked_for_in_a_sentence_and_its_parameters_are_plain_json(name):
    constraint = CONSTRAINTS[name]
    for parameters in (constraint.sample, CASES[name][0]):
        assert json.loads(json.dumps(parameters)) == parameters
        sentence = describe(name, parameters)
        assert len(words(sentence)) > 3
        assert all(str(v) in sentence for v in parameters.values() if isinstance(v, int | str) and name != "language")


@pytest.mark.parametrize("name", CASES)
def test_saying_the_same_again_never_helps(name):
    parameters, _, violated, empty = CASES[name]
    for text in (violated, empty):
        met = follows_constraints(
            Transcript((Message("assistant", f"{text}\n\n" * 12),)),
            {"constraints": [{"name": name, "parameters": parameters}]},
        )
        assert met.value == 0


def test_a_bullet_is_asked_for_in_words():
    assert describe("bullets", {"relation": "at least", "count": 3}) == "Use at least 3 bullet points."
    assert describe("bullets", {"relation": "exactly", "count": 1}) == "Use exactly 1 bullet point."


def test_the_score_is_the_share_met_and_says_which_is_not():
    score_of_two = judged("THE RIVER, COLD AND DEEP", ("uppercase", {}), ("no_comma", {}))
    assert score_of_two.value == 0.5
    assert "no_comma" in score_of_two.reason
    assert [p.value for p in score_of_two.parts] == [1, 0]


def test_all_or_nothing_pays_only_for_all():
    said = Transcript((Message("assistant", "THE RIVER, COLD AND DEEP"),))
    both = {"constraints": [{"name": "uppercase"}, {"name": "no_comma"}]}
    assert follows_all_constraints(said, both).value == 0
    assert follows_all_constraints(said, {"constraints": [{"name": "uppercase"}]}).value == 1


def test_thinking_and_other_turns_do_not_count():
    wanted = {"constraints": [{"name": "required_words", "parameters": {"wanted": ["river"]}}]}
    for text in ("<think>the river is here</think>I have nothing to say.", "I have nothing to say."):
        said = Transcript((Message("user", "Say river."), Message("assistant", text)))
        assert follows_constraints(said, wanted).value == 0


@pytest.mark.parametrize(
    "constraints",
    [
        None,
        [],
        "bullets",
        [{"name": "bulets", "parameters": {"relation": "at least", "count": 3}}],
        [{"name": "bullets", "parameters": {"relation": "at least", "count": 0}}],
        [{"name": "bullets", "parameters": {"relation": "around", "count": 3}}],
        [{"name": "bullets", "parameters": {"relation": "at least", "count": True}}],
        [{"name": "bullets", "parameters": {"count": 3}}],
        [{"name": "required_words", "parameters": {"wanted": ["\u200b"]}}],
        [{"name": "required_words", "parameters": {"wanted": []}}],
        [{"name": "ends_with", "parameters": {"phrase": " "}}],
        [{"name": "language", "parameters": {"language": "xx"}}],
        [{"name": ["bullets"]}],
        ["bullets"],
        [None],
    ],
    ids=str,
)
def test_a_constraint_that_cannot_be_met_is_the_tasks_fault(constraints):
    said = Transcript((Message("assistant", "The river rises fast."),))
    for reward in (follows_constraints, follows_all_constraints):
        assert reward(said, {"constraints": constraints}).status is Status.TASK_ERROR


def test_an_unknown_constraint_is_refused_with_the_nearest_name():
    with pytest.raises(TaskError, match="bullets"):
        describe("bulets", {})
    with pytest.raises(TaskError, match="relation"):
        check("text", "bullets", {"relation": "many", "count": 1})


# Text as a reader sees it.


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Dr. Smith came. He left!", 2),
        ("It costs 3.50 euros. Fine", 2),
        ("Wait... what?! Yes.", 3),
        ("今日は。元気ですか？はい", 3),
        ("- one\n- two", 2),
        ("1. one\n2. two", 2),
        ("... !!! ???", 0),
        ("12. 13. 14.", 0),
    ],
)
def test_sentences_hold_letters(text, count):
    assert len(sentences(text)) == count


@pytest.mark.parametrize(
    ("phrase", "text", "count"),
    [
        ("art", "party", 0),
        ("art", "Art, art! state-of-the-art", 3),
        ("art", "a\u200brt", 1),
        ("art", "\u0430rt", 1),
        ("art", "ａｒｔ", 1),
        ("stone bridge", "a stone\nbridge", 1),
        ("don't", "I don’t", 1),
        ("猫", "黒猫", 1),
    ],
)
def test_phrases_are_found_in_whole_words_however_spelled(phrase, text, count):
    assert count_phrase(phrase, text) == count


def test_repetition_is_seen_and_prose_is_not_blamed():
    assert repeated_share("the river runs " * 20) > 0.8
    assert repeated_share("The river rises in the hills, turns east below the town and ends in the cold grey sea.") == 0


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The river is long and it ends in the sea.", "en"),
        ("La rivière est longue et elle finit dans la mer.", "fr"),
        ("Der Fluss ist lang und er endet in dem Meer.", "de"),
        ("El río es largo y termina en el mar.", "es"),
        ("Il fiume è lungo e finisce nel mare.", "it"),
        ("O rio é longo e termina no mar.", "pt"),
        ("De rivier is lang en eindigt in de zee.", "nl"),
        ("Floden är lång och den slutar i havet.", "sv"),
        ("Joki on pitkä ja se päättyy mereen.", "fi"),
        ("Rzeka jest długa i kończy się w morzu.", "pl"),
        ("Nehir çok uzun ve denizde biter.", "tr"),
        ("Con sông dài và nó chảy ra biển.", "vi"),
        ("Река очень длинная, и она кончается в море.", "ru"),
        ("Річка довга, і вона закінчується в морі.", "uk"),
        ("Ο ποταμός είναι μακρύς.", "el"),
        ("النهر طويل جدا و هو في الجبال.", "ar"),
        ("הנהר ארוך מאוד.", "he"),
        ("नदी बहुत लंबी है और समुद्र में जाती है।", "hi"),
        ("河很长。", "zh"),
        ("川はとても長いです。", "ja"),
        ("강은 매우 깁니다.", "ko"),
        ("แม่น้ำยาวมาก", "th"),
        ("Oui.", "fr"),
        ("La rivière est longue :\n```\nthe code is not in it and that is all\n```", "fr"),
        ("12345 67890", None),
        ("```\nla rivière est longue et elle finit\n```", None),
        ("Xylo brak tumni forvel.", None),
        ("le le le le le le le le le le", None),
        ("La rivière est longue et elle finit dans la mer. The river is long and it ends in the sea.", None),
        ("", None),
    ],
)
def test_a_language_is_told_or_it_is_not(text, language):
    assert detect_language(text) == language


def test_every_language_that_can_be_asked_for_has_a_name():
    assert all(describe("language", {"language": code}).endswith(f"in {LANGUAGES[code]}.") for code in LANGUAGES)


# Anything at all.

TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="aA1 .,*-#|<>[]{}\"'`\n\t\u200b，。\u0430"),
    st.sampled_from([part for case in CASES.values() for part in case[1:]]),
)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-2, 9), st.floats(), st.text(), st.lists(st.text(max_size=3)))


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.data())
def test_any_text_is_judged_by_every_constraint_the_same_way_twice(text, data):
    for name, (parameters, *_) in CASES.items():
        found = check(text, name, parameters)
        assert found == check(text, name, parameters)
        if "relation" in parameters:
            relation = data.draw(st.sampled_from(RELATIONS))
            check(text, name, {**parameters, "relation": relation, "count": data.draw(st.integers(1, 5))})
    wanted = {"constraints": [{"name": n, "parameters": c[0]} for n, c in list(CASES.items())[:50]]}
    assert 0 <= follows_constraints(Transcript((Message("assistant", text),)), wanted).value <= 1


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(CONSTRAINTS)), st.dictionaries(st.text(max_size=8), VALUES), VALUES)
def test_any_parameters_are_judged_or_refused(name, extra, value):
    parameters = dict.fromkeys(CONSTRAINTS[name].parameters, value) | extra
    said = Transcript((Message("assistant", "The river rises fast."),))
    result = follows_constraints(said, {"constraints": [{"name": name, "parameters": parameters}]})
    assert result.status in (Status.OK, Status.TASK_ERROR)


@pytest.mark.parametrize(
    "text",
    [
        " " * 39_000 + "x",
        "!" * 39_000 + "x",
        "```x\n" * 7_800,
        "*a" * 19_500,
        "[" * 39_000,
        "<<" * 19_500,
        "- " * 19_500,
        "[" * 20_000 + "]" * 19_000,
        '{"a":' * 7_000,
        "\n" * 39_000,
        "a b " * 9_700,
        "é" * 39_000,
    ],
    ids=lambda t: repr(t[:6]),
)
def test_hostile_text_costs_little_time(text):
    start = time.process_time()
    for name, (parameters, *_) in CASES.items():
        check(text, name, parameters)
    assert time.process_time() - start < 4
