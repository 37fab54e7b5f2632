from decimal import ROUND_HALF_UP, Decimal, localcontext

import pint
import pytest

import envs
from envs.api.units_world import BASES, UNITS, Bureau, namesakes
from envs.plans import call_by_call
from envs.proof import play
from envs.tools import ToolError

ENV_ID = "postgym/Units-v0"
IN_PINT = {
    "statute_mile": "mile",
    "avoirdupois_ounce": "ounce",
    "short_ton": "short_ton",
    "us_hundredweight": "hundredweight",
    "imperial_hundredweight": "long_hundredweight",
    "atmosphere": "standard_atmosphere",
    "celsius": "degC",
    "fahrenheit": "degF",
    "rankine": "degR",
    "reaumur": "degRe",
}
STEPS_OF_A_KELVIN = {"kelvin": Decimal(1), "fahrenheit": Decimal("1.8"), "reaumur": Decimal("0.8")}


@pytest.fixture(scope="module")
def env():
    return envs.make(ENV_ID)


@pytest.fixture(scope="module")
def registry():
    return pint.UnitRegistry(non_int_type=Decimal)


@pytest.fixture(scope="module")
def tasks(env):
    return [env.sample_task(i, "test" if i % 2 else "train", i / 399) for i in range(400)]


def pint_name(unit):
    if unit.startswith(("square_", "cubic_")):
        kind, _, of = unit.partition("_")
        return f"{of} ** {2 if kind == 'square' else 3}"
    return IN_PINT.get(unit, unit.removeprefix("us_"))


def pint_unit(registry, over, under):
    text = " * ".join(pint_name(u) for u in over) + "".join(f" / ({pint_name(u)})" for u in under)
    return registry.Unit(registry.parse_units(text))


def by_pint(registry, task):
    """The answer's number, by pint's own definitions."""
    terms = [registry.Quantity(Decimal(a), pint_unit(registry, over, under)) for a, over, under in task.meta["terms"]]
    to = pint_unit(registry, *task.meta["to"][1:])
    if task.meta["kind"] == "warming":
        rise = terms[0].to("kelvin").magnitude - terms[1].to("kelvin").magnitude
        return rise * STEPS_OF_A_KELVIN[task.meta["to"][1][0]]
    if task.meta["kind"] == "work":
        given, rate = terms
        done = given * rate
        return (done if done.is_compatible_with(to) else given / rate).to(to).magnitude
    total = terms[0].to(to)
    for term in terms[1:]:
        total = total - term.to(to) if task.meta["minus"] else total + term.to(to)
    return total.magnitude


def test_every_definition_is_pints(registry):
    with localcontext(prec=50):
        for unit in UNITS.values():
            base = pint_unit(registry, [BASES[unit.quantity]], [])
            theirs = registry.Quantity(Decimal(3), pint_unit(registry, [unit.id], [])).to(base).magnitude
            ours = (3 + Decimal(unit.plus)) * Decimal(unit.times) / Decimal(unit.divided_by)
            assert ours == pytest.approx(theirs, rel=Decimal("1e-15")), unit.id


def test_the_answer_is_what_pint_finds(registry, tasks):
    with localcontext(prec=50):
        for task in tasks:
            nearly = by_pint(registry, task).quantize(Decimal("1e-20"))  # pint's own ninths of a degree are cut off
            found = nearly.quantize(Decimal(1).scaleb(-task.meta["decimals"]), ROUND_HALF_UP)
            assert Decimal(task.target["answer"][-1]["value"]) == found, task.prompt[-1].content
    assert {t.meta["kind"] for t in tasks} >= {
        "convert",
        "temperature",
        "compound",
        "compare",
        "warming",
        "work",
        "total",
    }


def test_the_larger_one_is_named(tasks):
    for task in [t for t in tasks if t.meta["kind"] == "compare"]:
        name, gap = task.target["answer"]
        amount = task.meta["terms"][0][0]
        assert f"he {name['value']} " in task.prompt[-1].content
        assert task.prompt[-1].content.partition(f"he {name['value']} ")[2].split(" ")[2] == amount
        assert not gap["value"].startswith("-")


