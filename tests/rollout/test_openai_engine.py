"""A model behind an OpenAI-compatible endpoint, over real HTTP: its tool calls, its faults, its benchmark."""

import asyncio
import json
import re
import time

import httpx
import pytest
from fastapi.responses import JSONResponse, Response
from hypothesis import given
from hypothesis import strategies as st

from envs.actions import parse_action
from rewards.endpoint import Endpoint
from rewards.errors import ConfigError, EngineError, TurnError
from rewards.score import Status
from rewards.transcript import Message, ToolCall
from rollout.collect import collect_groups
from rollout.engine import ChatRequest, Reply, Sampling
from rollout.episode import Limits, run_episode
from rollout.openai_engine import OpenAIEngine, _read_reply, parse_endpoint
from rollout.store import read_groups, write_groups
from tests.rewards.endpoints import FakeJudge, completion, serving
from tests.worlds import Lookup
from trainer.benchmark import benchmark, benchmark_config
from trainer.logs import Display
from trainer.tasks import Mixture
from trainer.view.data import RunData


def called(*arguments, name="look"):
    """A native message with a call for each text of arguments."""
    calls = [
        {"id": f"c{i}", "type": "function", "function": {"name": name, "arguments": text}}
        for i, text in enumerate(arguments)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def look_twice(body):
    """Solves `Lookup`, from what it is sent alone."""
    results = [m["content"] for m in body["messages"] if m["role"] == "tool"]
    if len(results) < 2:
        return called('{"box": 1}')
    return {"role": "assistant", "content": json.loads(results[-1]).split()[0]}


class FakeModel(FakeJudge):
    """Answers by `play(body)`, and refuses what OpenAI's API refuses."""

    def __init__(self, play=look_twice, tokens=0):
        super().__init__()
        self.play, self.tokens = play, tokens
        self.unsupported = set()

    def answer(self, body) -> Response:
        for name in self.unsupported & set(body):
            error = {"message": f"{name} is not supported with this model", "param": name}
            return JSONResponse({"error": error}, 400)
        if wrong := mistake(body["messages"]):
            return JSONResponse({"error": {"message": wrong}}, 400)
        return completion(self.play(body), usage={"total_tokens": self.tokens})


def mistake(messages):
    """What OpenAI's API has against a conversation, if anything."""
    for at, message in enumerate(messages):
        open_ids = [c["id"] for c in message.get("tool_calls", ())]
        for call in message.get("tool_calls", ()):
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["function"]["name"]):
                return f"no name: {call}"
            json.loads(call["function"]["arguments"])
        following = [m.get("tool_call_id") for m in messages[at + 1 : at + 1 + len(open_ids)]]
        if len(set(open_ids)) < len(open_ids) or sorted(open_ids) != sorted(map(str, following)):
            return f"calls {open_ids} are followed by results {following}"
    return None


@pytest.fixture
def fake():
    with serving(FakeModel()) as fake:
        yield fake


def engine_at(fake, **settings):
    return OpenAIEngine(Endpoint(fake.url, "theirs", **({"retries": 3, "pause_s": 0.01} | settings)))


def in_loop(engine, coroutine):
    async def go():
        try:
            return await coroutine
        finally:
            await engine.close()

    return asyncio.run(go())


def play(engine, env=None, **limits):
    env = env or Lookup()
    episode = run_episode(env, env.sample_task(0), engine, None, Sampling(64, 0.0), Limits(**limits))
    return in_loop(engine, episode)


def ask(engine, **sampling):
    request = ChatRequest((Message("user", "Hi."),), (), Sampling(**({"max_tokens": 9, "temperature": 0.0} | sampling)))
    return in_loop(engine, engine.reply(request))


