"""`postgym/Interruption-v0`: a user breaks in with other matters while a form is being filled in.

The assistant asks for what is missing; in the middle the user asks something else, and at higher difficulty changes a
detail that was already given. The other matter has to be answered at once; then the form goes on where it stood,
nothing is asked twice, and it is sent with the details as they are in the end.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from envs.dialogue.forms import FORMS, NAMES, Desk, about_forms, asked_for, draw, sent_right, spoken_turns, words_of
from envs.tools import Tool, tools_of
from rewards.dialogue import no_repeated_questions, questions
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.text import count_phrase
from rewards.transcript import Message, ToolCall, Transcript

SYSTEM = Message(
    "system",
    f"You fill in forms ({about_forms()}). Ask for what is missing, one thing in one question at a time. If the user "
    "asks something else in between, answer it, then go on with the form. Send it with send_form when it is complete.",
)
_WAIT = ("Wait, before that:", "Sorry, something else first:", "Hold on.", "One moment, please:", "By the way:")


def _sum(rng: random.Random) -> tuple[str, str]:
    a, b = rng.randint(12, 89), rng.randint(12, 89)
    return f"what is {a} + {b}?", str(a + b)


def _letters(rng: random.Random) -> tuple[str, str]:
    word = rng.choice(("lighthouse", "harbour", "umbrella", "orchard", "blackbird", "telescope", "strawberry"))
    return f"how many letters has the word {word}?", str(len(word))


def _backwards(rng: random.Random) -> tuple[str, str]:
    word = rng.choice(("stone", "light", "bread", "cloud", "plant", "train", "house", "river", "chair", "glove"))
    return f"how do you write {word} backwards?", word[::-1]


def _minutes(rng: random.Random) -> tuple[str, str]:
    hours, minutes = rng.randint(2, 9), rng.randint(5, 55)
    return f"how many minutes are {hours} hours and {minutes} minutes?", str(60 * hours + minutes)


_OTHER: tuple[Callable[[random.Random], tuple[str, str]], ...] = (_sum, _letters, _backwards, _minutes)


def answers_interruptions(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when every turn that follows an interruption states what was asked for, else 0."""
    asides = target.get("asides")
    if not isinstance(asides, list) or not asides:
        return failure(Status.TASK_ERROR, f"target asides {asides!r:.60} hold no interruption; fill them in the task")
    messages = transcript.messages
    for aside in asides:
        place = next((i for i, m in enumerate(messages) if m.role == "user" and aside["question"] in m.content), None)
        if place is None or place + 1 >= len(messages):
            return Score(0.0, "the conversation ended before an interruption was answered")
        said = messages[place + 1].content.rsplit("</think>", 1)[-1]
        statements = said
        for question in questions(said):
            statements = statements.replace(question, " ")
        others = set(aside["wrong"]) & set(statements.split())
        if not count_phrase(aside["answer"], statements) or others:
            return Score(0.0, f"{said[:60]!r} doesn't answer {aside['question']!r}")
    return Score(1.0, f"{len(asides)} interruptions answered")


