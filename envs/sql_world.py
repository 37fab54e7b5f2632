"""Small SQLite databases to ask about, and queries on them that can neither write, reach out nor run for ever."""

import random
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

MAX_ROWS = 200
_MAX_STEPS = 2_000_000  # of SQLite's machine: the same on every computer, unlike seconds
_MAX_BYTES = 200_000  # of one text or blob
_MAX_QUERY = 4_000
_UNSTEADY = frozenset(
    (
        *("random", "randomblob", "zeroblob", "load_extension", "sqlite_version", "fts3_tokenizer"),
        *("current_date", "current_time", "current_timestamp"),
    )
)
_FIRST = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "Jo", "Kim", "Leo", "Mia", "Noa", "Ola")
_LAST = ("Abel", "Brandt", "Cole", "Diaz", "Egli", "Fox", "Grau", "Holm", "Iyer", "Jung", "Kern", "Lund", "Moor")
_DAYS = tuple(str(date(2023, 1, 1) + timedelta(days=i)) for i in range(365))
_TOWNS = ("Arden", "Belmar", "Corvo", "Dunmore", "Elsted", "Fairhill")


@dataclass(frozen=True, slots=True)
class Theme:
    """Three tables: who acts, on what, and what happened, with the names of their columns."""

    actors: str
    items: str
    events: str
    age: str
    price: str
    amount: str
    categories: tuple[str, ...]
    things: tuple[str, ...]

    @property
    def actor_id(self) -> str:
        """The events' column that points to who acts."""
        return f"{self.actors.removesuffix('s')}_id"

    @property
    def item_id(self) -> str:
        """The events' column that points to the thing."""
        return f"{self.items.removesuffix('es' if self.items == 'classes' else 's')}_id"

    @property
    def schema(self) -> str:
        """The statements that create the tables."""
        return (
            f"CREATE TABLE {self.actors} (id INTEGER PRIMARY KEY, name TEXT, town TEXT, {self.age} INTEGER);\n"
            f"CREATE TABLE {self.items} (id INTEGER PRIMARY KEY, name TEXT, category TEXT, {self.price} INTEGER);\n"
            f"CREATE TABLE {self.events} (id INTEGER PRIMARY KEY, "
            f"{self.actor_id} INTEGER REFERENCES {self.actors}(id), "
            f"{self.item_id} INTEGER REFERENCES {self.items}(id), {self.amount} INTEGER, day TEXT);"
        )


THEMES = (
    Theme("customers", "products", "orders", "age", "price", "quantity", ("toys", "tools", "books", "food"),
          ("kite", "drill", "atlas", "jam", "puzzle", "saw", "novel", "rice", "ball", "glue")),
    Theme("readers", "titles", "loans", "age", "pages", "days", ("crime", "travel", "poetry", "science"),
          ("Ashes", "Harbour", "North", "Signal", "Orchard", "Tides", "Quartz", "Lantern", "Delta", "Ember")),
    Theme("students", "courses", "exams", "age", "credits", "points", ("maths", "music", "law", "art"),
          ("Algebra", "Harmony", "Torts", "Sketching", "Logic", "Rhythm", "Trade", "Colour", "Graphs", "Opera")),
    Theme("members", "classes", "sessions", "age", "fee", "minutes", ("strength", "dance", "yoga", "water"),
          ("Lift", "Salsa", "Flow", "Aqua", "Core", "Tango", "Calm", "Dive", "Press", "Waltz")),
    Theme("farmers", "crops", "harvests", "age", "price", "kilos", ("grain", "fruit", "roots", "herbs"),
          ("wheat", "apple", "carrot", "thyme", "oats", "pear", "beet", "basil", "rye", "plum")),
    Theme("patients", "treatments", "visits", "age", "price", "units", ("eyes", "teeth", "skin", "back"),
          ("lens", "crown", "balm", "brace", "drops", "filling", "peel", "massage", "patch", "polish")),
    Theme("drivers", "vans", "trips", "age", "load", "distance", ("small", "medium", "large", "cooled"),
          ("Fox", "Bear", "Lynx", "Otter", "Wolf", "Hare", "Mole", "Crow", "Swan", "Toad")),
)  # fmt: skip


def make_rows(theme: Theme, seed: int) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every table, from the seed alone."""
    rng = random.Random(seed)

    def upto(n: int) -> int:
        return int(rng.random() * n)  # several times faster than randrange, and there are hundreds to draw

    names = rng.sample([f"{a} {b}" for a in _FIRST for b in _LAST], 12)
    towns, kinds = rng.sample(_TOWNS, 4), rng.sample(theme.categories, 3)
    things = rng.sample(theme.things, 7 + upto(3))
    active = rng.sample(range(1, 13), 8 + upto(3))
    return {
        theme.actors: [(i, name, towns[upto(4)], 18 + upto(53)) for i, name in enumerate(names, 1)],
        theme.items: [(i, name, kinds[upto(3)], 3 + upto(88)) for i, name in enumerate(things, 1)],
        theme.events: [
            (i, active[upto(len(active))], 1 + upto(len(things)), 1 + upto(30), _DAYS[upto(365)])
            for i in range(1, 32 + upto(13))
        ],
    }


def open_database(theme: Theme, seed: int) -> sqlite3.Connection:
    """The database in memory, closed to everything but reading."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.executescript(theme.schema)
    for table, rows in make_rows(theme, seed).items():
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.commit()
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BYTES)
    connection.set_authorizer(_reads_only)
    return connection


def run_query(connection: sqlite3.Connection, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the columns and the rows.

    Raises:
        ValueError: the query is wrong, does anything but read, or takes too long; says which.
    """
    if len(query) > _MAX_QUERY:
        raise ValueError(f"the query has {len(query)} characters; at most {_MAX_QUERY} are read")
    if "'now'" in query.lower():
        raise ValueError("'now' isn't known here: the data has dates of its own")
    left = [_MAX_STEPS // 1000]

    def spend() -> int:
        left[0] -= 1
        return left[0] < 0

    connection.set_progress_handler(spend, 1000)
    try:
        cursor = connection.execute(query)
        rows = cursor.fetchmany(MAX_ROWS + 1)
    except (sqlite3.Error, sqlite3.Warning, UnicodeError, OverflowError) as error:
        raise ValueError("the query takes too long" if left[0] < 0 else str(error)[:300]) from error
    if len(rows) > MAX_ROWS:
        raise ValueError(f"more than {MAX_ROWS} rows; select fewer")
    return [column[0] for column in cursor.description or ()], rows


def same_rows(found: Sequence[tuple[Any, ...]], wanted: Sequence[tuple[Any, ...]], ordered: bool) -> bool:
    """Whether two results hold the same rows, as often; in the same order where that was asked for."""
    left, right = ([tuple(map(_plain, row)) for row in rows] for rows in (found, wanted))
    return left == right if ordered else sorted(left, key=repr) == sorted(right, key=repr)


def _plain(value: Any) -> Any:
    """Numbers as they compare: 3 is 3.0, and a mean is the same however it was summed."""
    return round(float(value), 6) if isinstance(value, int | float) else value


def _reads_only(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_DENY if (second or "").lower() in _UNSTEADY else sqlite3.SQLITE_OK
    reading = action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)
    return sqlite3.SQLITE_OK if reading else sqlite3.SQLITE_DENY
