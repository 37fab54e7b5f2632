"""What customers of `postgym/Orders-v0` come for: how a case is made, and questions, cancellations, hand-overs.

A `Case` holds a customer's matter, the turns of an expert, and what must be so in the end: the rows that differ, the
changes made, the calls that look things up, what the customer must be told. Returns, exchanges and changes are in
`orders_changes`, what the policy forbids is in `orders_refusals`.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from envs.api.orders_customer import Matter
from envs.api.orders_policy import CANCEL_REASONS, Rules
from envs.api.orders_shop import Row, dollars
from envs.api.orders_stock import Stockroom, names_of

Call = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of the expert: `do` says what for ("identify", "read", "ask", "propose", "act", "close", "refuse")."""

    do: str
    say: str = ""
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Case:
    """A matter with its right handling; `wish` are the calls that would give in to a forbidden one."""

    matter: Matter
    turns: list[Turn]
    told: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    done: list[list[str]] = field(default_factory=list)
    needs: list[Call] = field(default_factory=list)
    wish: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where cases are drawn: the shop so far, its rules, the customer, and how hard it shall be."""

    stock: Stockroom
    rules: Rules
    me: Row
    difficulty: float

    @property
    def rng(self) -> random.Random:
        """The source of all chance."""
        return self.stock.rng

    def happens(self, share: float) -> bool:
        """True with this chance at difficulty 1, and never at 0."""
        return self.rng.random() < share * self.difficulty

    def variants(self, count: int, final_sale: bool = False) -> list[Row]:
        """One variant of each of so many new products."""
        return [self.stock.product(final_sale)[0] for _ in range(count)]

    def order(self, status: str, variants: Sequence[Row], ago: int | None = None) -> Row:
        """An order of the customer's; a delivered one is within the return window unless `ago` says otherwise."""
        days = self.rng.randint(1, min(9, self.rules.window)) if ago is None else ago
        return self.stock.order(self.me, status, variants, days)

    def elsewhere(self, order: Row) -> Row:
        """An address that differs from the order's in street, zip code and town."""
        new = self.stock.address()
        while any(new[part] == order[part] for part in new):
            new = self.stock.address()
        return new


@dataclass(frozen=True, slots=True)
class Reference:
    """How the customer names an order, what they say when asked for it, and how the expert gets to it."""

    words: str
    fact: str
    turns: list[Turn]


def call(tool: str, **arguments: Any) -> Call:
    """A call as it is written."""
    return {"name": tool, "arguments": arguments}


def refer(desk: Desk, order: Row, variant: Row) -> Reference:
    """By number; by a number that is wrong, or told when asked for; or by the product, which two orders may hold."""
    key, thing = order["id"], variant["product"]
    look = Turn("read", calls=[call("get_order", order_id=key)])
    orders = Turn("read", calls=[call("get_customer", customer_id=desk.me["id"])])
    described = f"It's the one with the {thing}, {variant['option']}."
    if not desk.happens(0.85):
        return Reference(f"order {key}", f"Order {key}.", [look])
    match desk.rng.randrange(4):
        case 0:
            asks = Turn("ask", "What is the order number, please?")
            return Reference("an order of mine", f"The number is {key}.", [asks, look])
        case 1:
            wrong = f"{key[:-1]}{(int(key[-1]) + desk.rng.randint(1, 9)) % 10}"
            tries = Turn("read", calls=[call("get_order", order_id=wrong)])
            asks = Turn("ask", f"I find no order {wrong}. Which product is in it?")
            return Reference(
                f"order {wrong}", f"Then I've misread the number. {described}", [tries, asks, orders, look]
            )
        case 2:
            others = [v for v in desk.stock.tables["variants"] if v["product"] == thing and v["id"] != variant["id"]]
            status = "pending" if order["status"] == "delivered" else "delivered"
            desk.order(status, [desk.rng.choice(others)])
            asks = Turn("ask", f"You have two orders with a {thing}. Which one is it?")
            return Reference(
                f"my order with the {thing}", f"I don't have the number. {described}", [orders, asks, look]
            )
    return Reference(f"my order with the {thing}", f"I don't have the number. {described}", [orders, look])


def question(desk: Desk) -> list[Case]:
    """Something the customer wants to know of an order: an amount or a day."""
    rng = desk.rng
    variants = desk.variants(1 + desk.happens(0.7) + desk.happens(0.7))
    order = desk.order("delivered", variants)
    about = refer(desk, order, variants[0])
    total = desk.stock.total(order)
    named = variants[0]["product"]
    last_day = str(date.fromisoformat(order["delivered"]) + timedelta(days=desk.rules.window))
    kinds: list[tuple[list[str], dict[str, Any], str]] = [
        (
            [f"How much did I pay in all for {about.words}?", f"I'd like to know what {about.words} came to in all."],
            {"amount": dollars(total)},
            f"The total of order {order['id']} was {dollars(total)}.",
        ),
        (
            [f"On which day was {about.words} delivered?", f"When did {about.words} arrive? I need the exact day."],
            {"date": order["delivered"]},
            f"Order {order['id']} was delivered on {order['delivered']}.",
        ),
        (
            [f"Until which day could I return {about.words}?", f"What is the last day for returning {about.words}?"],
            {"date": last_day},
            f"Order {order['id']} can be returned until {last_day}.",
        ),
        (
            [f"What did I pay for the {named} in {about.words}?", f"I need the price of the {named} in {about.words}."],
            {"amount": dollars(variants[0]["price"])},
            f"The {named} cost {dollars(variants[0]['price'])}.",
        ),
    ]
    asks, told, answer = rng.choice(kinds if desk.difficulty >= 0.3 else kinds[:2])
    matter = Matter(rng.choice(asks), {"order": about.fact}, [], [], question=True)
    needs = [call("get_order", order_id=order["id"])]
    return [Case(matter, [*about.turns, Turn("close", answer)], told | {"figures": len(variants) + 2}, needs=needs)]


