"""Sql: every query found again by plain Python over the rows; and nothing but reading is possible."""

import random
import re
from collections import Counter, defaultdict

import pytest

import envs
from envs.proof import play
from envs.sql import read_query
from envs.sql_questions import QUESTIONS
from envs.sql_world import MAX_ROWS, THEMES, make_rows, open_database, run_query, same_rows
from rewards.transcript import Message, ToolCall

DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Facts:
    """The rows joined by hand."""

    def __init__(self, theme, seed, words):
        tables = make_rows(theme, seed)
        self.theme, self.words = theme, words
        self.actors, self.items = tables[theme.actors], tables[theme.items]
        actors, items = ({row[0]: row for row in rows} for rows in (self.actors, self.items))
        self.events = [(e, actors[e[1]], items[e[2]]) for e in tables[theme.events]]
        self.numbers = [int(n) for n in re.findall(r"\d+", DAY.sub("", words))]
        self.day = next(iter(DAY.findall(words)), "")

    def category(self):
        return re.findall(r"category (\w+)", self.words)

    def later(self):
        return [e for e in self.events if e[0][4] > self.day]


def by_filter(f):
    town, age = re.search(r"from (\w+)", f.words)[1], f.numbers[-1]
    above = "above" in f.words
    return [(a[1],) for a in f.actors if a[2] == town and (a[3] > age if above else a[3] < age)]


def by_count(f):
    return [(sum(e[3] >= f.numbers[0] for e, _, _ in f.later()),)]


def by_price(f):
    down = "highest" in f.words
    fitting = [i for i in f.items if i[3] <= f.numbers[1]]
    ranked = sorted(fitting, key=lambda i: (-i[3] if down else i[3], i[1]))
    return [(i[1], i[3]) for i in ranked[: f.numbers[0]]]


def by_town(f):
    found = defaultdict(list)
    for a in f.actors:
        if a[3] >= f.numbers[1]:
            found[a[2]].append(a[3])
    return [(town, len(ages), sum(ages) / len(ages)) for town, ages in found.items() if len(ages) >= f.numbers[0]]


def by_total(f):
    amounts = [e[3] for e, _, i in f.later() if i[2] == f.category()[0]]
    return [(sum(amounts), len(amounts))]


def by_absence(f):
    busy = {a[0] for _, a, i in f.later() if i[2] == f.category()[0]}
    return sorted((a[1],) for a in f.actors if a[0] not in busy)


def by_worth(f):
    totals = Counter()
    for e, a, i in f.later():
        totals[a[1]] += e[3] * i[3]
    return sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))[: f.numbers[0]]


def by_mean(f):
    prices = defaultdict(list)
    for i in f.items:
        prices[i[2]].append(i[3])
    counts = Counter(i[0] for _, _, i in f.later())
    return [(i[1], counts[i[0]]) for i in f.items if i[3] > sum(prices[i[2]]) / len(prices[i[2]])]


def by_both(f):
    kinds = defaultdict(set)
    for _, a, i in f.later():
        kinds[a].add(i[2])
    wanted = set(f.category())
    return [(a[1], a[2]) for a in sorted(kinds, key=lambda a: (a[2], a[1])) if wanted <= kinds[a]]


def by_latest(f):
    town, last = re.search(r"from (\w+) with", f.words)[1], {}
    for e, a, i in sorted(f.events, key=lambda t: (t[0][4], t[0][0])):
        if a[2] == town and e[3] >= f.numbers[0]:
            last[a[1]] = (a[1], e[4], i[1])
    return list(last.values())


def by_share(f):
    parts = defaultdict(Counter)
    for e, a, i in f.later():
        parts[i[2]][a[2]] += e[3]
    best = {kind: min(towns.items(), key=lambda pair: (-pair[1], pair[0])) for kind, towns in parts.items()}
    wholes = {kind: sum(towns.values()) for kind, towns in parts.items()}
    return [(kind, wholes[kind], *best[kind]) for kind in parts if wholes[kind] >= f.numbers[0]]


BY_HAND = {
    "_filter": by_filter,
    "_count": by_count,
    "_cheapest": by_price,
    "_per_group": by_town,
    "_total_of": by_total,
    "_never": by_absence,
    "_worth": by_worth,
    "_above_mean": by_mean,
    "_both": by_both,
    "_latest": by_latest,
    "_share": by_share,
}


