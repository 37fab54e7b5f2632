"""The simulated customer of `postgym/Orders-v0`: rules, no model, and sane on any text.

The customer brings up one matter after the other, tells what they are asked for and no more, agrees to a proposal
only when it names what they want, presses on when refused, changes their mind where the task says so, and leaves
when the conversation gets nowhere. Of right answers they know nothing: only what they want and remember.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from envs.api.orders_policy import REFUSES
from rewards.dialogue import questions
from rewards.text import MAX_CHARS, count_phrase, folded, has_words

PATIENCE = 4  # turns that bring nothing new, before the customer leaves

# what a question may be after -> the words for it
_ASKS: Mapping[str, re.Pattern[str]] = {
    "email": re.compile(r"\be-?mail\b|\bidentity\b|\bidentify\b|\bverify (?:you|who)\b|\bwho you are\b"),
    "name": re.compile(r"\b(?:your|full|first|last) (?:\w+ )?name\b|\bzip\b|\bpost ?code\b|\bpostal\b"),
    "order": re.compile(
        r"\border(?:'s)? (?:number|id)\b|\b(?:which|what) (?:\w+ )?(?:order|item|product|article|one)\b|\bwhich of\b"
        r"|\bnumber of (?:the|your) order\b|\bwhat (?:was|is) in it\b"
    ),
    "reason": re.compile(r"\breason\b|\bwhy\b"),
    "option": re.compile(
        r"\b(?:which|what) (?:\w+ )?(?:option|colou?r|size|variant|version|kind|model|type)\b|\bexchange it for\b"
        r"|\bwant instead\b|\blike instead\b"
    ),
    "address": re.compile(
        r"\b(?:new|which|what|full|shipping|delivery|right|correct) (?:\w+ )?address\b|\bstreet\b"
        r"|\bwhere (?:\w+ )+(?:to|go)\b"
    ),
    "payment": re.compile(
        r"\b(?:which|what) (?:\w+ )?(?:card|payment|method)\b|\bpayment method (?:would|do|should)\b"
        r"|\bhow (?:\w+ )+pay\b"
    ),
}  # fmt: skip
_PROPOSES = re.compile(
    r"\b(?:confirm|go ahead|proceed|agree|approve)\b|\b(?:shall|should) i\b|\b(?:want|like) me to\b"
    r"|\b(?:is (?:that|this)|are you|sound) (?:all )?(?:ok|okay|right|correct|fine|sure|good)\b|\byes or no\b"
    r"|\(yes/no\)"
)
_HANDS_OVER = re.compile(r"\b(?:transfer|human|colleague|supervisor|specialist)\b")
_WAITS = re.compile(
    r"\b(?:one moment|a moment|let me|hold on|i'll (?:look|check)|bear with me|just a (?:second|minute))\b"
)
_NOT_FOUND = re.compile(
    r"(?:can't|cannot|couldn't|could not|unable to|not able to) (?:find|locate|verify)\b|\b(?:not found|wasn't found)\b"
    r"|\b(?:no|any) (?:such )?(?:customer|account|order|record)\b"
)


@dataclass(frozen=True, slots=True)
class Matter:
    """What the customer comes for.

    Attributes:
        ask: how they bring it up.
        facts: what they say when they are asked for "order", "reason", "option", "address" or "payment".
        agrees: of each of these lists one wording must stand in a proposal, else they don't understand it.
        insists: what they say when refused, one by one.
        declines: a proposal with one of these isn't what they want, whatever else it says; they press on.
        question: they want to know something, and nothing to be changed.
        fickle: where others say yes they say the next matter's `ask`: they have changed their mind.
    """

    ask: str
    facts: dict[str, str]
    agrees: list[list[str]]
    insists: list[str]
    declines: list[str] = field(default_factory=list)
    question: bool = False
    fickle: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What an assistant's turn amounts to for the customer: their reply (None: they leave), and whether it is a yes."""

    reply: str | None
    consent: bool = False