class Interruption(TextEnv):
    """A form, and a user who has other things on their mind as well."""

    id = "postgym/Interruption-v0"
    rubric = Rubric(
        [
            Criterion("sent", sent_right, 0.5, gate=True),
            Criterion("interruptions", answers_interruptions, 0.3, gate=True),
            Criterion("asks once", no_repeated_questions, 0.2, gate=True),
        ]
    )
    max_turns = 12

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """One interruption and two missing details at difficulty 0; three, four and a change of mind at 1."""
        form = rng.choice(list(FORMS))
        values = draw(rng, form)
        missing = rng.sample(list(values), 2 + (rng.random() < difficulty) + (rng.random() < difficulty - 0.3))
        asides = []
        for make in rng.sample(_OTHER, min(len(missing), 1 + int(2 * difficulty + 0.5 * rng.random()))):
            question, answer = make(rng)
            wrong = [str(int(answer) + d) for d in (-2, -1, 1, 2)] if answer.isdigit() else [answer[::-1]]
            asides.append({"question": question, "answer": answer, "wrong": wrong, "wait": rng.choice(_WAIT)})
        final = dict(values)
        change = {}
        told_before = [s for s in values if s not in missing]
        if told_before and rng.random() < difficulty:
            slot = rng.choice(told_before)
            final[slot] = rng.choice([v for v in FORMS[form][slot][1] if v not in values.values()])
            change = {"slot": slot, "value": final[slot]}
        told = [f"{slot}: {values[slot]}" for slot in told_before]
        opening = f"Hello, this is {rng.choice(NAMES)}. I need a {form}." + (f" {', '.join(told)}." if told else "")
        return Task(
            prompt=(SYSTEM, Message("user", f"{opening} I'm at number {rng.randint(2, 99)}.")),
            target={"form": form, "details_sent": final, "asides": asides, "slots": words_of(form)},
            meta={"values": values, "missing": missing, "change": change},
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`send_form`."""
        self._told: list[str] = []
        self._interrupted = 0
        return tools_of(Desk())

    def reply(self, message: Message) -> tuple[Message, ...]:
        """Breaks in where an interruption is due, else tells what was asked; words after the form end the episode."""
        assert self.task is not None
        if any(r.error is None for r in self._calls):
            return ()
        target, meta = self.task.target, self.task.meta
        asked = [s for s in asked_for(target["form"], message) if s in meta["missing"] and s not in self._told]
        if not asked:
            return (Message("user", "What do you still need to know for the form?"),)
        slot = asked[0]
        self._told.append(slot)
        said = f"The {slot}: {meta['values'][slot]}."
        if self._interrupted < len(target["asides"]):
            aside = target["asides"][self._interrupted]
            self._interrupted += 1
            said += f" {aside['wait']} {aside['question']}"
            if meta["change"] and self._interrupted == 1:
                said += f" And make the {meta['change']['slot']} {meta['change']['value']} instead."
        return (Message("user", said),)

    def expert(self, task: Task) -> Policy:
        """Asks, answers what comes in between together with the next question, and sends the form."""
        return _clerk(task, task.target["details_sent"])

    def wrong_policy(self, task: Task, which: int) -> Policy:
        """Sends another detail, or answers an interruption wrong."""
        values = task.target["details_sent"]
        slot = list(values)[which % len(values)]
        return _clerk(task, values, aside="It is {wrong}.") if which % 2 else _clerk(task, {**values, slot: "none"})

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Passing over what the user asked, forgetting changes, asking again, giving up the form."""
        form, values = task.target["form"], task.target["details_sent"]
        guess = {s: FORMS[form][s][1][0] for s in values}
        return {
            "passes over interruptions": Exploit(_clerk(task, values, aside="Let us go on.")),
            "answers wrong": Exploit(_clerk(task, values, aside="It is {wrong}.")),
            "offers two answers": Exploit(_clerk(task, values, aside="It is {wrong} or {answer}.")),
            "hands the question back": Exploit(_clerk(task, values, aside="You ask: {question}")),
            "asks everything again after an interruption": Exploit(_clerk(task, values, again=True)),
            "never sends the form": Exploit(_clerk(task, values, sends=False)),
            "guesses the form": Exploit(_clerk(task, guess)),
            "sends before the user has spoken": Exploit(_eager(task)),
        }


def _clerk(
    task: Task, values: Mapping[str, str], aside: str = "It is {answer}.", again: bool = False, sends: bool = True
) -> Policy:
    missing, asides = task.meta["missing"], task.target["asides"]

    def act(messages: Sequence[Message]) -> "str | Message":
        spoken = len(spoken_turns(messages))
        if any(m.tool_calls for m in messages):
            return "The form is sent."
        answer = ""
        due = next((a for a in asides if a["question"] in messages[-1].content), None)
        if due is not None:
            answer = aside.format(answer=due["answer"], wrong=due["wrong"][0], question=due["question"]) + " "
        if spoken < len(missing):
            once_more = f" And the {missing[0]}, please?" if again and spoken else ""
            return f"{answer}What {missing[spoken]} would you like?{once_more}"
        if not sends:
            return f"{answer}That is all."
        call = ToolCall("send_form", {"form": task.target["form"], "details": dict(values)}, "call_0")
        return Message("assistant", answer.strip(), (call,))

    return act


def _eager(task: Task) -> Policy:
    call = ToolCall("send_form", {"form": task.target["form"], "details": dict(task.target["details_sent"])}, "call_0")

    def act(messages: Sequence[Message]) -> "str | Message":
        return "The form is sent." if messages[-1].role == "tool" else Message("assistant", "", (call,))

    return act