@pytest.mark.parametrize(("start", "ask"), QUESTIONS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_query_gives_what_the_rows_say(start, ask):
    rng, told = random.Random(ask.__name__), 0
    for seed in range(60):
        theme = THEMES[seed % len(THEMES)]
        words, query, ordered = ask(theme, rng, make_rows(theme, seed))
        _, found = run_query(open_database(theme, seed), query)
        wanted = BY_HAND[ask.__name__](Facts(theme, seed, words))
        if found != [(None, 0)]:  # a sum over nothing: SQL has null there, and generate may ask it
            assert same_rows(found, wanted, ordered), (words, query, found, wanted)
            told += bool(found)
        assert ordered == ("sorted" in words or "large to small" in words)
    assert told > 30


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE orders",
        "INSERT INTO orders VALUES (1, 1, 1, 1, 1)",
        "UPDATE orders SET quantity = 0",
        "PRAGMA writable_schema = 1",
        "ATTACH DATABASE '/tmp/postgym-test.db' AS x",
        "VACUUM INTO '/tmp/postgym-test.db'",
        "CREATE TEMP TABLE x (y)",
        "SELECT load_extension('x')",
        "SELECT random()",
        "SELECT CURRENT_TIMESTAMP",
        "SELECT date('now')",
        "SELECT hex(zeroblob(999999999))",
        "SELECT replace(printf('%.*c', 99999, 'x'), 'x', 'yyyyyyyy')",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT COUNT(*) FROM c",
        "SELECT * FROM orders a, orders b, orders c",
        "SELECT 1; SELECT 2",
        "SELECT \ud800",
        "SELECT \x00",
        "SELECT " + "1 +" * 5000 + " 1",
        "SELECT " + "(" * 2000 + "1" + ")" * 2000,
    ],
)
def test_a_query_can_only_read_a_little_for_a_while(query):
    connection = open_database(THEMES[0], 1)
    before = make_rows(THEMES[0], 1)["orders"]
    with pytest.raises(ValueError, match=r"\w"):
        run_query(connection, query)
    assert run_query(connection, "SELECT * FROM orders")[1] == before


def test_rows_compare_as_sets_unless_an_order_was_asked_for():
    assert same_rows([(1, "a"), (2.0, "b")], [(2, "b"), (1, "a")], ordered=False)
    assert not same_rows([(1, "a"), (2, "b")], [(2, "b"), (1, "a")], ordered=True)
    assert not same_rows([(1,), (1,)], [(1,)], ordered=False)
    assert not same_rows([(1, 2)], [(2, 1)], ordered=False)
    assert not same_rows([("1",)], [(1,)], ordered=False)
    assert same_rows([(1 / 3,)], [(0.33333333,)], ordered=False)
    assert same_rows([(None,), ("x",)], [("x",), (None,)], ordered=False)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("```sql\nSELECT 1;\n```", "SELECT 1"),
        ("Here:\n```\nSELECT 1\n```\nDone.", "SELECT 1"),
        ("SELECT 1", None),
        ("```sql\nSELECT 1\n```\n```sql\nSELECT 2\n```", None),
        ("```sql\nSELECT 1", None),
        ("", None),
    ],
)
def test_the_answer_is_the_query_of_the_only_block(text, query):
    assert read_query(text) == query


def test_the_tool_shows_rows_and_says_what_is_wrong():
    env = envs.make("postgym/Sql-v0")
    env.reset(seed=1)
    theme = THEMES[env.task.meta["theme"]]

    def ask(query):
        (message,), *_ = env.step(Message("assistant", "", (ToolCall("run_sql", {"query": query}, "c"),)))
        return message.content

    assert '"rows": [[12]]' in ask(f"SELECT COUNT(*) FROM {theme.actors}")
    assert '"more_rows"' in ask(f"SELECT id FROM {theme.events}")
    assert "sql_error" in ask("SELECT nothing FROM nowhere")
    assert "x'00'" in ask("SELECT x'00', 1e999, NULL").replace("b'\\\\x00'", "x'00'")
    assert str(MAX_ROWS) in ask(f"SELECT * FROM {theme.events} a, {theme.events} b")


def test_another_query_with_the_same_rows_counts_and_the_same_rows_alone_do_not():
    env = envs.make("postgym/Sql-v0", difficulty=0.0)
    for seed in range(20):
        task = env.sample_task(seed)
        query = task.target["query"]
        assert play(env, task, lambda m, q=query: f"```sql\nWITH x AS ({q}) SELECT * FROM x\n```")[1].value == 1
        theme = THEMES[task.meta["theme"]]
        rows = run_query(open_database(theme, task.meta["seeds"][0]), query)[1]
        copied = " UNION ALL ".join(f"SELECT {', '.join(map(repr, row))}" for row in rows)
        score = play(env, task, lambda m, q=copied: f"```sql\n{q}\n```")[1]
        assert score.value == 0
