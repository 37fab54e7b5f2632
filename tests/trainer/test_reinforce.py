"""The reinforcement stage whole, in this process: a real policy learns while an engine on its weights plays on."""

import asyncio
import io
import itertools
import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from rewards.errors import EngineError
from rollout.store import read_groups
from tests.trainer.groups import make_group
from tests.trainer.small_engine import PaysAnything, SmallEngine
from trainer import alarms
from trainer.checkpoint import write_weights
from trainer.config import load_config
from trainer.logs import Bar, Display, PhaseLog
from trainer.parts import Parts
from trainer.policy import Policy
from trainer.reinforce import Reinforcement, _share_of_all
from trainer.rounds import Round
from trainer.sinks import open_sinks
from trainer.tasks import Mixture
from trainer.weight_sync import WeightSync

STEPS, GROUPS, SIZE = 4, 2, 2


@pytest.fixture
def stage(tiny_model, renderer, tmp_path):
    """Makes a stage in a folder; called again on the same folder it is what a resumed run makes."""

    def make(folder, staleness, **engine):
        path = tmp_path / f"{staleness}.yaml"
        path.write_text("environments: [{id: postgym/Arithmetic-v0, difficulty: [0.0, 0.2]}]\n")
        fields = {
            "model": str(tiny_model),
            "rollout.groups": GROUPS,
            "rollout.group_size": SIZE,
            "rollout.max_new_tokens": 8,
            "trainer.steps": STEPS,
            "trainer.learning_rate": 1e-3,
            "trainer.max_staleness": staleness,
            "logging.sinks": [],
        }
        config = load_config(path, extra=fields)
        folder = tmp_path / folder
        policy, speaking = Policy(str(tiny_model), "float32"), SmallEngine(tiny_model, **engine)
        if not (folder / "sft" / "weights.safetensors").is_file():
            write_weights(folder / "sft" / "weights.safetensors", policy.state())
        parts = Parts(
            config,
            folder,
            str(tiny_model),
            PaysAnything(config.environments),
            speaking,
            renderer,
            policy,
            WeightSync(speaking, folder / "weights", renderer, 0.1),
            Display(Console(file=io.StringIO())),
            PhaseLog(folder),
            open_sinks((), None, print),
            folder / "weights",
        )
        return Reinforcement(parts)

    return make


def run(stage):
    with asyncio.Runner() as runner:
        stage.run(runner)
    return [json.loads(line) for line in (stage.folder / "metrics.jsonl").read_text().splitlines()]


def test_in_turns_a_killed_stage_ends_with_the_parameters_of_an_undisturbed_one(stage):
    whole = stage("whole", 0)
    rows = run(whole)
    assert [row["staleness_max"] for row in rows] == [0] * STEPS
    assert all(row["seconds_engine_idle"] > 0 for row in rows[1:]), "the engine waits for the learner"
    assert all(row["tokens_per_second"] > 0 for row in rows)
    assert [row["seconds_checkpoint"] > 0 for row in rows] == [False, True, True, True], "of the one before"
    with pytest.raises(EngineError):
        run(stage("killed", 0, dies_at=2))
    resumed = stage("killed", 0)
    assert [row["step"] for row in run(resumed)] == list(range(STEPS))
    assert not torch.equal(whole.policy.parameters[0], stage("new", 0).policy.parameters[0])
    for one, other in zip(whole.policy.parameters, resumed.policy.parameters, strict=True):
        assert torch.equal(one, other)


