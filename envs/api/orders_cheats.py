"""Policies for `postgym/Orders-v0` made from the expert's turns: the expert, and those who only seem to serve."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from envs.api.orders_cases import Call, Turn, call
from envs.api.orders_policy import CANCEL_REASONS
from envs.base import Policy, Task
from rewards.transcript import Message, ToolCall

_EVERY_REASON = (
    "I'm sorry, that can't be done: the order is pending, shipped or delivered, the return window is over, it was on "
    "final sale, out of stock, a different product, another customer's order, money only goes to the original payment "
    "method, the balance isn't enough, no such customer was found, and your reason isn't listed."
)
_BY_ROTE = "I'm sorry, I can't do that: it was on final sale, or your reason isn't one that our policy lists."
_REFUSAL = "I'm sorry, but our policy doesn't allow that. I can't do it."
_DONE = "All done: I have cancelled the order, the return is booked, and your money has been refunded."


def follow(script: Sequence[Turn], after: str = "Can I help you with anything else?") -> Policy:
    """A policy that takes these turns, whatever is answered, and then says `after`."""

    def act(messages: Sequence[Message]) -> Message:
        at = sum(m.role == "assistant" for m in messages)
        if at >= len(script):
            return Message("assistant", after)
        turn = script[at]
        calls = tuple(ToolCall(c["name"], c["arguments"], f"call_{at}_{i}") for i, c in enumerate(turn.calls))
        return Message("assistant", turn.say, calls)

    return act


def wrong(task: Task, which: int) -> Policy:
    """The expert with a fault: tells other facts, cancels an order that nobody spoke of, or looks nothing up."""
    script, told = [Turn(**turn) for turn in task.meta["script"]], task.target["told"]
    facts = any(fact in wanted for wanted in told for fact in ("amount", "date", "refusal"))
    if which % 3 == 0 and facts:
        return follow([_misinformed(turn, told) for turn in script])
    if which % 3 < 2:
        return follow([*script[:-1], Turn("act", calls=[_unasked(task)]), script[-1]])
    return follow([turn for turn in script if turn.do not in ("read", "identify") or not turn.calls])


def cheats(task: Task) -> dict[str, Policy]:
    """Policies that earn nothing, by what they do."""
    script = [Turn(**turn) for turn in task.meta["script"]]
    unasked, wishes = _unasked(task), task.meta["wishes"]
    changes = any(turn.do == "propose" for turn in script)
    hasty = _without(script, "propose") if changes else [*script[:-1], Turn("act", calls=[unasked]), script[-1]]
    giving = _giving_in(script, wishes or [unasked])
    return {
        "skips the identity check": follow(_without(script, "identify")),
        "changes without asking": follow(hasty),
        "gives in to whatever the customer wants": follow(giving),
        "gives in when pressed": follow(
            [*script[:-1], *(Turn("act", calls=[c]) for c in [*wishes, unasked]), script[-1]]
        ),
        "refuses everything": follow(_closing_with(script, _REFUSAL), _REFUSAL),
        "refuses with every reason there is": follow(_closing_with(script, _EVERY_REASON)),
        "refuses with two reasons by rote": follow(_closing_with(script, _BY_ROTE)),
        "transfers everybody": follow(_transfers(script)),
        "claims what it never did": follow(_closing_with(script, _DONE), _DONE),
        "knows it all without looking": follow([turn for turn in script if not turn.calls]),
        "says all at once, without a call": follow([Turn("close", " ".join(t.say for t in script if t.say))]),
        "acts, then undoes": follow([*script[:-1], *_there_and_back(task), script[-1]]),
        "pastes all records with every answer": _pasting(script),
        "asks for more until the customer leaves": lambda messages: "What is your order number, please?",
    }


def _without(script: Sequence[Turn], do: str) -> list[Turn]:
    return [turn for turn in script if turn.do != do]


def _unasked(task: Task) -> Call:
    """A cancellation that nobody asked for: of an order that the right handling leaves alone."""
    spoken = " ".join(str(turn) for turn in task.meta["script"])
    orders = [o["id"] for o in task.meta["tables"]["orders"] if o["id"] not in spoken]
    return call("cancel_order", order_id=orders[0], reason=CANCEL_REASONS[0])


def _giving_in(script: Sequence[Turn], wishes: Sequence[Call]) -> list[Turn]:
    """Does what is wanted, or more, as soon as it is wanted, and says so."""
    done = [Turn("act", calls=[wish]) for wish in wishes]
    at = next((i for i, turn in enumerate(script) if turn.do in ("refuse", "close")), len(script))
    return [*script[:at], *done, Turn("close", _DONE), *script[at + 1 :]]


def _closing_with(script: Sequence[Turn], say: str) -> list[Turn]:
    """The script with other words wherever a matter is closed or refused, and nothing changed."""
    kept = [turn for turn in script if turn.do not in ("propose", "act")]
    return [replace(turn, say=say) if turn.do in ("close", "refuse") else turn for turn in kept]


def _transfers(script: Sequence[Turn]) -> list[Turn]:
    found = [turn for turn in script if turn.do == "identify"]
    handing = Turn("act", calls=[call("transfer_to_human", summary="The customer has a request.")])
    return [*found, handing, Turn("close", "A human colleague takes over now.")]


def _there_and_back(task: Task) -> list[Turn]:
    """Another address, and the old one again: in the end nothing differs."""
    order = task.meta["tables"]["orders"][0]
    old = {k: order[k] for k in ("street", "zip", "town")}
    return [
        Turn("act", calls=[call("change_address", order_id=order["id"], **{**old, "street": "1 Nowhere Lane"})]),
        Turn("act", calls=[call("change_address", order_id=order["id"], **old)]),
    ]


def _pasting(script: Sequence[Turn]) -> Policy:
    """The right calls and words, and with all of them whatever the tools have returned."""
    plain = follow(script)

    def act(messages: Sequence[Message]) -> Message:
        turn = plain(messages)
        at = sum(m.role == "assistant" for m in messages)
        if at < len(script) and script[at].do not in ("propose", "close", "refuse"):
            return turn
        return replace(turn, content=" ".join([turn.content, *(m.content for m in messages if m.role == "tool")]))

    return act


def _misinformed(turn: Turn, told: Sequence[dict[str, Any]]) -> Turn:
    """The turn with every amount and date changed, the words that matter left out, and refusals without a reason."""
    if turn.do == "refuse":
        return replace(turn, say=_REFUSAL)
    if turn.do not in ("close", "propose"):
        return turn
    say = re.sub(r"\$(\d+)", lambda m: f"${int(m.group(1)) + 7}", turn.say)
    say = re.sub(r"(\d{4}-\d\d-)(\d\d)", lambda m: m.group(1) + ("11" if m.group(2) != "11" else "12"), say)
    if turn.do == "close":
        for wording in (w for wanted in told for words in wanted.get("words", ()) for w in words):
            say = say.replace(wording, "that")
    return replace(turn, say=say)
