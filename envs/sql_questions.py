"""Questions about a database in words and as the query that answers them, from one condition to windows over joins."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from envs.sql_world import Theme

Question = tuple[str, str, bool]  # in words, as a query, and whether the order of the rows was asked for
Rows = Mapping[str, Sequence[Any]]


def _joined(t: Theme) -> str:
    """Events with their actors and things."""
    return f"{t.events} e JOIN {t.actors} a ON a.id = e.{t.actor_id} JOIN {t.items} i ON i.id = e.{t.item_id}"


def _day(rng: random.Random) -> str:
    return f"2023-{rng.randint(1, 6):02d}-{rng.randint(1, 28):02d}"


def _filter(t: Theme, rng: random.Random, rows: Rows) -> Question:
    town, age, more = rng.choice(rows[t.actors])[2], rng.randint(25, 60), rng.random() < 0.5
    return (
        f"The names of the {t.actors} from {town} whose {t.age} is {'above' if more else 'below'} {age}.",
        f"SELECT name FROM {t.actors} WHERE town = '{town}' AND {t.age} {'>' if more else '<'} {age}",
        False,
    )


def _count(t: Theme, rng: random.Random, rows: Rows) -> Question:
    least, day = rng.randint(5, 25), _day(rng)
    return (
        f"How many {t.events} have {t.amount} of at least {least} and a day after {day}?",
        f"SELECT COUNT(*) FROM {t.events} WHERE {t.amount} >= {least} AND day > '{day}'",
        False,
    )


def _cheapest(t: Theme, rng: random.Random, rows: Rows) -> Question:
    count, down, most = rng.randint(2, 4), rng.random() < 0.5, rng.randint(50, 90)
    return (
        f"Name and {t.price} of the {count} {t.items} with the {'highest' if down else 'lowest'} {t.price} of at most "
        f"{most}, sorted by it from {'high to low' if down else 'low to high'}, and by name where it is equal.",
        f"SELECT name, {t.price} FROM {t.items} WHERE {t.price} <= {most} ORDER BY {t.price}{' DESC' if down else ''}, "
        f"name LIMIT {count}",
        True,
    )


def _per_group(t: Theme, rng: random.Random, rows: Rows) -> Question:
    least, age = rng.randint(1, 3), rng.randint(18, 45)
    return (
        f"Every town with at least {least} {t.actors} whose {t.age} is {age} or more, with how many of these there are "
        f"and their mean {t.age}.",
        f"SELECT town, COUNT(*), AVG({t.age}) FROM {t.actors} WHERE {t.age} >= {age} GROUP BY town "
        f"HAVING COUNT(*) >= {least}",
        False,
    )


def _total_of(t: Theme, rng: random.Random, rows: Rows) -> Question:
    kind, day = rng.choice(rows[t.items])[2], _day(rng)
    return (
        f"The sum of {t.amount} over the {t.events} of {t.items} in the category {kind} after {day}, and how many such "
        f"{t.events} there are.",
        f"SELECT SUM(e.{t.amount}), COUNT(*) FROM {t.events} e JOIN {t.items} i ON i.id = e.{t.item_id} "
        f"WHERE i.category = '{kind}' AND e.day > '{day}'",
        False,
    )


def _never(t: Theme, rng: random.Random, rows: Rows) -> Question:
    kind, day = rng.choice(rows[t.items])[2], _day(rng)
    return (
        f"The names of the {t.actors} without any {t.events} of the category {kind} after {day}, sorted by name.",
        f"SELECT name FROM {t.actors} WHERE id NOT IN (SELECT e.{t.actor_id} FROM {t.events} e JOIN {t.items} i "
        f"ON i.id = e.{t.item_id} WHERE i.category = '{kind}' AND e.day > '{day}') ORDER BY name",
        True,
    )


def _worth(t: Theme, rng: random.Random, rows: Rows) -> Question:
    count, day = rng.randint(2, 4), _day(rng)
    return (
        f"The names of the {count} {t.actors} with the largest sum of {t.amount} times {t.price} over their {t.events} "
        f"after {day}, with that sum, from large to small, and by name where it is equal.",
        f"SELECT a.name, SUM(e.{t.amount} * i.{t.price}) AS total FROM {_joined(t)} WHERE e.day > '{day}' "
        f"GROUP BY a.id ORDER BY total DESC, a.name LIMIT {count}",
        True,
    )


def _above_mean(t: Theme, rng: random.Random, rows: Rows) -> Question:
    day = _day(rng)
    return (
        f"For each of the {t.items} whose {t.price} is above the mean {t.price} of its category: its name and how many "
        f"{t.events} it has after {day}, 0 included.",
        f"SELECT i.name, COUNT(e.id) FROM {t.items} i LEFT JOIN {t.events} e ON e.{t.item_id} = i.id AND "
        f"e.day > '{day}' WHERE i.{t.price} > (SELECT AVG(j.{t.price}) FROM {t.items} j "
        "WHERE j.category = i.category) GROUP BY i.id",
        False,
    )


def _both(t: Theme, rng: random.Random, rows: Rows) -> Question:
    kinds, day = sorted({row[2] for row in rows[t.items]}), _day(rng)
    one, two = rng.sample(kinds, 2) if len(kinds) > 1 else (kinds[0], kinds[0])
    has = (
        f"EXISTS (SELECT 1 FROM {t.events} e JOIN {t.items} i ON i.id = e.{t.item_id} "
        f"WHERE e.{t.actor_id} = a.id AND i.category = '{{kind}}' AND e.day > '{day}')"
    )
    return (
        f"Name and town of the {t.actors} with {t.events} of the category {one} as well as of the category {two} after "
        f"{day}, sorted by town and then by name.",
        f"SELECT a.name, a.town FROM {t.actors} a WHERE {has.format(kind=one)} AND {has.format(kind=two)} "
        "ORDER BY a.town, a.name",
        True,
    )


def _latest(t: Theme, rng: random.Random, rows: Rows) -> Question:
    town, least = rng.choice(rows[t.actors])[2], rng.randint(1, 9)
    return (
        f"For each of the {t.actors} from {town} with any {t.events} of {least} {t.amount} or more: the name, the day "
        "of the latest of these (of several on that day the one with the highest id) and the name of its "
        f"{t.item_id.removesuffix('_id')}.",
        "SELECT name, day, thing FROM (SELECT a.name, e.day, i.name AS thing, ROW_NUMBER() OVER (PARTITION BY a.id "
        f"ORDER BY e.day DESC, e.id DESC) AS place FROM {_joined(t)} WHERE a.town = '{town}' AND "
        f"e.{t.amount} >= {least}) WHERE place = 1",
        False,
    )


def _share(t: Theme, rng: random.Random, rows: Rows) -> Question:
    least, day = rng.randint(10, 60), _day(rng)
    return (
        f"For every category whose {t.events} after {day} have {t.amount} of {least} or more together: the category, "
        f"that sum, the town whose {t.actors} have the largest part of it (the first by name of several) and the part.",
        f"WITH parts AS (SELECT i.category, a.town, SUM(e.{t.amount}) AS part FROM {_joined(t)} "
        f"WHERE e.day > '{day}' GROUP BY i.category, a.town), ranked AS (SELECT category, town, part, "
        "SUM(part) OVER (PARTITION BY category) AS whole, ROW_NUMBER() OVER (PARTITION BY category ORDER BY part "
        "DESC, town) AS place FROM parts) SELECT category, whole, town, part FROM ranked WHERE place = 1 "
        f"AND whole >= {least}",
        False,
    )


QUESTIONS: tuple[tuple[float, Callable[[Theme, random.Random, Rows], Question]], ...] = (
    (0.0, _filter),
    (0.0, _count),
    (0.2, _cheapest),
    (0.3, _per_group),
    (0.4, _total_of),
    (0.5, _never),
    (0.6, _worth),
    (0.65, _above_mean),
    (0.75, _both),
    (0.85, _latest),
    (0.95, _share),
)
