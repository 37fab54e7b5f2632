"""reasoning-gym behind postgym's contract: full marks or nothing, nothing of an answer executed, its faults named.

Twenty tasks of every dataset, four of those that are slow to make: all of them have to fit into half a minute.
"""

import json
import os
import pickle
import re
import subprocess
import sys
from collections import Counter

import gymnasium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from envs.base import Task, split_of
from envs.proof import null_policies, play
from envs.reasoning import gym_adapter
from envs.reasoning.gym_adapter import find_entry, scores_as_its_dataset, why_refused
from envs.reasoning.gym_datasets import DATASETS, GUESSED, MIXED, PREFIX, SLOW
from envs.registry import all_ids, reasoning_gym_ids
from rewards.errors import ConfigError
from rewards.score import Status
from rewards.transcript import Message, Transcript

NULL_BOUND = 0.2
TASKS = """
import json, sys, envs
names = json.loads(sys.argv[1])
made = {n: [envs.make(n).sample_task(*key).model_dump_json() for key in reversed(keys)] for n, keys in names.items()}
print(json.dumps(made))
"""
needs_package = pytest.mark.skipif(not reasoning_gym_ids(), reason=f"no reasoning-gym: {gym_adapter.INSTALL}")


def make(name: str, **settings):
    return envs.make(f"{PREFIX}{name}", **settings)


def keys_of(name: str) -> list[tuple[int, str, float]]:
    count = 4 if name in SLOW else 20
    return [(i, "test" if i % 2 else "train", (i // 2) / (count // 2 - 1)) for i in range(count)]


# Without the package.


def test_knowing_the_ids_does_not_import_the_package():
    code = "import sys, envs; envs.registry.all_ids(); print('reasoning_gym' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_a_missing_package_is_named_with_the_way_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(ConfigError, match=r"pip install 'postgym\[reasoning-gym\]'"):
        make("chain_sum")


def test_an_unknown_dataset_or_setting_is_named():
    with pytest.raises(ConfigError, match=f"did you mean .*{PREFIX}chain_sum"):
        make("chain_sums")
    with pytest.raises(ConfigError, match="colour"):
        make("chain_sum", colour="red")


def test_the_suites_own_listing_leaves_them_to_this_file():
    assert not [i for i in envs.known_ids() if "reasoning_gym" in i]
    assert {f"{PREFIX}{name}" for name in DATASETS} <= set(all_ids())


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("string_insertion", "[open('x', 'w')]"),
        ("spiral_matrix", "[9**9**9]"),
        ("n_queens", "[x for x in [1]]"),
        ("binary_matrix", "[[1 << 99999999999]]"),
        ("binary_matrix", "9**9**9"),
        ("countdown", "9**9**9"),
        ("countdown", "x + 1"),
        ("countdown", "__import__('os').system('true')"),
        ("chain_sum", "1" * 9000),
    ],
)
def test_what_a_scorer_would_execute_never_reaches_it(name, answer):
    assert why_refused(name, answer, "1")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("string_insertion", "['A', 'B']"),
        ("spiral_matrix", "1 2 3"),
        ("n_queens", "_ Q _\n_ _ Q"),
        ("countdown", "(3 + 4) * 25 - 7/1"),
    ],
)
def test_plain_texts_lists_and_calculations_do(name, answer):
    assert why_refused(name, answer, "1") == ""


# With it.


@needs_package
def test_every_dataset_of_the_package_is_offered():
    import reasoning_gym

    assert set(DATASETS) == set(reasoning_gym.factory.DATASETS)


@needs_package
def test_the_composite_is_mixed_of_the_others_as_they_are_judged():
    env = make("composite")
    tasks = [env.sample_task(i, difficulty=0.5) for i in range(60)]
    assert len({task.target["dataset"] for task in tasks}) > 25
    assert {task.target["dataset"] for task in tasks} <= set(MIXED) < set(DATASETS)
    for task in tasks:
        name, step, index = (task.target[key] for key in ("dataset", "step", "index"))
        entry = find_entry(name, step, index)
        assert (entry.question, entry.answer) == (task.prompt[-1].content, task.target["answer"])
        assert play(make(name), task, env.expert(task))[1].value == 1


