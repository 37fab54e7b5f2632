import os
from html.parser import HTMLParser

import pytest
import torch

from rewards.group import brevity
from rewards.rubric_yaml import rubric_rows
from rewards.score import Criterion, GroupCriterion, Rubric
from rewards.tools import right_answer, valid_calls, well_formed, when
from trainer.charts import line_chart, nice_ticks, running_mean
from trainer.compare import Outcome, compare
from trainer.report import write_report
from trainer.run_folder import describe_machine, machine

ENVS = ("postgym/A-v0", "postgym/B-v0")


class Page(HTMLParser):
    """Collects tags and text, and checks that every tag is closed."""

    VOID = frozenset({"meta", "br", "line"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def stage(score, text="hello"):
    messages = (
        {"role": "user", "content": "Q"},
        {
            "role": "assistant",
            "content": text,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": {"x": text}}}],
        },
    )
    return [Outcome(f"{env}|test|{i}", env, score, "because " + text, messages) for env in ENVS for i in range(4)]


def report(tmp_path, stages, metrics=(), **extra):
    path = tmp_path / "report.html"
    summary = {"name": "trial", **compare(stages), "phases": [], "config": {}, **extra}
    write_report(path, summary, stages, list(metrics))
    return path.read_text()


def test_the_page_says_in_words_and_numbers_what_was_found(tmp_path):
    page = Page(report(tmp_path, {"base": stage(0.0), "sft": stage(0.5), "grpo": stage(0.5)}))
    assert "sft beats base on 8 held-out tasks (+50.0 points, 95% interval +50.0 to +50.0)." in page.text
    assert "grpo can't be told from sft" in page.text
    assert "postgym/A-v0" in page.text
    assert ("span", {"class": "tag better"}) in page.tags


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "\x00\x1b[31m", "a\ud800b", "x" * 100_000])
def test_hostile_model_output_is_shown_and_never_run(tmp_path, hostile):
    text = report(tmp_path, {"base": stage(0.0), "grpo": stage(1.0, hostile)})
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "\x00" not in text
    assert len(text) < 200_000
    if hostile.startswith("x"):
        assert "96000 more characters" in page.text


def test_the_page_needs_nothing_from_elsewhere(tmp_path):
    text = report(tmp_path, {"base": stage(0.0)}, [{"step": 0, "reward_mean": 0.1}, {"step": 1, "reward_mean": 0.3}])
    assert "http://" not in text
    assert "https://" not in text
    assert not {tag for tag, attrs in Page(text).tags if "src" in attrs or tag == "link"}


def test_curves_are_drawn_for_the_metrics_that_are_there(tmp_path):
    metrics = [{"step": i, "reward_mean": i / 10, "reward/postgym/A-v0": 0.5, "loss": float("nan")} for i in range(12)]
    page = Page(report(tmp_path, {"base": stage(0.0), "grpo": stage(1.0)}, metrics))
    assert "mean reward" in page.text
    assert "reward: postgym/A-v0" in page.text
    assert "gradient norm" not in page.text
    assert sum(tag == "svg" for tag, _ in page.tags) == 2


def test_phases_and_unjudged_episodes_are_shown(tmp_path):
    phases = [{"name": "sft", "seconds": 61.4, "peak_memory_gb": 7.25}]
    page = Page(report(tmp_path, {"base": [*stage(0.0)[:3], stage(None)[3], *stage(0.0)[4:]]}, phases=phases))
    assert "1 not judged" in page.text
    assert "61" in page.text


def test_the_machine_is_told_in_words():
    found = describe_machine(machine() | {"precision": "float32"})
    assert f"{os.cpu_count()} cores (" in found
    assert "; float32; " in found
    assert f"torch {torch.__version__}" in found
    assert "{" not in found


def test_the_rubrics_are_shown_criterion_by_criterion(tmp_path):
    rubric = Rubric(
        [
            Criterion("<b>form", well_formed, 0.0, gate=True),
            Criterion("calls", when(right_answer, valid_calls), 0.25, turns="mean"),
            GroupCriterion("brief", brevity(), 2),
        ]
    )
    page = Page(report(tmp_path, {"base": stage(0.0)}, rubrics={"postgym/A-v0": rubric_rows(rubric)}))
    for shown in ("<b>form", "gate", "0.25", "when(condition=right_answer, reward=valid_calls)", "the group"):
        assert shown in page.text
    assert "1 when the closing line offers exactly the fields asked for" in page.text


def test_both_sides_of_an_episode_stand_beside_each_other(tmp_path):
    page = Page(report(tmp_path, {"base": stage(0.0, "before text"), "grpo": stage(1.0, "after text")}))
    assert "before text" in page.text
    assert "after text" in page.text
    assert "look(" in page.text


def test_ticks_are_round_and_span_the_values():
    assert nice_ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert nice_ticks(0.013, 0.094)[0] <= 0.013 < 0.094 <= nice_ticks(0.013, 0.094)[-1]
    assert nice_ticks(3.0, 3.0)[0] < 3 < nice_ticks(3.0, 3.0)[-1]


def test_the_running_mean_looks_back_only():
    assert running_mean([1, 2, 3, 4], 2) == [1, 1.5, 2.5, 3.5]


def test_a_chart_of_one_point_is_no_chart():
    assert line_chart([(1, 0.5)], "x") == ""
    assert line_chart([(1, 0.5), (2, float("nan"))], "x") == ""
