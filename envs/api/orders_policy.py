"""The shop's policy: its text for the system prompt, and the words in which its reasons for a refusal are known again.

Every task draws the numbers and lists of its own policy, so that it must be read and can't be learned by heart.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

CANCEL_REASONS = ("no longer needed", "ordered by mistake", "found cheaper elsewhere", "delivery takes too long")
_WINDOWS = (14, 20, 30, 45)
_SHOPS = ("Hearth & Hook", "Larkfield Home", "Northgate Goods", "Olive and Oak", "Pennyworth's", "Tidewater Supply")

# A reason for a refusal, and the words that give it. A refusal must give the one that holds.
REASONS: Mapping[str, re.Pattern[str]] = {
    "too late": re.compile(r"\b\d+[ -]days?\b|\b(?:return|exchange) (?:window|period)\b|\btoo late\b|\bwindow\b"),
    "final sale": re.compile(r"\bfinal[ -]sale\b"),
    "status": re.compile(r"\b(?:shipped|dispatched|delivered|on its way|in transit|under way|pending)\b"),
    "cancel reason": re.compile(r"\breasons?\b(?! (?:is that|is because|why|for this|it))"),
    "other product": re.compile(r"\b(?:same|another|different|other) (?:product|kind of product|article)\b"),
    "no stock": re.compile(r"\b(?:out of|in|no) stock\b|\bsold out\b|\b(?:un|not )available\b"),
    "not theirs": re.compile(
        r"\b(?:another|other|different) (?:customer|account|person)|\bsomeone else\b|\bnot yours\b"
        r"|\byour (?:own )?(?:account|profile)\b|\b(?:doesn't|does not|isn't|not) (?:belong|yours)|\byour own orders\b"
    ),
    "balance": re.compile(
        r"\bbalance\b|\b(?:in|not )sufficient\b|\bcovers?\b|\b(?:isn't|not) enough\b|\bonly (?:has|holds)\b"
    ),
    "not found": re.compile(
        r"\b(?:no|any) (?:such )?(?:customer|account|record|match)|\b(?:find|locate|identify|verify|found|located)\b"
    ),
    "original payment": re.compile(
        r"\b(?:original|same) (?:payment|card|method|form)|\bpaid with\b|\bpayment (?:method )?(?:you )?used\b"
    ),
}  # fmt: skip
REFUSES = re.compile(
    r"\b(?:can't|cannot|can not|couldn't|could not|unable|not able|won't|not possible|isn't possible|impossible"
    r"|not allowed|not permitted|not eligible|isn't eligible|no longer (?:be|possible|eligible)|must decline"
    r"|against (?:our|the) (?:policy|rules)|have to decline|(?:doesn't|does not|don't|do not) (?:allow|permit|accept)"
    r"|(?:isn't|aren't) (?:allowed|permitted)|unfortunately"
    r"|no exceptions?|may not be|can only)\b"
)
IN_PASSING = frozenset({"status", "not found"})  # reasons whose words stand in many a sound refusal
MAX_OTHER_REASONS = 1  # beside the right one and those: who lists more of them guesses


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs from policy to policy."""

    shop: str
    window: int  # days after delivery
    reasons: tuple[str, ...]  # for which an order may be cancelled


def draw_rules(rng: random.Random) -> Rules:
    """The rules of one task."""
    return Rules(rng.choice(_SHOPS), rng.choice(_WINDOWS), tuple(rng.sample(CANCEL_REASONS, 2)))


def policy_text(rules: Rules, today: str) -> str:
    """The system message."""
    return _POLICY.format(rules=rules, today=today)


_POLICY = """\
You serve the customers of the web shop {rules.shop}. Today is {today}. This is the policy:
1. First find the customer, by the e-mail address or by the name and zip code that they give you. Look up no order \
before that, and speak of and change nobody else's orders.
2. The tools do as they are told and know none of these rules: keeping them is up to you.
3. Before each change tell the customer what you will do with which order and product (by order number and name) and \
ask whether you shall. Change nothing without their yes, and nothing that they didn't ask for.
4. Only pending orders can be cancelled, and only for one of two reasons: "{rules.reasons[0]}" or \
"{rules.reasons[1]}". The reason is what the customer says first; suggest none.
5. Only delivered products can be returned, up to {rules.window} days after delivery, and nothing that was on final \
sale. The money goes back to the payment method that the order was paid with, to no other.
6. What may be returned may also be exchanged, but only for another option of the same product, and only while that is \
in stock. The difference is settled with the payment method of the order.
7. Delivery address and payment method can be changed while an order is pending. The new payment method must be in the \
customer's profile; a gift card must hold at least the total of the order.
8. Whenever money goes back or has to be paid, tell the customer how much, and to or from which payment method.
9. Transfer to a human only what no rule here speaks of (damage, repairs, invoices, complaints), once the order is \
looked up, and tell the customer. One who doesn't like a rule is no reason.
10. If the policy forbids what the customer wants, tell them that it can't be done and for which rule, with the fact \
that stands against it: the status, the day of delivery, the balance of the card. Stay by it.
11. Be brief: never paste records, tell nothing that wasn't asked. \
What stands beside a call isn't sent to the customer."""
