"""Exported data sets: read back by our own reader, by `datasets`, and tokenised by TRL's trainers."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from rewards.errors import ConfigError
from rewards.score import Score
from rewards.transcript import Message, ToolCall
from rollout.catalogue import Filter, read_all
from rollout.chats import encode_chat, read_chats
from rollout.export import ToolsOf, export
from rollout.store import write_groups
from rollout.trajectory import Group
from trainer.run_folder import environment_maker


@pytest.fixture(scope="module")
def run(made_run):
    return made_run.folder


@pytest.fixture(scope="module")
def tools_of(run):
    return ToolsOf(environment_maker(run))


@pytest.fixture
def exported(run, tools_of, tmp_path):
    def write(layout, wanted=None, **settings):
        path = tmp_path / f"{layout}.jsonl"
        done = export(path, layout, read_all(run, wanted), tools_of, **settings)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(rows) == done.written
        return path, rows, done

    return write


def load(path, tmp_path):
    import datasets

    return datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))


def test_openai_chats_become_the_tokens_that_were_sampled(exported, run, renderer):
    wanted = Filter(stage="experts")
    path, rows, _ = exported("openai", wanted)
    for chat, (_, trajectory) in zip(read_chats(path), read_all(run, wanted), strict=True):
        assert encode_chat(chat, renderer).token_ids.tolist() == trajectory.token_ids.tolist()
    calls = [c for row in rows for m in row["messages"] for c in m.get("tool_calls", ())]
    assert all(isinstance(c["function"]["arguments"], str) for c in calls), "OpenAI writes arguments as text"
    assert calls


def test_the_tools_are_those_that_the_run_offered(exported):
    _, rows, _ = exported("openai", Filter(env="WordProblems", stage="experts"))
    assert {t["function"]["name"] for row in rows for t in row["tools"]} == {"calculate"}, "an option of the run"


def test_sharegpt_turns_alternate_and_lose_nothing(exported, run):
    wanted = Filter(stage="experts")
    _, rows, _ = exported("sharegpt", wanted)
    for row, (_, trajectory) in zip(rows, read_all(run, wanted), strict=True):
        sides = ["us" if t["from"] in ("human", "observation") else "gpt" for t in row["conversations"]]
        assert sides[0] == "us"
        assert sides[-1] == "gpt"
        text = json.dumps(row, ensure_ascii=False)
        for message in trajectory.transcript.messages:
            assert json.dumps(message.content, ensure_ascii=False)[1:-1] in text
            assert all(call.name in text for call in message.tool_calls)
        assert row.get("system", "") == "".join(m.content for m in trajectory.transcript.messages if m.role == "system")


def test_an_sft_set_is_what_trl_tokenises_as_we_do(exported, run, renderer, tmp_path, tiny_model):
    from trl import SFTConfig, SFTTrainer

    wanted = Filter(stage="experts")
    path, rows, _ = exported("sft", wanted)
    data = load(path, tmp_path)
    assert data.column_names == ["messages", "tools"]
    for row, read in zip(rows, data, strict=True):
        assert read == row, "Arrow added or lost no field"
    settings = SFTConfig(str(tmp_path / "out"), report_to=[], use_cpu=True, max_length=None, dataset_num_proc=None)
    trainer = SFTTrainer(str(tiny_model), settings, train_dataset=data, processing_class=renderer.tokenizer)
    for ids, (_, trajectory) in zip(trainer.train_dataset["input_ids"], read_all(run, wanted), strict=True):
        ours = renderer.tokenizer.decode(trajectory.token_ids)
        assert renderer.tokenizer.decode(ids).startswith(ours.rstrip())


def test_a_dpo_set_pairs_within_a_group_by_margin_and_trl_takes_it(exported, run, tmp_path, renderer, tiny_model):
    from trl import DPOConfig, DPOTrainer

    path, rows, _ = exported("dpo", Filter(stage="grpo"), margin=0.5)
    scores = {}
    for _, t in read_all(run, Filter(stage="grpo")):
        if t.score.value is not None:
            said = json.dumps([m.to_dict() for m in t.transcript.messages[len(t.task.prompt) :]])
            scores.setdefault(json.dumps([m.to_dict() for m in t.task.prompt]), {})[said] = t.score.value
    for row in rows:
        group = scores[json.dumps(row["prompt"])]
        assert row["score_chosen"] - row["score_rejected"] >= 0.5
        assert row["score_chosen"] == max(group.values())
        assert row["chosen"][0]["role"] == row["rejected"][0]["role"] == "assistant"
        assert row["chosen"] != row["rejected"]
    data = load(path, tmp_path)
    assert set(data.column_names) >= {"prompt", "chosen", "rejected", "tools"}
    settings = DPOConfig(str(tmp_path / "out"), report_to=[], use_cpu=True, max_length=None)
    trainer = DPOTrainer(str(tiny_model), args=settings, train_dataset=data, processing_class=renderer.tokenizer)
    assert len(trainer.train_dataset) == len(rows)
    assert {"prompt_ids", "chosen_ids", "rejected_ids"} <= set(trainer.train_dataset.column_names)


def test_a_margin_leaves_out_what_lies_closer(exported, run):
    counts = [exported("dpo", Filter(stage="grpo"), margin=m)[2].written for m in (0.05, 0.5, 1.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] > 0


def test_errors_are_left_out_and_counted(exported):
    *_, done = exported("openai", Filter(first_step=1, last_step=1))
    assert done.left_out == {"an error ended it": 1}
    assert done.written == 15


def with_messages(trajectory, *said, value=1.0):
    transcript = replace(trajectory.transcript, messages=(*trajectory.task.prompt, *said))
    return replace(trajectory, transcript=transcript, score=Score(value, ""), finish="truncated")


def test_what_a_layout_cannot_say_is_left_out_and_counted(run, tools_of, tmp_path):
    _, t = next(read_all(run, Filter(stage="experts", env="Weather")))
    call = ToolCall("geocode", {"city": "Ås\u2028"}, "call_0")
    asked = Message("assistant", "", (call, replace(call, id="call_1")))
    answered = [Message("tool", "{}", tool_call_id=f"call_{i}") for i in range(2)]
    group = Group(
        t.task,
        (
            with_messages(t, asked, *answered),
            with_messages(t, Message("assistant", "", (ToolCall("", {}, "call_0", "no JSON"),))),
            with_messages(t),
        ),
    )
    write_groups(tmp_path / "trajectories" / "step-00000.parquet", [group])
    done = export(tmp_path / "out.jsonl", "openai", read_all(tmp_path), tools_of)
    assert done.left_out == Counter({"a tool call could not be read": 1, "the assistant said nothing": 1})
    (chat,) = read_chats(tmp_path / "out.jsonl")
    assert chat.messages[-1] == asked, "answers that the assistant never saw are no part of what it said"
    export(tmp_path / "out.jsonl", "sharegpt", read_all(tmp_path), tools_of)
    (row,) = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().split("\n") if line]
    assert json.loads(row["conversations"][-1]["value"]) == [{"name": "geocode", "arguments": {"city": "Ås\u2028"}}] * 2


@pytest.mark.parametrize(
    ("layout", "margin", "wanted", "said"),
    [
        ("csv", 0.5, Filter(), "no layout 'csv'; known: openai, sharegpt, sft, dpo"),
        ("dpo", 0.0, Filter(), "margin 0 is outside"),
        ("sft", 0.5, Filter(env="Nowhere"), "the filter took no trajectory"),
        ("dpo", 0.5, Filter(stage="experts"), "6: groups without a pair"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_no_file(run, tools_of, tmp_path, layout, margin, wanted, said):
    with pytest.raises(ConfigError, match=said):
        export(tmp_path / "out.jsonl", layout, read_all(run, wanted), tools_of, margin)
    assert not list(tmp_path.iterdir())
