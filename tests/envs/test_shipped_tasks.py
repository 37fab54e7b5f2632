"""Over the tasks that ship: gold earns 1; nothing, a refusal, the prompt and a spoiled gold earn 0."""

import pytest

import envs
from envs.mutants import mutants
from envs.proof import play

N = 60
POLICIES = {
    "nothing": lambda env, task: lambda messages: "",
    "blanks": lambda env, task: lambda messages: " \n\t ",
    "a refusal": lambda env, task: lambda messages: "I'm sorry, but I can't help with that.",
    "the prompt": lambda env, task: lambda messages: task.prompt[-1].content,
    "the whole prompt": lambda env, task: lambda messages: "\n".join(m.content for m in task.prompt),
}


@pytest.fixture(scope="module", params=envs.known_ids())
def env(request):
    env = envs.make(request.param)
    yield env
    env.close()


@pytest.fixture(scope="module")
def tasks(env):
    return [env.sample_task(1000 + i, "test" if i % 2 else "train", i / (N - 1)) for i in range(N)]


def test_gold_earns_1(env, tasks):
    for task in tasks:
        score = play(env, task, env.expert(task))[1]
        assert score.value == 1, (task.id, score.reason)


@pytest.mark.parametrize("name", POLICIES)
def test_it_earns_0(env, tasks, name):
    for task in tasks[::2]:
        score = play(env, task, POLICIES[name](env, task))[1]
        assert score.value == 0, (task.id, score.reason)


def test_a_spoiled_gold_earns_0_but_for_declared_process_credit(env, tasks):
    for task in tasks[::2]:
        for which in range(3):
            score = play(env, task, env.wrong_policy(task, which))[1]
            assert score.value <= env.process_credit + 1e-9, (task.id, score.reason)


def test_only_the_weather_pays_for_the_way_to_a_wrong_answer(env):
    assert env.process_credit == (0.15 if env.id == "postgym/Weather-v0" else 0)


@pytest.mark.parametrize("text", ["12 - 3 = 9\nAnswer: 9", "Answer: Oslo, -4.5", "Answer: 0", "Answer: 3/4", "Oslo"])
def test_mutants_differ_from_the_answer_in_its_last_line_alone(text):
    for wrong in mutants(text).values():
        assert wrong != text
        assert wrong.splitlines()[:-1] == text.splitlines()[:-1]


def test_mutants_of_a_number_have_another_value():
    for number in ("0", "7", "-7", "2.50", "-0.5", "100"):
        for name, wrong in mutants(f"Answer: {number}").items():
            assert float(wrong.removeprefix("Answer: ")) != float(number), name


def test_mutants_of_a_program_run_and_return_something_else():
    program = "def f(xs):\n    if not xs:\n        return 0\n    return sum(xs)"
    for name, wrong in mutants(f"```python\n{program}\n```").items():
        space = {}
        exec(wrong.removeprefix("```python\n").removesuffix("\n```"), space)  # our own programme, made above
        for values in ([], [1, 2]):
            assert space["f"](values) != sum(values), name
