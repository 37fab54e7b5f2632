import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.code_specs import make_spec
from envs.proof import play
from rewards.score import Status


@pytest.fixture
def env():
    return envs.make("postgym/Code-v0")


def fenced(program):
    return lambda messages: f"```python\n{program}\n```"


@given(st.integers(0, 10**6), st.floats(0, 1), st.lists(st.integers(-50, 50), max_size=8))
def test_words_code_and_meaning_of_a_spec_agree(seed, difficulty, values):
    spec = make_spec(random.Random(seed), difficulty)
    space = {}
    exec(spec.program, space)  # our own program, made above
    assert space[spec.name](list(values)) == spec(values)
    assert "{" not in spec.words
    assert spec.words.endswith(".")


def test_the_example_and_the_hidden_tests_differ(env):
    for seed in range(50):
        target = env.sample_task(seed).target
        assert target["example"][0] not in [t["arguments"][0] for t in target["tests"]]


def test_no_constant_passes_half_of_the_tests(env):
    for seed in range(100):
        expected = [t["expected"] for t in env.sample_task(seed).target["tests"]]
        assert max(expected.count(e) for e in expected) <= len(expected) // 2 + 1


def test_the_right_program_earns_everything_however_it_is_written(env):
    task = env.sample_task(0, "train", 0.0)
    assert play(env, task, env.expert(task))[1].value == 1
    assert play(env, task, lambda m: task.target["program"])[1].value == 1
    assert play(env, task, fenced("import math\n\n" + task.target["program"] + "\n\nprint('hi')"))[1].value == 1


def test_right_values_of_the_wrong_type_earn_nothing(env):
    task = next(t for t in map(env.sample_task, range(99)) if type(t.target["tests"][0]["expected"]) is int)
    name, argument = task.target["name"], task.target["argument"]
    wrapped = task.target["program"].replace(f"def {name}(", "def inner(")
    for kind in ("float", "str", "lambda v: (v,)"):
        program = f"{wrapped}\ndef {name}({argument}):\n    return ({kind})(inner({argument}))"
        assert play(env, task, fenced(program))[1].value == 0, kind


def test_a_broken_program_is_told_what_is_wrong(env):
    task = env.sample_task(0)
    score = play(env, task, fenced("def broken(:"))[1]
    assert score.value == 0
    assert "syntax" in score.reason
    assert play(env, task, lambda m: "I would sum them.")[1].status is Status.INVALID_OUTPUT


def test_difficulty_lengthens_the_program(env):
    def stages(difficulty):
        return [env.sample_task(i, "train", difficulty).target["program"].count("\n") for i in range(20)]

    means = [sum(stages(d)) / 20 for d in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert means == sorted(means)
    assert means[-1] > 2 * means[0]


def test_the_expert_answers_briefly_where_tasks_are_easy(env, tokenizer):
    for seed in range(20):
        task = env.sample_task(seed, "train", 0.0)
        assert len(tokenizer.encode(env.expert(task)(()))) < 60
        assert len(tokenizer.encode(task.prompt[1].content)) < 90
