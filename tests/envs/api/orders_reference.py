"""The policy of Orders read a second time: from the prompt's own words, on plain rows, without the environment's code.

`verdict` says what a call would do if the customer asked for it: the rule against it, or the rows that it changes.
"""

import re
from dataclasses import dataclass, field
from datetime import date

REASON_OF = {
    "no longer need": "no longer needed",
    "by mistake": "ordered by mistake",
    "cheaper elsewhere": "found cheaper elsewhere",
    "takes too long": "delivery takes too long",
    "no longer needed": "no longer needed",
}


@dataclass
class Book:
    """A shop's rows by their ids, the policy's numbers, and whom the conversation is with (None: nobody known)."""

    tables: dict
    today: date
    window: int
    reasons: tuple[str, ...]
    me: str | None
    rows: dict = field(default_factory=dict)
    done: list = field(default_factory=list)


def read(task) -> Book:
    """The book of a task."""
    policy = task.prompt[0].content
    tables = {name: {row["id"]: dict(row) for row in rows} for name, rows in task.meta["tables"].items()}
    spoken = str(task.meta["script"])
    mine = [
        c["id"]
        for c in tables["customers"].values()
        if c["email"] in spoken or (f"'{c['name']}'" in spoken and f"'{c['zip']}'" in spoken)
    ]
    assert len(mine) < 2
    return Book(
        tables,
        date.fromisoformat(re.search(r"Today is ([\d-]+)\.", policy)[1]),
        int(re.search(r"up to (\d+) days after delivery", policy)[1]),
        re.search(r'one of two reasons: "([^"]+)" or "([^"]+)"', policy).groups(),
        mine[0] if mine else None,
    )


def verdict(book: Book, call: dict, reason_said: str = "") -> str:
    """The rule that forbids a call, or "" once its effects are in the book."""
    name, given = call["name"], call["arguments"]
    if book.me is None:
        return "not found"
    if name == "transfer_to_human":
        book.done.append(["transfer", "human"])
        return ""
    order = book.tables["orders"][given["order_id"]]
    if order["customer_id"] != book.me:
        return "not theirs"
    return _RULES[name](book, order, given, reason_said)


def _cancel(book, order, given, reason_said):
    if order["status"] != "pending":
        return "status"
    if next(r for said, r in REASON_OF.items() if said in reason_said) not in book.reasons:
        return "cancel reason"
    assert given["reason"] in book.reasons
    total = sum(i["price"] for i in book.tables["items"].values() if i["order_id"] == order["id"])
    book.rows[f"orders/{order['id']}"] = {"status": "cancelled", "reason": given["reason"]}
    book.rows[f"ledger/{order['id']}/{order['payment_id']}"] = {"amount": total}
    book.done.append(["cancel", order["id"]])
    return ""


def _may_go_back(book, order, item):
    if order["status"] != "delivered":
        return "status"
    if (book.today - date.fromisoformat(order["delivered"])).days > book.window:
        return "too late"
    return "final sale" if book.tables["variants"][item["variant_id"]]["final_sale"] else ""


def _return(book, order, given, reason_said):
    items = [book.tables["items"][key] for key in given["item_ids"]]
    if rule := next(filter(None, (_may_go_back(book, order, item) for item in items)), ""):
        return rule
    if given["payment_id"] != order["payment_id"]:
        return "original payment"
    for item in items:
        book.rows[f"items/{item['id']}"] = {"state": "returned"}
        book.done.append(["return", item["id"]])
    book.rows[f"ledger/{order['id']}/{order['payment_id']}"] = {"amount": sum(i["price"] for i in items)}
    return ""


def _exchange(book, order, given, reason_said):
    item, new = book.tables["items"][given["item_id"]], book.tables["variants"][given["variant_id"]]
    if rule := _may_go_back(book, order, item):
        return rule
    if book.tables["variants"][item["variant_id"]]["product"] != new["product"]:
        return "other product"
    if new["stock"] < 1:
        return "no stock"
    book.rows[f"items/{item['id']}"] = {"variant_id": new["id"], "price": new["price"], "state": "exchanged"}
    book.rows[f"variants/{new['id']}"] = {"stock": new["stock"] - 1}
    book.rows[f"ledger/{order['id']}/{order['payment_id']}"] = {"amount": item["price"] - new["price"]}
    book.done.append(["exchange", item["id"]])
    return ""


def _address(book, order, given, reason_said):
    if order["status"] != "pending":
        return "status"
    book.rows[f"orders/{order['id']}"] = {k: given[k] for k in ("street", "zip", "town")}
    book.done.append(["change address", order["id"]])
    return ""


def _payment(book, order, given, reason_said):
    if order["status"] != "pending":
        return "status"
    payment = book.tables["payments"][given["payment_id"]]
    assert payment["customer_id"] == book.me
    total = sum(i["price"] for i in book.tables["items"].values() if i["order_id"] == order["id"])
    if payment["balance"] is not None and payment["balance"] < total:
        return "balance"
    book.rows[f"orders/{order['id']}"] = {"payment_id": payment["id"]}
    book.done.append(["change payment", order["id"]])
    return ""


_RULES = {
    "cancel_order": _cancel,
    "return_items": _return,
    "exchange_item": _exchange,
    "change_address": _address,
    "change_payment": _payment,
}
