"""`postgym/Functions-v0`: call the right ones of up to 65 functions with the right arguments, and only those.

One plain request and two functions at difficulty 0; at 1 up to four requests, some for several calls at once, with
dates, units, objects and lists among 65. Some requests lack something: ask for it. For some no function fits: say so.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

from envs.api.catalogue import BY_SIZE, FUNCTIONS, MOST_OFFERED, on_offer
from envs.api.function import Function, several
from envs.api.parameters import Chance
from envs.base import Exploit, Policy, Task, TextEnv
from envs.dialogue.clarify import asked_well
from envs.tools import Tool
from rewards.calls import makes_expected_calls
from rewards.dialogue import asks_for_missing
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.text import folded, sentences
from rewards.transcript import Message, ToolCall, Transcript

_SYSTEM = (
    "Today is {today}. Call the tools for what the user asks, all calls in one turn. If something that a tool needs is "
    "missing, ask for it alone, in one short question, before you call. If no tool fits something, call none for it, "
    "and say that there is no tool and for what."
)
_FRAMES = (
    *("{R}.", "Please {r}.", "Can you {r}?", "Could you {r}, please?", "I need you to {r}.", "I'd like you to {r}."),
    *("Would you {r}?", "Hi! {R}.", "Quick one: {r}.", "Hey, {r}."),
)
_FURTHER = ("Also, {r}.", "Then {r}.", "And {r}.", "Also, please {r}.", "After that, {r}.")
_FIRST_DAY = date(2025, 1, 1)
_NO_TOOL = re.compile(
    r"(?:\bno\b(?! (?:other|further|more|additional|extra)\b)|\bnone of (?:the|my|these)\b|\black(?:s|ing)? (?:a|any)\b"
    r"|(?:\bnot|n't)(?: (?:have|see|find|know of|have access to|been given))? an?y?\b)"
    r"(?: [\w-]+){0,3} (?:tool|function)s?\b"
)
_CONDITION = re.compile(r"^\W*(?:if|where|when|should|whenever)\b")
_NOTHING_FITS, _MISSING, _PARTLY = 0.11, 0.25, 0.33  # of all tasks, each up to where the next begins


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that the user asks: its words, the calls for it, and the arguments of each."""

    function: Function
    words: str
    arguments: tuple[Mapping[str, Any], ...]

    @property
    def expected(self) -> list[dict[str, Any]]:
        """The calls as `rewards.calls` takes them."""
        return [self.function.expected(a) for a in self.arguments]


