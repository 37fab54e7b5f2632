"""Situations told in prose, with the record that they amount to: what `postgym/Structured-v0` has put into a form.

A world has single facts and a list of things; each fact knows its schema and how it is told.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

FIRST = (
    *("Ana", "Bruno", "Chidi", "Dora", "Emil", "Farah", "Goran", "Hana", "Ines", "Jonas", "Kemal", "Lina", "Marek"),
    *("Nadia", "Oskar", "Petra", "Rafael", "Selma", "Tomas", "Uma", "Viktor", "Yara", "Zoe", "Anton", "Clara", "Daria"),
)
LAST = (
    *("Adler", "Bianchi", "Castro", "Dahl", "Ekström", "Fischer", "Garcia", "Holm", "Ivanov", "Jensen", "Kowalski"),
    *(
        "Lindqvist",
        "Moreau",
        "Novak",
        "Okafor",
        "Petrov",
        "Quist",
        "Rossi",
        "Silva",
        "Tanaka",
        "Ueda",
        "Varga",
        "Weber",
    ),
)
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November"),
    "December",
)
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORDS_FROM = 0.5  # from this difficulty on small numbers may be told as words


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of a record: its key, its JSON schema, how it is drawn and told in a sentence with {v}."""

    key: str
    schema: Mapping[str, Any]
    draw: Callable[[random.Random], Any]
    told: Sequence[str]
    spoken: Mapping[Any, str] | None = None  # the sentence itself where it depends on the value


@dataclass(frozen=True, slots=True)
class World:
    """A kind of situation: who and what it is about, its facts and its list of things."""

    name: str
    opening: Sequence[str]
    facts: Sequence[Fact]
    things: str  # the key of the list
    thing: Mapping[str, str]  # keys of a thing and their kinds: "name", "count" or "amount"
    goods: Sequence[str]
    told: Sequence[str]  # how a thing is told: {name}, and the other keys
    asides: Sequence[str]  # what is told and not asked for


@dataclass(frozen=True, slots=True)
class Situation:
    """A text, the record that it amounts to, and that record's JSON schema."""

    prose: str
    record: dict[str, Any]
    schema: dict[str, Any]
    world: World


def person(rng: random.Random) -> str:
    """A full name."""
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def day(rng: random.Random) -> date:
    """A date within ten years."""
    return date(2027, 1, 1) + timedelta(days=rng.randrange(3_650))


def told_date(when: date) -> str:
    """A date as people write it: "4 March 2031"."""
    return f"{when.day} {MONTHS[when.month - 1]} {when.year}"


def _date(key: str, *told: str) -> Fact:
    return Fact(key, {"type": "string", "format": "date"}, lambda rng: day(rng).isoformat(), told)


def _name(key: str, *told: str) -> Fact:
    return Fact(key, {"type": "string"}, person, told)


def _mail(key: str, *told: str) -> Fact:
    return Fact(key, {"type": "string", "format": "email"}, _address, told)


def _address(rng: random.Random) -> str:
    return f"{rng.choice(FIRST).lower()}{rng.randint(10, 99)}@example.{rng.choice(('org', 'com', 'net'))}"


def _whole(key: str, low: int, high: int, *told: str) -> Fact:
    return Fact(key, {"type": "integer"}, lambda rng: rng.randint(low, high), told)


def _code(key: str, letters: str, *told: str) -> Fact:
    pattern = {"type": "string", "pattern": f"^{letters}-[0-9]{{4}}$"}
    return Fact(key, pattern, lambda rng: f"{letters}-{rng.randint(1000, 9999)}", told)


def _flag(key: str, yes: str, no: str) -> Fact:
    return Fact(key, {"type": "boolean"}, lambda rng: rng.random() < 0.5, (), {True: yes, False: no})


def _choice(key: str, **told: str) -> Fact:
    return Fact(key, {"enum": list(told)}, lambda rng: rng.choice(list(told)), (), told)


