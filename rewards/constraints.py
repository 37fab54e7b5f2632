"""Constraints on form that a programme can check, as Zhou et al. 2023 (IFEval) introduced them, and rewards on them.

The rewards read these keys of the target, all plain JSON:

    constraints  a list of {"name": "bullets", "parameters": {"relation": "at least", "count": 3}}
    min_words    how many words a reply must hold at all; 3 where it isn't given

Form without content meets nothing: a reply of fewer words, or of the same words over and over, fails every constraint.
Invisible signs are read as the reader sees them, look-alike letters as what they look like.
"""

from collections.abc import Mapping
from typing import Any

from rewards.constraint_counts import COUNTS
from rewards.constraint_language import LANGUAGE
from rewards.constraint_layout import LAYOUT
from rewards.constraint_types import Constraint, Finding
from rewards.constraint_words import WORDS
from rewards.errors import TaskError, nearest
from rewards.score import Part, Score, Status, failure
from rewards.text import MAX_CHARS, REPEATED, repeated_share, words
from rewards.transcript import Transcript

MIN_WORDS = 3
MAX_CONSTRAINTS = 50

CONSTRAINTS: dict[str, Constraint] = {c.name: c for c in (*COUNTS, *WORDS, *LAYOUT, *LANGUAGE)}


def describe(name: str, parameters: Mapping[str, Any]) -> str:
    """The sentence that asks for a constraint, for a prompt: "Use at least 3 bullet points."

    Raises:
        TaskError: no such constraint, or parameters that it doesn't take.
    """
    constraint = _known(name)
    if fault := constraint.fault(parameters):
        raise TaskError(fault)
    return constraint.ask(**parameters)


def check(text: str, name: str, parameters: Mapping[str, Any]) -> Finding:
    """Whether `text` meets one constraint. Whether it holds anything at all is for the rewards to judge.

    Raises:
        TaskError: no such constraint, or parameters that it doesn't take.
    """
    constraint = _known(name)
    if fault := constraint.fault(parameters):
        raise TaskError(fault)
    return constraint.check(text, **parameters)


def follows_constraints(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """The share of the target's constraints that the answer meets; a part for each says why."""
    try:
        wanted = _wanted(target)
    except TaskError as error:
        return failure(Status.TASK_ERROR, str(error))
    text = transcript.answer
    if nothing := _says_nothing(text, target.get("min_words", MIN_WORDS)):
        return Score(0.0, nothing, status=Status.INVALID_OUTPUT)
    parts = []
    for name, parameters in wanted:
        finding = CONSTRAINTS[name].check(text, **parameters)
        parts.append(Part(name, float(finding.met), 1.0, finding.reason))
    met = sum(p.value for p in parts)
    unmet = "; ".join(f"{p.name}: {p.reason}" for p in parts if not p.value)
    reason = f"{met:g} of {len(parts)} constraints met" + (f"; not {unmet}" if unmet else "")
    return Score(met / len(parts), reason, tuple(parts))


def follows_all_constraints(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the answer meets every constraint of the target, else 0."""
    share = follows_constraints(transcript, target)
    return Score(float(share.value == 1), share.reason, share.parts, share.status) if share.value is not None else share


def _known(name: Any) -> Constraint:
    if not isinstance(name, str) or name not in CONSTRAINTS:
        raise TaskError(f"no constraint {name!r:.60}; {nearest(str(name), CONSTRAINTS)}")
    return CONSTRAINTS[name]


def _wanted(target: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    entries, least = target.get("constraints"), target.get("min_words", MIN_WORDS)
    if not isinstance(entries, list | tuple) or not 0 < len(entries) <= MAX_CONSTRAINTS:
        raise TaskError(f"target constraints {entries!r:.60} is no list of 1 to {MAX_CONSTRAINTS}; fill it in the task")
    if isinstance(least, bool) or not isinstance(least, int) or least < 1:
        raise TaskError(f"target min_words {least!r:.60} is no integer above 0")
    wanted = []
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise TaskError(f"constraint {entry!r:.60} is no {{'name', 'parameters'}}")
        parameters = entry.get("parameters", {})
        if fault := _known(entry.get("name")).fault(parameters):
            raise TaskError(fault)
        wanted.append((entry["name"], parameters))
    return wanted


def _says_nothing(text: str, least: int) -> str:
    if len(text) > MAX_CHARS:
        return f"{len(text)} characters are no reply"
    if (found := len(words(text))) < least:
        return f"{found} words are no reply"
    if repeated_share(text) >= REPEATED:
        return "the same words over and over"
    return ""
