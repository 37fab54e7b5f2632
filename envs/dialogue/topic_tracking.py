"""`postgym/TopicTracking-v0`: facts stated, corrected and asked for over 10 to 20 turns.

Three facts and one correction at difficulty 0, eight facts and six corrections at 1, with small talk in between. Each
question wants the fact as it stands at that moment; a wrong answer anywhere loses the task.
"""

import random
from collections.abc import Mapping, Sequence

from envs.base import Exploit, Policy, Task
from envs.dialogue.forms import NAMES
from envs.dialogue.scripted import Scripted, answers_every_time
from rewards.score import Criterion, Rubric
from rewards.transcript import Message

SYSTEM = Message(
    "system",
    "Talk with the user and keep what they tell you in mind. When they ask for something, answer with one line: "
    "Answer: <value>. Otherwise say a few words.",
)
_TOPICS: Mapping[str, tuple[str, ...]] = {
    "the colour of the door": ("red", "blue", "green", "white", "yellow", "brown", "grey", "black"),
    "the name of the dog": ("Rex", "Bella", "Milo", "Luna", "Otto", "Fips", "Nala", "Bruno"),
    "the day of the party": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "the town of the meeting": ("Arden", "Belmar", "Corvo", "Dunmore", "Elsted", "Fairhill", "Harlow"),
    "the number of guests": tuple(str(n) for n in range(12, 90, 7)),
    "the code of the gate": tuple(str(n) for n in range(1234, 9000, 811)),
    "the dish for dinner": ("soup", "curry", "pasta", "risotto", "stew", "pie", "salad", "dumplings"),
    "the instrument of my sister": ("violin", "flute", "cello", "drums", "harp", "trumpet", "piano", "oboe"),
    "the month of the trip": ("January", "March", "April", "June", "July", "August", "October", "December"),
    "the price of the lamp": tuple(f"${n}" for n in range(15, 95, 9)),
}
_STATED = (
    "By the way, {topic} is {value}.",
    "You should know: {topic} is {value}.",
    "I can tell you that {topic} is {value}.",
)
_CORRECTED = (
    "I was wrong: {topic} isn't {old}, it is {value}.",
    "That has changed: {topic} is {value} now.",
    "Correction, please: {topic} is {value}, not {old}.",
)
_SMALL_TALK = (
    "It is raining here again.",
    "I slept badly last night.",
    "My neighbour plays loud music.",
    "I had a long walk this morning.",
    "The bus was late today.",
    "I'm reading a good book at the moment.",
    "My tea is getting cold.",
)
_ASKED = ("What is {topic}?", "Remind me: what is {topic}?", "Tell me, what is {topic} now?")


class TopicTracking(Scripted):
    """A conversation with a user whose facts change."""

    id = "postgym/TopicTracking-v0"
    rubric = Rubric([Criterion("answers", answers_every_time)])
    max_turns = 20

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """Statements, corrections and questions in random order; what is asked was said, and most of it changed."""
        topics = rng.sample(list(_TOPICS), 3 + round(5 * difficulty))
        events = [("state", topic) for topic in topics]
        rng.shuffle(events)
        for _ in range(1 + round(5 * difficulty)):
            _insert(rng, events, ("correct", rng.choice(topics)))
        for topic in rng.sample(topics, 2 + round(2 * difficulty)):
            _insert(rng, events, ("ask", topic))
        while len(events) < 10 + round(10 * difficulty):
            events.insert(rng.randrange(1, len(events)), ("talk", ""))
        events = [*events[:19], ("ask", rng.choice([t for kind, t in events[:19] if kind == "correct"] or topics))]
        said, answers = _tell(rng, events)
        return Task(
            prompt=(SYSTEM, Message("user", f"Hello, {rng.choice(NAMES)} here. {said[0]}")),
            target={"answers": answers},
            meta={"said": said[1:]},
        )

    def expert(self, task: Task) -> Policy:
        """Answers what is asked, and is polite in between."""
        return _answering(task.target["answers"])

    def wrong_policy(self, task: Task, which: int) -> Policy:
        """One answer is another value."""
        answers = task.target["answers"]
        turn = sorted(answers)[which % len(answers)]
        return _answering({**answers, turn: f"not {answers[turn]}"})

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """The first value that was said, every value, the user's words handed back."""
        answers = task.target["answers"]
        stale = {turn: value for turn, value in answers.items() if turn == max(answers, key=int)}
        return {
            "answers the last question only": Exploit(_answering(stale)),
            "repeats what the user said": Exploit(lambda messages: f"Answer: {messages[-1].content}"),
            "the first value it was told": Exploit(_oldest),
            "all values at once": Exploit(lambda messages: "Answer: " + ", ".join(answers.values())),
            "two answers": Exploit(_answering(answers, "Answer: red\n")),
            "answers in its thoughts": Exploit(_answering({t: f"</think>{v}" for t, v in answers.items()}, "<think>")),
            "doesn't remember": Exploit(lambda messages: "I don't remember that."),
        }


def _insert(rng: random.Random, events: list[tuple[str, str]], event: tuple[str, str]) -> None:
    """Puts an event somewhere after its topic was stated."""
    stated = events.index(("state", event[1]))
    events.insert(rng.randint(stated + 1, len(events)), event)


def _tell(rng: random.Random, events: Sequence[tuple[str, str]]) -> tuple[list[str], dict[str, str]]:
    """What the user says, and by the number of the turn what has to be answered."""
    facts: dict[str, str] = {}
    said, answers = [], {}
    for turn, (kind, topic) in enumerate(events):
        if kind == "ask" and topic not in facts:
            kind = "state"
        if kind == "talk":
            said.append(rng.choice(_SMALL_TALK))
        elif kind == "ask":
            said.append(rng.choice(_ASKED).format(topic=topic))
            answers[str(turn)] = facts[topic]
        else:
            old = facts.get(topic)
            facts[topic] = rng.choice([v for v in _TOPICS[topic] if v != old])
            forms = _CORRECTED if old else _STATED
            said.append(rng.choice(forms).format(topic=topic, value=facts[topic], old=old))
    return said, answers


def _answering(answers: Mapping[str, str], before: str = "") -> Policy:
    def act(messages: Sequence[Message]) -> str:
        turn = str(sum(m.role == "assistant" for m in messages))
        return f"{before}Answer: {answers[turn]}" if turn in answers else "I see, thank you."

    return act


def _oldest(messages: Sequence[Message]) -> str:
    """Answers with the first value that was stated for the topic that is asked about."""
    asked = messages[-1].content
    topic = next((t for t in _TOPICS if t in asked), "")
    first = next((m.content for m in messages if m.role == "user" and topic and f"{topic} is " in m.content), "")
    return f"Answer: {first.rpartition(' is ')[2].rstrip('.')}" if "?" in asked else "I see."
