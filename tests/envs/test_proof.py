"""Every registered environment: Gymnasium's contract, determinism, and the proof that only the task pays."""

import json
import os
import pickle
import random
import subprocess
import sys
from itertools import pairwise

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from envs.actions import render_action
from envs.base import Exploit, Policy, Task, TextEnv, split_of
from envs.proof import LEVELS, difficulty_curve, play, prove
from rewards.score import Criterion, Rubric, Score, Status
from rewards.transcript import Message

IDS = envs.known_ids()
FINGERPRINTS = """
import json, sys, envs
env = envs.make(sys.argv[1])
tasks = [env.sample_task(i, "test" if i % 2 else "train", i / 19) for i in range(20)]
print(json.dumps([t.model_dump_json() for t in tasks]))
"""


@pytest.fixture(scope="module", params=IDS)
def env(request):
    env = envs.make(request.param)
    yield env
    env.close()


def aloud(policy: Policy, said: list[str]) -> Policy:
    """The policy with its turns as text, as a language model gives them, noted in `said`."""

    def act(messages):
        turn = policy(messages)
        said.append(turn if isinstance(turn, str) else render_action(turn))
        return said[-1]

    return act


def from_script(turns: list[str]) -> Policy:
    rest = iter(turns)
    return lambda messages: next(rest)


def spread(env: TextEnv, n: int) -> list[Task]:
    return [env.sample_task(i, "test" if i % 2 else "train", i / (n - 1)) for i in range(n)]


def test_the_registry_knows_the_environments_that_come_with_postgym():
    assert {"postgym/Code-v0", "postgym/Weather-v0", "postgym/WordProblems-v0"} <= set(IDS)


# The proof.


def test_the_expert_earns_everything_and_no_exploit_pays(env):
    rows = prove(env)
    assert {"expert", "empty", "echo the prompt", "always refuse"} <= {row.policy for row in rows}
    assert sum(row.policy.startswith("exploit:") for row in rows) >= 4
    for row in rows:
        assert row.ok, row


def test_an_exploit_that_may_pay_more_than_a_fifth_says_why(env):
    for name, exploit in env.exploits(env.sample_task(0)).items():
        assert exploit.bound <= 0.2 or exploit.reason, name


def test_a_careless_expert_earns_less_the_harder_the_tasks_are(env):
    curve = difficulty_curve(env)
    assert len(curve) == len(LEVELS)
    for easier, harder in pairwise(curve):
        assert easier > harder, curve


def test_the_curve_counts_what_the_expert_writes_in_every_turn():
    class Long(Careless):
        def expert(self, task: Task):
            return lambda messages: "please " * (1 + round(9 * task.difficulty))

    assert difficulty_curve(Long(), n=3) == pytest.approx([0.99 ** round(1 + 9 * level) for level in LEVELS], abs=0.01)


class Careless(TextEnv):
    """Pays anyone who says the word, and its expert forgets to."""

    id = "test/Careless"

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        return Task(prompt=(Message("user", f"Say please {rng.randrange(10**6)}"),), target={})

    @staticmethod
    def _polite(transcript, target) -> Score:
        return Score(float("please" in transcript.answer), "polite or not")

    rubric = Rubric([Criterion("polite", _polite.__func__)])

    def expert(self, task: Task):
        return lambda messages: "now!"

    def exploits(self, task: Task):
        return {"parrot": Exploit(lambda messages: "please"), "shout": Exploit(lambda messages: "NOW")}


def test_the_proof_finds_a_failing_expert_an_open_exploit_and_a_paid_echo():
    rows = {row.policy: row for row in prove(Careless(), n=10, n_null=10)}
    assert not rows["expert"].ok
    assert rows["expert"].reason == "polite 0: polite or not"
    assert not rows["exploit: parrot"].ok
    assert rows["exploit: parrot"].mean == 1
    assert rows["exploit: shout"].ok
    assert not rows["echo the prompt"].ok
    assert rows["empty"].ok


def test_the_proof_finds_a_task_that_nobody_can_judge():
    class Broken(Careless):
        rubric = Rubric([Criterion("gold", lambda t, g: Score(None, "no gold", status=Status.TASK_ERROR))])

    row = prove(Broken(), n=4, n_null=4)[0]
    assert not row.ok
    assert "no gold" in row.reason


# Gymnasium's contract.


def test_gymnasiums_own_checker_is_content(env):
    check_env(gymnasium.make(env.id).unwrapped)


