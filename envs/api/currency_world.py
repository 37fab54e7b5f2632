"""The world of the currency environment: real currencies, made-up rates of a fortnight, and the tools to ask for them.

Rates are quoted for one unit of the house's own currency only, on business days only, as central banks do it.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from envs.api.lookup import Calculator, plain
from envs.tools import ToolError, tool

CURRENCIES: Mapping[str, tuple[str, int, float]] = {  # code: its name in the plural, minor digits (ISO 4217), per euro
    "EUR": ("euros", 2, 1.0),
    "USD": ("US dollars", 2, 1.1),
    "GBP": ("British pounds", 2, 0.85),
    "CHF": ("Swiss francs", 2, 0.95),
    "CAD": ("Canadian dollars", 2, 1.5),
    "AUD": ("Australian dollars", 2, 1.65),
    "SGD": ("Singapore dollars", 2, 1.45),
    "SEK": ("Swedish kronor", 2, 11.4),
    "NOK": ("Norwegian kroner", 2, 11.7),
    "DKK": ("Danish kroner", 2, 7.5),
    "PLN": ("Polish zloty", 2, 4.3),
    "CZK": ("Czech korunas", 2, 25.0),
    "MXN": ("Mexican pesos", 2, 19.0),
    "BRL": ("Brazilian reais", 2, 5.8),
    "INR": ("Indian rupees", 2, 91.0),
    "ZAR": ("South African rand", 2, 20.0),
    "JPY": ("Japanese yen", 0, 160.0),
    "KRW": ("South Korean won", 0, 1450.0),
    "VND": ("Vietnamese dong", 0, 27000.0),
    "CLP": ("Chilean pesos", 0, 1020.0),
    "ISK": ("Icelandic kronur", 0, 150.0),
    "KWD": ("Kuwaiti dinars", 3, 0.34),
    "BHD": ("Bahraini dinars", 3, 0.41),
    "OMR": ("Omani rials", 3, 0.42),
    "TND": ("Tunisian dinars", 3, 3.35),
    "JOD": ("Jordanian dinars", 3, 0.78),
}
HOUSES = ("EUR", "USD", "GBP", "CHF")
DAYS = 14  # that a world's rates span
_DIGITS = 5  # significant ones of a rate

Day = Annotated[str, Field(description="YYYY-MM-DD")]


def is_business_day(day: date) -> bool:
    """Monday to Friday."""
    return day.weekday() < 5


def last_business_day(day: date) -> date:
    """The day itself, or the Friday before."""
    return day - timedelta(max(0, day.weekday() - 4))


def make_rates(rng: random.Random, house: str, codes: Sequence[str], first: date) -> dict[str, dict[str, str]]:
    """Rates of each code on each business day of a fortnight, per one unit of `house`, as decimal text.

    They lie around the real ones, up to a third away, so that nobody knows them.
    """
    days = [first + timedelta(n) for n in range(DAYS) if is_business_day(first + timedelta(n))]
    table = {}
    for code in codes:
        level = CURRENCIES[code][2] / CURRENCIES[house][2] * rng.uniform(0.75, 1.33)
        table[code] = {
            day.isoformat(): f"{Decimal(f'{level * rng.uniform(0.97, 1.03):.{_DIGITS - 1}e}'):f}" for day in days
        }
    return table


class Exchange(Calculator):
    """One episode's world: its methods are the tools.

    Args:
        house: the currency that rates are quoted for.
        rates: as `make_rates` gives them.
        offers: what each provider takes: {"provider", "fee", "spread_percent"}.
    """

    def __init__(self, house: str, rates: Mapping[str, Mapping[str, str]], offers: Sequence[Mapping[str, Any]]) -> None:
        self._house, self._rates, self._offers = house, rates, offers

    @tool
    def currencies(self) -> dict[str, Any]:
        """The house currency, and every currency with its decimals."""
        listed = [
            {"code": code, "name": CURRENCIES[code][0], "decimals": CURRENCIES[code][1]}
            for code in [self._house, *self._rates]
        ]
        return {"house": self._house, "currencies": listed}

    @tool
    def rate(self, base: str, quote: str, day: Day) -> dict[str, Any]:
        """How many units of quote one unit of base buys. Base is the house currency."""
        for code in (base, quote):
            if code not in self._rates and code != self._house:
                raise ToolError("unknown_currency", f"no currency {code[:20]!r}; currencies() lists the codes")
        if base != self._house or quote == self._house:
            raise ToolError(
                "not_quoted", f"rates are quoted for base {self._house} only; take {self._house} to the other one"
            )
        try:
            asked = date.fromisoformat(day)
        except ValueError:
            raise ToolError("invalid_day", f"{day[:20]!r} is no day; write YYYY-MM-DD") from None
        known = self._rates[quote]
        if asked.isoformat() in known:
            return {"rate": plain(Decimal(known[asked.isoformat()]))}
        if not is_business_day(asked):
            raise ToolError("no_rate", f"no rate on a {asked:%A}; the last business day's holds")
        raise ToolError("out_of_range", f"rates go from {min(known)} to {max(known)}")

    @tool
    def offers(self) -> list[dict[str, Any]]:
        """What providers take: a fee off the amount first, then a spread in percent off the rate."""
        if not self._offers:
            raise ToolError("no_offers", "no provider makes offers here; use rate")
        return [dict(offer) for offer in self._offers]
