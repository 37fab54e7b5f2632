"""Tools over HTTP: the same episodes as in process, whatever strikes on the way, and what agents earn in them."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from envs.proof import play, prove
from envs.transport.faults import Faults
from envs.transport.retrying import retrying
from rewards.score import Status
from rewards.transcript import Message, ToolCall
from tests.envs.transport.worlds import IDS, OPTIONS, Clocks, clocks, over_http, tasks_of


def test_the_environments_with_tools_are_found():
    assert {"postgym/Weather-v0", "postgym/Search-v0", "postgym/CodeDebug-v0", "postgym/Terminal-v0"} <= set(IDS)


@pytest.mark.parametrize("env_id", IDS)
def test_without_faults_an_episode_is_the_same_as_in_process(env_id):
    here, there = envs.make(env_id, **OPTIONS.get(env_id, {})), over_http(env_id)
    for task in tasks_of(here, 4):
        assert play(there, task, here.expert(task)) == play(here, task, here.expert(task))


@pytest.mark.parametrize("env_id", IDS)
def test_an_expert_that_retries_earns_everything_whatever_strikes(env_id):
    env = over_http(env_id, faults=Faults(rate=0.6, stall_seconds=0.01))
    struck = 0
    for task in tasks_of(env, 10):
        seen, score = play(env, task, retrying(env.expert(task)))
        assert score.value == 1, score.reason
        struck += sum(record.fault for record in seen.calls)
    assert struck


def test_a_retrying_expert_lasts_through_the_worst_that_can_strike():
    env = over_http("postgym/Weather-v0", faults=Faults(rate=1, kinds=("server_error",)), difficulty=1)
    task = env.sample_task(3)
    seen, score = play(env, task, retrying(env.expert(task)))
    assert sum(record.fault for record in seen.calls) == 2 * task.target["calls"]
    assert score.value == 1


def test_the_proof_holds_over_http_with_faults_and_no_cheat_profits_from_them():
    env = over_http("postgym/Weather-v0", faults=Faults(rate=0.3, stall_seconds=0.01), difficulty=0.1)
    rows = prove(env, n=6, n_null=2)
    assert [row for row in rows if not row.ok] == []


def test_an_agent_that_gives_up_after_a_fault_or_invents_the_answer_earns_nothing():
    env = over_http("postgym/Weather-v0", faults=Faults(rate=1, kinds=("server_error",)), difficulty=0.2)
    for task in tasks_of(env, 4):
        plan, closing = task.meta["plan"], task.meta["closing"]
        for words in ("I'm sorry, the service doesn't answer.", "Answer: 12", closing):
            call = Message("assistant", "", (ToolCall(**plan[0], id="call_0"),))
            seen, score = play(env, task, lambda m, w=words, c=call: w if m[-1].role == "tool" else c)
            assert score.value == 0, words
            assert seen.calls[0].fault


def test_repeats_after_a_fault_are_neither_needless_nor_invalid_calls():
    env = over_http("postgym/Weather-v0", faults=Faults(rate=0.5, kinds=("server_error",)))
    task = next(t for t in tasks_of(env, 20) if t.target["calls"] > 6)
    seen, score = play(env, task, retrying(env.expert(task)))
    parts = {part.name: part.value for part in score.parts}
    assert len(seen.calls) > task.target["calls"]
    assert parts["economy"] == parts["valid calls"] == 1


def test_repeats_without_a_fault_are_needless_calls_still():
    env = over_http("postgym/Weather-v0", difficulty=0)
    task = env.sample_task(0)
    twice = [call for call in task.meta["plan"] for _ in range(2)]

    def act(messages):
        turn = sum(m.role == "assistant" for m in messages)
        return Message("assistant", "", (ToolCall(**twice[turn]),)) if turn < len(twice) else task.meta["closing"]

    assert play(env, task, act)[1].value < 1


def test_faults_give_room_for_retries_but_not_for_ever():
    policy = lambda messages: Message("assistant", "", (ToolCall("time", {"zone": "here"}),))  # noqa: E731
    turns = []
    for rate in (0, 1):
        env = clocks(rate=rate, kinds=("server_error",))
        seen, _ = play(env, env.sample_task(0), policy)
        turns.append(sum(m.role == "assistant" for m in seen.messages))
    assert turns == [Clocks.max_turns, 3 * Clocks.max_turns]


def test_the_same_actions_meet_the_same_faults():
    env = over_http("postgym/Weather-v0", faults=Faults(rate=0.5, stall_seconds=0.01))
    task = env.sample_task(4, difficulty=1.0)
    again = over_http("postgym/Weather-v0", faults=Faults(rate=0.5, stall_seconds=0.01))
    assert play(env, task, retrying(env.expert(task))) == play(again, task, retrying(env.expert(task)))


def test_an_episode_can_be_pickled_and_both_copies_go_on_by_themselves():
    env = over_http("postgym/CodeDebug-v0", faults=Faults(rate=0.5, kinds=("server_error",)))
    task = env.sample_task(1)
    act = retrying(env.expert(task))
    env.reset(options={"task": task})
    env.step(act(env.transcript.messages))
    copy = pickle.loads(pickle.dumps(env))
    outcomes = []
    for one in (env, copy):
        ended = False
        while not ended:
            *_, terminated, truncated, info = one.step(act(one.transcript.messages))
            ended = terminated or truncated
        outcomes.append((one.transcript, info["score"]))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1].value == 1


@settings(max_examples=30)
@given(
    st.text(alphabet="<>/tool_call{}\":name[],geocode currnt'()=`Answer: 0123456789\n", max_size=120)
    | st.integers(0, 3000)
)
def test_any_text_is_a_valid_step_over_http(drawn):
    text = drawn if isinstance(drawn, str) else "[" * drawn + "]" * drawn
    call = f'<tool_call>{{"name": "geocode", "arguments": {{"city": {text}}}}}</tool_call>'
    for said in (text, call):
        env = over_http("postgym/Weather-v0", faults=0.3, difficulty=0.0)
        env.reset(seed=1)
        *_, terminated, truncated, info = env.step(said)
        if terminated or truncated:
            assert info["score"].status in (Status.OK, Status.INVALID_OUTPUT)