def test_the_question_tells_which_of_several_units_is_meant(tasks):
    told = 0
    for task in tasks:
        for _, over, under in [*task.meta["terms"], task.meta["to"]]:
            for unit in (UNITS[u] for u in [*over, *under]):
                forms = [c.format(n) for c in unit.contexts or ("{}",) for n in (unit.one, unit.many)]
                assert any(form in task.prompt[-1].content for form in forms), (unit.id, task.prompt[-1].content)
                told += len(namesakes(unit)) > 1
    assert told > 200


def test_namesakes_have_no_words_in_common_but_their_name():
    for unit in UNITS.values():
        others = [u for u in namesakes(unit) if u is not unit]
        assert not set(unit.contexts) & {c for u in others for c in u.contexts}
        assert all(u.used and u.used != unit.used for u in others)


def test_easy_tasks_have_no_ambiguous_names_and_hard_ones_many(env):
    shared = {
        level: sum(
            any(c["name"] == "find_unit" for c in env.sample_task(i, "train", level).meta["plan"]) for i in range(60)
        )
        for level in (0.0, 0.5, 1.0)
    }
    assert shared[0.0] == 0
    assert shared[0.0] < shared[0.5] < shared[1.0]


def test_the_answer_is_exact_to_the_decimals_asked_for(env, tasks):
    for task in tasks[:60]:
        *names, value = [f["value"] for f in task.target["answer"]]
        calls = [(c["name"], c["arguments"]) for c in task.meta["plan"]]
        off = Decimal(value) + Decimal(1).scaleb(-task.meta["decimals"])
        for text, worth in ((value, 1), (f"{off:f}", 0), (f"{value} m", 0)):
            said = ", ".join([*names, text])
            score = play(env, task, call_by_call(calls, lambda messages, said=said: f"Answer: {said}"))[1]
            assert score.value == worth, (task.id, text, score.reason)


def test_the_definition_of_a_namesake_earns_nothing(env, tasks):
    tried = 0
    for task in tasks:
        calls = [(c["name"], dict(c["arguments"])) for c in task.meta["plan"]]
        for name, arguments in calls:
            if name == "define_unit" and len(namesakes(UNITS[arguments["unit"]])) > 1:
                arguments["unit"] = next(u.id for u in namesakes(UNITS[arguments["unit"]]) if u.id != arguments["unit"])
                tried += 1
                break
        else:
            continue
        said = f"Answer: {', '.join(f['value'] for f in task.target['answer'])}"
        missing = [n for n in task.target["needs"] if (n[0]["name"], n[0]["arguments"]) not in calls]
        if missing:  # both namesakes may be needed, then one was defined twice
            assert play(env, task, call_by_call(calls, lambda messages, said=said: said))[1].value == 0
    assert tried > 50


def test_a_name_that_several_units_share_is_told_apart():
    bureau = Bureau()
    assert [u["id"] for u in bureau.find_unit("Gallons")] == ["us_gallon", "imperial_gallon"]
    assert all("used" in u for u in bureau.find_unit("ounce"))
    assert bureau.find_unit("us gallon") == [{"id": "us_gallon", "quantity": "volume", "used": "in the United States"}]
    assert bureau.find_unit("foot") == bureau.find_unit("feet") == [{"id": "foot", "quantity": "length"}]
    for shared in ("gallon", "mile", "ton", "ounce", "fluid ounce", "fluid_ounce"):
        with pytest.raises(ToolError) as caught:
            bureau.define_unit(shared)
        assert caught.value.kind == "ambiguous_unit"
    for wrong in (bureau.find_unit, bureau.define_unit):
        with pytest.raises(ToolError) as caught:
            wrong("smoot")
        assert caught.value.kind == "unknown_unit"


def test_definitions_come_as_exact_numbers():
    bureau = Bureau()
    assert bureau.define_unit("imperial_gallon") == {"base": "litre", "plus": 0, "times": 4.54609, "divided_by": 1}
    assert bureau.define_unit("fahrenheit") == {"base": "kelvin", "plus": 459.67, "times": 5, "divided_by": 9}
    for unit in UNITS.values():
        shown = bureau.define_unit(unit.id)
        assert [Decimal(str(shown[k])) for k in ("plus", "times", "divided_by")] == [
            Decimal(text) for text in (unit.plus, unit.times, unit.divided_by)
        ]
        assert "e" not in str(shown["times"])  # the calculator reads no exponents
