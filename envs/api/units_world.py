"""The world of the units environment: a catalogue of units with exact definitions, and the tools to look them up.

Names that several units share (gallon, ton, ounce, mile) are told apart by where each is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from envs.api.lookup import Calculator, plain
from envs.tools import ToolError, tool

_US = ("American {}", "{} as sold in Ohio", "US {}", "{} by American measure")
_UK = ("British {}", "{} as sold in Leeds", "UK {}", "{} by British measure")
_TRADE = {"us": _US, "uk": _UK}
_USED = {"us": "in the United States", "uk": "in the United Kingdom"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: value in its quantity's base unit = (value + plus) * times / divided_by.

    Attributes:
        one, many: its name in the singular and plural, as people say it.
        used: where a unit is used whose name others share; empty where none does.
        contexts: the name with words that tell it from its namesakes.
    """

    id: str
    one: str
    many: str
    quantity: str
    times: str
    plus: str = "0"
    divided_by: str = "1"
    used: str = ""
    contexts: tuple[str, ...] = ()


def _unit(one: str, quantity: str, times: str, many: str = "", **more: str) -> Unit:
    return Unit(one.replace(" ", "_"), one, many or f"{one}s", quantity, times, **more)


def _of_trade(one: str, quantity: str, us: str, uk: str, ids: Mapping[str, str] | None = None) -> list[Unit]:
    """The American and the British unit of one name."""
    named = ids or {"us": f"us_{one.replace(' ', '_')}", "uk": f"imperial_{one.replace(' ', '_')}"}
    return [
        Unit(named[side], one, f"{one}s", quantity, times, used=_USED[side], contexts=_TRADE[side])
        for side, times in (("us", us), ("uk", uk))
    ]


BASES: Mapping[str, str] = {
    "length": "metre",
    "mass": "kilogram",
    "volume": "litre",
    "area": "square_metre",
    "time": "second",
    "energy": "joule",
    "pressure": "pascal",
    "temperature": "kelvin",
}
_ALL = (
    *(_unit("millimetre", "length", "0.001"), _unit("centimetre", "length", "0.01"), _unit("metre", "length", "1")),
    *(_unit("kilometre", "length", "1000"), _unit("inch", "length", "0.0254", "inches")),
    *(_unit("foot", "length", "0.3048", "feet"), _unit("yard", "length", "0.9144")),
    Unit("statute_mile", "mile", "miles", "length", "1609.344", used="on land", contexts=("{} on land", "road {}")),
    Unit("nautical_mile", "mile", "miles", "length", "1852", used="at sea", contexts=("{} at sea", "sea {}")),
    *(_unit("gram", "mass", "0.001"), _unit("kilogram", "mass", "1"), _unit("carat", "mass", "0.0002")),
    *(_unit("pound", "mass", "0.45359237"), _unit("stone", "mass", "6.35029318", "stone")),
    Unit(
        *("avoirdupois_ounce", "ounce", "ounces", "mass", "0.028349523125"),
        used="for most goods",
        contexts=("{} by grocers' weight", "{} avoirdupois"),
    ),
    Unit(
        *("troy_ounce", "ounce", "ounces", "mass", "0.0311034768"),
        used="for precious metals",
        contexts=("{} by goldsmiths' weight", "{} as jewellers weigh gold"),
    ),
    *_of_trade("ton", "mass", "907.18474", "1016.0469088", {"us": "short_ton", "uk": "long_ton"}),
    *_of_trade("hundredweight", "mass", "45.359237", "50.80234544"),
    *(_unit("millilitre", "volume", "0.001"), _unit("litre", "volume", "1"), _unit("cubic metre", "volume", "1000")),
    _unit("cubic foot", "volume", "28.316846592", "cubic feet"),
    *_of_trade("gallon", "volume", "3.785411784", "4.54609"),
    *_of_trade("quart", "volume", "0.946352946", "1.1365225"),
    *_of_trade("pint", "volume", "0.473176473", "0.56826125"),
    *_of_trade("fluid ounce", "volume", "0.0295735295625", "0.0284130625"),
    *_of_trade("bushel", "volume", "35.23907016688", "36.36872"),
    *(_unit("square metre", "area", "1"), _unit("hectare", "area", "10000")),
    *(_unit("square kilometre", "area", "1000000"), _unit("square foot", "area", "0.09290304", "square feet")),
    *(_unit("square yard", "area", "0.83612736"), _unit("square inch", "area", "0.00064516", "square inches")),
    *(_unit("second", "time", "1"), _unit("minute", "time", "60"), _unit("hour", "time", "3600")),
    *(_unit("day", "time", "86400"), _unit("week", "time", "604800")),
    *(_unit("joule", "energy", "1"), _unit("kilojoule", "energy", "1000")),
    *(_unit("kilowatt hour", "energy", "3600000"), _unit("calorie", "energy", "4.184")),
    *(_unit("pascal", "pressure", "1"), _unit("bar", "pressure", "100000"), _unit("millibar", "pressure", "100")),
    _unit("atmosphere", "pressure", "101325"),
    _unit("kelvin", "temperature", "1", "kelvin"),
    _unit("celsius", "temperature", "1", "degrees celsius", plus="273.15"),
    _unit("fahrenheit", "temperature", "5", "degrees fahrenheit", plus="459.67", divided_by="9"),
    _unit("rankine", "temperature", "5", "degrees rankine", divided_by="9"),
    _unit("reaumur", "temperature", "1.25", "degrees reaumur", plus="218.52"),
)
UNITS: Mapping[str, Unit] = {u.id: u for u in _ALL}


def namesakes(unit: Unit) -> list[Unit]:
    """The units of that name, itself included."""
    return [u for u in UNITS.values() if u.one == unit.one]


class Bureau(Calculator):
    """Where units are looked up: its methods are the tools."""

    @tool
    def find_unit(self, name: str) -> list[dict[str, Any]]:
        """Units of that name, in the singular or plural; where one name has several, where each is used."""
        wanted = " ".join(name.casefold().replace("_", " ").split())
        found = [u for u in UNITS.values() if wanted in (u.one, u.many, u.id.replace("_", " "))]
        if not found:
            raise ToolError("unknown_unit", f"no unit {name[:40]!r}; give its bare name")
        return [{"id": u.id, "quantity": u.quantity} | ({"used": u.used} if u.used else {}) for u in found]

    @tool
    def define_unit(self, unit: str) -> dict[str, Any]:
        """A unit's exact definition by its id: value in the base unit = (value + plus) * times / divided_by."""
        found = UNITS.get(unit)
        if found is None:
            shared = [u.id for u in UNITS.values() if u.one == unit.replace("_", " ")]
            if len(shared) > 1:
                raise ToolError(
                    "ambiguous_unit", f"{unit!r} is {' or '.join(shared)}; find_unit says where each is used"
                )
            raise ToolError("unknown_unit", f"no unit {unit[:40]!r}; find_unit gives the id")
        numbers = {"plus": found.plus, "times": found.times, "divided_by": found.divided_by}
        return {"base": BASES[found.quantity]} | {name: plain(Decimal(text)) for name, text in numbers.items()}