def test_while_a_round_is_played_it_is_told_what_its_episodes_earn_and_how_many_fail(stage, monkeypatch):
    playing, told, failed = stage("told", 0), [], threading.Event()
    mixture, number = playing.parts.mixture, itertools.count()

    def make_env(env_id):
        env = type(mixture).make_env(mixture, env_id)
        step = env.step
        fails = next(number) == 1
        env.step = lambda action: 1 / 0 if fails else failed.wait(60) and step(action)
        return env

    def tell(bar, text):
        told.append((bar.done, text))
        if "errors" in text:
            failed.set()

    mixture.make_world = make_env
    monkeypatch.setattr(Bar, "tell", tell)
    run(playing)
    first = [text for done, text in told if done == 0]
    assert [text.split()[0] for text in first] == ["1", "2", "3", "4"]
    assert all("errors: 1 raised" in text for text in first), "from the moment that it failed: it ended first"
    assert not any("errors" in text for done, text in told if done == 1), "the next round is counted anew"


@pytest.mark.parametrize("staleness", [1, 2])
def test_asynchronously_a_killed_stage_goes_on_and_nothing_is_learned_twice_or_lost(stage, staleness):
    with pytest.raises(EngineError):
        run(stage("killed", staleness, dies_at=3))
    folder = stage("killed", staleness).folder
    played = {p.name: p.read_bytes() for p in folder.glob("trajectories/*.parquet")}
    groups = {p.relative_to(folder): read_groups(p)[0] for p in folder.glob("playing/*/*.parquet")}
    resumed = stage("killed", staleness)
    rows = run(resumed)
    assert [row["step"] for row in rows] == list(range(STEPS))
    assert max(row["staleness_max"] for row in rows) <= staleness
    assert {name: (folder / "trajectories" / name).read_bytes() for name in played} == played, "no round anew"
    for path, group in groups.items():
        rest = read_groups(folder / "trajectories" / f"{path.parent.name}.parquet")
        assert any(np.array_equal(g.trajectories[0].token_ids, group.trajectories[0].token_ids) for g in rest)


def test_the_engine_plays_on_while_the_policy_learns_and_turns_go_on_with_the_new_weights(stage, monkeypatch):
    from trainer import learner

    first = stage("run", 2)
    last_round = first.parts.mixture.training(GROUPS, first.config.seed, "grpo", STEPS - 1)
    ahead, real = stage("run", 2, lingers_at={t.id for t in last_round}), learner.update

    def learns_while_turns_are_under_way(policy, optimizer, groups, settings, step, *others):
        assert step != 1 or ahead.parts.engine.lingers.wait(60), "the last round began with the weights of update 1"
        return real(policy, optimizer, groups, settings, step, *others)

    monkeypatch.setattr(learner, "update", learns_while_turns_are_under_way)
    rows = run(ahead)
    (*_, newest) = sorted(ahead.folder.glob("trajectories/step-*.parquet"))
    versions = [t.weight_versions[t.loss_mask] for group in read_groups(newest) for t in group.trajectories]
    assert any({1, 2} <= {*found} for found in versions), "three, where the last update was quick"
    assert rows[-1]["token_age/2"] == pytest.approx((np.concatenate(versions) == 1).mean())
    assert rows[-1]["mismatch"] > 1e-4, "older weights sampled it; importance weights correct for that"


def test_what_gives_reason_to_worry_is_said_in_the_round_in_which_it_begins(stage, monkeypatch):
    monkeypatch.setattr(alarms, "WINDOW", 1)
    hopeless = stage("run", 0)
    hopeless.parts = replace(hopeless.parts, mixture=Mixture(hopeless.config.environments))
    assert {row["zero_variance_share"] for row in run(hopeless)} == {1}, "a random model can't reckon"
    said = " ".join(hopeless.parts.display.console.file.getvalue().split())
    assert said.count("warning: 100% of the groups taught nothing: nearly all episodes fail; lower environments") == 1
    assert said.index("grpo 1/4") < said.index("warning:") < said.index("grpo 2/4")


@pytest.mark.parametrize(("unused", "share"), [(0, 0.5), (6, 0.8)])
def test_groups_that_were_thrown_away_count_among_those_that_teach_nothing(unused, share, tmp_path):
    group = make_group(np.random.default_rng(0), [0.0, 1.0])
    assert _share_of_all(0.5, Round([group] * 4, [group] * unused, tmp_path)) == pytest.approx(share)