def cancel(desk: Desk) -> list[Case]:
    """A pending order and a listed reason; now and then the customer keeps it after all."""
    rng = desk.rng
    variants = desk.variants(1 + desk.happens(1))
    order, reason = desk.order("pending", variants), rng.choice(desk.rules.reasons)
    about, withheld = refer(desk, order, variants[0]), desk.happens(0.8)
    because = "" if withheld else f" {reason_said(reason)}"
    ask = rng.choice(
        [f"I'd like to cancel {about.words}.", f"Please cancel {about.words}.", f"Cancel {about.words}, please."]
    )
    total, label, key = desk.stock.total(order), desk.stock.label(order), order["id"]
    wanted = Case(
        Matter(
            ask + because,
            {"order": about.fact, "reason": reason_said(reason)},
            [CANCELS, [key]],
            ["But I don't want it any more."],
        ),
        [
            Turn("propose", f"I would cancel order {key}. {dollars(total)} goes back to your {label}. Shall I?"),
            Turn("act", calls=[call("cancel_order", order_id=key, reason=reason)]),
            Turn("close", f"Order {key} is cancelled. {dollars(total)} goes back to your {label}."),
        ],
        {"amount": dollars(total), "words": [names_of(label)], "figures": len(variants) + 2},
        {f"orders/{key}": {"status": "cancelled", "reason": reason}, **booked(order, total)},
        [["cancel", key]],
        [call("get_order", order_id=key)],
    )
    turns = [*about.turns, *[Turn("ask", "What is the reason, please?")] * withheld]
    if not desk.happens(0.4):
        return [after(turns, wanted)]
    return [after(turns, dropped(wanted)), _kept(order, total, about.fact)]


def _kept(order: Row, total: int, order_fact: str) -> Case:
    ask = "Hm, wait. No, leave it as it is, I'll keep it. Just tell me what the order comes to in all."
    close = Turn("close", f"Nothing has changed: order {order['id']} comes to {dollars(total)}.")
    told = {"amount": dollars(total), "figures": 4}
    return Case(Matter(ask, {"order": order_fact}, [], [], question=True), [close], told)


def after(turns: Sequence[Turn], case: Case) -> Case:
    """The case with these turns before its own."""
    return replace(case, turns=[*turns, *case.turns])


def dropped(case: Case) -> Case:
    """The case up to its proposal, where the customer changes their mind."""
    at = next(i for i, turn in enumerate(case.turns) if turn.do == "propose")
    return Case(replace(case.matter, insists=[], fickle=True), case.turns[: at + 1], needs=case.needs)


CANCELS = ["cancel", "cancelled", "canceled", "cancelling", "canceling", "cancellation"]
RETURNS = ["return", "returned", "returning", "take back", "refund"]
EXCHANGES = ["exchange", "exchanged", "exchanging", "swap", "replace"]
_REASON_SAID: Mapping[str, str] = {
    CANCEL_REASONS[0]: "I no longer need it.",
    CANCEL_REASONS[1]: "I ordered it by mistake.",
    CANCEL_REASONS[2]: "I found it cheaper elsewhere.",
    CANCEL_REASONS[3]: "The delivery takes too long for me.",
}


def reason_said(reason: str) -> str:
    """A reason for a cancellation in the customer's words."""
    return _REASON_SAID[reason]


def booked(order: Row, cents: int) -> dict[str, Row]:
    """The ledger's row for money that goes back to the order's own payment method (below 0: is charged)."""
    return {f"ledger/{order['id']}/{order['payment_id']}": {"amount": cents}}


_BEYOND = (
    "The {thing} from {order} came with a deep scratch. What are you going to do about it?",
    "The parcel with {order} was soaked through and the {thing} is ruined.",
    "I need an invoice in my company's name for {order}, for the {thing}.",
    "The {thing} from {order} stopped working, and I want it repaired under the warranty.",
    "The courier was rude when he brought {order} with the {thing}. I want to complain about him.",
)


def hand_over(desk: Desk) -> list[Case]:
    """Something that no rule speaks of: looked up, then handed over to a human."""
    variants = desk.variants(1)
    order = desk.order("delivered", variants)
    about = refer(desk, order, variants[0])
    ask = desk.rng.choice(_BEYOND).format(thing=variants[0]["product"], order=about.words)
    facts = {"order": about.fact, "reason": "I have told you.", "option": "None. I want this looked into."}
    handing = [call("transfer_to_human", summary=f"Order {order['id']}: {ask}")]
    return [
        Case(
            Matter(ask, facts, [["transfer", "colleague", "human"]], ["You can't leave me alone with this!"]),
            [
                *about.turns,
                Turn("act", calls=handing),
                Turn("close", f"A colleague takes over now and will look into order {order['id']}."),
            ],
            {"words": [["colleague", "human", "specialist", "transferred", "transferring", "transfer", "agent"]]},
            {},
            [["transfer", "human"]],
            [call("get_order", order_id=order["id"])],
        )
    ]