def test_a_vector_of_environments_plays(env):
    vector = gymnasium.make_vec(env.id, num_envs=2, vectorization_mode="sync")
    observations, infos = vector.reset(seed=[3, 4])
    assert len(observations) == 2
    assert list(infos["task_id"]) == [env.sample_task(3).id, env.sample_task(4).id]
    _, rewards, terminated, _, _ = vector.step(("hello", "hello"))
    assert rewards.shape == terminated.shape == (2,)
    vector.close()


def test_an_environment_can_be_pickled_before_and_within_an_episode(env):
    fresh = pickle.loads(pickle.dumps(envs.make(env.id)))
    assert fresh.sample_task(5) == env.sample_task(5)
    task = env.sample_task(5)
    act = env.expert(task)
    env.reset(options={"task": task})
    copy = pickle.loads(pickle.dumps(env))
    action = act(env.transcript.messages)
    outcomes = [e.step(action) for e in (env, copy)]
    assert outcomes[0] == outcomes[1]


def test_a_step_without_an_episode_is_refused(env):
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        envs.make(env.id).step("hello")


def test_the_same_task_and_actions_replay_to_the_same_transcript_and_score(env):
    for task in spread(env, 6):
        actions: list[str] = []
        first = play(env, task, aloud(env.expert(task), actions))
        again = envs.make(env.id)
        same_task = again.sample_task(task.seed, task.split, task.difficulty)
        assert play(again, same_task, from_script(actions)) == first
        assert first[1].value == 1


@pytest.mark.parametrize("text", ["", "no", "Answer: 1", '<tool_call>{"name": "none"}</tool_call>', "<think>"])
def test_a_cheap_action_replays_to_the_same_outcome(env, text):
    outcomes = []
    for _ in range(2):
        env.reset(seed=11)
        outcomes.append(env.step(text))
    assert outcomes[0] == outcomes[1]


# Tasks.


def test_tasks_are_the_same_in_every_process(env):
    dumps = []
    for hash_seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", FINGERPRINTS, env.id],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        dumps.append(json.loads(done.stdout))
    assert dumps[0] == dumps[1] == [t.model_dump_json() for t in spread(env, 20)]


def test_tasks_do_not_depend_on_what_was_sampled_before(env):
    first = env.sample_task(7, "train", 0.5)
    env.sample_task(8, "test", 0.1)
    assert env.sample_task(7, "train", 0.5) == first


def test_train_and_test_never_share_a_question(env):
    train, test = ([env.sample_task(i, split) for i in range(500)] for split in ("train", "test"))
    assert not {t.fingerprint for t in train} & {t.fingerprint for t in test}
    assert {split_of(t) for t in train} == {"train"}
    assert {split_of(t) for t in test} == {"test"}


def test_questions_seldom_repeat_at_any_difficulty(env):
    for level in (0.0, 0.5, 1.0):
        assert len({env.sample_task(i, "train", level).fingerprint for i in range(300)}) > 270, level


def test_what_a_policy_is_shown_does_not_hold_the_target(env):
    for task in spread(env, 20):
        messages, info = env.reset(options={"task": task})
        assert set(info) == {"tools", "task_id"}
        assert messages == task.prompt
        assert info["task_id"] == task.id
        assert json.dumps(info["tools"]) == json.dumps(env.reset(seed=0)[1]["tools"])  # the same for every task
        assert not hasattr(messages[0], "target")


def test_a_task_survives_json(env):
    for task in spread(env, 5):
        assert Task.model_validate_json(task.model_dump_json()) == task


# Any text.


@pytest.mark.parametrize("env_id", IDS)
@settings(max_examples=40)
@given(
    st.one_of(
        st.text(max_size=200),
        st.text(alphabet="<>/think tool_call{}\":name[],'()=`Answer: 0123456789\n", max_size=200),
        st.from_regex(
            r'<tool_call>\{"name": "[a-z_]{1,9}", "arguments": \{("[a-z]{1,4}": -?[0-9]{1,9})?\}\}</tool_call>'
        ),
    )
)
def test_any_text_is_a_valid_step(env_id, text):
    env = envs.make(env_id, difficulty=0.3)
    env.reset(seed=1)
    messages, reward, terminated, truncated, info = env.step(text)
    assert env.observation_space.contains(messages)
    assert 0 <= reward <= 1
    assert bool(messages) != (terminated and not truncated) or truncated
    assert ("score" in info) == (terminated or truncated)
    if terminated or truncated:
        assert info["score"].status in (Status.OK, Status.INVALID_OUTPUT)