WORLDS = (
    World(
        "order",
        (
            "An order has come in at the furniture shop.",
            "We took an order today.",
            "Here is a new order for the books.",
        ),
        (
            _name("customer", "The customer is {v}.", "It is for {v}.", "{v} sent it."),
            _mail("email", "Mail goes to {v}.", "The address for mail is {v}."),
            _code("number", "OR", "It goes under the number {v}.", "Its number is {v}."),
            _date("deliver_by", "It has to be delivered by {v}.", "The last day for delivery is {v}."),
            _flag("paid", "The bill has been paid already.", "The bill has not been paid yet."),
            _choice(
                "channel",
                phone="It came in by phone.",
                web="It came in over the website.",
                shop="It was placed at the counter.",
            ),
            _whole("discount_percent", 2, 30, "We gave a discount of {v} percent.", "{v} percent were taken off."),
        ),
        "items",
        {"name": "name", "quantity": "count", "unit_price": "amount"},
        (
            "lamp",
            "chair",
            "desk",
            "shelf",
            "mirror",
            "carpet",
            "bench",
            "cupboard",
            "stool",
            "curtain",
            "sofa",
            "bookcase",
        ),
        (
            "{quantity} of the article {name} at {unit_price} euros each",
            "{name}: {quantity} pieces, {unit_price} euros apiece",
        ),
        ("The shop has been there for {n} years.", "Last week there were {n} orders.", "The van holds {n} boxes."),
    ),
    World(
        "booking",
        ("A guest has booked a room with us.", "There is a new booking at the hotel.", "Please note this booking."),
        (
            _name("guest", "The guest is called {v}.", "The room is for {v}."),
            _mail("email", "Mail goes to {v}.", "The address for mail is {v}."),
            _whole("room", 100, 499, "It is room {v}.", "Room {v} was given."),
            _date("arrival", "The guest arrives on {v}.", "Arrival is on {v}."),
            _whole("nights", 2, 14, "The stay is of {v} nights.", "The guest stays {v} nights."),
            _flag("breakfast", "Breakfast is wanted.", "Breakfast is not wanted."),
            _choice(
                "bed",
                single="The bed is a single one.",
                double="It has a double bed.",
                twin="It has two beds that stand apart.",
            ),
        ),
        "extras",
        {"name": "name", "quantity": "count", "price": "amount"},
        (
            "parking",
            "bicycle",
            "sauna",
            "laundry",
            "picnic",
            "towels",
            "minibar",
            "shuttle",
            "massage",
            "crib",
            "dog bed",
        ),
        ("{quantity} times {name} for {price} euros each", "{name}, {quantity} times, at {price} euros"),
        ("The hotel has {n} rooms.", "There are {n} parking places behind the house.", "The pool is {n} metres long."),
    ),
    World(
        "repair",
        (
            "A device was brought in for repair.",
            "The workshop has a new job.",
            "This came over the counter of the workshop.",
        ),
        (
            _name("owner", "It belongs to {v}.", "Its owner is {v}."),
            _code("serial", "SN", "The serial number is {v}.", "On its back stands {v}."),
            _date("reported_on", "It was reported on {v}.", "The report is of {v}."),
            _flag("under_warranty", "The warranty still covers it.", "The warranty has run out."),
            _choice(
                "urgency",
                low="There is no hurry at all.",
                normal="The usual time will do.",
                high="It is needed as soon as can be.",
            ),
            _whole("minutes", 15, 240, "It took {v} minutes to repair.", "The repair lasted {v} minutes."),
        ),
        "parts",
        {"name": "name", "quantity": "count", "cost": "amount"},
        ("screw", "cable", "battery", "switch", "fuse", "hinge", "spring", "display", "gasket", "motor", "fan", "plug"),
        ("{quantity} of the part {name} at {cost} euros each", "{name}, {quantity} pieces for {cost} euros each"),
        (
            "The workshop opened {n} years ago.",
            "The shelf holds {n} devices.",
            "Of such devices {n} were sold last month.",
        ),
    ),
    World(
        "course",
        ("The school plans a course.", "A new course is to be announced.", "This course is for the programme."),
        (
            _name("teacher", "{v} teaches it.", "The teacher is {v}."),
            _mail("email", "Mail goes to {v}.", "The address for mail is {v}."),
            _date("starts_on", "It starts on {v}.", "The first day is {v}."),
            _whole("seats", 8, 40, "There are seats for {v} people.", "{v} people can take part."),
            _choice(
                "level",
                beginner="It is for people who know nothing of it yet.",
                advanced="It is for people who know a lot already.",
            ),
            _flag("online", "It takes place online.", "It takes place at the school."),
            _code("code", "CO", "Its code is {v}.", "In the programme it has the code {v}."),
        ),
        "materials",
        {"name": "name", "quantity": "count", "fee": "amount"},
        (
            "clay",
            "brush",
            "canvas",
            "notebook",
            "apron",
            "easel",
            "pencil",
            "glue",
            "paper",
            "ruler",
            "varnish",
            "charcoal",
        ),
        ("{quantity} times {name} at a fee of {fee} euros each", "{name}: {quantity} times, with a fee of {fee} euros"),
        ("The school has {n} classrooms.", "Last year {n} courses were given.", "The bus stops {n} metres away."),
    ),
    World(
        "harvest",
        (
            "The allotment keeps a record of its harvest.",
            "Here is what the garden gave.",
            "This harvest is to be noted.",
        ),
        (
            _name("gardener", "The gardener is {v}.", "{v} brought it in."),
            _whole("plot", 1, 90, "It grew on plot {v}.", "The plot has the number {v}."),
            _date("picked_on", "It was picked on {v}.", "The day of the harvest was {v}."),
            _flag("organic", "It was grown without any sprays.", "It was grown with sprays."),
            _choice(
                "soil", sand="The soil there is sand.", clay="The soil there is clay.", peat="The soil there is peat."
            ),
            _whole("helpers", 2, 15, "{v} people helped.", "The helpers were {v} in number."),
        ),
        "crops",
        {"name": "name", "crates": "count", "kilograms": "amount"},
        (
            "carrot",
            "bean",
            "pumpkin",
            "leek",
            "beetroot",
            "cabbage",
            "onion",
            "potato",
            "radish",
            "spinach",
            "tomato",
            "kale",
        ),
        (
            "{crates} crates of {name} with {kilograms} kilograms each",
            "{name}: {crates} crates of {kilograms} kilograms",
        ),
        ("The allotment has {n} plots.", "The well is {n} metres deep.", "It had rained for {n} hours."),
    ),
)