def test_tools_go_out_and_calls_come_back_natively(fake, tmp_path):
    trajectory = play(engine_at(fake))
    assert (trajectory.score.value, trajectory.finish) == (1, "terminated")
    first, second, third = fake.requests
    assert [t["function"]["name"] for t in first["tools"]] == ["look"]
    assert (first["model"], first["temperature"], first["max_tokens"]) == ("theirs", 0.0, 64)
    said, result = second["messages"][1:]
    assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"box": 1}
    assert result["tool_call_id"] == said["tool_calls"][0]["id"]
    ids = [m["tool_call_id"] for m in third["messages"] if m["role"] == "tool"]
    assert len(set(ids)) == 2, "a model that numbers every turn's calls alike is told which result is whose"
    assert trajectory.transcript.messages[1].tool_calls[0].name == "look"
    assert trajectory.sampled_tokens == 0, "it has messages, no tokens"


def test_episodes_without_tokens_are_stored_like_others(fake, tmp_path):
    engine = engine_at(fake)
    tasks = [Lookup().sample_task(i) for i in range(3)]
    groups = collect_groups(tasks, 1, lambda env_id: Lookup(), engine, None, Sampling(64), Limits())
    groups = in_loop(engine, groups)
    write_groups(tmp_path / "g.parquet", groups)
    read = read_groups(tmp_path / "g.parquet")
    assert [g.trajectories[0].transcript for g in read] == [g.trajectories[0].transcript for g in groups]
    assert [g.trajectories[0].score.value for g in read] == [1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"box": 1', "tool call can't be read"),
        ('{"box": NaN}', "NaN is no JSON"),
        ("[1]", "not one object"),
        ('{"box": 1} and more', "not one object"),
        ('{"box": "\\ud800"}', "half of a surrogate pair"),
    ],
)
def test_a_call_that_cannot_be_read_is_mended_by_the_model(fake, arguments, told):
    tries = iter([arguments])
    fake.play = lambda body: called(next(tries)) if len(body["messages"]) == 1 else look_twice_after_the_first(body)
    trajectory = play(engine_at(fake))
    assert told in fake.requests[1]["messages"][-1]["content"]
    assert trajectory.transcript.calls[0].error == "malformed_call"
    assert [c.error for c in trajectory.transcript.calls[1:]] == [None, None]


def look_twice_after_the_first(body):
    return look_twice({"messages": [m for m in body["messages"] if "error" not in str(m["content"])]})


def test_a_call_of_no_tool_and_more_calls_than_are_run_leave_a_conversation_that_the_api_takes(fake):
    fake.play = lambda body: called('{"box": 1}', name="no such tool!")
    assert play(engine_at(fake)).finish == "truncated"
    fake.play = lambda body: called(*['{"box": 1}'] * 12)
    trajectory = play(engine_at(fake))
    assert trajectory.finish == "truncated"
    assert "at most 8 calls" in trajectory.transcript.messages[-1].content


def test_content_in_parts_is_its_text_without_the_thinking(fake):
    parts = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "It is 5."}]
    fake.play = lambda body: {"role": "assistant", "content": parts}
    assert ask(engine_at(fake)).message == Message("assistant", "It is 5.")


def test_what_passes_is_asked_again_and_retry_after_is_kept_to(fake):
    fake.faults = [(500, {}, "oops"), (429, {"Retry-After": "0.3"}, "busy"), (200, {}, "<html>")]
    started = time.monotonic()
    assert play(engine_at(fake)).score.value == 1
    assert time.monotonic() - started > 0.3
    assert len(fake.requests) == 3 + 3


