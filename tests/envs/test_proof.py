"""Every registered environment: its contract, the proof that only the task pays, and what else it has to bear."""

import json
import os
import pickle
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from envs.actions import render_action
from envs.base import Exploit, Policy, Task, TextEnv, split_of
from envs.contract import breaches
from envs.proof import LEVELS, difficulty_curve, play, prove
from rewards.score import Criterion, Rubric, Score, Status
from rewards.transcript import Message, ToolCall
from tests.proofs import proof

IDS = envs.known_ids()
COPIES = 64
DUMPS = """
import json, sys, envs
def tasks(env):
    return [env.sample_task(i, "test" if i % 2 else "train", i / 9).model_dump_json() for i in range(10)]
print(json.dumps({i: tasks(envs.make(i)) for i in envs.known_ids()}))
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


# The contract and the proof.


@pytest.mark.parametrize("env_id", IDS)
def test_it_keeps_the_contract(env_id):
    assert [f"{name}: {fault}" for name, fault in breaches(envs.make(env_id)) if fault] == []


@pytest.mark.parametrize("env_id", IDS)
def test_the_expert_earns_everything_and_no_exploit_pays(env_id):
    rows = proof(env_id)
    assert {"expert", "empty", "echo the prompt", "always refuse"} <= {row.policy for row in rows}
    assert sum(row.policy.startswith("exploit:") for row in rows) >= 4
    for row in rows:
        assert row.ok, row


@pytest.mark.parametrize("env_id", IDS)
def test_doing_nothing_refusing_and_echoing_earn_nothing_at_all(env_id):
    best = {row.policy: row.maximum for row in proof(env_id)}
    assert [best[name] for name in ("empty", "always refuse", "echo the prompt", "echo the whole prompt")] == [0] * 4


@pytest.mark.parametrize("env_id", IDS)
def test_only_the_weather_pays_for_the_way_to_a_wrong_answer(env_id):
    assert envs.make(env_id).process_credit == (0.15 if env_id == "postgym/Weather-v0" else 0)


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


# What the contract leaves to be seen.


def test_a_vector_of_environments_plays(env):
    vector = gymnasium.make_vec(env.id, num_envs=2, vectorization_mode="sync")
    observations, infos = vector.reset(seed=[3, 4])
    assert len(observations) == 2
    assert list(infos["task_id"]) == [env.sample_task(3).id, env.sample_task(4).id]
    _, rewards, terminated, _, _ = vector.step(("hello", "hello"))
    assert rewards.shape == terminated.shape == (2,)
    vector.close()


def test_copies_play_side_by_side_and_none_disturbs_another(env):
    """Eight tasks, eight copies of each, all at once: the copies of a task see and earn the same."""
    tasks = spread(env, COPIES // 8)

    def episode(number: int):
        copy, task = envs.make(env.id), tasks[number % len(tasks)]
        return play(copy, task, copy.expert(task))

    with ThreadPoolExecutor(COPIES) as pool:
        played = list(pool.map(episode, range(COPIES)))
    assert [score.value for _, score in played] == [1.0] * COPIES
    for number, episode in enumerate(played):
        assert episode == played[number % len(tasks)]


def test_an_environment_can_be_pickled_within_an_episode(env):
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


def test_a_task_and_actions_replay_in_a_new_environment_from_the_tasks_name_alone(env):
    for task in spread(env, 4):
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


def test_tasks_are_the_same_in_every_process():
    dumps = []
    for hash_seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", DUMPS],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        dumps.append(json.loads(done.stdout))
    here = {i: [t.model_dump_json() for t in spread(envs.make(i), 10)] for i in IDS}
    for env_id in IDS:
        assert dumps[0][env_id] == dumps[1][env_id] == here[env_id], env_id


def test_train_and_test_never_share_a_question(env):
    train, test = ([env.sample_task(i, split) for i in range(100)] for split in ("train", "test"))
    assert not {t.fingerprint for t in train} & {t.fingerprint for t in test}
    assert {split_of(t) for t in train} == {"train"}
    assert {split_of(t) for t in test} == {"test"}


def test_what_a_policy_is_shown_is_the_prompt_and_the_tools(env):
    for task in spread(env, 20):
        messages, info = env.reset(options={"task": task})
        assert messages == task.prompt
        assert info["task_id"] == task.id == f"{env.id}|{task.split}|{task.seed}|{task.difficulty!r}"
        assert not hasattr(messages[0], "target")


def test_tools_are_the_same_for_every_task_unless_they_are_part_of_the_question(env):
    shown = {json.dumps(env.reset(options={"task": task})[1]["tools"]) for task in spread(env, 20)}
    assert (len(shown) > 1) == env.tools_vary


# Any text, any call, any sequence of them.

ARGUMENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
TEXT = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="<>/think tool_call{}\":name[],'()=`Answer: 0123456789\n", max_size=200),
    st.from_regex(r'<tool_call>\{"name": "[a-z_]{1,9}", "arguments": \{("[a-z]{1,4}": -?[0-9]{1,9})?\}\}</tool_call>'),
)


def calls_of(schemas: list[dict]) -> st.SearchStrategy[ToolCall]:
    """Calls of the tools that there are and of others, with arguments of their names and of others."""
    names = [s["function"]["name"] for s in schemas] or ["search"]
    fields = sorted({f for s in schemas for f in s["function"]["parameters"].get("properties", {})}) or ["x"]
    arguments = st.dictionaries(st.sampled_from(fields) | st.text(max_size=5), ARGUMENT, max_size=4)
    return st.builds(ToolCall, st.sampled_from(names) | st.text(max_size=8), arguments, st.just("call_0"))


@pytest.mark.parametrize("env_id", IDS)
@settings(max_examples=25)
@given(st.data())
def test_any_sequence_of_texts_and_calls_is_valid_steps_to_a_verdict(env_id, data):
    env = envs.make(env_id, difficulty=0.3)
    _, info = env.reset(seed=1)
    call = calls_of(info["tools"])
    message = st.builds(Message, st.just("assistant"), TEXT, st.lists(call, max_size=3).map(tuple))
    for _ in range(4):
        messages, reward, terminated, truncated, info = env.step(data.draw(TEXT | message))
        assert env.observation_space.contains(messages)
        assert 0 <= reward <= 1
        assert ("score" in info) == (terminated or truncated)
        assert bool(messages) or terminated
        if terminated or truncated:
            assert info["score"].status in (Status.OK, Status.INVALID_OUTPUT)
            return
    score = env.truncate()
    assert 0 <= score.value <= 1
