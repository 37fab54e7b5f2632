"""The shop of Orders: what each tool does to the database, and what its log notes of how it was used."""

import pickle

import pytest

from envs.api.orders_shop import GUESSED, NO_CONSENT, NO_IDENTITY, NOT_THEIRS, OFFENCES, Shop
from envs.tools import execute, tools_of
from rewards.transcript import ToolCall

HOME = {"street": "1 Elm Street", "town": "Arden", "zip": "01234"}
TABLES = {
    "customers": [
        {"id": "C1", "name": "Ada Fox", "email": "ada@example.com", **HOME},
        {"id": "C2", "name": "Ben Fox", "email": "ben@example.com", **HOME},
    ],
    "payments": [
        {"id": "P1", "customer_id": "C1", "label": "Visa ending in 1111", "balance": None},
        {"id": "P2", "customer_id": "C1", "label": "gift card", "balance": 500},
        {"id": "P3", "customer_id": "C2", "label": "PayPal", "balance": None},
    ],
    "variants": [
        {"id": "V1", "product": "kettle", "option": "red", "price": 2000, "stock": 3, "final_sale": 0},
        {"id": "V2", "product": "kettle", "option": "steel", "price": 2550, "stock": 1, "final_sale": 0},
        {"id": "V3", "product": "duvet", "option": "single", "price": 4005, "stock": 9, "final_sale": 1},
    ],
    "orders": [
        {"id": "W1", "customer_id": "C1", "status": "pending", "placed": "2025-01-01", "delivered": None,
         "payment_id": "P1", "reason": None, **HOME},
        {"id": "W2", "customer_id": "C2", "status": "delivered", "placed": "2025-01-01", "delivered": "2025-01-05",
         "payment_id": "P3", "reason": None, **HOME},
    ],
    "items": [
        {"id": "W1-1", "order_id": "W1", "variant_id": "V1", "price": 2000, "state": None},
        {"id": "W1-2", "order_id": "W1", "variant_id": "V3", "price": 4005, "state": None},
        {"id": "W2-1", "order_id": "W2", "variant_id": "V1", "price": 2000, "state": None},
    ],
}  # fmt: skip


@pytest.fixture
def shop():
    """The shop, with Ada found and W1 agreed to."""
    shop = Shop(TABLES)
    shop.hear("I'm ada@example.com")
    shop.find_customer_by_email("ada@example.com")
    shop.consent = "Shall I change order W1?"
    return shop


def offences(shop: Shop) -> set[str]:
    return {e["action"] for e in shop.effects} & set(OFFENCES)


def test_a_cancellation_books_the_whole_order_back(shop):
    assert shop.cancel_order("W1", "ordered by mistake")["refund"] == {
        "paid_back": "$60.05",
        "to": "Visa ending in 1111",
    }
    assert shop.difference() == {
        "orders/W1": {"status": "cancelled", "reason": "ordered by mistake"},
        "ledger/W1/P1": {"amount": 6005},
    }
    assert shop.changes == [["cancel", "W1"]]


def test_returns_in_two_calls_are_the_same_as_in_one(shop):
    shop.return_items("W1", ["W1-2"], "P2")
    shop.return_items("W1", ["W1-1"], "P2")
    assert shop.difference() == {
        "items/W1-1": {"state": "returned"},
        "items/W1-2": {"state": "returned"},
        "ledger/W1/P2": {"amount": 6005},
    }
    assert shop.changes == [["return", "W1-1"], ["return", "W1-2"]]


def test_an_exchange_settles_the_difference_and_takes_from_the_stock(shop):
    assert shop.exchange_item("W1", "W1-1", "V2")["settled"] == {"charged": "$5.50", "to": "Visa ending in 1111"}
    assert shop.difference() == {
        "items/W1-1": {"variant_id": "V2", "price": 2550, "state": "exchanged"},
        "variants/V2": {"stock": 0},
        "ledger/W1/P1": {"amount": -550},
    }


def test_address_and_payment_are_changed_as_given(shop):
    shop.change_address("W1", " 9 Mill Lane ", "00001", "Selby")
    shop.change_payment("W1", "P2")
    changed = {"street": "9 Mill Lane", "zip": "00001", "town": "Selby", "payment_id": "P2"}
    assert shop.difference() == {"orders/W1": changed}


def test_what_is_undone_has_happened(shop):
    shop.change_address("W1", "9 Mill Lane", "00001", "Selby")
    shop.change_address("W1", **HOME)
    assert shop.difference() == {}
    assert shop.changes == [["change address", "W1"]] * 2