@pytest.mark.parametrize(
    ("faults", "error", "said", "asked"),
    [
        (
            [(429, {"Retry-After": "0"}, "busy")] * 4,
            EngineError,
            r"theirs at http.*HTTP 429: busy \(tried 4 times\)",
            4,
        ),
        ([(401, {}, '{"error": {"message": "no key"}}')], EngineError, "HTTP 401: no key; .*--api-key-env", 1),
        ([(404, {}, "nothing here")], EngineError, "HTTP 404: nothing here; check the model's name and the URL", 1),
        ([(200, {}, "{")] * 4, TurnError, "no chat completion", 4),
        ([(200, {}, '{"choices": []}')] * 4, TurnError, "no chat completion", 4),
        ([(200, {}, '{"choices": [{"message": {"content": [{}]}}]}')] * 4, TurnError, "no chat completion", 4),
        ([(400, {}, "policy")], TurnError, "HTTP 400: policy", 1),
    ],
)
def test_errors_name_the_endpoint_and_the_mend(fake, faults, error, said, asked):
    fake.faults = list(faults)
    with pytest.raises(error, match=said) as raised:
        ask(engine_at(fake))
    assert type(raised.value) is error
    assert len(fake.requests) == asked


def test_one_refused_turn_costs_its_own_episode_and_a_lost_endpoint_stops_all(fake):
    engine = engine_at(fake)
    fake.faults = [(400, {}, "content policy")]
    tasks = [Lookup().sample_task(i) for i in range(3)]

    def groups(engine):
        return collect_groups(tasks, 1, lambda e: Lookup(), engine, None, Sampling(64), Limits(), concurrency=1)

    scores = [g.trajectories[0].score for g in in_loop(engine, groups(engine))]
    assert [s.value for s in scores] == [None, 1, 1]
    assert scores[0].status is Status.INFRA_ERROR
    assert "content policy" in scores[0].reason
    fake.faults = [(401, {}, "key")]
    engine = engine_at(fake)
    with pytest.raises(EngineError, match="401"):
        in_loop(engine, groups(engine))


def test_a_slow_endpoint_is_given_up_and_one_that_is_not_there(fake):
    fake.pause = 60
    with pytest.raises(EngineError, match=r"ReadTimeout.*tried 2 times"):
        ask(engine_at(fake, seconds=1, retries=1))
    nowhere = OpenAIEngine(Endpoint("http://127.0.0.1:1/v1", "m", retries=1, pause_s=0.01))
    with pytest.raises(EngineError, match=r"ConnectError.*tried 2 times"):
        ask(nowhere)


def test_settings_that_a_model_does_not_take_are_left_out_by_all_that_run(fake):
    fake.unsupported = {"max_tokens", "temperature"}
    engine = engine_at(fake)
    tasks = [Lookup().sample_task(i) for i in range(4)]
    found = in_loop(engine, collect_groups(tasks, 1, lambda e: Lookup(), engine, None, Sampling(64, 0.0), Limits()))
    assert [g.trajectories[0].score.value for g in found] == [1] * 4
    assert engine.refused == {"max_tokens", "temperature"}
    assert fake.requests[-1]["max_completion_tokens"] == 64
    assert not {"max_tokens", "temperature"} & set(fake.requests[-1])


def test_a_conversation_that_is_too_long_ends_with_a_score_and_a_prompt_is_a_task_error(fake):
    full = (400, {}, '{"error": {"message": "This model\'s maximum context length is 64 tokens."}}')
    fake.faults = [full]
    assert play(engine_at(fake)).score.status is Status.TASK_ERROR
    fake.tokens = 90
    counted = play(engine_at(fake), max_context=90)
    assert (counted.finish, counted.score.value) == ("context", 0)
    fake.tokens = 60
    fake.requests.clear()
    play(engine_at(fake), max_context=90)
    assert [r["max_tokens"] for r in fake.requests] == [64, 30, 30]


def test_the_key_comes_from_the_environment(fake, monkeypatch):
    with pytest.raises(ConfigError, match="SOME_KEY is not set"):
        engine_at(fake, api_key_env="SOME_KEY")
    monkeypatch.setenv("SOME_KEY", "s3cret")
    ask(engine_at(fake, api_key_env="SOME_KEY"))
    assert fake.headers[-1]["authorization"] == "Bearer s3cret"
    ask(engine_at(fake))
    assert "authorization" not in fake.headers[-1]


