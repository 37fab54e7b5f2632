"""Code, judged by the evidence of tests that ran elsewhere.

The evidence is `{"tests": {"kind", "passed": [...], "reasons": [...], "reason"}}`, as `envs.code` gathers it.
"""

import re
from collections.abc import Mapping
from typing import Any

from rewards.score import Score, Status, failure
from rewards.transcript import Transcript

_FENCE = re.compile(r"^[ \t]*```[ \t]*(?:python|py)?[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_PARTIAL = 0.1  # all that tests can earn unless every one passes
_MAX_CODE = 20_000


def extract_code(text: str) -> str | None:
    """The one program that a text offers.

    One fenced block is the program. Without any fence the whole text is, if it begins as code does. Two
    blocks are two answers, and so none.
    """
    if len(text) > _MAX_CODE:
        return None
    blocks = _FENCE.findall(text)
    if len(blocks) == 1 and text.count("```") == 2:
        return blocks[0]
    if "```" not in text and text.lstrip().startswith(("def ", "import ", "from ", "class ", "@")):
        return text
    return None


def passes_tests(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when every hidden test passes; else at most 0.1, by the share that passes.

    No tests are the task's fault; tests that could not be run are the machinery's.
    """
    return _graded(transcript, target, _PARTIAL)


def passes_all_tests(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when every hidden test passes, else 0; otherwise as `passes_tests`."""
    return _graded(transcript, target, 0.0)


def share_of_tests(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """The share of hidden tests that pass: pays for constants where tests repeat a value, so mind the tests."""
    return _graded(transcript, target, 1.0)


def _graded(transcript: Transcript, target: Mapping[str, Any], partial: float) -> Score:
    evidence = transcript.evidence.get("tests")
    if not target.get("tests"):
        return failure(Status.TASK_ERROR, "the task has no tests")
    if all(isinstance(t, Mapping) and t.get("expected", 0) in (None, "") for t in target["tests"]):
        return failure(Status.TASK_ERROR, "every test expects nothing, which an empty function gives")
    if not isinstance(evidence, Mapping):
        return failure(Status.INFRA_ERROR, "the tests were not run")
    passed, kind = list(evidence["passed"]), evidence["kind"]
    if kind == "no_code":
        return Score(0.0, "no single program in the answer", status=Status.INVALID_OUTPUT)
    if kind != "ok" or len(passed) != len(target["tests"]):
        return Score(0.0, f"{kind}: {evidence.get('reason', '')}")
    right = sum(p is True for p in passed)
    share = right / len(passed)
    if share == 1:
        return Score(1.0, f"all {len(passed)} tests pass")
    first = next((r for r in evidence.get("reasons", ()) if r), "")
    return Score(partial * share, f"{right} of {len(passed)} tests pass; {first}")
