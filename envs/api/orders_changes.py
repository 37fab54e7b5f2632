"""What customers of `postgym/Orders-v0` may have changed: returns, exchanges, addresses, payment methods.

Each may be a change of mind: two cases then, the first of which ends where the customer would have said yes.
"""

from collections.abc import Sequence

from envs.api.orders_cases import EXCHANGES, RETURNS, Case, Desk, Turn, booked, call, refer
from envs.api.orders_customer import Matter
from envs.api.orders_shop import Row, dollars
from envs.api.orders_stock import names_of


def give_back(desk: Desk) -> list[Case]:
    """One or two products of a delivered order; now and then another one after all."""
    rng = desk.rng
    variants = desk.variants(2 + desk.happens(1))
    order = desk.order("delivered", variants)
    about = refer(desk, order, variants[0])
    both = len(variants) > 2 and desk.happens(0.6)
    first, others = variants[0]["product"], [v["product"] for v in variants[1:]]
    named = f"{first} and the {others[0]}" if both else first
    ask = rng.choice(
        [f"I want to return the {named} from {about.words}.", f"I'm sending back the {named} from {about.words}."]
    )
    facts = {"order": about.fact, "payment": "Back to the way I paid, please.", "reason": "I just don't like it."}
    cases = []
    needs = [call("get_order", order_id=order["id"])]
    picked = [0, 1] if both else [0]
    turns = list(about.turns)
    if desk.happens(0.5):
        before = Matter(
            ask, facts, [RETURNS, [order["id"]], *([variants[i]["product"]] for i in picked)], [], fickle=True
        )
        cases.append(Case(before, [*turns, Turn("propose", _return_offer(desk, order, variants, picked))], needs=needs))
        picked, turns = [len(variants) - 1], []
        named = variants[-1]["product"]
        ask = f"Oh, wait. I'd rather keep that and return only the {named} instead."
    agrees = [RETURNS, [order["id"]], *([variants[i]["product"]] for i in picked)]
    cents, label = sum(variants[i]["price"] for i in picked), desk.stock.label(order)
    items = [f"{order['id']}-{i + 1}" for i in picked]
    acts = [call("return_items", order_id=order["id"], item_ids=items, payment_id=order["payment_id"])]
    cases.append(
        Case(
            Matter(ask, facts, agrees, ["But I am within my rights to send it back."]),
            [
                *turns,
                Turn("propose", _return_offer(desk, order, variants, picked)),
                Turn("act", calls=acts),
                Turn("close", f"The return is booked: {dollars(cents)} goes back to your {label}."),
            ],
            {"amount": dollars(cents), "words": [names_of(label)], "figures": len(variants) + 2},
            {**{f"items/{item}": {"state": "returned"} for item in items}, **booked(order, cents)},
            [["return", item] for item in items],
            needs,
        )
    )
    return cases


def _return_offer(desk: Desk, order: Row, variants: Sequence[Row], picked: Sequence[int]) -> str:
    named = " and the ".join(variants[i]["product"] for i in picked)
    cents = sum(variants[i]["price"] for i in picked)
    paid = f"{dollars(cents)} would go back to your {desk.stock.label(order)}"
    return f"I would book the return of the {named} from order {order['id']}; {paid}. Shall I go ahead?"


