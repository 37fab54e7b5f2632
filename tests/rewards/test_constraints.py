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

# name: (parameters, a reply that meets it, one that violates it, one that has the form and nothing in it)
CASES = {
    "words": (
        {"relation": "at least", "count": 10},
        "The river rises in the hills and runs to the sea.",
        "The river runs to the sea.",
        "go " * 40,
    ),
    "word_range": (
        {"bounds": [5, 8]},
        "The river runs to the sea.",
        "The river rises in the hills and runs to the sea.",
        ". , ; : - ! ?",
    ),
    "characters": (
        {"relation": "at most", "count": 30},
        "The river runs to the sea.",
        "The river rises in the hills and runs to the sea.",
        "\u200b\u200b\u2800",
    ),
    "sentences": (
        {"relation": "exactly", "count": 2},
        "The river rises here. It runs 3.5 km to the sea.",
        "The river rises here and runs to the sea.",
        ". . . ! ?",
    ),
    "paragraphs": (
        {"relation": "exactly", "count": 2},
        "The river rises here.\n\nIt runs to the sea.",
        "The river rises here.\nIt runs to the sea.",
        "The river rises here.\n\nThe river rises here.",
    ),
    "lines": (
        {"relation": "exactly", "count": 3},
        "Cold rain\nfalls on stone\nand stays",
        "Cold rain falls on stone\nand stays",
        "Cold rain falls\n---\n---",
    ),
    "words_in_sentence": (
        {"count": 6},
        "The river rises here. It runs down.",
        "The river rises here and runs down to the sea.",
        "1 2 3. 4 5 6.",
    ),
    "sentences_in_paragraph": (
        {"count": 2},
        "The river rises here. It is cold.\n\nIt runs on. It ends.",
        "The river rises here. It is cold.\n\nIt ends.",
        ". .\n\n. .",
    ),
    "letters_in_word": ({"count": 5}, "The river runs down here.", "The river runs eastwards.", "- - -"),
    "letter_frequency": (
        {"letter": "a", "relation": "at least", "count": 4},
        "Ana has a cat and a map.",
        "The river runs down here.",
        "aaaaaaaaaaaaaaaa is it",
    ),
    "without_letter": ({"letter": "e"}, "A fog is on this hill.", "A fog is on the hill.", ". . ."),
    "required_words": (
        {"wanted": ["river", "stone bridge"]},
        "The river runs under a stone bridge at night.",
        "The riverside has a stone and a bridge.",
        "river stone bridge",
    ),
    "forbidden_words": (
        {"unwanted": ["art", "paint"]},
        "The party starts with painted walls.",
        "The art is on the walls.",
        "...",
    ),
    "word_frequency": (
        {"word": "river", "relation": "exactly", "count": 2},
        "The river is long. A river is wet.",
        "The river is long and the rivers are wet.",
        "river river",
    ),
    "word_in_sentence": (
        {"word": "river", "number": 2},
        "It rains today. The river is high.",
        "The river is high. It rains today.",
        ". river",
    ),
    "paragraph_starts": (
        {"word": "Later", "number": 2},
        "It rains today.\n\nLater the river rises fast.",
        "Later it rains.\n\nThe river rises fast.",
        "It rains today.\n\nLater",
    ),
    "starts_with": (
        {"phrase": "Let me see:"},
        "Let me see: the river rises in spring.",
        "Well, let me see: the river rises.",
        "Let me see: let me see:",
    ),
    "ends_with": (
        {"phrase": "Is that clear?"},
        "The river rises in spring. Is that clear?",
        "Is that clear? The river rises in spring.",
        "Is that clear?",
    ),
    "postscript": (
        {"marker": "P.S."},
        "The river rises in spring.\n\nP.S. Bring your boots.",
        "The river rises in spring. Bring boots.",
        "The river rises in spring.\n\nP.S.",
    ),
    "repeat_prompt": (
        {"prompt": "Where does the river rise?"},
        "Where does the river rise?\nIn the northern hills.",
        "The river rises in the northern hills.",
        "Where does the river rise? Where does the river rise?",
    ),
    "no_comma": ({}, "The river rises and runs and ends.", "The river rises, runs and ends.", "..."),
    "without_sign": ({"sign": "!"}, "The river rises fast.", "The river rises fast！", "..."),
    "no_digits": ({}, "Three rivers meet here.", "3 rivers meet right here.", "..."),
    "lowercase": ({}, "the river rises fast.", "The river rises fast.", "... 123 ..."),
    "uppercase": ({}, "THE RIVER RISES FAST.", "THE RIVER rISES FAST.", "123 456 789"),
    "capital_words": (
        {"relation": "at least", "count": 2},
        "The river is VERY cold and DEEP.",
        "The river is VERY cold and deep.",
        "A B C D are letters",
    ),
    "palindromes": (
        {"relation": "at least", "count": 2},
        "At noon the level rises.",
        "At noon the river rises.",
        "aaa bbb ccc ddd",
    ),
    "sentence_letter": (
        {"letter": "s"},
        "Streams rise fast. Some of them end.",
        "Streams rise fast. They end.",
        "1 2 3. 4 5 6.",
    ),
    "acrostic": (
        {"word": "sun"},
        "Streams rise fast\nunder the hills\nnear the sea",
        "Streams rise fast\nnear the sea\nunder the hills",
        "s\nu\nn",
    ),
    "different_openings": (
        {},
        "Streams rise fast. They end soon.",
        "They rise fast. They end soon.",
        "... ! ?",
    ),
    "no_repeats": (
        {},
        "The river rises in the hills and it runs to the sea in the east.",
        "The river rises in the hills and the river rises in the hills again.",
        "... ! ?",
    ),
    "bullets": (
        {"relation": "exactly", "count": 3},
        "Rivers:\n- the Rhine\n- the Nile\n* the Po",
        "Rivers:\n- the Rhine\n- the Nile",
        "Rivers of the world:\n- \n- \n- ",
    ),
    "numbered_list": (
        {"relation": "at least", "count": 2},
        "1. The Rhine\n2. The Nile\n3. The Po",
        "1. The Rhine\n3. The Nile\n3. The Po",
        "Three rivers are here:\n1. .\n2. .",
    ),
    "highlights": (
        {"relation": "at least", "count": 2},
        "The *Rhine* and the **long Nile** are rivers.",
        "The *Rhine* and the Nile are rivers.",
        "The rivers are ** ** and * * here.",
    ),
    "placeholders": (
        {"relation": "at least", "count": 2},
        "Dear [name], please come to [address] soon.",
        "Dear [name], please come to us soon.",
        "[][][] [ ] [.]",
    ),
    "title": ({}, "<<Rivers>>\nThe Rhine is a long river.", "Rivers\nThe Rhine is long.", "<<The long long Rhine>>"),
    "sections": (
        {"marker": "Section", "count": 2},
        "Section 1\nThe Rhine is long.\nSection 2\nThe Nile is longer.",
        "Section 1\nThe Rhine is long. The Nile is longer.",
        "Section 1\nSection 2\nand no more",
    ),
    "headings": (
        {"relation": "exactly", "count": 2},
        "# Rhine\nA long river.\n# Nile\nA longer river.",
        "# Rhine\nA long river. A longer river.",
        "# The Rhine river\n# The Nile river",
    ),
    "code_blocks": (
        {"relation": "exactly", "count": 1},
        "Run this now:\n```python\nprint('river')\n```",
        "Run print('river') right now.",
        "Run this right now:\n```\n\n```",
    ),
    "table": (
        {"rows": 2, "columns": 2},
        "| river | km |\n| --- | ---: |\n| Rhine | 1233 |\n| Nile | 6650 |",
        "| river | km |\n| --- | --- |\n| Rhine | 1233 |",
        "| river | km |\n| --- | --- |\n| | |\n| | |",
    ),
    "json": ({}, '{"river": "the long Rhine"}', "river: the long Rhine", '{"a": [], "b": {}, "c": ""}'),
    "json_keys": (
        {"keys": ["city", "reason"]},
        '```json\n{"city": "Oslo", "reason": "it is cold"}\n```',
        '{"city": "Oslo", "why": "it is cold"}',
        '{"city": "", "reason": "it is cold"}',
    ),
    "quotation": ({}, '"The river rises fast."', "The river rises fast.", '""'),
    "tagged": (
        {"tag": "reply"},
        "<reply>The river rises fast.</reply>",
        "<reply>The river</reply> rises fast.",
        "<reply></reply>",
    ),
    "two_responses": (
        {},
        "The Rhine is long.\n******\nTry a boat on the Nile.",
        "The Rhine is long. Try a boat on the Nile.",
        "The Rhine is long.\n******\nThe Rhine is long!",
    ),
    "one_of": (
        {"options": ["My answer is yes.", "My answer is no."]},
        "My answer is no.",
        "My answer is yes. My answer is no.",
        ".",
    ),
    "parts": (
        {"divider": "***", "count": 2},
        "The Rhine is long.\n***\nThe Nile is longer.",
        "The Rhine is long. The Nile is longer.",
        "***\n***\n***",
    ),
    "plain_text": ({}, "The Rhine is long.", "- The Rhine is long.", "..."),
    "language": (
        {"language": "fr"},
        "La rivière est très longue et elle va dans la mer.",
        "The river is very long and it runs into the sea.",
        "1 2 3 4 5 6",
    ),
}


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
