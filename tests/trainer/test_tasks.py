import asyncio
from collections import Counter

import pytest

from envs.sandbox.level import level
from rewards.errors import EnvError
from rewards.score import Criterion, GroupCriterion
from rewards.tools import right_answer
from rollout.collect import collect_groups
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits
from trainer.config import EnvironmentConfig
from trainer.tasks import Mixture

A, B = "postgym/Weather-v0", "postgym/WordProblems-v0"


def mixture(**weights):
    return Mixture(
        [
            EnvironmentConfig(id=A, difficulty=(0.0, 0.2), weight=weights.get("a", 1)),
            EnvironmentConfig(id=B, difficulty=(0.1, 0.1), weight=weights.get("b", 1)),
        ]
    )


def test_where_code_runs_the_walls_are_named_or_the_run_is_refused(monkeypatch):
    code = Mixture([EnvironmentConfig(id=A), EnvironmentConfig(id="postgym/Code-v0")])
    assert code.walls() == str(level())
    assert mixture().walls() is None
    monkeypatch.setenv("POSTGYM_SANDBOX", "moat")
    with pytest.raises(EnvError, match="'moat': want auto, unsafe, native"):
        code.walls()
    assert mixture().walls() is None


def test_held_out_tasks_are_split_evenly_over_environments_and_difficulty():
    tasks = mixture().held_out(9)
    assert Counter(t.env for t in tasks) == {A: 5, B: 4}
    assert [t.difficulty for t in tasks if t.env == A] == [0.0, 0.05, 0.1, 0.15000000000000002, 0.2]
    assert {t.split for t in tasks} == {"test"}
    assert tasks == mixture().held_out(9)


def test_training_tasks_follow_from_their_key_and_never_meet_the_held_out_ones():
    tasks = mixture().training(40, 0, "grpo", 1)
    assert tasks == mixture().training(40, 0, "grpo", 1)
    assert {t.fingerprint for t in tasks}.isdisjoint(t.fingerprint for t in mixture().training(40, 0, "grpo", 2))
    assert {t.fingerprint for t in tasks}.isdisjoint(t.fingerprint for t in mixture().held_out(200))
    assert {t.split for t in tasks} == {"train"}


def test_weights_share_out_the_training_tasks():
    assert Counter(t.env for t in mixture(a=3).training(40, 0)) == {A: 30, B: 10}


def test_small_rounds_give_every_environment_its_share_over_time():
    counts = Counter(t.env for step in range(60) for t in mixture().training(1, 0, "grpo", step))
    assert min(counts.values()) > 20


def test_a_config_may_name_another_rubric_for_an_environment(tmp_path):
    path = tmp_path / "strict.yaml"
    path.write_text(
        "criteria:\n- {name: answer, reward: rewards.tools.right_answer}\n"
        "- {name: brief, group: {rewards.group.brevity: {right: answer}}, weight: 0.1}\n"
    )
    config = EnvironmentConfig(id=A, rubric=str(path))
    path.unlink()  # what the file held is part of the config
    found = Mixture([config, EnvironmentConfig(id=B)])
    own, brief = found.make_env(A).rubric.criteria
    assert own == Criterion("answer", right_answer)
    assert isinstance(brief, GroupCriterion)
    assert found.make_env(B).rubric is type(found.make_env(B)).rubric
    assert EnvironmentConfig.model_validate(config.model_dump(mode="json")) == config
    assert [row["judges"] for row in found.rubrics()[A]] == ["the episode", "the group"]


def test_an_environments_options_choose_its_transport_and_what_strikes():
    options = {"transport": "http", "faults": {"rate": 0.2, "kinds": ["timeout"]}}
    env = Mixture([EnvironmentConfig(id=A, options=options)]).make_env(A)
    assert env.transport.faults.rate == 0.2
    assert env.transport.faults.kinds == ("timeout",)


def test_experts_whose_calls_are_struck_leave_whole_episodes_to_learn_from(renderer):
    options = {"transport": "http", "faults": {"rate": 0.5, "kinds": ["server_error"]}}
    struck = Mixture([EnvironmentConfig(id=A, difficulty=(0.3, 0.3), options=options)])
    engine = ScriptedEngine(struck.expert, renderer.turn_ids)
    tasks = struck.training(4, 0, "sft")
    limits = Limits(max_context=8192)
    groups = asyncio.run(collect_groups(tasks, 1, struck.make_env, engine, renderer, Sampling(256), limits, 2))
    episodes = [t for group in groups for t in group.trajectories]
    assert [t.score.value for t in episodes] == [1] * 4
    assert any(record.fault for t in episodes for record in t.transcript.calls)