def exchange(desk: Desk) -> list[Case]:
    """Another option of a product; now and then yet another one."""
    rng = desk.rng
    mine, *options = desk.stock.product()
    order = desk.order("delivered", [mine, *desk.variants(int(desk.happens(0.8)))])
    about = refer(desk, order, mine)
    thing, key = mine["product"], order["id"]
    facts = {"order": about.fact, "reason": "I just like the other one better."}
    turns = [*about.turns, Turn("read", calls=[call("get_product", product=thing)])]
    needs = [call("get_order", order_id=key)]
    cases, wish = [], options[0]
    withheld = desk.happens(0.7)
    into = "" if withheld else f' for the option "{wish["option"]}"'
    ask = rng.choice(
        [
            f"I want to exchange the {thing} from {about.words}{into}.",
            f"Please exchange the {thing} in {about.words}{into}.",
        ]
    )
    asks = [Turn("ask", "Which option would you like instead?")] * withheld
    if desk.happens(0.5):
        before = Matter(
            ask, {**facts, "option": f'"{wish["option"]}", please.'}, _exchange_terms(order, wish), [], fickle=True
        )
        offer = Turn("propose", _exchange_offer(desk, order, mine, wish))
        cases.append(Case(before, [*turns[:-1], *asks, turns[-1], offer], needs=needs))
        wish, turns, asks = options[1], [], []
        ask = f'Hm, no. On second thoughts I would rather have "{wish["option"]}".'
    cents = mine["price"] - wish["price"]
    new = {"variant_id": wish["id"], "price": wish["price"], "state": "exchanged"}
    rows = {f"items/{key}-1": new, f"variants/{wish['id']}": {"stock": wish["stock"] - 1}, **booked(order, cents)}
    acts = [call("exchange_item", order_id=key, item_id=f"{key}-1", variant_id=wish["id"])]
    cases.append(
        Case(
            Matter(
                ask,
                {**facts, "option": f'"{wish["option"]}", please.'},
                _exchange_terms(order, wish),
                ["But it is unused!"],
            ),
            [
                *turns[:-1],
                *asks,
                *turns[-1:],
                Turn("propose", _exchange_offer(desk, order, mine, wish)),
                Turn("act", calls=acts),
                Turn("close", f"The {thing} is exchanged. {_difference(desk, order, cents)}"),
            ],
            {"amount": dollars(abs(cents)), "words": [names_of(desk.stock.label(order))], "figures": 4},
            rows,
            [["exchange", f"{key}-1"]],
            needs,
        )
    )
    return cases


def _exchange_terms(order: Row, wish: Row) -> list[list[str]]:
    return [EXCHANGES, [order["id"]], [wish["product"]], [wish["option"]]]


def _exchange_offer(desk: Desk, order: Row, mine: Row, wish: Row) -> str:
    settled = _difference(desk, order, mine["price"] - wish["price"])
    return f"I would exchange the {mine['product']} in order {order['id']} for {wish['option']}. {settled} Shall I?"


def _difference(desk: Desk, order: Row, cents: int) -> str:
    label = desk.stock.label(order)
    return (
        f"{dollars(cents)} goes back to your {label}."
        if cents >= 0
        else f"{dollars(-cents)} is charged to your {label}."
    )


def change_address(desk: Desk) -> list[Case]:
    """Another address for a pending order; now and then it was yet another."""
    variants = desk.variants(1)
    order = desk.order("pending", variants)
    about = refer(desk, order, variants[0])
    new, key = desk.elsewhere(order), order["id"]
    withheld = desk.happens(0.6)
    to = "" if withheld else f" to {_address(new)}"
    ask = desk.rng.choice(
        [
            f"Please send {about.words}{to or ' to another address'}.",
            f"I've moved: {about.words} must go{to or ' elsewhere'}.",
        ]
    )
    turns = [*about.turns, *[Turn("ask", "What is the new address?")] * withheld]
    needs = [call("get_order", order_id=key)]
    cases = []
    if desk.happens(0.5):
        before = Matter(
            ask, {"order": about.fact, "address": f"To {_address(new)}."}, [[key], [new["street"]]], [], fickle=True
        )
        cases.append(Case(before, [*turns, Turn("propose", _address_offer(key, new))], needs=needs))
        new, turns = desk.elsewhere(order), []
        ask = f"No, sorry, that is the old one. It has to be {_address(new)}."
    arguments = {k: new[k] for k in ("street", "zip", "town")}
    cases.append(
        Case(
            Matter(
                ask,
                {"order": about.fact, "address": f"To {_address(new)}."},
                [[key], [new["street"]]],
                ["It's urgent!"],
            ),
            [
                *turns,
                Turn("propose", _address_offer(key, new)),
                Turn("act", calls=[call("change_address", order_id=key, **arguments)]),
                Turn("close", f"Order {key} goes to {_address(new)} now."),
            ],
            {"words": [[new["street"]]]},
            {f"orders/{key}": arguments},
            [["change address", key]],
            needs,
        )
    )
    return cases


def _address(row: Row) -> str:
    return f"{row['street']}, {row['zip']} {row['town']}"


def _address_offer(key: str, new: Row) -> str:
    return f"I would change the delivery address of order {key} to {_address(new)}. Shall I?"


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
