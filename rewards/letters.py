"""E-mails and commit messages: the form to the letter, and every fact where it belongs, none made up.

`is_email` reads these keys of the target, all plain JSON:

    headers    {"To": ..., "Subject": ...}: the lines at the top, in this order, each with its exact value
    greeting   the line that opens the letter, as "Dear Ms Hall,"
    closing    the lines that end it, as ["Kind regards,", "Ana Reyes"]
    facts      groups of texts; each group stands in one sentence of the body that holds no other group's texts
    words      [lowest, highest] number of words of the body

`is_commit` reads these:

    head       {"type": "fix", "scope": "parser", "breaking": false}: what stands before the colon
    verbs      the words that the subject may begin with
    subject    texts that the subject holds
    facts      texts that the body holds
    footers    the lines that close the message, as ["Fixes: #12"]
    columns    [most of the first line, most of the others]

Both read `names` and `decoys`: every number and every name in a text must be one of the texts above or of `names`,
and no `decoys` may stand in it. Names are told by their capital, so one that opens a sentence goes unseen; so does a
sentence that says the wrong thing with the right facts: rules can't judge that.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rewards.score import Score, Status, failure
from rewards.structured import unfenced
from rewards.text import MAX_CHARS, REPEATED, count_phrase, repeated_share, sentences, visible, words
from rewards.transcript import Transcript

LEAST_SENTENCE = 5  # words: a sentence of a fact, not a list of them
_HEADER = re.compile(r"([A-Z][A-Za-z-]*): (\S.*)")
_COMMIT = re.compile(r"([a-z]+)(?:\(([a-z0-9_\-/]+)\))?(!?): (\S.*)")
_FOOTER = re.compile(r"(?:[A-Z][A-Za-z-]*|BREAKING CHANGE): \S.*")
_NUMBER = re.compile(r"\w*\d[\w.:,\-/]*\w|\d")
_START = re.compile(r"(?:^|[.!?:]\s+|\n\s*)\W*(\w+)")
_IN_WORDS = (
    "two three four five six seven eight nine ten eleven twelve dozen twenty thirty forty fifty hundred thousand "
    "million monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday"
)
_FACT_WORDS = frozenset(_IN_WORDS.split())  # numbers and days without a digit, wherever they stand
_ALWAYS = frozenset(("i", "i'm", "i'd", "i'll", "i've"))


def is_email(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing text is the e-mail asked for, with its facts and no others, else 0."""
    if not _has(target, headers=Mapping, greeting=str, closing=Sequence, facts=Sequence, words=Sequence):
        return failure(Status.TASK_ERROR, f"target {sorted(target)!r:.120} lacks what an e-mail is judged by")
    return _judged(transcript, target, _email_fault)


