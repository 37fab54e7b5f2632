"""Forms to be filled in conversation: what they ask for, a user who knows it, and the tool that sends them in."""

import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from envs.tools import ToolError, tool
from rewards.dialogue import questions
from rewards.score import Score, Status, failure
from rewards.text import count_phrase
from rewards.transcript import Message, Transcript

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TIMES = ("9:00", "10:30", "11:15", "12:45", "14:00", "15:30", "16:15", "17:45", "19:00", "20:30")
_PLACES = ("Arden", "Belmar", "Corvo", "Dunmore", "Elsted", "Fairhill", "Harlow", "Marsden")
_PEOPLE = tuple(str(n) for n in range(2, 13))
NAMES = (
    "Ada",
    "Ben",
    "Cleo",
    "Dan",
    "Eva",
    "Finn",
    "Gus",
    "Hana",
    "Ivo",
    "Jo",
    "Kim",
    "Leo",
    "Mia",
    "Noa",
    "Ola",
    "Pia",
)

# form -> slot -> (words that name the slot, what it may hold)
FORMS: Mapping[str, Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "table": {
        "day": (("day", "date"), _DAYS),
        "time": (("time", "hour"), _TIMES),
        "guests": (("guests", "people", "persons"), _PEOPLE),
        "seating": (
            ("seating", "inside", "outside", "terrace"),
            ("inside", "terrace", "garden", "window", "bar", "hall"),
        ),
    },
    "taxi": {
        "pickup": (("pickup", "pick-up", "picked up", "start"), _PLACES),
        "destination": (("destination", "going", "to go"), _PLACES),
        "time": (("time", "hour"), _TIMES),
        "bags": (("bags", "luggage", "suitcases"), _PEOPLE),
    },
    "parcel": {
        "town": (("town", "city"), _PLACES),
        "weight": (("weight", "heavy", "weigh"), tuple(f"{n} kg" for n in range(2, 13))),
        "speed": (("speed", "fast", "express"), ("express", "standard", "economy", "overnight", "weekend", "courier")),
        "contents": (("contents", "inside it", "in it"), ("books", "shoes", "wine", "tools", "toys", "tea", "lamps")),
    },
    "room": {
        "day": (("day", "date"), _DAYS),
        "time": (("time", "hour"), _TIMES),
        "seats": (("seats", "people", "chairs"), _PEOPLE),
        "equipment": (("equipment", "device"), ("projector", "whiteboard", "camera", "flipchart", "phone", "screen")),
    },
    "haircut": {
        "day": (("day", "date"), _DAYS),
        "time": (("time", "hour"), _TIMES),
        "stylist": (("stylist", "hairdresser", "cut it"), NAMES),
        "service": (("service", "treatment"), ("trim", "colour", "wash", "perm", "fringe", "shave")),
    },
}


def draw(rng: random.Random, form: str) -> dict[str, str]:
    """Values for every slot of a form; two of one pool differ."""
    values: dict[str, str] = {}
    for slot, (_, pool) in FORMS[form].items():
        values[slot] = rng.choice([value for value in pool if value not in values.values()])
    return values


def words_of(form: str) -> dict[str, list[str]]:
    """The words that name each slot, as the rewards on questions take them."""
    return {slot: [slot, *words] for slot, (words, _) in FORMS[form].items()}


def asked_for(form: str, message: Message) -> list[str]:
    """The slots that the questions of a message name."""
    words = words_of(form)
    said = message.content.rsplit("</think>", 1)[-1]
    asked = questions(said, [w for names in words.values() for w in names])
    return [slot for slot, names in words.items() if any(count_phrase(n, q) for n in names for q in asked)]


class Desk:
    """Where a form is sent in."""

    @tool
    def send_form(
        self,
        form: Annotated[str, Field(description="one of: " + ", ".join(FORMS))],
        details: Annotated[dict[str, str], Field(description="every slot of the form with its value")],
    ) -> str:
        """Sends in a form. It can't be called back."""
        if form not in FORMS:
            raise ToolError("unknown_form", f"no form {form[:20]!r}; forms: {', '.join(FORMS)}")
        if set(details) != set(FORMS[form]):
            raise ToolError("wrong_slots", f"the form {form} has exactly the slots {', '.join(FORMS[form])}")
        return "sent"


def about_forms() -> str:
    """For the system message: every form with its slots."""
    return "; ".join(f"{form}: {', '.join(slots)}" for form, slots in FORMS.items())


def sent_right(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when one form was sent in, the one asked for with exactly the details of the target, else 0."""
    form, details = target.get("form"), target.get("details_sent")
    if form not in FORMS or not isinstance(details, Mapping) or set(details) != set(FORMS[form]):
        return failure(Status.TASK_ERROR, f"target form {form!r} with details {details!r:.60} is none; fill it in")
    sent = [r for r in transcript.calls if r.name == "send_form" and r.error is None]
    if len(sent) != 1:
        return Score(0.0, f"{len(sent)} forms were sent in")
    if sent[0].arguments["form"] != form:
        return Score(0.0, f"sent a form for a {sent[0].arguments['form']}")
    given = sent[0].arguments["details"]
    wrong = [slot for slot, value in details.items() if given[slot].strip().casefold() != value.casefold()]
    return (
        Score(0.0, f"{wrong[0]} is {given[wrong[0]][:30]!r}, not {details[wrong[0]]!r}")
        if wrong
        else Score(1.0, "sent")
    )


def spoken_turns(messages: Sequence[Message]) -> list[tuple[int, Message]]:
    """The assistant's turns that only speak, with their places."""
    return [(i, m) for i, m in enumerate(messages) if m.role == "assistant" and not m.tool_calls]