@needs_package
@pytest.mark.parametrize("name", sorted(DATASETS))
def test_only_the_right_answer_pays(name):
    env = make(name)
    tasks = [env.sample_task(*key) for key in keys_of(name)]
    commonest = Counter(t.target["answer"] for t in tasks).most_common(1)[0][0]
    bound = GUESSED.get(name, NULL_BOUND)
    paid: dict[str, float] = {}
    for i, task in enumerate(tasks):
        assert split_of(task) == task.split
        assert Task.model_validate_json(task.model_dump_json()) == task
        assert play(env, task, env.expert(task))[1].value == 1
        assert play(env, task, env.wrong_policy(task, i))[1].value == 0
        cheats = {n: e.policy for n, e in env.exploits(task).items()}
        cheats["the commonest answer"] = lambda messages: f"<answer>{commonest}</answer>"
        for policy, act in cheats.items():
            paid[policy] = paid.get(policy, 0) + play(env, task, act)[1].value / len(tasks)
    for policy, act in null_policies(env, tasks[0]).items():
        assert play(env, tasks[0], act)[1].value == 0, policy
    few = 0.5 if name in SLOW else 0  # four tasks are no measure of a guess
    assert {p: v for p, v in paid.items() if v > max(bound, few)} == {}
    for certain in (
        "the answer and another",
        "two answers in tags",
        "the answer in the thinking",
        "nothing in the tags",
    ):
        assert paid[certain] == 0, certain


@needs_package
@pytest.mark.parametrize("name", sorted(set(DATASETS) - SLOW | {"number_sorting"}))
def test_what_is_not_a_number_is_in_no_place_of_a_right_answer(name):
    task = make(name, difficulty=0.5).sample_task(1)
    for nan in ("nan", "NaN"):
        said = re.sub(r"\d+(\.\d+)?", nan, task.target["answer"])
        if said != task.target["answer"]:
            score = scores_as_its_dataset(Transcript((Message("assistant", f"<answer>{said}</answer>"),)), task.target)
            assert score.value == 0, said


@needs_package
def test_tasks_are_the_same_in_every_process_and_order():
    find_entry.cache_clear()
    wanted = {f"{PREFIX}{name}": keys_of(name)[:: len(keys_of(name)) - 1] for name in sorted(DATASETS)}
    done = subprocess.run(
        [sys.executable, "-c", TASKS, json.dumps(wanted)],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
        capture_output=True,
        text=True,
        check=True,
    )
    made = json.loads(done.stdout)
    for env_id, keys in wanted.items():
        assert made[env_id][::-1] == [envs.make(env_id).sample_task(*key).model_dump_json() for key in keys], env_id


@needs_package
def test_gymnasium_makes_them_with_a_point_for_the_second_slash():
    env = gymnasium.make("postgym/reasoning_gym.chain_sum", difficulty=0.5)
    messages, info = env.reset(seed=3)
    assert info["task_id"].startswith("postgym/reasoning_gym/chain_sum|train|3|")
    assert "answer" not in info
    assert messages == make("chain_sum", difficulty=0.5).sample_task(3).prompt
    assert pickle.loads(pickle.dumps(env.unwrapped)).sample_task(3) == env.unwrapped.sample_task(3)


@needs_package
@pytest.mark.parametrize("name", ["chain_sum", "countdown", "n_queens", "jugs", "knights_knaves", "graph_color"])
@settings(max_examples=20)
@given(text=st.text(max_size=60))
def test_any_text_is_scored(name, text):
    env = make(name, difficulty=0)
    env.reset(seed=1)
    assert env.step(f"<answer>{text}</answer>")[4]["score"].status in (Status.OK, Status.INVALID_OUTPUT)


@needs_package
def test_difficulty_moves_along_the_curriculum():
    env = make("chain_sum")
    lengths = [sum(len(env.sample_task(i, "train", d).prompt[1].content) for i in range(20)) for d in (0.0, 0.5, 1.0)]
    assert lengths[0] < lengths[1] < lengths[2]


@needs_package
def test_a_generators_use_of_global_randomness_leaves_no_trace():
    import random

    random.seed(5)
    expected = random.random()
    random.seed(5)
    find_entry.cache_clear()
    make("list_functions").sample_task(1)
    assert random.random() == expected


@needs_package
@pytest.mark.parametrize(
    "target",
    [
        {"dataset": "nothing", "answer": "1"},
        {"dataset": "chain_sum", "step": 0, "index": 1, "answer": "not what it makes"},
    ],
)
def test_a_target_that_names_no_entry_is_the_tasks_fault(target):
    said = Transcript((Message("assistant", "<answer>1</answer>"),))
    assert scores_as_its_dataset(said, target).status is Status.TASK_ERROR
