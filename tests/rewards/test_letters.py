"""E-mails and commit messages: right ones in many wordings earn 1; each fault alone costs everything."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.letters import is_commit, is_email
from rewards.score import Status
from rewards.transcript import Message, Transcript

EMAIL = {
    "headers": {"To": "ana@example.org", "Subject": "Fire drill"},
    "greeting": "Dear Ana Holm,",
    "closing": ["Kind regards,", "Bruno Weber"],
    "facts": [["4 May 2031", "9:30", "B12"], ["Emil", "8:15"]],
    "words": [15, 60],
    "names": [],
    "decoys": ["C40"],
}
BODY = "We meet for the fire drill on 4 May 2031 at 9:30 in room B12. Before that, Emil opens the door at 8:15."
LETTER = f"To: ana@example.org\nSubject: Fire drill\n\nDear Ana Holm,\n\n{BODY}\n\nKind regards,\nBruno Weber"
COMMIT = {
    "head": {"type": "fix", "scope": "parser", "breaking": True},
    "verbs": ["handle"],
    "subject": ["empty input"],
    "facts": ["read_all", "30 ms"],
    "footers": ["BREAKING CHANGE: read_all is gone", "Fixes: #12"],
    "columns": [50, 72],
    "names": [],
    "decoys": ["17"],
}
SAID = "The function read_all stopped at once on such input.\nA run takes 30 ms now, and no more than that."
MESSAGE = f"fix(parser)!: handle empty input\n\n{SAID}\n\nBREAKING CHANGE: read_all is gone\nFixes: #12"
SHORT = COMMIT | {"facts": [], "footers": []}


def value(text, target):
    judge = is_email if "headers" in target else is_commit
    return judge(Transcript((Message("assistant", text),)), target).value


@pytest.mark.parametrize(
    "text",
    [
        LETTER,
        LETTER.replace(BODY, f"{BODY} I hope to see you there!"),
        LETTER.replace(BODY, f"I hope that you are well.\n\n{BODY}"),
        LETTER.replace(BODY, "Please come to room B12 on 4 May 2031, at 9:30. At 8:15 the door is opened by Emil."),
        f"```\n{LETTER}\n```",
        LETTER.replace("\n", "\r\n"),
    ],
)
def test_a_right_email_earns_1_in_any_wording(text):
    assert value(text, EMAIL) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("To: ana@example.org\n", ""),
        ("ana@example.org", "bob@example.org"),
        ("Subject: Fire drill", "Subject: Drill"),
        ("Dear Ana Holm,", "Hi Ana,"),
        ("\nBruno Weber", ""),
        ("\nBruno Weber", "\nBruno Weber\nCEO"),
        ("4 May", "5 May"),
        ("9:30", "9:35"),
        ("8:15", "9:30"),
        ("B12", "C40"),
        ("B12", "B120"),
        (" in room B12. Before that,", ", and there"),
        (BODY, "4 May 2031, 9:30, B12. Emil, 8:15. " * 2),
        (BODY, "We meet on 4 May 2031. It is at 9:30. The room is B12. Before that, Emil opens the door at 8:15."),
        (BODY, f"{BODY} Bring 5 friends along if you like."),
        (BODY, f"{BODY} Bring three friends along if you like."),
        (BODY, f"{BODY} Monday is a good day for it."),
        (BODY, f"{BODY} We shall be joined by Goran."),
        (BODY, f"{BODY} It isn't in C40 as planned."),
        (BODY, f"{BODY} Again: we meet for it on 4 May 2031 at 9:30 in room B12."),
        (BODY, f"{BODY} {'Come and see us there. ' * 20}"),
        ("Emil", "E\u200bmil"),
        ("\n\nDear", "\nDear"),
    ],
)
def test_one_fault_in_an_email_costs_everything(old, new):
    assert old in LETTER
    assert value(LETTER.replace(old, new), EMAIL) == 0


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (MESSAGE, COMMIT),
        (MESSAGE.replace("handle empty input", "handle the empty input well"), COMMIT),
        (MESSAGE.replace("A run takes", "By now a run takes"), COMMIT),
        ("fix(parser)!: handle empty input", SHORT),
        ("fix(parser)!: handle empty input\n\nFixes: #12", SHORT | {"footers": ["Fixes: #12"]}),
        ("fix: handle empty input", SHORT | {"head": {"type": "fix", "scope": "", "breaking": False}}),
    ],
)
def test_a_right_commit_message_earns_1(text, target):
    assert value(text, target) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fix(", "feat("),
        ("(parser)", "(lexer)"),
        ("(parser)", ""),
        ("!:", ":"),
        ("handle", "handled"),
        ("handle", "Handle"),
        ("handle empty input", "handle empty input."),
        ("handle empty input", "handle empty input in each and every place there"),
        ("empty input\n", "input\n"),
        ("input\n\n", "input\n"),
        (f"{SAID}\n\n", ""),
        (SAID, "read_all 30 ms"),
        (SAID, SAID.replace("30", "31")),
        (SAID, SAID.replace(" ms", " s")),
        (SAID, SAID.replace("\n", " ")),
        (SAID, f"{SAID}\nIt follows issue 17 of ours."),
        (SAID, f"{SAID}\nIt is 99 times as fast."),
        (SAID, f"{SAID}\nIt is twenty times as fast."),
        (SAID, f"{SAID}\n\nReviewed-by: someone"),
        ("#12", "#13"),
        ("\nFixes: #12", ""),
        ("Fixes: #12", "Fixes: #12\nThanks."),
        ("\n\nBREAKING", "\nBREAKING"),
    ],
)
def test_one_fault_in_a_commit_message_costs_everything(old, new):
    assert old in MESSAGE
    assert value(MESSAGE.replace(old, new), COMMIT) == 0


def test_what_is_not_asked_for_is_not_written():
    assert value("fix(parser)!: handle empty input\n\nFixes: #12", SHORT) == 0
    assert value(MESSAGE, SHORT) == 0


@pytest.mark.parametrize(("judge", "target"), [(is_email, EMAIL), (is_commit, COMMIT)])
def test_a_broken_target_is_the_tasks_fault(judge, target):
    for key in target:
        broken = {k: v for k, v in target.items() if k != key}
        assert judge(Transcript((Message("assistant", "hm"),)), broken).status is Status.TASK_ERROR, key
        if key in ("words", "columns", "closing"):
            assert judge(Transcript((Message("assistant", "hm"),)), {**target, key: []}).status is Status.TASK_ERROR


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_sentences_is_free(order):
    said = ["I hope that you are well.", *BODY.split(". ", 1), "I look forward to it."]
    said = [s if s.endswith(".") else f"{s}." for s in said]
    assert value(LETTER.replace(BODY, " ".join(said[i] for i in order)), EMAIL) == 1


@settings(max_examples=60)
@given(st.text(max_size=120), st.integers(0, len(LETTER)), st.integers(0, len(MESSAGE)))
def test_any_text_gets_a_score(noise, at, there):
    for text in (noise, LETTER[:at] + noise + LETTER[at:]):
        assert value(text, EMAIL) in (0, 1)
    for text in (noise, MESSAGE[:there] + noise + MESSAGE[there:]):
        assert value(text, COMMIT) in (0, 1)


@pytest.mark.parametrize(("text", "target"), [(LETTER, EMAIL), (MESSAGE, COMMIT)])
def test_a_letter_in_the_thinking_is_none(text, target):
    assert value(f"<think>{text}</think>", target) == 0
    assert value(f"<think>hm</think>{text}", target) == 1
