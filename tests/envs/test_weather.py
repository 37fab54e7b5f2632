import json
import os
import random
import subprocess
import sys

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs.base import split_of
from envs.proof import play, prove
from envs.weather_questions import make_question
from envs.weather_world import make_cities, shown, tenths
from rewards.score import Status
from rewards.transcript import Message, ToolCall

ENV_ID = "postgym/Weather-v0"
LEVELS = [0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


@pytest.fixture
def env():
    return envs.make(ENV_ID)


def scripted(*turns):
    """A policy that plays `turns` in order: a text, or a list of calls (name, arguments)."""

    def policy(messages):
        turn = turns[sum(m.role == "assistant" for m in messages)]
        if isinstance(turn, str):
            return turn
        return Message("assistant", "", tuple(ToolCall(name, args, f"call_{i}") for i, (name, args) in enumerate(turn)))

    return policy


def planned(task):
    return [[(call["name"], call["arguments"])] for call in task.meta["plan"]]


def earned(env, task, *turns):
    return play(env, task, scripted(*turns))[1]


def task_of_kind(env, kind, difficulty, wanted=lambda task: True):
    for seed in range(500):
        task = env.sample_task(seed, "train", difficulty)
        if task.meta["kind"] == kind and wanted(task):
            return task
    raise AssertionError(f"no {kind} task at {difficulty}")


def test_the_expert_earns_everything_and_no_cheat_anything(env):
    rows = prove(env)
    assert [row for row in rows if not row.ok] == []
    assert sum(row.policy.startswith("exploit") for row in rows) >= 4
    assert all(row.maximum < 0.2 for row in rows if row.policy != "expert")


def test_gymnasium_makes_and_accepts_it(env):
    check_env(env, skip_render_check=True)
    assert gymnasium.make(ENV_ID, split="test", difficulty=0.5).unwrapped.split == "test"


def test_a_task_does_not_depend_on_the_process():
    code = (
        "import envs; e = envs.make('postgym/Weather-v0');"
        "print([e.sample_task(s, 'train', d).model_dump_json() for s in range(5) for d in (0.0, 0.5, 1.0)])"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1")
    ]
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("difficulty", LEVELS)
def test_every_difficulty_has_plenty_of_questions_and_both_splits(env, difficulty):
    rng = random.Random(0)
    tasks = [env.generate(rng, difficulty) for _ in range(300)]
    assert len({task.fingerprint for task in tasks}) >= 297
    assert {split_of(task) for task in tasks} == {"train", "test"}


def test_a_task_is_plain_json_and_its_prompt_short(env):
    for difficulty in LEVELS:
        task = env.sample_task(1, "train", difficulty)
        assert json.loads(json.dumps([task.target, task.meta])) == [task.target, task.meta]
        assert sum(len(m.content) for m in task.prompt) < 330


def test_the_easiest_task_is_one_city_now_in_celsius(env):
    for seed in range(30):
        task = env.sample_task(seed, "train", 0.0)
        assert [c["name"] for c in task.meta["plan"]] == ["geocode", "current"]
        assert "celsius" in task.prompt[1].content
        assert len(task.meta["cities"]) == 1


def test_the_hardest_tasks_ask_about_five_cities_most_of_which_have_namesakes(env):
    for seed in range(30):
        task = env.sample_task(seed, "train", 1.0)
        asked = [c["arguments"]["city"] for c in task.meta["plan"] if c["name"] == "geocode"]
        assert len(set(asked)) == 5
        assert len(task.meta["cities"]) > 5


def test_the_answer_follows_from_what_the_tools_return(env):
    """An independent reading of the question's kind from the numbers that the model sees."""
    for seed in range(200):
        task = env.sample_task(seed, "train", seed / 199)
        seen, _ = play(env, task, env.expert(task))
        temps = [json.loads(m.content)["temp"] for m in seen.messages if m.role == "tool" and "temp" in m.content]
        expected = {
            "value": temps[0],
            "peak": max(temps),
            "warmest": max(temps),
            "warmer": max(temps) - min(temps),
            "spread": max(temps) - min(temps),
            "change": temps[-1] - temps[0],
            "gap": temps[0] - temps[-1],
        }[task.meta["kind"]]
        assert float(task.target["answer"][-1]["value"]) == pytest.approx(expected, abs=1e-9)
        if len(task.target["answer"]) == 2:
            cities = [c["arguments"]["city"] for c in task.meta["plan"] if c["name"] == "geocode"]
            assert task.target["answer"][0]["value"] == cities[temps.index(max(temps))]


def test_no_two_cities_are_equally_warm_and_no_latitude_is_shared():
    for seed in range(50):
        cities = make_cities(random.Random(seed), {"A": 4, "B": 4, "C": 1}, halves=True)
        for column in zip(*(c["halves"] for c in cities), strict=True):
            assert len(set(column)) == len(cities)
        assert len({c["lat"] for c in cities}) == len(cities)


def test_units_are_exact():
    assert [shown(tenths(h, "celsius")) for h in (30, 31, -3)] == [15, 15.5, -1.5]
    assert [shown(tenths(h, "fahrenheit")) for h in (0, 200, -80, 31)] == [32, 212, -40, 59.9]


def test_the_question_tells_the_city_meant_from_its_namesakes():
    told = 0
    for seed in range(200):
        question, world = make_question(random.Random(seed), 0.9)
        for city, place in zip(question.cities, question.places, strict=True):
            namesakes = [c for c in world if c["name"] == city["name"]]
            if "northernmost" in place:
                assert city["lat"] == max(c["lat"] for c in namesakes)
            elif "southernmost" in place:
                assert city["lat"] == min(c["lat"] for c in namesakes)
            elif len(namesakes) > 1:
                assert [c for c in namesakes if place.endswith(f" in {c['country']}")] == [city]
            told += len(namesakes) > 1
    assert told > 100


WRONG_CALLS = [
    ("geocode", {"city": "Nowhere"}, "unknown_city"),
    ("current", {"lat": 0.05, "lon": 0.05}, "no_station"),
    ("current", {"lat": 0.0, "lon": 0.0, "unit": "kelvin"}, "unknown_unit"),
    ("forecast", {"lat": 0.0, "lon": 0.0, "day": 9}, "day_out_of_range"),
    ("forecast", {"lat": 0.0, "lon": 0.0, "day": 0}, "day_out_of_range"),
    ("current", {"lat": "1", "lon": 0.0}, "invalid_argument"),
    ("weather", {}, "unknown_tool"),
]


@pytest.mark.parametrize(("name", "arguments", "kind"), WRONG_CALLS)
def test_a_wrong_call_gets_a_typed_error_and_can_be_made_good(env, name, arguments, kind):
    for difficulty in (0.0, 1.0):
        task = env.sample_task(3, "train", difficulty)
        seen, score = play(env, task, scripted([(name, arguments)], *planned(task), task.meta["closing"]))
        assert seen.calls[0].error == kind
        assert json.loads(seen.messages[3].content)["error"] == kind
        assert 0.9 < score.value < 1


def test_two_errors_leave_room_for_the_expert_at_full_difficulty(env):
    task = env.sample_task(3, "train", 1.0)
    score = earned(env, task, [WRONG_CALLS[0][:2]], [WRONG_CALLS[2][:2]], *planned(task), task.meta["closing"])
    assert score.value > 0.9


def test_a_malformed_call_can_be_made_good(env):
    task = env.sample_task(3, "train", 0.0)
    assert 0.9 < earned(env, task, "<tool_call>geocode(x)</tool_call>", *planned(task), task.meta["closing"]).value < 1


def test_calls_may_be_made_side_by_side(env):
    task = task_of_kind(env, "spread", 1.0)
    geocode = [c for turn in planned(task) for c in turn if c[0] == "geocode"]
    read = [c for turn in planned(task) for c in turn if c[0] != "geocode"]
    assert earned(env, task, geocode, read, task.meta["closing"]).value == 1


def test_a_wrong_answer_on_the_right_data_earns_a_little(env):
    task = env.sample_task(3, "train", 0.0)
    for wrong in ("99.5", "-99.5", "0.1"):
        assert earned(env, task, *planned(task), f"Answer: {wrong}").value == pytest.approx(0.15)


def test_a_missing_sign_or_a_moved_point_is_a_wrong_answer(env):
    cold = task_of_kind(env, "value", 0.0, lambda t: t.target["answer"][0]["value"].startswith("-"))
    gold = cold.target["answer"][0]["value"]
    for wrong in (gold[1:], gold + "0", gold[:2] + "." + gold[2:] + "1"):
        assert earned(env, cold, *planned(cold), f"Answer: {wrong}").value < 0.16
    assert earned(env, cold, *planned(cold), f"Answer: {gold}").value == 1


def test_the_weather_of_a_namesake_earns_nothing(env):
    task = task_of_kind(env, "value", 0.45, lambda t: len(t.meta["cities"]) > 1)
    (geocode,), (name, arguments) = planned(task)[0], planned(task)[1][0]
    other = next(c for c in task.meta["cities"] if c["lat"] != arguments["lat"])
    wrong = (name, {**arguments, "lat": other["lat"], "lon": other["lon"]})
    assert earned(env, task, [geocode], [wrong], task.meta["closing"]).value == 0


def test_a_made_up_figure_in_the_reply_costs_a_little(env):
    task = env.sample_task(3, "train", 0.0)
    score = earned(env, task, *planned(task), f"Humidity is 81.7.\n{task.meta['closing']}")
    assert 0.9 < score.value < 1


def test_reading_the_other_unit_and_converting_is_nearly_as_good(env):
    task = task_of_kind(env, "value", 0.3, lambda t: "fahrenheit" in t.prompt[1].content)
    geocode, [(name, arguments)] = planned(task)
    in_celsius = (name, {k: v for k, v in arguments.items() if k != "unit"})
    assert 0.9 < earned(env, task, geocode, [in_celsius], task.meta["closing"]).value < 1
    assert earned(env, task, geocode, [in_celsius], "Answer: -123.4").value < 0.16


def test_an_answer_without_its_form_is_the_policys_fault(env):
    score = earned(env, env.sample_task(3, "train", 0.0), "It is warm.")
    assert (score.value, score.status) == (0, Status.INVALID_OUTPUT)


def test_needless_calls_cost_a_little_and_a_flood_costs_everything(env):
    task = env.sample_task(3, "train", 0.0)
    geocode, read = planned(task)
    assert 0.9 < earned(env, task, geocode, geocode, read, task.meta["closing"]).value < 1
    assert earned(env, task, geocode * 6, read, task.meta["closing"]).value == 0


def test_ten_thousand_parallel_calls_are_cut_off_and_earn_nothing(env):
    task = env.sample_task(3, "train", 0.0)
    geocode, read = planned(task)
    seen, score = play(env, task, scripted(geocode + read * 10_000, task.meta["closing"]))
    assert len(seen.calls) < 20
    assert score.value == 0


def test_code_in_an_argument_is_never_evaluated(env, tmp_path):
    mark = tmp_path / "owned"
    task = env.sample_task(3, "train", 0.0)
    code = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    calls = [("geocode", {"city": code}), ("current", {"lat": code, "lon": 0})]
    assert earned(env, task, calls, task.meta["closing"]).value == 0
    assert not mark.exists()


def test_the_turns_run_out_without_an_answer(env):
    task = env.sample_task(3, "train", 0.0)
    env.reset(options={"task": task})
    assert env.max_turns == 4
    ends = [env.step('<tool_call>{"name": "geocode", "arguments": {"city": "x"}}</tool_call>') for _ in range(4)]
    assert [truncated for _, _, _, truncated, _ in ends] == [False, False, False, True]
    assert ends[-1][4]["score"].value == 0


def test_an_episode_replays_to_the_same_score(env):
    task = env.sample_task(7, "test", 0.8)
    again = env.sample_task(7, "test", 0.8)
    assert task == again
    assert play(env, task, env.expert(task)) == play(env, again, env.expert(again))
