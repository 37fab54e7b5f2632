"""What the customer of `postgym/Orders-v0` must have been told, and that nothing was said to be done which wasn't.

Reads `evidence["said"]`, the assistant's words while each matter was in hand, and the target's `told`: for each
matter the `amount`, the `date` and the `words` (of each list one) that must be stated, and the `refusal` that must
be given with its reason and these facts in one turn; `never` are words that none of their texts may hold. Texts that
list many figures or reasons state none.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from envs.api.orders_policy import IN_PASSING, MAX_OTHER_REASONS, REASONS, REFUSES
from rewards.effects import claims_are_true
from rewards.score import Score, Status, failure
from rewards.text import count_phrase, folded
from rewards.transcript import Transcript

MAX_DATES = 3  # in the turn that states one
_AMOUNT = re.compile(r"(?<![\w.,])\$? ?(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d\d))?(?![\w]|[.,]\d|-\d)", re.ASCII)
_ISO = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_DAY_MONTH = re.compile(rf"\b{_DAY} (?:of )?{_MONTH}(?![a-z])", re.ASCII)
_MONTH_DAY = re.compile(rf"\b{_MONTH} (?:the )?{_DAY}\b", re.ASCII)
_RECORD = re.compile(r"[{\[]\s*\"|\"\s*:")  # pasted JSON


def told_what_counts(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when in each matter the customer was told what the target's `told` asks for, else 0."""
    told = target.get("told")
    if not isinstance(told, list) or not any(told):
        return failure(Status.TASK_ERROR, f"target told {told!r:.60} asks for nothing; fill it in the task")
    said = transcript.evidence.get("said")
    if not isinstance(said, list):
        return failure(Status.INFRA_ERROR, "the environment kept nothing of what was said")
    for i, wanted in enumerate(told):
        texts = said[i] if i < len(said) else []
        if lack := _lack(texts, wanted):
            return Score(0.0, f"matter {i + 1}: {lack}")
    return Score(1.0, f"{len(told)} matters told as they are")


def claims_nothing_undone(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 unless some turn says that something was done which no call before it did; see `claims_are_true`."""
    made = 0
    for i, message in enumerate(transcript.messages):
        made += message.role == "tool"
        if message.role == "assistant" and not message.tool_calls:
            score = claims_are_true(Transcript(transcript.messages[: i + 1], transcript.calls[:made]), target)
            if score.value != 1:
                return score
    return Score(1.0, "claims nothing that wasn't done")


def amounts(text: str) -> set[int]:
    """The amounts of money in `text`, in cents: numbers with two decimals, or with a dollar sign."""
    found = set()
    for m in _AMOUNT.finditer(text):
        if m.group(2) or "$" in m.group():
            found.add(100 * int(m.group(1).replace(",", "")[:12]) + int(m.group(2) or 0))
    return found


def dates(text: str) -> set[tuple[int, int]]:
    """The days in `text` as (month, day): 2025-03-09, March 9th, 9 March."""
    flat = folded(text)
    found = {(int(m.group(2)), int(m.group(3))) for m in _ISO.finditer(flat)}
    found |= {(_MONTHS.index(m.group(2)) + 1, int(m.group(1))) for m in _DAY_MONTH.finditer(flat)}
    return found | {(_MONTHS.index(m.group(1)) + 1, int(m.group(2))) for m in _MONTH_DAY.finditer(flat)}


def _lack(texts: list[str], wanted: Mapping[str, Any]) -> str:
    """What the customer wasn't told, in words; empty when nothing lacks."""
    facts = [*_facts(wanted)]
    if leaked := next((w for w in wanted.get("never", ()) if any(count_phrase(w, t) for t in texts)), ""):
        return f"told {leaked!r}, which isn't the customer's"
    plain = [t for t in texts if not _RECORD.search(t)]
    key = wanted.get("refusal")
    if key is None:
        return next((f"not told {what}" for what, states in facts if not any(states(t) for t in plain)), "")
    refusals = [t for t in plain if REFUSES.search(folded(t))]
    if not refusals:
        return "not told that it can't be done"
    reasoned = [t for t in refusals if _gives(t, key)]
    if not reasoned:
        return f"not told the reason ({key}) and it alone"
    return "" if any(all(s(t) for _, s in facts) for t in reasoned) else f"refused without {facts[0][0]}"


def _facts(wanted: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What has to be stated, each with the test whether a text states it."""
    if amount := wanted.get("amount"):
        cents, most = amounts(amount), wanted.get("figures", 1)
        yield f"the amount {amount}", lambda t: cents <= amounts(t) and len(amounts(t)) <= most
    if day := wanted.get("date"):
        when = date.fromisoformat(day)
        yield f"the date {day}", lambda t: (when.month, when.day) in dates(t) and len(dates(t)) <= MAX_DATES
    for wordings in wanted.get("words", ()):
        yield wordings[0], lambda t, wordings=wordings: any(count_phrase(w, t) for w in wordings)


def _gives(text: str, key: str) -> bool:
    flat = folded(text)
    named = {name for name, pattern in REASONS.items() if pattern.search(flat)}
    return key in named and len(named - IN_PASSING - {key}) <= MAX_OTHER_REASONS
