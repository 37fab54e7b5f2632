"""`postgym/Clarify-v0`: requests that may lack something; ask for exactly that, once, then do it.

One thing is missing, or nothing, at difficulty 0; up to three at 1, asked for one at a time. Asking for what was said,
asking twice, and asking when nothing is missing lose all: always asking pays no more than never asking.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from envs.dialogue.forms import FORMS, NAMES, Desk, about_forms, asked_for, draw, sent_right, spoken_turns, words_of
from envs.tools import Tool, tools_of
from rewards.dialogue import asks_for_missing
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message, ToolCall, Transcript

SYSTEM = Message(
    "system",
    f"You fill in forms ({about_forms()}). Where the user left something out, ask for it, one thing in one question at "
    "a time; don't ask for anything else. Then send the form with send_form.",
)
_OPENINGS = ("Hello, {name} here.", "Hi, this is {name}.", "Good morning, {name} speaking.", "It's {name}.")
_REQUESTS = (
    "I need a {form}.",
    "Please get me a {form}.",
    "I'd like to book a {form}.",
    "Can you arrange a {form} for me?",
)
_TWICE = "I've told you all I can about that."


def asked_well(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when each missing slot was asked for in one question of its own, and nothing else was asked, else 0."""
    missing, slots = target.get("missing_slots"), target.get("slots")
    if not isinstance(missing, list) or not isinstance(slots, Mapping) or not set(missing) <= set(slots):
        return failure(Status.TASK_ERROR, f"target missing_slots {missing!r} are none of its slots; fill them in")
    turns = [(i, m) for i, m in spoken_turns(transcript.messages) if i < _last_call(transcript.messages)]
    if len(turns) != len(missing):
        return Score(0.0, f"{len(turns)} turns of questions where {len(missing)} are needed")
    left = set(missing)
    for place, message in turns:
        seen = Transcript(transcript.messages[: place + 1])
        met = [s for s in left if asks_for_missing(seen, {"slots": slots, "missing": s}).value == 1]
        if not met:
            return Score(0.0, f"{message.content[:60]!r} isn't one question about what is missing")
        left -= set(met)
    return Score(1.0, "asked for what was missing" if missing else "asked nothing")


def _last_call(messages: Sequence[Message]) -> int:
    return max((i for i, m in enumerate(messages) if m.tool_calls), default=len(messages))


class Clarify(TextEnv):
    """A request, the questions it needs, and the form."""

    id = "postgym/Clarify-v0"
    rubric = Rubric([Criterion("sent", sent_right, 0.7, gate=True), Criterion("questions", asked_well, 0.3, gate=True)])
    max_turns = 8

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A request from which up to three of four details are missing."""
        form = rng.choice(list(FORMS))
        values = draw(rng, form)
        count = 0 if rng.random() < 0.3 else 1 + int(2 * difficulty + 0.7 * rng.random())
        missing = rng.sample(list(values), min(3, count))
        told = [f"{slot}: {value}" for slot, value in values.items() if slot not in missing]
        rng.shuffle(told)
        opening = rng.choice(_OPENINGS).format(name=rng.choice(NAMES))
        request = rng.choice(_REQUESTS).format(form=form)
        return Task(
            prompt=(SYSTEM, Message("user", f"{opening} {request} {', '.join(told)}.")),
            target={"form": form, "details_sent": values, "slots": words_of(form), "missing_slots": missing},
            meta={},
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`send_form`."""
        self._told: set[str] = set()
        return tools_of(Desk())

    def reply(self, message: Message) -> tuple[Message, ...]:
        """Tells the first missing thing that is asked for; words after the form was sent end the episode."""
        assert self.task is not None
        if any(r.error is None for r in self._calls):
            return ()
        target = self.task.target
        asked = [s for s in asked_for(target["form"], message) if s in target["missing_slots"] and s not in self._told]
        if not asked:
            return (Message("user", _TWICE),)
        self._told.add(asked[0])
        return (Message("user", f"The {asked[0]}? {target['details_sent'][asked[0]]}."),)

    def expert(self, task: Task) -> Policy:
        """Asks for one missing thing a turn, sends the form, and says so."""
        return _clerk(task, task.target["missing_slots"], task.target["details_sent"])

    def wrong_policy(self, task: Task, which: int) -> Policy:
        """Asks well and sends another value, or asks for one thing too many."""
        missing, values = task.target["missing_slots"], task.target["details_sent"]
        slot = list(values)[which % len(values)]
        if which % 2:
            return _clerk(task, missing, {**values, slot: "none"})
        return _clerk(task, [*missing, next(s for s in values if s not in missing)], values)

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Guesses, interrogations, and forms sent twice."""
        form, values, missing = task.target["form"], task.target["details_sent"], task.target["missing_slots"]
        usual = {s: (v if s not in missing else FORMS[form][s][1][0]) for s, v in values.items()}
        blanks = {s: "" if s in missing else v for s, v in values.items()}
        some, why = missing or [next(iter(values))], "three of ten requests lack nothing"
        everything = "What " + ", ".join(values) + " do you want?"
        return {
            "asks for everything, one by one": Exploit(_clerk(task, list(values), values)),
            "asks for everything at once": Exploit(_clerk(task, some, values, everything)),
            "asks vaguely": Exploit(_clerk(task, some, values, "Could you tell me more?")),
            "asks about something else": Exploit(_clerk(task, some, values, "What is your shoe size?")),
            "asks twice": Exploit(_clerk(task, [*some, *some], values)),
            "sends two forms": Exploit(_clerk(task, missing, values, forms=2)),
            "leaves out what it doesn't know": Exploit(_clerk(task, [], blanks), 0.5, why),
            "never asks and guesses": Exploit(_clerk(task, [], usual), 0.5, why),
        }


def _clerk(task: Task, ask: Sequence[str], values: Mapping[str, str], words: str = "", forms: int = 1) -> Policy:
    """Asks for each of `ask` (or says `words` as often), then sends the form."""
    call = {"form": task.target["form"], "details": dict(values)}

    def act(messages: Sequence[Message]) -> "str | Message":
        turn = sum(m.role == "assistant" for m in messages)
        if turn < len(ask):
            return words or f"Which {ask[turn]} would you like?"
        if turn == len(ask):
            return Message("assistant", "", tuple(ToolCall("send_form", call, f"call_{i}") for i in range(forms)))
        return "The form is sent."

    return act
