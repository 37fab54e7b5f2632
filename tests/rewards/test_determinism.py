"""Every public reward: the same score for the same episode, whoever asks, and never anything but a score."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from rewards.recipes import known_rewards
from rewards.score import Score, Status
from rewards.transcript import CallRecord, Message, ToolCall, Transcript
from tests.rewards.transcripts import digest, episode, public_rewards, scores

COUNT = 10_000
ROOT = Path(__file__).parents[2]
REWARDS = public_rewards()
ASK_OUTSIDE = {"rewards.judge.judge"}


def is_score(score):
    return isinstance(score, Score) and isinstance(score.reason, str) and (score.value is None or 0 <= score.value <= 1)


def test_every_public_reward_is_tried_here_but_those_that_ask_outside():
    ours = {name for name in known_rewards() if name.startswith("rewards.")}
    assert ours - set(REWARDS) == ASK_OUTSIDE, "a factory needs arguments in tests/rewards/transcripts.py"


def test_random_episodes_score_the_same_again_in_another_process_and_in_another_order():
    command = [sys.executable, "-m", "tests.rewards.transcripts", str(COUNT), "7"]
    environment = {**os.environ, "PYTHONHASHSEED": "123", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment, text=True) as other:
        here = [digest(i, REWARDS) for i in range(COUNT)]
        there = json.loads(other.communicate()[0])
    again = {i: digest(i, REWARDS) for i in reversed(range(0, COUNT, 7))}
    assert other.returncode == 0
    assert [i for i in range(COUNT) if there[str(i)] != here[i]] == []
    assert [i for i, found in again.items() if found != here[i]] == []


def test_random_episodes_reach_all_kinds_of_verdict():
    seen = [score for i in range(600) for _, score in scores(i, REWARDS)]
    assert {s.status for s in seen} >= {Status.OK, Status.INVALID_OUTPUT, Status.TASK_ERROR, Status.INFRA_ERROR}
    rubrics = [dict(scores(i, {}))["rubric"].value for i in range(600)]
    assert sum(v == 1 for v in rubrics) > 20
    assert sum(v == 0 for v in rubrics) > 20
    assert all(is_score(s) for s in seen)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["geocode", "current", "forecast", "calculate", "", "no such tool"])
TEXT = st.text(max_size=60) | st.sampled_from([f"Answer: {v}" for v in ("5", "1e9", "-0", "½", "Oslo, 3", "9" * 500)])
ARGUMENTS = st.dictionaries(st.text(max_size=8), JSON, max_size=3)
CALLS = st.builds(ToolCall, NAMES, ARGUMENTS, st.text(max_size=3))
RECORDS = st.builds(CallRecord, NAMES, ARGUMENTS, JSON, st.none() | st.text(max_size=8))
MESSAGES = st.builds(
    Message, st.sampled_from(["system", "user", "assistant", "tool"]), TEXT, st.lists(CALLS, max_size=2).map(tuple)
)
TASKS = [envs.make(i).sample_task(s, "train", s / 4) for i in envs.known_ids() for s in range(5)]
TARGETS = st.sampled_from([t.target for t in TASKS]) | st.just({})


@pytest.mark.parametrize("name", REWARDS)
@settings(max_examples=40)
@given(st.lists(MESSAGES, max_size=6), st.lists(RECORDS, max_size=4), TARGETS, TEXT)
def test_no_text_and_no_call_makes_a_reward_raise_or_leave_its_range(name, messages, calls, target, closing):
    for spoken in (messages, [*messages, Message("assistant", closing)]):
        assert is_score(REWARDS[name](Transcript(tuple(spoken), tuple(calls)), target))


@settings(max_examples=40)
@given(st.integers(0, COUNT), st.lists(MESSAGES, max_size=4))
def test_nor_does_a_rubric(index, more):
    env, task, transcript = episode(index)
    longer = Transcript((*transcript.messages, *more), transcript.calls, transcript.evidence)
    assert is_score(env.rubric(longer, task.target))
