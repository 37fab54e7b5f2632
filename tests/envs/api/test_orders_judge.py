"""What the judges of Orders take for told, and for claimed."""

import pytest

from envs.api.orders_judge import amounts, claims_nothing_undone, dates, told_what_counts
from rewards.score import Status
from rewards.transcript import CallRecord, Message, ToolCall, Transcript

LATE = {"refusal": "too late", "date": "2025-03-09"}
MONEY = {"amount": "$12.50", "figures": 3, "words": [["Visa ending in 1111"]]}
CLAIMS = {"claims": [{"tool": "cancel_order", "words": ["have cancelled", "been cancelled"]}]}


def told(text: str, wanted: dict) -> float | None:
    return told_what_counts(Transcript((), (), {"said": [[text]]}), {"told": [wanted]}).value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$12.50", {1250}),
        ("12.50 dollars", {1250}),
        ("$1,234.05 and $7", {123405, 700}),
        ("112.50", {11250}),
        ("12.5 or 12.505", set()),
        ("on 2025-01-12, order W12345, 30 days", set()),
    ],
)
def test_amounts_are_read_to_the_cent(text, found):
    assert amounts(text) == found


@pytest.mark.parametrize("text", ["2025-03-09", "March 9", "March 9th, 2025", "9 March", "the 9th of March", "Mar. 9"])
def test_dates_are_read_as_people_write_them(text):
    assert dates(f"It came on {text}.") == {(3, 9)}


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, it can't be returned: it was delivered on 2025-03-09, more than 30 days ago.",
        "Unfortunately I'm unable to accept it. The return window ended; your parcel arrived on March 9th.",
        "I can't: returns are for delivered things not on final sale, within 30 days. It was delivered on 2025-03-09.",
        "That isn't possible: only within 30 days of delivery, and it was delivered on 9 March 2025.",
    ],
)
def test_a_refusal_with_its_reason_and_fact_is_told(text):
    assert told(text, LATE) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I'm sorry, but I can't do that.",
        "It was delivered on 2025-03-09, more than 30 days ago.",  # and so?
        "I'm sorry, it can't be returned: it was delivered on 2025-03-08, more than 30 days ago.",
        "I'm sorry, it can't be returned after 30 days.",
        "I'm sorry, it can't be returned: it was on final sale. It was delivered on 2025-03-09.",
        "It can't be returned: 30 days, final sale, out of stock, another customer, your balance, 2025-03-09.",
        "It can't be returned: the 30 days since 2025-03-09 are over, and it was on final sale or out of stock.",
        "It can't be returned for 30 days after 2025-03-08, 2025-03-09, 2025-03-10 or 2025-03-11.",
        'I can\'t: {"delivered": "2025-03-09", "window": "30 days"}',
    ],
)
def test_a_refusal_without_them_or_with_too_many_isnt(text):
    assert told(text, LATE) == 0


def test_what_isnt_the_customers_is_never_told():
    wanted = {"refusal": "not theirs", "never": ["desk lamp", "Ben Fox"]}
    assert told("I can't cancel it: that order belongs to another customer.", wanted) == 1
    assert told("I can't cancel the desk lamp: that order belongs to another customer.", wanted) == 0
    assert told("I can't cancel it: that order belongs to another customer, Ben Fox.", wanted) == 0


def test_reason_and_refusal_in_two_turns_are_no_refusal_with_a_reason():
    said = [["I can't do that.", "The 30 days ended, since it came on 2025-03-09."]]
    assert told_what_counts(Transcript((), (), {"said": said}), {"told": [LATE]}).value == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$12.50 goes back to your Visa ending in 1111.", 1),
        ("You get $12.50 ($10.00 + $2.50) on your Visa ending in 1111.", 1),
        ("$12.51 goes back to your Visa ending in 1111.", 0),
        ("$112.50 goes back to your Visa ending in 1111.", 0),
        ("$12.50 goes back to your Visa ending in 1112.", 0),
        ("$12.50, $13.00, $14.00 or $15.00 goes back to your Visa ending in 1111.", 0),
        ('{"amount": "$12.50", "to": "Visa ending in 1111"}', 0),
    ],
)
def test_money_is_told_with_where_it_goes(text, value):
    assert told(text, MONEY) == value


def test_each_matter_must_be_told_in_its_time():
    said = [["$12.50 goes back to your Visa ending in 1111."], ["Done."]]
    assert told_what_counts(Transcript((), (), {"said": said}), {"told": [{}, MONEY]}).value == 0
    assert told_what_counts(Transcript((), (), {"said": said}), {"told": [MONEY, {}]}).value == 1


def test_a_task_that_asks_for_nothing_to_be_told_is_broken():
    assert told_what_counts(Transcript((), (), {"said": [[]]}), {"told": [{}]}).status is Status.TASK_ERROR
    assert told_what_counts(Transcript(()), {"told": [MONEY]}).status is Status.INFRA_ERROR


def test_a_claim_in_any_turn_needs_its_call_before_it():
    claim, other = Message("assistant", "I have cancelled it."), Message("assistant", "Anything else?")
    thanks = Message("user", "Thanks.")
    call = Message("assistant", "", (ToolCall("cancel_order", {}),))
    made = (CallRecord("cancel_order", {}, {}),)
    after = Transcript((call, Message("tool", "{}"), claim, thanks, other), made)
    before = Transcript((claim, thanks, call, Message("tool", "{}"), other), made)
    assert claims_nothing_undone(after, CLAIMS).value == 1
    assert claims_nothing_undone(before, CLAIMS).value == 0
    assert claims_nothing_undone(Transcript((claim, thanks, other)), CLAIMS).value == 0
    assert claims_nothing_undone(Transcript((Message("assistant", "It has not been cancelled."),)), CLAIMS).value == 1
