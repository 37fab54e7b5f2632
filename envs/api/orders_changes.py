"""What customers of `postgym/Orders-v0` may have changed: returns, exchanges, addresses, payment methods.

Each may be a change of mind: two cases then, the first of which ends where the customer would have said yes.
"""

from collections.abc import Sequence

from envs.api.orders_cases import EXCHANGES, RETURNS, Case, Desk, Turn, after, booked, call, dropped, refer
from envs.api.orders_customer import Matter
from envs.api.orders_shop import Row, dollars
from envs.api.orders_stock import names_of


def give_back(desk: Desk) -> list[Case]:
    """One or two products of a delivered order; now and then another one after all."""
    variants = desk.variants(2 + desk.happens(1))
    order = desk.order("delivered", variants)
    about = refer(desk, order, variants[0])
    picked = [0, 1] if len(variants) > 2 and desk.happens(0.6) else [0]
    named = " and the ".join(variants[i]["product"] for i in picked)
    ask = desk.rng.choice(
        [f"I want to return the {named} from {about.words}.", f"I'm sending back the {named} from {about.words}."]
    )
    facts = {"order": about.fact, "payment": "Back to the way I paid, please.", "reason": "I just don't like it."}
    wanted = returned(desk, order, variants, picked, ask, facts)
    if not desk.happens(0.5):
        return [after(about.turns, wanted)]
    other = variants[-1]["product"]
    instead = f"Oh, wait. I'd rather keep that and return only the {other} instead."
    return [
        after(about.turns, dropped(wanted)),
        returned(desk, order, variants, [len(variants) - 1], instead, facts),
    ]


def returned(
    desk: Desk, order: Row, variants: Sequence[Row], picked: Sequence[int], ask: str, facts: dict[str, str]
) -> Case:
    """The return of the picked ones of an order's products, once the order is looked up."""
    key, label = order["id"], desk.stock.label(order)
    things = [variants[i]["product"] for i in picked]
    items = [f"{key}-{i + 1}" for i in picked]
    cents = sum(variants[i]["price"] for i in picked)
    money = f"{dollars(cents)} goes back to your {label}."
    act = call("return_items", order_id=key, item_ids=items, payment_id=order["payment_id"])
    return Case(
        Matter(ask, facts, [RETURNS, [key], *([t] for t in things)], ["But I am within my rights to send it back."]),
        [
            Turn(
                "propose",
                f"I would book the return of the {' and the '.join(things)} from order {key}. {money} Shall I?",
            ),
            Turn("act", calls=[act]),
            Turn("close", f"The return is booked. {money}"),
        ],
        {"amount": dollars(cents), "words": [names_of(label)], "figures": len(variants) + 2},
        {**{f"items/{item}": {"state": "returned"} for item in items}, **booked(order, cents)},
        [["return", item] for item in items],
        [call("get_order", order_id=key)],
    )


def exchange(desk: Desk) -> list[Case]:
    """Another option of a product; now and then yet another one."""
    mine, first, second, _ = desk.stock.product()
    order = desk.order("delivered", [mine, *desk.variants(int(desk.happens(0.8)))])
    about, thing = refer(desk, order, mine), mine["product"]
    withheld = desk.happens(0.7)
    into = "" if withheld else f' for the option "{first["option"]}"'
    ask = desk.rng.choice(
        [
            f"I want to exchange the {thing} from {about.words}{into}.",
            f"Please exchange the {thing} in {about.words}{into}.",
        ]
    )
    turns = [
        *about.turns,
        *[Turn("ask", "Which option would you like instead?")] * withheld,
        Turn("read", calls=[call("get_product", product=thing)]),
    ]
    wanted = _exchanged(desk, order, mine, first, ask, about.fact)
    if not desk.happens(0.5):
        return [after(turns, wanted)]
    instead = f'Hm, no. On second thoughts I would rather have "{second["option"]}".'
    return [after(turns, dropped(wanted)), _exchanged(desk, order, mine, second, instead, about.fact)]