def is_commit(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing text is the commit message asked for, with its facts and no others, else 0."""
    if not _has(
        target, head=Mapping, verbs=Sequence, subject=Sequence, facts=Sequence, footers=Sequence, columns=Sequence
    ):
        return failure(Status.TASK_ERROR, f"target {sorted(target)!r:.120} lacks what a commit message is judged by")
    return _judged(transcript, target, _commit_fault)


def _has(target: Mapping[str, Any], **kinds: type) -> bool:
    typed = {**kinds, "names": Sequence, "decoys": Sequence}
    if not all(isinstance(target.get(name), kind) for name, kind in typed.items()):
        return False
    pairs = [target[name] for name in ("words", "columns") if name in kinds]
    return bool(target.get("closing", True)) and all(len(p) == 2 and all(isinstance(n, int) for n in p) for p in pairs)


def _judged(transcript: Transcript, target: Mapping[str, Any], find: Callable[[str, Mapping[str, Any]], str]) -> Score:
    text = unfenced(transcript.answer).replace("\r\n", "\n")
    if visible(text) != text or len(text) > MAX_CHARS:
        return Score(0.0, "signs that one can't see, or too much text", status=Status.INVALID_OUTPUT)
    fault = find(text, target) or _made_up(text, target)
    return Score(float(not fault), fault or "form and facts as asked")


def _email_fault(text: str, target: Mapping[str, Any]) -> str:
    lines = text.split("\n")
    count = len(target["headers"])
    found = [m.groups() for line in lines[:count] if (m := _HEADER.fullmatch(line.rstrip()))]
    if found != list(target["headers"].items()):
        return f"headers {found!r:.120} aren't as asked"
    body = [line.rstrip() for line in lines[count:]]
    if not body or body[0]:
        return "no blank line after the headers"
    said = [line for line in body if line]
    closing = list(target["closing"])
    if said[:1] != [target["greeting"]] or said[-len(closing) :] != closing:
        return "the greeting or the closing isn't as asked"
    inner = "\n".join(body[body.index(said[0]) + 1 : len(body) - body[::-1].index(closing[0]) - 1])
    low, high = target["words"]
    if not low <= len(words(inner)) <= high:
        return f"{len(words(inner))} words in the body where {low} to {high} are asked for"
    if repeated_share(inner) >= REPEATED:
        return "the same words over and over"
    return _groups_fault(sentences(inner), target["facts"])


def _groups_fault(said: Sequence[str], groups: Sequence[Sequence[str]]) -> str:
    held = [[all(count_phrase(fact, s) for fact in group) for group in groups] for s in said]
    touched = [[any(count_phrase(fact, s) for fact in group) for group in groups] for s in said]
    for i, group in enumerate(groups):
        good = [
            h[i] and sum(t) == 1 and len(words(s)) >= LEAST_SENTENCE
            for s, h, t in zip(said, held, touched, strict=True)
        ]
        if not any(good):
            return f"no sentence of its own says {', '.join(group)}"
        if sum(t[i] for t in touched) > 1:
            return f"{', '.join(group)} stands in several sentences"
    return ""


def _commit_fault(text: str, target: Mapping[str, Any]) -> str:
    first, *rest = text.split("\n")
    match = _COMMIT.fullmatch(first)
    if match is None:
        return "the first line isn't of the form type(scope): subject"
    kind, scope, breaking, subject = match.groups()
    head = {"type": kind, "scope": scope or "", "breaking": bool(breaking)}
    if head != dict(target["head"]):
        return f"{head} where {dict(target['head'])} is asked for"
    widths = target["columns"]
    if len(first) > widths[0] or any(len(line) > widths[1] for line in rest):
        return f"a line is longer than {widths[0]} or {widths[1]} columns"
    if subject.split()[0] not in target["verbs"] or subject.endswith(".") or len(subject.split()) < 3:
        return f"the subject {subject!r} isn't a phrase that begins with one of {', '.join(target['verbs'])}"
    if missing := [fact for fact in target["subject"] if not count_phrase(fact, subject)]:
        return f"the subject lacks {', '.join(missing)}"
    return _body_fault(rest, target)


def _body_fault(rest: Sequence[str], target: Mapping[str, Any]) -> str:
    footers = list(target["footers"])
    body = list(rest[: len(rest) - len(footers)])
    if (footers and list(rest[-len(footers) :]) != footers) or any(_FOOTER.fullmatch(line) for line in body):
        return f"the footers aren't {footers}"
    if not target["facts"]:
        return "" if not any(body) and (body or not footers) else "a body where none is asked for"
    inner = "\n".join(body[1:-1] if footers else body[1:])
    if not body or body[0] or (footers and body[-1]) or not inner.strip():
        return "no body between blank lines"
    if repeated_share(inner) >= REPEATED:
        return "the same words over and over"
    said = sentences(inner)
    for fact in target["facts"]:
        if not any(count_phrase(fact, " ".join(s.split())) and len(words(s)) >= LEAST_SENTENCE for s in said):
            return f"no sentence of the body says {fact}"
    return ""


def _made_up(text: str, target: Mapping[str, Any]) -> str:
    """A decoy, or the first name or number that the situation doesn't hold; "" where there is none."""
    flat = " ".join(text.split())
    if used := [decoy for decoy in target["decoys"] if count_phrase(decoy, flat)]:
        return f"{used[0]} doesn't belong here"
    known = " ".join(_texts({k: v for k, v in target.items() if k not in ("decoys", "words", "columns")}))
    numbers, names = set(_NUMBER.findall(known)), {w.casefold() for w in words(known)}
    if wrong := next((n for n in _NUMBER.findall(flat) if n not in numbers), ""):
        return f"{wrong} was never said"
    said = {w.casefold() for w in words(flat)}
    if wrong := next(iter(sorted(said & _FACT_WORDS - names)), ""):
        return f"{wrong} was never said"
    opening = {m.start(1) for m in _START.finditer(text)}
    for match in re.finditer(r"[^\W\d_][\w'’-]*", text):
        word = match.group()
        if word[0].isupper() and match.start() not in opening and not {word.casefold()} & (names | _ALWAYS):
            return f"{word} was never said"
    return ""


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for key, inner in value.items() for text in (str(key), *_texts(inner))]
    if isinstance(value, str):
        return [value]
    return [text for inner in value for text in _texts(inner)] if isinstance(value, Sequence) else []