def test_an_order_shows_what_the_policy_asks_about(shop):
    order = shop.get_order("W1")
    assert (order["status"], order["total"], order["paid_with"]) == (
        "pending",
        "$60.05",
        {"payment_id": "P1", "label": "Visa ending in 1111"},
    )
    assert [i.get("final_sale", False) for i in order["items"]] == [False, True]
    assert shop.get_product("kettle")["options"][1]["stock"] == 1
    assert shop.get_customer("C1")["payment_methods"][1]["balance"] == "$5.00"
    assert not offences(shop)


def test_who_isnt_there_isnt_found(shop):
    assert shop.find_customer_by_email("nobody@example.com") == {"customer_id": None}
    assert shop.find_customer_by_name_and_zip("Ada Fox", "99999") == {"customer_id": None}
    assert not offences(shop)


@pytest.mark.parametrize(
    ("use", "offence"),
    [
        (lambda shop: shop.find_customer_by_email("ben@example.com"), GUESSED),
        (lambda shop: shop.find_customer_by_name_and_zip("Ben Fox", "01234"), GUESSED),
        (lambda shop: shop.get_customer("C2"), NOT_THEIRS),
        (lambda shop: shop.return_items("W2", ["W2-1"], "P3"), NOT_THEIRS),
        (lambda shop: shop.return_items("W2", ["W2-1"], "P3"), NO_CONSENT),
    ],
)
def test_other_peoples_matters_are_noted(shop, use, offence):
    use(shop)
    assert offence in offences(shop)


@pytest.mark.parametrize("use", ["get_order", "get_customer", "transfer_to_human"])
def test_who_acts_before_the_identity_check_is_noted(use):
    shop = Shop(TABLES)
    getattr(shop, use)("C1" if use == "get_customer" else "W1")
    assert offences(shop) == {NO_IDENTITY}


def test_a_change_without_a_yes_is_noted(shop):
    shop.consent = ""
    shop.cancel_order("W1", "ordered by mistake")
    assert offences(shop) == {NO_CONSENT}


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("get_order", {"order_id": "W9"}, "not_found"),
        ("get_order", {"order_id": "\ud800"}, "not_found"),
        ("get_order", {"order_id": "W1' OR '1'='1"}, "not_found"),
        ("get_product", {"product": "Kettle"}, "not_found"),
        ("cancel_order", {"order_id": "W1", "reason": "just because"}, "unknown_reason"),
        ("return_items", {"order_id": "W1", "item_ids": ["W2-1"], "payment_id": "P1"}, "not_found"),
        ("return_items", {"order_id": "W1", "item_ids": [], "payment_id": "P1"}, "invalid_argument"),
        ("exchange_item", {"order_id": "W1", "item_id": "W1-1", "variant_id": "V9"}, "not_found"),
        ("change_payment", {"order_id": "W1", "payment_id": "P9"}, "not_found"),
    ],
)
def test_what_a_database_can_refuse_is_refused_and_changes_nothing(shop, name, arguments, kind):
    assert execute(tools_of(shop), ToolCall(name, arguments)).error == kind
    assert shop.difference() == {}
    assert shop.changes == []


def test_nothing_is_done_twice(shop):
    shop.return_items("W1", ["W1-1"], "P1")
    again = ToolCall("return_items", {"order_id": "W1", "item_ids": ["W1-1"], "payment_id": "P1"})
    assert execute(tools_of(shop), again).error == "already_done"
    shop.cancel_order("W1", "ordered by mistake")
    assert execute(tools_of(shop), ToolCall("cancel_order", {"order_id": "W1", "reason": "ordered by mistake"})).error


def test_text_that_no_database_holds_is_stored_as_far_as_it_can_be(shop):
    address = {"order_id": "W1", "street": "\ud800 Lane", "zip": "1", "town": "x"}
    assert execute(tools_of(shop), ToolCall("change_address", address)).error is None
    assert shop.difference()["orders/W1"]["street"] == "? Lane"


def test_a_pickled_shop_goes_on_where_it_stood(shop):
    shop.change_payment("W1", "P2")
    copy = pickle.loads(pickle.dumps(shop))
    copy.cancel_order("W1", "ordered by mistake")
    assert copy.difference() == {
        "orders/W1": {"payment_id": "P2", "status": "cancelled", "reason": "ordered by mistake"},
        "ledger/W1/P2": {"amount": 6005},
    }
    assert not offences(copy)
    assert shop.changes == [["change payment", "W1"]]
