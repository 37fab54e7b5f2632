"""Chats from a file become the very ids and mask of a rollout, and a bad line is named."""

import asyncio
import json

import numpy as np
import pytest

import envs
from rewards.errors import ConfigError
from rollout.chats import encode_chat, read_chats
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits, run_episode
from tests.rollout.families import FAMILIES, renderer_of


def as_openai(messages):
    """The chat as OpenAI's API writes it: the arguments of calls are text."""
    rows = [m.to_dict() for m in messages]
    for call in (call for row in rows for call in row.get("tool_calls", ())):
        call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
    return rows


@pytest.mark.parametrize("family", ["default", *sorted(FAMILIES)])
@pytest.mark.parametrize("env_id", ["postgym/Weather-v0", "postgym/WordProblems-v0"])
def test_an_experts_episode_read_from_a_file_has_the_ids_and_mask_of_its_rollout(tmp_path, renderer, env_id, family):
    renderer = renderer if family == "default" else renderer_of(family)
    env = envs.make(env_id)
    task = env.sample_task(3, "train", 0.4)
    expert = ScriptedEngine(env.expert, renderer.turn_ids)
    played = asyncio.run(run_episode(env, task, expert, renderer, Sampling(64), Limits(max_context=10_000)))
    row = {"messages": as_openai(played.transcript.messages), "tools": [t.schema for t in env.tools]}
    path = tmp_path / "chats.jsonl"
    path.write_text("\n" + json.dumps(row) + "\n")
    (chat,) = read_chats(path)
    example = encode_chat(chat, renderer)
    assert example.token_ids.tolist() == played.token_ids.tolist()
    assert np.array_equal(example.loss_mask, played.loss_mask)


USER, SAID = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"chats\.jsonl:2: no JSON"),
        ("[]", r"chats\.jsonl:2: a JSON object is needed"),
        ('{"message": []}', r"chats\.jsonl:2: messages must be a list"),
        (json.dumps({"messages": [USER]}), r"chats\.jsonl:2: .*ends with the assistant"),
        (json.dumps({"messages": [USER, SAID, SAID]}), r"chats\.jsonl:2: two assistant messages"),
        (json.dumps({"messages": [USER, {"role": "robot"}]}), r"messages\[1\]: a message needs a role"),
        (json.dumps({"messages": [USER, SAID | {"content": 3}]}), r"messages\[1\]: content must be text"),
        (
            json.dumps({"messages": [USER, SAID | {"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]}),
            r"messages\[1\]\.tool_calls\[0\]: arguments '\{' are no JSON",
        ),
        (json.dumps({"messages": [USER, SAID], "tools": "all"}), r"chats\.jsonl:2: tools must be a list"),
    ],
)
def test_a_line_that_is_no_chat_is_named(tmp_path, line, said):
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps({"messages": [USER, SAID]}) + "\n" + line + "\n")
    with pytest.raises(ConfigError, match=said):
        read_chats(path)


def test_a_file_without_chats_is_refused(tmp_path):
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(ConfigError, match="no chats"):
        read_chats(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="does not exist"):
        read_chats(tmp_path / "missing.jsonl")
