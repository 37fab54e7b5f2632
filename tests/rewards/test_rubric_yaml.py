"""Rubrics as YAML: exact there and back, and nothing is run that isn't ours."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from rewards.errors import ConfigError
from rewards.group import brevity, novelty
from rewards.recipes import allow_rewards, known_rewards, resolve
from rewards.rubric_yaml import read_rubric, rubric_from_dict, rubric_from_yaml, rubric_rows, rubric_to_yaml
from rewards.score import Criterion, GroupCriterion, Rubric, Score
from rewards.tools import right_answer, valid_calls, when
from rewards.transcript import Message, Transcript

PLAIN = [f for name, f in known_rewards().items() if not hasattr(f, "__postgym_makes__")]


@pytest.mark.parametrize("env_id", envs.known_ids())
def test_the_rubric_of_every_environment_goes_there_and_back(env_id):
    rubric = envs.make(env_id).rubric
    text = rubric_to_yaml(rubric)
    again = rubric_from_yaml(text)
    assert again.criteria == rubric.criteria
    assert rubric_to_yaml(again) == text


REWARDS = st.sampled_from(PLAIN)
CRITERIA = st.builds(
    Criterion,
    st.text(min_size=1, max_size=12),
    st.one_of(REWARDS, st.builds(when, REWARDS, REWARDS)),
    st.floats(1e-6, 1e6) | st.integers(1, 9),
    st.booleans(),
    st.sampled_from(["", "mean", "min", "max", "last"]),
)
GROUPS = st.builds(
    GroupCriterion,
    st.text(min_size=1, max_size=12),
    st.one_of(st.builds(brevity, st.text(max_size=9)), st.builds(novelty)),
    st.floats(0, 10),
    st.booleans(),
)


@given(st.lists(CRITERIA, min_size=1, max_size=4), st.lists(GROUPS, max_size=2))
def test_any_rubric_goes_there_and_back(own, group):
    criteria = list({c.name: c for c in [*group, *own]}.values())
    rubric = Rubric(criteria)
    assert rubric_from_yaml(rubric_to_yaml(rubric)).criteria == rubric.criteria


def test_a_rubric_from_a_file_judges_as_the_one_in_the_code(tmp_path):
    rubric = Rubric([Criterion("calls", when(right_answer, valid_calls), 2), Criterion("answer", right_answer)])
    (tmp_path / "r.yaml").write_text(rubric_to_yaml(rubric))
    again = rubric_from_dict(read_rubric(tmp_path / "r.yaml"))
    transcript = Transcript((Message("user", "?"), Message("assistant", "Answer: 5")))
    for target in ({"answer": [{"type": "number", "value": "5"}]}, {}):
        assert again(transcript, target) == rubric(transcript, target)


def test_made_rewards_survive_pickling():
    made = when(right_answer, valid_calls)
    assert pickle.loads(pickle.dumps(made)) == made


def test_the_report_says_in_words_what_each_criterion_judges():
    rows = rubric_rows(
        Rubric(
            [
                Criterion("calls", when(right_answer, valid_calls), 2, gate=True, turns="min"),
                GroupCriterion("brief", brevity(right="calls"), 1),
            ]
        )
    )
    assert rows[0]["reward"] == "when(condition=right_answer, reward=valid_calls)"
    assert (rows[0]["judges"], rows[0]["gate"]) == ("each turn (min)", True)
    assert rows[1]["reward"] == "brevity(right='calls')"
    assert rows[1]["judges"] == "the group"
    assert all(row["doc"] for row in rows)


def test_a_lambda_can_be_shown_but_not_written():
    rubric = Rubric([Criterion("own", lambda transcript, target: Score(1.0, ""))])
    assert "lambda" in rubric_rows(rubric)[0]["reward"]
    with pytest.raises(ConfigError, match="no reward"):
        rubric_to_yaml(rubric)


def one(**row):
    return {"criteria": [{"name": "a", **row}]}


BROKEN = {
    "a misspelt reward": (one(reward="rewards.tools.right_anser"), "did you mean rewards.tools.right_answer"),
    "a misspelt field": (one(reward="rewards.tools.fetched", wieght=1), "did you mean weight"),
    "a misspelt argument": (
        one(reward={"rewards.tools.when": {"conditon": "rewards.tools.fetched", "reward": "rewards.tools.fetched"}}),
        "did you mean condition",
    ),
    "a missing argument": (one(reward={"rewards.tools.when": {"reward": "rewards.tools.fetched"}}), "condition"),
    "an argument of the wrong type": (one(group={"rewards.group.brevity": {"right": 5}}), "right=5"),
    "arguments where none are taken": (one(reward={"rewards.tools.fetched": {"x": 1}}), "takes no arguments"),
    "a group reward as a reward": (one(reward="rewards.group.brevity"), "no reward"),
    "a reward as a group reward": (one(group="rewards.tools.fetched"), "no group reward"),
    "a factory without what it needs": (one(reward="rewards.tools.when"), "condition"),
    "both kinds": (one(reward="rewards.tools.fetched", group="rewards.group.novelty"), "either"),
    "neither": (one(), "either"),
    "turns of a group": (one(group="rewards.group.novelty", turns="mean"), "whole episodes"),
    "an unknown mean": (one(reward="rewards.tools.fetched", turns="median"), "median"),
    "an unhashable mean": (one(reward="rewards.tools.fetched", turns=["mean"]), "unhashable|mean"),
    "a weight in words": (one(reward="rewards.tools.fetched", weight="much"), "no number"),
    "a weight of NaN": (one(reward="rewards.tools.fetched", weight=float("nan")), "no number"),
    "a negative weight": (one(reward="rewards.tools.fetched", weight=-1), "weights >= 0"),
    "a gate in words": (one(reward="rewards.tools.fetched", gate="yes"), "neither true nor false"),
    "no name": ({"criteria": [{"reward": "rewards.tools.fetched"}]}, "needs a name"),
    "no criteria": ({"criteria": []}, "criteria need"),
    "no rubric": ([1, 2], "criteria"),
    "another field": ({"criteria": [], "more": 1}, "criteria"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_named_with_the_nearest_right_name(name):
    values, message = BROKEN[name]
    with pytest.raises(ConfigError, match=message):
        rubric_from_dict(values)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "subprocess.run",
        "rewards.files.write_text_atomically",
        "rewards.files.os.system",
        "rewards.judge.time.sleep",
        "rewards.tools._meets",
        "rewards.tools.when.__globals__",
        "rewards.tools.final_answer",
        "rewards.recipes.resolve",
        "rewards.score.failure",
        "trainer.update.update",
        "rewards..tools.fetched",
        "",
        ".",
    ],
)
def test_nothing_but_rewards_can_be_named(name):
    with pytest.raises(ConfigError, match="no reward"):
        resolve(name)


def test_yaml_tags_run_nothing(tmp_path):
    mark = tmp_path / "ran"
    with pytest.raises(ConfigError, match="no YAML"):
        rubric_from_yaml(f"criteria: !!python/object/apply:os.system ['touch {mark}']")
    assert not mark.exists()


def test_a_rubric_that_holds_itself_is_refused():
    with pytest.raises(ConfigError, match="nest deeper"):
        rubric_from_yaml(
            "criteria:\n- name: a\n  reward: &r {rewards.tools.when: {condition: *r, reward: rewards.tools.fetched}}\n"
        )


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml does not exist"):
        read_rubric(tmp_path / "none.yaml")


def test_a_module_of_ones_own_can_be_allowed(tmp_path, monkeypatch):
    (tmp_path / "my_rewards.py").write_text(
        "from rewards.score import Score\ndef polite(transcript, target):\n    return Score(1.0, 'thanks')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("rewards.recipes._allowed", set())
    with pytest.raises(ConfigError, match="no reward"):
        resolve("my_rewards.polite")
    allow_rewards("my_rewards")
    rubric = rubric_from_dict(one(reward="my_rewards.polite"))
    assert rubric_from_yaml(rubric_to_yaml(rubric)).criteria == rubric.criteria
