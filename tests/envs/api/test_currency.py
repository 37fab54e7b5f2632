import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.api.currency_world import CURRENCIES, Exchange, is_business_day, last_business_day
from envs.api.lookup import plain, rounded
from envs.plans import call_by_call
from envs.proof import play
from envs.tools import ToolError

ENV_ID = "postgym/Currency-v0"
CODES = {name: code for code, (name, _, _) in CURRENCIES.items()} | {code: code for code in CURRENCIES}
MONEY = re.compile(rf"(\d+(?:\.\d+)?) ({'|'.join(CODES)})")
TO = re.compile(rf"(?:many|in|into|to|as|of|most) ({'|'.join(CODES)})")
DAY = re.compile(r"on (?:the one )?(\d{4}-\d\d-\d\d|\d{1,2} [A-Z][a-z]+ \d{4})")


@pytest.fixture(scope="module")
def env():
    return envs.make(ENV_ID)


@pytest.fixture(scope="module")
def tasks(env):
    return [env.sample_task(i, "test" if i % 2 else "train", i / 299) for i in range(300)]


def read_day(text):
    return datetime.strptime(text, "%Y-%m-%d" if "-" in text else "%d %B %Y").date()


class ByHand:
    """Another way to the answer: from the question's words and the table of rates, with Python's own decimals."""

    def __init__(self, task):
        self.meta, self.question = task.meta, task.prompt[-1].content
        self.money = [(Decimal(a), CODES[c]) for a, c in MONEY.findall(self.question)]
        self.to = CODES[TO.findall(MONEY.sub("_", self.question))[0]]
        self.days = [read_day(d) for d in DAY.findall(self.question)]

    def rate(self, code, day):
        while day.isoformat() not in next(iter(self.meta["rates"].values())):
            day -= timedelta(1)
        return Decimal(1) if code == self.meta["house"] else Decimal(self.meta["rates"][code][day.isoformat()])

    def convert(self, amount, code, day, share=Decimal(1)):
        with localcontext(prec=60):
            exact = amount * self.rate(self.to, day) * share / self.rate(code, day)
            return exact.quantize(Decimal(1).scaleb(-CURRENCIES[self.to][1]), ROUND_HALF_UP)

    def answer(self):
        (amount, code), day = self.money[0], self.days[0]
        values = [self.convert(a, c, day) for a, c in self.money]
        if "Which provider" in self.question or "By which provider" in self.question:
            got = {
                o["provider"]: self.convert(
                    amount - Decimal(str(o["fee"])), code, day, 1 - Decimal(str(o["spread_percent"])) / 100
                )
                for o in self.meta["offers"]
            }
            best = max(got, key=got.get)
            return [best, got[best]]
        if "heapest" in self.question:
            shops = re.findall(r" at ([A-Z][a-z]+)", self.question)
            best = values.index(min(values))
            return [shops[best], values[best]]
        if "Negative" in self.question:
            grown = {d: self.convert(amount, code, d) for d in self.days}
            return [grown[max(self.days)] - grown[min(self.days)]]
        return [sum(values)]


def test_the_answer_is_what_another_way_finds(tasks):
    for task in tasks:
        given_, found = [f["value"] for f in task.target["answer"]], ByHand(task).answer()
        assert Decimal(given_[-1]) == found[-1], task.prompt[-1].content
        assert given_[:-1] == found[:-1]


def test_every_kind_is_asked_and_every_number_of_decimals(tasks):
    assert {t.meta["kind"] for t in tasks} == {"buy", "sell", "cross", "change", "total", "shops", "offers"}
    places = {len(t.target["answer"][-1]["value"].partition(".")[2]) for t in tasks}
    assert places == {0, 2, 3}


def test_weekends_take_the_friday_before(tasks):
    asked = [(read_day(DAY.findall(t.prompt[-1].content)[0]), t) for t in tasks]
    weekends = [(day, t) for day, t in asked if not is_business_day(day)]
    assert len(weekends) > 60
    for day, task in weekends:
        used = {c["arguments"]["day"] for c in task.meta["plan"] if c["name"] == "rate"}
        assert last_business_day(day).isoformat() in used
        assert day.isoformat() not in used
        assert last_business_day(day).weekday() == 4


def test_the_answer_is_exact_to_the_minor_unit(env, tasks):
    for task in tasks[:60]:
        *names, value = [f["value"] for f in task.target["answer"]]
        calls = [(c["name"], c["arguments"]) for c in task.meta["plan"]]
        places = len(value.partition(".")[2])
        off = Decimal(value) + Decimal(1).scaleb(-places)
        for text, worth in ((value, 1), (str(plain(Decimal(value))), 1), (f"{off:f}", 0), (f"{value} x", 0)):
            said = ", ".join([*names, text])
            score = play(env, task, call_by_call(calls, lambda messages, said=said: f"Answer: {said}"))[1]
            assert score.value == worth, (task.id, text, score.reason)


def test_working_by_hand_is_nearly_as_good(env, tasks):
    for task in tasks[:40]:
        calls = [(c["name"], c["arguments"]) for c in task.meta["plan"] if c["name"] != "calculate"]
        closing = f"Answer: {', '.join(f['value'] for f in task.target['answer'])}"
        assert 0.94 < play(env, task, call_by_call(calls, lambda messages, said=closing: said))[1].value <= 1


RATES = {"JPY": {"2026-03-05": "160.25", "2026-03-06": "161.40"}, "KWD": {"2026-03-05": "0.34", "2026-03-06": "0.35"}}


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("EUR", "XXX", "2026-03-06"), "unknown_currency"),
        (("ABC", "JPY", "2026-03-06"), "unknown_currency"),
        (("JPY", "EUR", "2026-03-06"), "not_quoted"),
        (("JPY", "KWD", "2026-03-06"), "not_quoted"),
        (("EUR", "EUR", "2026-03-06"), "not_quoted"),
        (("EUR", "JPY", "2026-03-07"), "no_rate"),
        (("EUR", "JPY", "2026-03-08"), "no_rate"),
        (("EUR", "JPY", "2026-03-09"), "out_of_range"),
        (("EUR", "JPY", "7 March"), "invalid_day"),
    ],
)
def test_a_wrong_call_gets_a_typed_error(arguments, kind):
    with pytest.raises(ToolError) as caught:
        Exchange("EUR", RATES, []).rate(*arguments)
    assert caught.value.kind == kind


def test_the_tools_say_what_is_needed():
    world = Exchange("EUR", RATES, [])
    assert world.rate("EUR", "JPY", "2026-03-06") == {"rate": 161.4}
    listed = world.currencies()
    assert listed["house"] == "EUR"
    assert {c["code"]: c["decimals"] for c in listed["currencies"]} == {"EUR": 2, "JPY": 0, "KWD": 3}
    with pytest.raises(ToolError, match="no provider"):
        world.offers()
    assert world.calculate("100 * 161.4 / 3", 2) == {"value": 5380}
    with pytest.raises(ToolError, match="powers"):
        world.calculate("9 ** 9", 2)


@given(st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=10**6), st.integers(0, 9))
def test_rounding_is_to_the_nearest_halves_away_from_zero(value, decimals):
    with localcontext(prec=60):
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        assert rounded(value, decimals) == exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
