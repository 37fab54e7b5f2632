"""reasoning-gym behind postgym's contract: its own scores, nothing of an answer executed, and its faults in the open."""

import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.base import Task, split_of
from envs.proof import play
from envs.reasoning.reasoning_gym_adapter import SYSTEM, dataset_names, read_answer, scores_as_its_dataset
from envs.reasoning.reasoning_gym_limits import GOLD_BELOW_ONE, PAYS_GUESSES, why_refused
from rewards.errors import ConfigError
from rewards.score import Status
from rewards.transcript import Message, Transcript

SAMPLE = ("chain_sum", "countdown", "dyck_language", "rotate_matrix", "simple_equations", "number_sorting")


def installed() -> bool:
    try:
        import reasoning_gym
    except ImportError:
        return False
    return bool(reasoning_gym)


needs_package = pytest.mark.skipif(not installed(), reason="reasoning-gym isn't installed")


def make(name: str, **kwargs):
    return envs.make(f"postgym/reasoning_gym/{name}", **kwargs)


# Without the package.


def test_importing_envs_does_not_import_the_package():
    code = "import sys, envs; envs.known_ids(); print('reasoning_gym' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_a_missing_package_is_named_with_the_way_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(ConfigError, match=r"pip install 'postgym\[reasoning-gym\]'"):
        make("chain_sum")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>4</answer>", "4"),
        ("Well.\n<answer>\n1 2\n3 4\n</answer>\n", "1 2\n3 4"),
        ("<answer>])}</answer>", "])}"),
        ("<answer>4</answer> or 5", None),
        ("<answer>4</answer><answer>5</answer>", None),
        ("<answer><answer>4</answer>", None),
        ("<answer> </answer>", None),
        ("</answer>4<answer>", None),
        ("4", None),
    ],
)
def test_the_answer_stands_in_the_only_tags_at_the_end(text, answer):
    assert read_answer(text) == answer


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("string_insertion", "[open('x', 'w')]"),
        ("spiral_matrix", "[9**9**9]"),
        ("n_queens", "[x for x in [1]]"),
        ("binary_matrix", "[[1 << 99999999999]]"),
        ("countdown", "9**9**9"),
        ("puzzle24", "__import__('os').system('true')"),
        ("simple_integration", "open('x').read()"),
        ("polynomial_multiplication", "9**9**9"),
        ("polynomial_multiplication", "x**999999999"),
        ("polynomial_multiplication", "(((((9**99)**99)**99)**99)**99)**99"),
        ("intermediate_integration", "x.__class__"),
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
        ("countdown", "(3 + 4) * 25 - 7/1"),
        ("simple_integration", "3*X**4/2 + 0.5*X + C"),
        ("polynomial_multiplication", "-12*x**10 + 4*x^2 - (x + 1)**2"),
        ("intermediate_integration", "x**2*exp(3*x)/3 - log(x + 1)*sin(2*x) + C"),
        ("intermediate_integration", "(4*x + 3)**(3/2)/6 + C"),
    ],
)
def test_plain_lists_calculations_and_formulas_do(name, answer):
    assert why_refused(name, answer, "1") == ""


# With it.


@needs_package
def test_there_are_a_hundred_datasets_and_no_unknown_one():
    assert len(dataset_names()) >= 100
    with pytest.raises(ConfigError, match="did you mean chain_sum"):
        make("chainsum")
    with pytest.raises(ConfigError, match="postgym/reasoning_gym/chain_sum"):
        make("chain_sum", colour="red")


@needs_package
@pytest.mark.parametrize("name", SAMPLE)
def test_a_dataset_is_an_environment_like_any_other(name):
    env = make(name)
    assert env.id == f"postgym/reasoning_gym/{name}"
    tasks = [env.sample_task(i, "test" if i % 2 else "train", i / 9) for i in range(10)]
    assert tasks == [make(name).sample_task(t.seed, t.split, t.difficulty) for t in tasks]
    for task in tasks:
        assert split_of(task) == task.split
        assert Task.model_validate_json(task.model_dump_json()) == task
        assert task.prompt[0].content == SYSTEM
        assert play(pickle.loads(pickle.dumps(env)), task, env.expert(task))[1].value == 1
        for cheat, exploit in env.exploits(task).items():
            assert play(env, task, exploit.policy)[1].value < 1, cheat


@needs_package
@pytest.mark.parametrize("name", SAMPLE)
@given(text=st.text(max_size=40))
def test_any_text_is_scored(name, text):
    env = make(name)
    env.reset(seed=1)
    score = env.step(f"<answer>{text}</answer>")[4]["score"]
    assert score.status in (Status.OK, Status.INVALID_OUTPUT)


@needs_package
def test_difficulty_moves_along_the_curriculum():
    lengths = [
        sum(len(make("chain_sum").sample_task(i, "train", level).prompt[1].content) for i in range(20))
        for level in (0.0, 0.5, 1.0)
    ]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


@needs_package
def test_a_target_that_names_no_entry_is_the_tasks_fault():
    said = Transcript((Message("assistant", "<answer>1</answer>"),))
    assert scores_as_its_dataset(said, {"name": "nothing", "answer": "1"}).status is Status.TASK_ERROR


@needs_package
@pytest.mark.slow
def test_every_dataset_is_as_the_tables_say():
    for name in dataset_names():
        env = make(name)
        golds, cheats = [], {}
        for i in range(6):
            task = env.sample_task(i, difficulty=i / 5)
            golds.append(play(env, task, env.expert(task))[1].value)
            for cheat, exploit in env.exploits(task).items():
                cheats.setdefault(cheat, []).append(play(env, task, exploit.policy)[1].value)
        assert min(golds) == 1 or name in GOLD_BELOW_ONE, (name, golds)
        bound = PAYS_GUESSES.get(name, (0.2, ""))[0]
        assert max(sum(v) / len(v) for v in cheats.values()) < bound + 0.2, name  # few tasks: a wide margin