def _exchanged(desk: Desk, order: Row, mine: Row, wish: Row, ask: str, order_fact: str) -> Case:
    key, thing, label = order["id"], mine["product"], desk.stock.label(order)
    cents = mine["price"] - wish["price"]
    side = "goes back" if cents > 0 else "is charged"
    money = f"The difference of {dollars(abs(cents))} {side} to your {label}."
    facts = {
        "order": order_fact,
        "reason": "I just like the other one better.",
        "option": f'"{wish["option"]}", please.',
    }
    new = {"variant_id": wish["id"], "price": wish["price"], "state": "exchanged"}
    return Case(
        Matter(ask, facts, [EXCHANGES, [key], [thing], [wish["option"]]], ["But it is unused!"]),
        [
            Turn("propose", f"I would exchange the {thing} in order {key} for {wish['option']}. {money} Shall I?"),
            Turn("act", calls=[call("exchange_item", order_id=key, item_id=f"{key}-1", variant_id=wish["id"])]),
            Turn("close", f"The {thing} is exchanged. {money}"),
        ],
        {"amount": dollars(abs(cents)), "words": [names_of(label)], "figures": 4},
        {f"items/{key}-1": new, f"variants/{wish['id']}": {"stock": wish["stock"] - 1}, **booked(order, cents)},
        [["exchange", f"{key}-1"]],
        [call("get_order", order_id=key)],
    )


def change_address(desk: Desk) -> list[Case]:
    """Another address for a pending order; now and then it was yet another."""
    variants = desk.variants(1)
    order = desk.order("pending", variants)
    about, new = refer(desk, order, variants[0]), desk.elsewhere(order)
    withheld = desk.happens(0.6)
    to = "" if withheld else f" to {_address(new)}"
    ask = desk.rng.choice(
        [
            f"Please send {about.words}{to or ' to another address'}.",
            f"I've moved: {about.words} must go{to or ' elsewhere'}.",
        ]
    )
    turns = [*about.turns, *[Turn("ask", "What is the new address?")] * withheld]
    wanted = _sent_to(order, new, ask, about.fact)
    if not desk.happens(0.5):
        return [after(turns, wanted)]
    right = desk.elsewhere(order)
    instead = f"No, sorry, that is the old one. It has to be {_address(right)}."
    return [after(turns, dropped(wanted)), _sent_to(order, right, instead, about.fact)]


def _sent_to(order: Row, new: Row, ask: str, order_fact: str) -> Case:
    key = order["id"]
    facts = {"order": order_fact, "address": f"To {_address(new)}."}
    arguments = {k: new[k] for k in ("street", "zip", "town")}
    return Case(
        Matter(ask, facts, [[key], [new["street"]]], ["It's urgent!"]),
        [
            Turn("propose", f"I would change the delivery address of order {key} to {_address(new)}. Shall I?"),
            Turn("act", calls=[call("change_address", order_id=key, **arguments)]),
            Turn("close", f"Order {key} goes to {_address(new)} now."),
        ],
        {"words": [[new["street"]]]},
        {f"orders/{key}": arguments},
        [["change address", key]],
        [call("get_order", order_id=key)],
    )


def _address(row: Row) -> str:
    return f"{row['street']}, {row['zip']} {row['town']}"


def change_payment(desk: Desk) -> list[Case]:
    """Another payment method of the customer's own for a pending order."""
    variants = desk.variants(1)
    order = desk.order("pending", variants)
    about = refer(desk, order, variants[0])
    new = desk.rng.choice([p for p in desk.stock.payments(desk.me)[:3] if p["id"] != order["payment_id"]])
    key, label = order["id"], new["label"]
    withheld = desk.happens(0.6)
    ask = f"I want to pay for {about.words} in another way" + ("." if withheld else f": with my {label}.")
    turns = [*about.turns, *[Turn("ask", "Which payment method would you like?")] * withheld]
    return [
        Case(
            Matter(
                ask,
                {"order": about.fact, "payment": f"My {label}."},
                [[key], names_of(label)],
                ["It's my money, isn't it?"],
            ),
            [
                *turns,
                Turn("read", calls=[call("get_customer", customer_id=desk.me["id"])]),
                Turn("propose", f"I would change the payment of order {key} to your {label}. Shall I?"),
                Turn("act", calls=[call("change_payment", order_id=key, payment_id=new["id"])]),
                Turn("close", f"Order {key} is paid with your {label} now."),
            ],
            {"words": [names_of(label)]},
            {f"orders/{key}": {"payment_id": new["id"]}},
            [["change payment", key]],
            [call("get_order", order_id=key), call("get_customer", customer_id=desk.me["id"])],
        )
    ]
