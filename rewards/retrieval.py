"""Rewards for answers from documents: right, held by what was opened and cited, and unknown where nothing says it.

They read these keys, all plain JSON:

    evidence retrieved   the documents that the policy opened: {"d12": "text"}
    target   facts       what the answer must state, each {"value": "1923", "documents": ["d12"]}: the value in whole
                         words, cited as [d12] in the same sentence
             answerable  false when the corpus doesn't say, and the answer has to be that it doesn't
"""

import re
from collections.abc import Mapping
from typing import Any

from rewards.format import final_answer
from rewards.score import Score, Status, failure
from rewards.text import count_phrase, folded, sentences
from rewards.transcript import Transcript

_CITATION = re.compile(r"\[([A-Za-z0-9][A-Za-z0-9_.:-]{0,63})\]")
_UNKNOWN = (
    "unknown",
    "not stated",
    "not known",
    "not given",
    "cannot be determined",
    "can't be determined",
    "no answer",
)
MAX_CITATIONS = 4  # in one sentence: more is citing everything


def supported(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """The share of facts stated with a document that was opened, is one of those that hold it, and says it.

    A citation of a document that wasn't opened is made up and leaves nothing.
    """
    facts = _facts(target)
    if facts is None:
        return failure(Status.TASK_ERROR, "target facts is no list of values with documents; fill it in the task")
    opened = transcript.evidence.get("retrieved")
    if not isinstance(opened, Mapping):
        return failure(Status.INFRA_ERROR, "the environment kept no log of opened documents")
    said = sentences(transcript.answer)
    cited = [_CITATION.findall(s) for s in said]
    if made_up := [c for found in cited for c in found if c not in opened]:
        return Score(0.0, f"cites [{made_up[0]}], which was never opened")
    met, why = 0, ""
    for fact in facts:
        fault = _fault(fact, said, cited, opened)
        met += fault is None
        why = why or (fault or "")
    return Score(met / len(facts), f"{met} of {len(facts)} facts supported{f'; {why}' if why else ''}")


def says_unknown_only_then(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for `Answer: unknown` where the corpus doesn't say, and for any other answer where it does; else 0."""
    answerable = target.get("answerable")
    if not isinstance(answerable, bool):
        return failure(Status.TASK_ERROR, f"target answerable {answerable!r} is neither true nor false")
    line = final_answer(transcript.answer)
    if line is None:
        return Score(0.0, "no single closing line 'Answer: ...'", status=Status.INVALID_OUTPUT)
    unknown = folded(line).strip(" .!*_") in _UNKNOWN
    if answerable:
        return Score(float(not unknown), "gave an answer" if not unknown else "said unknown where it is known")
    return Score(float(unknown), "said that it is unknown" if unknown else f"made up {line[:40]!r}")


def _facts(target: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    facts = target.get("facts")
    if not isinstance(facts, list) or not facts:
        return None
    sound = all(
        isinstance(f, Mapping)
        and isinstance(f.get("value"), str)
        and folded(f["value"])
        and isinstance(f.get("documents"), list)
        and f["documents"]
        for f in facts
    )
    return facts if sound else None


def _fault(fact: Mapping[str, Any], said: list[str], cited: list[list[str]], opened: Mapping[str, str]) -> str | None:
    """Why a fact isn't supported, None when it is."""
    value, why = fact["value"], f"{fact['value'][:40]!r} is not stated"
    for sentence, documents in zip(said, cited, strict=True):
        if not count_phrase(value, _CITATION.sub(" ", sentence)):
            continue
        if not documents:
            why = f"{value[:40]!r} is stated without a citation"
        elif len(documents) > MAX_CITATIONS:
            why = f"{len(documents)} citations in one sentence"
        elif not any(d in fact["documents"] and count_phrase(value, str(opened[d])) for d in documents):
            why = f"[{documents[0]}] doesn't hold {value[:40]!r}"
        else:
            return None
    return why