def says_where_no_tool_fits(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the reply says of each thing without a fitting tool that there is none, and of nothing else, else 0."""
    topics = target.get("no_tool")
    if not isinstance(topics, list) or not all(isinstance(t, list) and t for t in topics):
        return failure(Status.TASK_ERROR, f"target no_tool {topics!r:.60} is no list of lists of words; fill it in")
    reply = folded(transcript.answer)
    said = [s for s in sentences(reply) if _NO_TOOL.search(s) and not _CONDITION.search(s) and "?" not in s]
    if not topics:
        return Score(float(not said), f"says {said[0][:60]!r} though all can be done" if said else "denies nothing")
    if not said:
        return Score(0.0, "doesn't say that there is no tool")
    unnamed = [t for t in topics if not any(re.search(rf"\b{re.escape(word.rstrip('s'))}", reply) for word in t)]
    return Score(float(not unnamed), f"doesn't say for what: {unnamed[0]}" if unnamed else "says what no tool does")


def asks_if_needed(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when what is missing was asked for before the calls, and nothing else; 1 where there is nothing to call."""
    if not target.get("expected"):
        return Score(1.0, "nothing to ask for")
    return asked_well(transcript, target)


def in_one_turn(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when all calls were made side by side; 0.5 when one waited for another."""
    turns = sum(bool(m.tool_calls) for m in transcript.messages if m.role == "assistant")
    return Score(1.0 if turns <= 1 else 0.5, f"calls in {turns} turns")


def wish(function: Function, chance: Chance, leave_out: str = "", calls: int = 1) -> tuple[Wish, str]:
    """A request for a function.

    Args:
        function: what is asked for.
        chance: what its arguments are drawn from.
        leave_out: a required parameter that the request doesn't tell.
        calls: how many calls it takes; more than one where the function has an `each`.

    Returns:
        The wish, and the words for what it leaves out.
    """
    optional = [p for p in function.parameters if p not in function.required]
    told = [*function.required, *(p for p in optional if chance.rng.random() < 0.9 * chance.level)]
    drawn = {p: function.parameters[p].draw(chance) for p in told}
    words = {p: said for p, (_, said) in drawn.items()}
    values = {p: value for p, (value, _) in drawn.items()}
    many = [drawn[function.each]] if function.each else []
    for _ in range(50):
        if not many or len(many) >= calls:
            break
        if (another := function.parameters[function.each].draw(chance))[0] not in [v for v, _ in many]:
            many.append(another)
    if many:
        words[function.each] = several(many)
    text = function.wording([p for p in told if p != leave_out], chance).format(**words)
    arguments = tuple({**values, function.each: value} for value, _ in many) if many else (values,)
    return Wish(function, text, arguments), words.get(leave_out, "")


def _pick(rng: random.Random, level: float, count: int, asking: bool = False) -> list[Function]:
    """Different functions, those of more parameters for the harder tasks; `asking`: ones that can lack something."""
    low, high = int(0.45 * level * len(BY_SIZE)), int((0.35 + 0.65 * level) * len(BY_SIZE))
    return rng.sample([f for f in BY_SIZE[low:high] if f.droppable or not asking], count)


def _sentence(rng: random.Random, texts: Sequence[str]) -> str:
    frames = [rng.choice(_FRAMES), *(rng.choice(_FURTHER) for _ in texts[1:])]
    return " ".join(f.format(r=t, R=t[0].upper() + t[1:]) for f, t in zip(frames, texts, strict=True))


class Functions(TextEnv):
    """Requests to be met by calls, among functions that look alike.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (two functions, one call) to 1 (65 functions, up to a dozen arguments), None for any.
    """

    id = "postgym/Functions-v0"
    tools_vary: ClassVar[bool] = True
    max_turns = 4
    rubric = Rubric(
        [
            Criterion("calls", makes_expected_calls, 0.7, gate=True),
            Criterion("questions", asks_if_needed, 0.1, gate=True),
            Criterion("no tool", says_where_no_tool_fits, 0.1, gate=True),
            Criterion("in one turn", in_one_turn, 0.1),
        ]
    )

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """Requests, and the functions on offer."""
        today = _FIRST_DAY + timedelta(rng.randrange(1000))
        chance, dice, missing, answer = Chance(rng, difficulty, today), rng.random(), "", ""
        wishes: list[Wish] = []
        absent: list[Function] = []
        if dice < _NOTHING_FITS:
            kind, absent = "none", _pick(rng, difficulty, 1)
        elif dice < _MISSING:
            kind, (lacking,) = "missing", _pick(rng, difficulty, 1, asking=True)
            missing = rng.choice(lacking.droppable)
            calls = 1 if missing == lacking.each else 1 + round(2 * difficulty * rng.random())
            asked, answer = wish(lacking, chance, missing, calls)
            wishes = [asked]
        else:
            how_many = 1 + min(2, int(difficulty * (0.8 + 2.2 * rng.random())))
            kind, chosen = "calls", _pick(rng, difficulty, how_many)
            if dice < _PARTLY and how_many > 1:
                kind, absent, chosen = "partly", chosen[:1], chosen[1:]
            wishes = [wish(f, chance, "", 1 + round(2 * difficulty * rng.random()))[0] for f in chosen]
        texts = [w.words for w in wishes] + [wish(f, chance)[0].words for f in absent]
        wanted = [w.function.name for w in wishes]
        count = min(MOST_OFFERED, len(texts) + 1 + round((MOST_OFFERED - 2) * difficulty**1.5))
        offered = on_offer(rng, wanted, [f.name for f in absent], count)
        return Task(
            prompt=(
                Message("system", _SYSTEM.format(today=today.strftime("%A, %d %B %Y"))),
                Message("user", _sentence(rng, rng.sample(texts, len(texts)))),
            ),
            target={
                "expected": [call for w in wishes for call in w.expected],
                "tools": [FUNCTIONS[name].tool.schema for name in wanted],
                "slots": wishes[0].function.asked if missing else {},
                "missing_slots": [missing] if missing else [],
                "no_tool": [f.topics for f in absent],
            },
            meta={
                "kind": kind,
                "offered": offered,
                "answer": answer,
                "calls": [{"name": w.function.name, "arguments": dict(a)} for w in wishes for a in w.arguments],
                "absent": [f.name.replace("_", " ") for f in absent],
            },
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """The functions on offer."""
        return tuple(FUNCTIONS[name].tool for name in task.meta["offered"])

    def reply(self, message: Message) -> tuple[Message, ...]:
        """Answers a good question about what is missing; anything else ends the episode."""
        assert self.task is not None
        missing, slots = self.task.target["missing_slots"], self.task.target["slots"]
        if not missing or self._turns > 1:
            return ()
        asked = asks_for_missing(self.transcript, {"slots": slots, "missing": missing[0]})
        words = self.task.meta["answer"]
        return (Message("user", f"{words[0].upper()}{words[1:]}."),) if asked.value == 1 else ()

    def expert(self, task: Task) -> Policy:
        """Asks for what is missing, makes the calls, and says what no tool does."""
        return _clerk(task, task.meta["calls"])

    def wrong_policy(self, task: Task, which: int) -> Policy:
        """The expert with an argument spoiled, a call left out or made twice, or a call where none fits."""
        calls = task.meta["calls"]
        if not calls:
            return _clerk(task, [{"name": task.meta["offered"][which % len(task.meta["offered"])], "arguments": {}}])
        spoiled = [[*calls[:-1], _spoil(calls[-1])], calls[:-1], [*calls, calls[0]]]
        return _clerk(task, spoiled[which % 3])

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Calls without reading, reading without calling, and hedges; even those who know the arguments earn little."""
        calls, offered = task.meta["calls"], task.meta["offered"]
        aside = next((n for n in offered if n not in [c["name"] for c in calls]), offered[0])
        request = task.prompt[-1].content.replace("?", ".")
        first = next((p for c in calls for p in c["arguments"]), "name")
        denies, why = f"There is no tool for this: {request}", "for one request in nine no function fits"
        return {
            "never calls: no tool, quoting the request": Exploit(lambda messages: denies, 0.25, why),
            "asks first, whatever is missing": Exploit(_asker(task, f"What {first.replace('_', ' ')} should it be?")),
            "asks for everything at once": Exploit(_asker(task, "Could you tell me the date, the time and the name?")),
            "right calls without arguments": Exploit(_clerk(task, [{**c, "arguments": {}} for c in calls] or [_EMPTY])),
            "first function, right arguments": Exploit(
                _clerk(task, [{**c, "name": offered[0]} for c in calls] or [_EMPTY])
            ),
            "a sibling with the right arguments": Exploit(
                _clerk(task, [{**c, "name": aside} for c in calls] or [_EMPTY])
            ),
            "right calls and one more": Exploit(_clerk(task, [*calls, {"name": aside, "arguments": {}}])),
            "right calls, twice": Exploit(_clerk(task, [*calls, *calls] or [_EMPTY])),
            "right calls on every function": Exploit(_clerk(task, _everywhere(calls, offered))),
            "code for arguments": Exploit(_clerk(task, [_as_code(c) for c in calls] or [_EMPTY])),
            "says that it called": Exploit(lambda messages: "I called the tool as you asked. Done."),
            "right calls, and no tool all the same": Exploit(_clerk(task, calls or [_EMPTY], denies)),
        }


_EMPTY = {"name": "none", "arguments": {}}


def _clerk(task: Task, calls: Sequence[Mapping[str, Any]], closing: str = "") -> Policy:
    """Asks for what is missing, then makes these calls in one turn (at least one), then closes."""
    missing, absent = task.target["missing_slots"], task.meta["absent"]
    said = closing or (f"There is no tool to {absent[0]}." if absent else "Done.")

    def act(messages: Sequence[Message]) -> Message:
        turn = sum(m.role == "assistant" for m in messages)
        if turn < len(missing):
            return Message("assistant", f"What {task.target['slots'][missing[turn]][0]} should it be?")
        if calls and turn == len(missing):
            return Message("assistant", "", tuple(ToolCall(**c, id=f"call_{i}") for i, c in enumerate(calls)))
        return Message("assistant", said)

    return act


def _asker(task: Task, question: str) -> Policy:
    """Asks `question` before it makes the right calls."""
    calls = task.meta["calls"] or [_EMPTY]

    def act(messages: Sequence[Message]) -> Message:
        turn = sum(m.role == "assistant" for m in messages)
        made = tuple(ToolCall(**c, id=f"call_{i}") for i, c in enumerate(calls))
        return Message("assistant", question if turn == 0 else "", made if turn == 1 else ())

    return act


def _everywhere(calls: Sequence[Mapping[str, Any]], offered: Sequence[str]) -> list[dict[str, Any]]:
    """The first call's arguments on each of the functions."""
    arguments = calls[0]["arguments"] if calls else {}
    return [{"name": name, "arguments": arguments} for name in offered]


def _as_code(call: Mapping[str, Any]) -> dict[str, Any]:
    return {**call, "arguments": {p: f"eval({value!r})" for p, value in call["arguments"].items()}}


def _spoil(call: Mapping[str, Any]) -> dict[str, Any]:
    """The call with its first argument made another one of its type."""
    name, value = next(iter(call["arguments"].items()))
    other = (
        not value
        if isinstance(value, bool)
        else value + 1
        if isinstance(value, int | float)
        else f"{value} else"
        if isinstance(value, str)
        else value[1:]
        if isinstance(value, list)
        else {**value, next(iter(value)): "other"}
    )
    return {**call, "arguments": {**call["arguments"], name: other}}