class Customer:
    """One conversation's customer.

    Args:
        matters: what they want, in order.
        identity: what they say when asked for "email" and for "name".
        phrases: how they speak: "yes", "next", "unclear", "nudge", "unknown", "wait", "stay" (with this clerk).
    """

    def __init__(self, matters: Sequence[Matter], identity: Mapping[str, str], phrases: Mapping[str, str]) -> None:
        self._matters, self._identity, self._phrases = matters, identity, phrases
        self.at = 0  # the matter in hand
        self._refused = self._lost = 0
        self._told: set[str] = set()

    def hear(self, text: str, changed: bool, transferred: bool) -> Heard:
        """Answers what the assistant said.

        Args:
            text: the assistant's words, without thinking.
            changed: something was changed since the matter in hand was brought up.
            transferred: a colleague takes over.
        """
        if transferred:
            return Heard(None)
        matter = self._matters[self.at]
        if not has_words(text) or len(text) > MAX_CHARS:
            return self._nudge()
        if changed:
            return self._next()
        asked = self._asked(text)
        if any(count_phrase(word, text) for word in matter.declines):
            return self._press(matter)
        if not matter.question and _PROPOSES.search(folded(text)) and questions(text):
            if self._understands(text, matter):
                return self._next() if matter.fickle else Heard(self._phrases["yes"], consent=True)
            if not asked:
                return self._unclear(self._phrases["stay" if _HANDS_OVER.search(folded(text)) else "unclear"])
        if asked:
            return self._tell(asked, matter)
        if REFUSES.search(folded(text)):
            untold = self._unsaid(matter, folded(text))
            return self._tell([untold], matter) if untold else self._press(matter)
        if matter.question and any(c.isdigit() for c in text) and not questions(text):
            return self._next()
        return self._unclear(self._phrases["wait"]) if _WAITS.search(folded(text)) else self._nudge()

    def _asked(self, text: str) -> list[str]:
        flat = [folded(q) for q in questions(text, ["name", "zip"])]
        return [slot for slot, words in _ASKS.items() if any(words.search(q) for q in flat)]

    def _unsaid(self, matter: Matter, text: str) -> str:
        """What might help someone who finds no order, or no customer; empty where nothing is left to say."""
        if not _NOT_FOUND.search(text):
            return ""
        slot = "order" if "order" in text else "name"
        return slot if {**self._identity, **matter.facts}.get(slot, "") not in {*self._told, ""} else ""

    def _understands(self, text: str, matter: Matter) -> bool:
        return all(any(count_phrase(w, text) for w in wordings) for wordings in matter.agrees)

    def _tell(self, asked: Sequence[str], matter: Matter) -> Heard:
        known = {**self._identity, **matter.facts}
        said = [known[slot] for slot in asked if slot in known]
        if "email" in asked and "name" in asked:  # "your e-mail, or your name and zip code": the first will do
            again = self._identity["email"] in self._told
            said.remove(self._identity["email" if again else "name"])
        fresh = [s for s in dict.fromkeys(said) if s not in self._told]
        self._told.update(fresh)
        if not fresh:
            return self._unclear(" ".join(dict.fromkeys(said)) or self._phrases["unknown"])
        return Heard(" ".join(dict.fromkeys(said)))

    def _press(self, matter: Matter) -> Heard:
        if self._refused >= len(matter.insists):
            return self._next()
        self._refused += 1
        return Heard(matter.insists[self._refused - 1])

    def _next(self) -> Heard:
        came_round = self._matters[self.at].fickle
        self.at += 1
        self._refused = 0
        if self.at >= len(self._matters):
            return Heard(None)
        ask = self._matters[self.at].ask
        return Heard(ask if came_round else f"{self._phrases['next']} {ask}")

    def _nudge(self) -> Heard:
        return self._unclear(f"{self._phrases['nudge']} {self._matters[self.at].ask}")

    def _unclear(self, reply: str) -> Heard:
        """Says it, unless patience is at an end."""
        self._lost += 1
        return Heard(None if self._lost > PATIENCE else reply)
