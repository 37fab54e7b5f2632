"""Draws the rows of a shop: products with their options, customers with payment methods, and orders."""

import random
from collections.abc import Sequence
from datetime import date, timedelta

from envs.api.orders_shop import COLUMNS, Row

_ENDING = " ending in "

PRODUCTS = {
    "desk lamp": ("black", "white", "brass", "green"),
    "swivel chair": ("grey", "navy", "mustard", "black"),
    "kettle": ("steel", "red", "cream", "copper"),
    "backpack": ("olive", "black", "sand", "blue"),
    "rain jacket": ("small", "medium", "large", "extra large"),
    "cycling helmet": ("52 cm", "55 cm", "58 cm", "61 cm"),
    "headset": ("white", "graphite", "teal", "silver"),
    "coffee grinder": ("manual", "electric", "travel", "twin"),
    "duvet": ("single", "double", "king", "cot"),
    "notebook set": ("lined", "dotted", "squared", "blank"),
    "yoga mat": ("purple", "charcoal", "mint", "coral"),
    "bookshelf": ("oak", "walnut", "birch", "pine"),
    "wall clock": ("round", "square", "oval", "hexagonal"),
    "picnic blanket": ("tartan", "striped", "plain", "floral"),
    "frying pan": ("20 cm", "24 cm", "28 cm", "32 cm"),
    "bedside table": ("ash", "cherry", "maple", "teak"),
    "sleeping bag": ("summer", "three-season", "winter", "junior"),
    "board game": ("English", "French", "German", "Spanish"),
}
_FIRST = ("Ada", "Bruno", "Carla", "Dev", "Elin", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Mona",
          "Nils", "Olga", "Pavel", "Rosa", "Samir", "Tessa", "Uma", "Vera", "Wim", "Yara", "Zeno")  # fmt: skip
_LAST = ("Albright", "Becker", "Castell", "Dorsey", "Ekman", "Fontaine", "Garrido", "Hallam", "Ivers", "Jansen",
         "Kowal", "Lindqvist", "Marlow", "Novak", "Okafor", "Pereira", "Quist", "Renard", "Sato", "Tully")  # fmt: skip
_STREETS = ("Mill Lane", "Station Road", "Elm Street", "Harbour Row", "Quarry Hill", "Chapel Walk", "Orchard Close",
            "Bridge Street", "Foundry Yard", "Linden Avenue")  # fmt: skip
_TOWNS = ("Arden", "Belmar", "Corvo", "Dunmore", "Elsted", "Fairhill", "Harlow", "Marsden", "Oakham", "Selby")
_MAIL = ("example.com", "mail.example", "post.example", "inbox.example")
_CARDS = ("Visa", "Mastercard", "Amex")


class Stockroom:
    """Draws rows one by one and keeps them in `tables`; no id, product or person comes twice."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.today = date(2025, 1, 1) + timedelta(days=int(rng.random() * 600))
        self.tables: dict[str, list[Row]] = {table: [] for table in COLUMNS}
        self._products = rng.sample(list(PRODUCTS), len(PRODUCTS))
        self._names = rng.sample([(a, b) for a in rng.sample(_FIRST, 8) for b in rng.sample(_LAST, 3)], 12)
        self._numbers = iter(rng.sample(range(1000, 10_000), 80))

    def day(self, ago: int) -> str:
        """The date that many days before today."""
        return str(self.today - timedelta(days=ago))

    def address(self) -> Row:
        """A street with its number, zip code and town."""
        rng = self.rng
        return {
            "street": f"{2 + int(rng.random() * 97)} {rng.choice(_STREETS)}",
            "zip": str(10_000 + int(rng.random() * 89_999)),
            "town": rng.choice(_TOWNS),
        }

    def customer(self, name: str = "") -> Row:
        """A customer with two cards, PayPal and a gift card; `name` makes a namesake."""
        rng = self.rng
        first, last = name.split() if name else self._names.pop()
        number = next(self._numbers)
        key = f"C{number}"
        mail = f"{first}.{last}{number % 100}@{rng.choice(_MAIL)}".lower()
        row = {"id": key, "name": f"{first} {last}", "email": mail, **self.address()}
        self.tables["customers"].append(row)
        one, other = rng.sample(_CARDS, 2)
        labels = [f"{one}{_ENDING}{next(self._numbers)}", f"{other}{_ENDING}{next(self._numbers)}"]
        for label in (*labels, "PayPal", "gift card"):
            balance = 500 + int(rng.random() * 900) if label == "gift card" else None
            payment = {"id": f"P{next(self._numbers)}", "customer_id": key, "label": label, "balance": balance}
            self.tables["payments"].append(payment)
        return row

    def payments(self, customer: Row) -> list[Row]:
        """A customer's payment methods: two cards, PayPal, a gift card."""
        return [p for p in self.tables["payments"] if p["customer_id"] == customer["id"]]

    def product(self, final_sale: bool = False) -> list[Row]:
        """The four variants of a product that isn't in the shop yet; prices and stocks differ."""
        rng, name = self.rng, self._products.pop()
        base, steps = 15 + int(rng.random() * 130), rng.sample(range(1, 30), 4)
        first = next(self._numbers)
        rows = [
            {
                "id": f"V{first}{i}",
                "product": name,
                "option": option,
                "price": 100 * (base + step) + 5 * int(rng.random() * 20),
                "stock": 2 + int(rng.random() * 30),
                "final_sale": int(final_sale),
            }
            for i, (option, step) in enumerate(zip(PRODUCTS[name], steps, strict=True))
        ]
        self.tables["variants"] += rows
        return rng.sample(rows, 4)

    def order(self, customer: Row, status: str, variants: Sequence[Row], ago: int, payment: Row | None = None) -> Row:
        """An order of these variants; `ago` days lie since its delivery, or since it was placed if it hasn't come."""
        rng = self.rng
        key = f"W{next(self._numbers)}{int(rng.random() * 10)}"
        arrived = status == "delivered"
        row = {
            "id": key,
            "customer_id": customer["id"],
            "status": status,
            "placed": self.day(ago + (3 + int(rng.random() * 6) if arrived else 0)),
            "delivered": self.day(ago) if arrived else None,
            **{k: customer[k] for k in ("street", "town", "zip")},
            "payment_id": (payment or rng.choice(self.payments(customer)[:3]))["id"],
            "reason": None,
        }
        self.tables["orders"].append(row)
        for i, v in enumerate(variants, 1):
            item = {"id": f"{key}-{i}", "order_id": key, "variant_id": v["id"], "price": v["price"], "state": None}
            self.tables["items"].append(item)
        return row

    def total(self, order: Row) -> int:
        """What an order costs, in cents."""
        return sum(i["price"] for i in self.tables["items"] if i["order_id"] == order["id"])

    def label(self, order: Row) -> str:
        """What the payment method of an order is called."""
        return next(p["label"] for p in self.tables["payments"] if p["id"] == order["payment_id"])


def names_of(label: str) -> list[str]:
    """What a payment method may be called: whoever has two cards has them of two brands."""
    brand, ending, digits = label.partition(_ENDING)
    return [label, digits, brand] if ending else [label]
