"""Rewards for conversations: ask for what is missing and no more, pick up where it stopped, keep facts up to date.

They read the assistant's turns without thinking and these keys of the target, all plain JSON:

    slots     what a request can lack, each with words that name it: {"date": ["date", "day", "when"]}
    missing   the slot that this request lacks; null when it lacks nothing
    details   facts that must be stated, each {"values": ["5 pm", "17:00"], "outdated": ["3 pm"]}: one of the values,
              and none of the outdated ones unless as outdated ("at 5 pm, not 3 pm")
    next      words of which one must stand, since the conversation has to go on there; may be left out
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.score import Part, Score, Status, failure
from rewards.text import MAX_CHARS, count_phrase, folded, has_words, sentences, words
from rewards.transcript import Transcript

MAX_QUESTION_WORDS = 60  # with what is said around it; more is a lecture
ALIKE = 0.7  # of the words that carry meaning: two questions that share them are one
FILLER_WORDS = 4  # a text that holds next to nothing but the details is a dump of them

_REQUEST = re.compile(
    r"^(?:(?:please|kindly|just|first|so|sorry|sure|okay|ok|great|thanks)\b,? )*"
    r"(?:please )?(?:tell me|let me know|provide|specify|clarify|share|confirm|give me|state|indicate)\b"
    r"|\bi(?:'d| would)? (?:(?:also|still|just|first) )?(?:need|want|like|have) to (?:know|ask|clarify|confirm)\b"
    r"|\bi(?:'ll| will)? need (?:the|your|more|some|a few|further)\b"
    r"|\bplease (?:tell|let|provide|specify|clarify|share|confirm)\b"
)
_COURTESY = re.compile(
    r"\b(?:anything else|any(?:thing)? (?:other|more|further|questions)|help (?:you )?(?:with )?else|let me know if)\b"
)
_QUESTION_WORD = re.compile(r"\b(?:what|which|when|where|who|whom|whose|why|how)\b")
_PREPOSITIONS = r"(?: (?:at|on|in|to|the|a|an|for|by|of))*$"
_DENIED = re.compile(rf"(?:\bnot|n't|\bnever|\bno longer|\binstead of|\brather than){_PREPOSITIONS}")
_PAST = re.compile(
    r"(?:\bnot|n't|\bnever|\bno longer|\binstead of|\brather than|\bwas|\bpreviously|\bformerly|\boriginally"
    r"|\bused to be|\breplac\w+|\b(?:changed|moved|switched|updated|rescheduled|shifted|corrected)(?: \w+){0,5} from)"
    + _PREPOSITIONS
)
_PASSED_OVER = frozenset(
    [
        *("a", "an", "the", "of", "to", "in", "on", "at", "for", "is", "are", "do", "does", "did", "you", "your", "i"),
        *("my", "we", "it", "this", "that", "be", "can", "could", "will", "would", "shall", "should", "please", "what"),
        *("which", "when", "where", "who", "how", "and", "or", "with", "like", "want", "need", "know", "tell", "have"),
    ]
)


def asks_for_missing(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for one question about the missing slot and nothing else; where nothing is missing, 1 for asking nothing.

    Requests without a question mark ("Please tell me the date") are questions. "Anything else?" after an answer
    is none.
    """
    fault = _slot_fault(target)
    if fault:
        return failure(Status.TASK_ERROR, fault)
    text = transcript.answer
    if not has_words(text) or len(text) > MAX_CHARS:
        return Score(0.0, "nothing was said", status=Status.INVALID_OUTPUT)
    missing, slots = target["missing"], target["slots"]
    asked = questions(text, [name for names in slots.values() for name in names])
    if missing is None:
        return Score(float(not asked), f"asks {asked[0][:60]!r} though nothing is missing" if asked else "doesn't ask")
    if len(asked) != 1:
        return Score(0.0, f"{len(asked)} questions where one is needed")
    if not _names(asked[0], slots[missing]):
        return Score(0.0, f"{asked[0][:60]!r} isn't about the missing {missing}")
    more = [name for name, names in slots.items() if name != missing and _names(asked[0], names)]
    if more:
        return Score(0.0, f"asks for {more[0]} too, which isn't missing")
    if len(_QUESTION_WORD.findall(folded(asked[0]))) > 1 or asked[0].count("?") > 1:
        return Score(0.0, "several questions in one")
    if len(words(text)) > MAX_QUESTION_WORDS:
        return Score(0.0, f"a question in {len(words(text))} words")
    return Score(1.0, f"asks for the missing {missing}")