@pytest.mark.parametrize(
    "spec", ["openai:m", "openai:@http://h/v1", "openai:m@h/v1", "m@http://h/v1", "openai:m@http://"]
)
def test_an_endpoint_written_otherwise_is_refused(spec):
    with pytest.raises(ConfigError, match="write openai:MODEL@URL"):
        parse_endpoint(spec)


def test_an_address_that_is_none_is_refused_before_it_is_asked():
    with pytest.raises(ConfigError, match="'http://h:port/v1' is no URL"):
        OpenAIEngine(parse_endpoint("openai:m@http://h:port/v1"))


def test_names_of_models_may_hold_the_separator():
    assert parse_endpoint("openai:org/m@2024@https://h/v1").model == "org/m@2024"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ANY_CALL = st.fixed_dictionaries(
    {},
    optional={"id": ANY_JSON, "function": ANY_JSON | st.fixed_dictionaries({"name": ANY_JSON, "arguments": ANY_JSON})},
)
ANY_MESSAGE = st.fixed_dictionaries({}, optional={"content": ANY_JSON, "tool_calls": ANY_JSON | st.lists(ANY_CALL)})


@given(st.builds(lambda m: {"choices": [{"message": m}]}, ANY_MESSAGE) | ANY_JSON)
def test_any_answer_is_a_message_that_can_be_written_or_an_error(answer):
    response = httpx.Response(200, content=json.dumps(answer).encode())
    try:
        reply = _read_reply(response)
    except ValueError:
        return
    assert isinstance(reply, Reply)
    json.dumps(reply.message.to_dict(), ensure_ascii=False).encode()


def test_a_model_behind_an_endpoint_is_compared_on_the_same_tasks(tmp_path):
    config = benchmark_config(["postgym/Weather-v0", "postgym/WordProblems-v0"], "0,0.5", 8, 128, 4096, "float32")
    mixture = Mixture(config.environments)
    experts = {task.prompt[-1].content: mixture.expert(task) for task in mixture.held_out(8)}

    def played(body):
        if body["model"] == "weak":
            return {"role": "assistant", "content": "I can't tell."}
        messages = [received(m) for m in body["messages"]]
        action = experts[next(m.content for m in messages if m.role == "user")](messages)
        message = parse_action(action) if isinstance(action, str) else action
        said = called(*(json.dumps(dict(c.arguments)) for c in message.tool_calls))
        for row, call in zip(said["tool_calls"], message.tool_calls, strict=True):
            row["function"]["name"] = call.name
        return said | {"content": message.content}

    with serving(FakeModel(played)) as fake:
        models = {name: f"openai:{name}@{fake.url}" for name in ("weak", "strong")}
        summary = benchmark(models, config, tmp_path / "out", Display())
        asked = len(fake.requests)
        assert benchmark(models, config, tmp_path / "out", Display())["stages"] == summary["stages"]
        assert len(fake.requests) == asked, "what is evaluated is not evaluated again"
        with pytest.raises(ConfigError, match="no endpoint of that name"):
            benchmark(models, config, tmp_path / "out", Display(), {"stronk": "KEY"})
    assert summary["stages"]["strong"]["overall"]["success_rate"] == 1
    assert summary["stages"]["weak"]["overall"]["success_rate"] == 0
    assert (summary["comparisons"][0]["n"], summary["comparisons"][0]["dropped"]) == (8, 0)
    assert summary["comparisons"][0]["low"] > 0
    shown = RunData(tmp_path / "out").episode("eval-strong", 0)
    assert [m["role"] for m in shown["messages"]][-1] == "assistant"
    assert shown["tokens"]["ids"] == [], "the viewer shows what there is"


def received(row):
    calls = [
        ToolCall(c["function"]["name"], json.loads(c["function"]["arguments"]), c["id"])
        for c in row.get("tool_calls", ())
    ]
    return Message(row["role"], row["content"], tuple(calls), row.get("tool_call_id"))