def situation(rng: random.Random, difficulty: float, facts: int, things: int, nested: bool = True) -> Situation:
    """A situation with that many facts and things; harder ones are told out of order, with asides and in words.

    People of harder ones are objects of two names, where `nested` allows it.
    """
    world = rng.choice(WORLDS)
    chosen = sorted(rng.sample(range(len(world.facts)), min(facts, len(world.facts))))
    record: dict[str, Any] = {}
    said: list[str] = []
    for fact in (world.facts[i] for i in chosen):
        record[fact.key] = value = fact.draw(rng)
        said.append(_tell(rng, fact, value, difficulty))
        if fact.draw is person and nested and rng.random() < difficulty - 0.4:
            record[fact.key] = dict(zip(("first_name", "last_name"), value.split(), strict=True))
    if things:
        record[world.things] = _things(rng, world, things)
        said.append(_told_things(rng, world, record[world.things], difficulty))
    said += [a.format(n=rng.randint(12, 90)) for a in rng.sample(world.asides, round(len(world.asides) * difficulty))]
    if rng.random() < difficulty:
        rng.shuffle(said)
    prose = " ".join([rng.choice(world.opening), *said])
    return Situation(prose, record, schema_of(world, record), world)


def schema_of(world: World, record: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of a record of that world: all that is in it, and nothing else."""
    facts = {fact.key: _schema_of_fact(fact, record[fact.key]) for fact in world.facts if fact.key in record}
    if world.things in record:
        kinds = {"name": "string", "count": "integer", "amount": "number"}
        thing = {key: {"type": kinds[kind]} for key, kind in world.thing.items()}
        facts[world.things] = {"type": "array", "items": _object(thing)}
    return _object(facts)


def _schema_of_fact(fact: Fact, value: Any) -> dict[str, Any]:
    return _object({key: dict(fact.schema) for key in value}) if isinstance(value, dict) else dict(fact.schema)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _things(rng: random.Random, world: World, count: int) -> list[dict[str, Any]]:
    draw = {"count": lambda: rng.randint(2, 12), "amount": lambda: rng.randint(6, 240) / 4}
    names = rng.sample(world.goods, count)
    return [{k: name if kind == "name" else draw[kind]() for k, kind in world.thing.items()} for name in names]


def _told_things(rng: random.Random, world: World, things: Sequence[Mapping[str, Any]], difficulty: float) -> str:
    style = rng.choice(world.told)
    told = [style.format(**{k: _spoken(rng, v, difficulty) for k, v in thing.items()}) for thing in things]
    listed = "; ".join(told)
    return rng.choice(
        (f"The {world.things} are, in this order: {listed}.", f"These {world.things} belong to it: {listed}.")
    )


def _tell(rng: random.Random, fact: Fact, value: Any, difficulty: float) -> str:
    if fact.spoken is not None:
        return fact.spoken[value]
    shown = (
        told_date(date.fromisoformat(value)) if fact.schema.get("format") == "date" else _spoken(rng, value, difficulty)
    )
    sentence = rng.choice(fact.told).format(v=shown)
    return f"{sentence[0].upper()}{sentence[1:]}"


def _spoken(rng: random.Random, value: Any, difficulty: float) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    small = isinstance(value, int) and value < len(_COUNTS)
    in_words = small and difficulty >= _WORDS_FROM and rng.random() < difficulty
    return _COUNTS[value] if in_words else str(value)