def states_details(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """The share of the target's details that the answer states; 0 when it states one that is outdated.

    Serves facts that were corrected on the way, where the latest holds, and conversations that go on after an
    interruption, where every pending detail and the `next` step must come back. A part for each says why.
    """
    details, following = target.get("details"), target.get("next", [])
    if fault := _detail_fault(details, following):
        return failure(Status.TASK_ERROR, fault)
    text = transcript.answer
    if not has_words(text) or len(text) > MAX_CHARS:
        return Score(0.0, "nothing was said", status=Status.INVALID_OUTPUT)
    parts = []
    for name, detail in details.items():
        old = next((v for v in detail.get("outdated", ()) if _states(text, v, _PAST)), None)
        if old is not None:
            return Score(0.0, f"states {old!r} for {name}, which is outdated")
        said = any(_states(text, v) for v in detail["values"])
        parts.append(Part(name, float(said), 1.0, "stated" if said else "missing"))
    if following:
        met = any(count_phrase(w, text) for w in following)
        parts.append(Part("next", float(met), 1.0, "goes on" if met else "doesn't go on"))
    dumped = len(words(text)) - sum(len(words(v)) for d in details.values() for v in d["values"] if _states(text, v))
    if dumped < min(FILLER_WORDS, len(parts) + 1):
        return Score(0.0, "a list of values, and no sentence about them")
    met = sum(p.value for p in parts)
    lacking = ", ".join(p.name for p in parts if not p.value)
    return Score(
        met / len(parts), f"{met:g} of {len(parts)} details" + (f"; not {lacking}" if lacking else ""), tuple(parts)
    )


def no_repeated_questions(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the assistant asks nothing twice in the conversation, else 0. Asking nothing is 1: use it as a gate.

    Two questions are one when they share most words that carry meaning, or name the same of the target's `slots`.
    """
    turns = [m.content.rsplit("</think>", 1)[-1] for m in transcript.messages if m.role == "assistant"]
    if not any(has_words(t) for t in turns):
        return Score(0.0, "nothing was said", status=Status.INVALID_OUTPUT)
    slots = target.get("slots", {})
    if not isinstance(slots, Mapping) or not all(_is_wording_list(names) for names in slots.values()):
        return failure(Status.TASK_ERROR, f"target slots {slots!r:.80} are no lists of words")
    seen: list[tuple[frozenset[str], frozenset[str]]] = []
    for question in (q for turn in turns for q in questions(turn[:MAX_CHARS])):
        meaning = frozenset(words(folded(question))) - _PASSED_OVER
        about = frozenset(name for name, names in slots.items() if _names(question, names))
        for earlier, topics in seen[-200:]:
            alike = len(meaning & earlier) >= ALIKE * len(meaning | earlier)
            if alike or about & topics:
                return Score(0.0, f"asks again: {question[:60]!r}")
        seen.append((meaning, about))
    return Score(1.0, f"{len(seen)} questions, none twice")


def questions(text: str, topics: Sequence[str] = ()) -> list[str]:
    """The sentences of `text` that ask the user something, with or without a question mark.

    "Is there anything else?" after other sentences is courtesy and left out, unless it names one of `topics`.
    """
    found = []
    for index, sentence in enumerate(sentences(text)):
        flat = folded(sentence)
        if index and _COURTESY.search(flat) and not _names(flat, topics):
            continue
        if "?" in flat or "\u061f" in sentence or _REQUEST.search(flat):
            found.append(sentence)
    return found


def _names(question: str, names: Sequence[str]) -> bool:
    return any(count_phrase(name, question) for name in names)


def _states(text: str, value: str, denied: re.Pattern[str] = _DENIED) -> bool:
    """Whether `value` stands in `text` in whole words, and not only `denied`."""
    flat, wanted = folded(text), re.escape(folded(value))
    found = re.finditer(rf"(?<!\w)(?<!\d[.,:]){wanted}(?!\w|[.,:]\d)", flat)
    return any(not denied.search(flat[max(0, m.start() - 60) : m.start()].rstrip()) for m in found)


def _slot_fault(target: Mapping[str, Any]) -> str:
    slots = target.get("slots")
    if not isinstance(slots, Mapping) or not slots or not all(_is_wording_list(names) for names in slots.values()):
        return f"target slots {slots!r:.80} are no lists of words that name each slot; fill them in the task"
    if "missing" not in target or not (target["missing"] is None or target["missing"] in slots):
        return f"target missing {target.get('missing')!r:.60} is none of the slots; name one, or null"
    return ""


def _detail_fault(details: Any, following: Any) -> str:
    if not isinstance(details, Mapping) or not details:
        return f"target details {details!r:.80} hold nothing to state; fill them in the task"
    for name, detail in details.items():
        if not isinstance(detail, Mapping) or not _is_wording_list(detail.get("values")):
            return f"target detail {name!r:.40} has no list of values"
        outdated = detail.get("outdated", [])
        if outdated and not _is_wording_list(outdated):
            return f"target detail {name!r:.40}: outdated is no list of texts"
        if {folded(v) for v in detail["values"]} & {folded(v) for v in outdated}:
            return f"target detail {name!r:.40} has a value that is outdated too"
    return "" if not following or _is_wording_list(following) else f"target next {following!r:.60} is no list of words"


def _is_wording_list(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(v, str) and words(folded(v)) for v in value)
    )
