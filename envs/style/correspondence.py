"""E-mails and commit messages to be written: situations told in prose, what must stand in the text, and one that does.

What `postgym/Structured-v0` asks for beside records and tables; judged by `rewards.letters`.
"""

import random
import textwrap
from dataclasses import dataclass
from typing import Any

from envs.style.situations import FIRST, LAST, day, told_date

_OCCASIONS = (
    ("budget meeting", "We talk about the money for next year there."),
    ("site visit", "We walk around the new building there."),
    ("safety training", "All of us learn what to do in case of fire there."),
    ("job interview", "We get to know the people who applied there."),
    ("rehearsal", "We go through the whole programme there."),
    ("book club", "We talk about what everyone has read there."),
    ("fire drill", "We find out how fast the house can be left there."),
    ("farewell party", "We thank a colleague for many good years there."),
)
_CLOSINGS = ("Kind regards,", "Best wishes,", "Yours sincerely,", "With best regards,")
_TASKS = ("brings the projector", "sets up the chairs", "opens the door", "fetches the cakes", "prints the handouts")
_GOODS = ("lamps", "chairs", "mirrors", "shelves", "carpets", "curtains", "vases", "plates", "glasses", "cushions")
_SETTLED = "stools"
_WRONGS = ("are missing", "are broken", "have the wrong colour", "have scratches all over", "are of another size")
_COMPONENTS = ("parser", "cache", "cli", "api", "docs", "scheduler", "login", "export", "mailer", "search", "sync")
_FAULTS = (
    ("fix", "handle", "empty input", "An empty input made it stop at once."),
    ("fix", "close", "open files", "Files stayed open after an error had occurred."),
    ("fix", "escape", "quotation marks", "Quotation marks broke the output of the report."),
    ("feat", "add", "dark mode", "Many users asked for a display that is easy on the eyes."),
    ("feat", "support", "gzip files", "Large inputs mostly come compressed these days."),
    ("perf", "reuse", "database connections", "A connection was opened for each and every request."),
    ("perf", "skip", "unchanged pages", "Every page was built anew although hardly any had changed."),
    ("docs", "explain", "retry options", "Readers could not tell which option wins over the other."),
    ("refactor", "split", "config loader", "Reading and checking were tangled up in one place."),
    ("test", "cover", "leap years", "Nobody had tried a date at the end of that month."),
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A text to be written: what is asked, what it is judged by, and a text that is right."""

    request: str
    target: dict[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an e-mail is about, before its form is added."""

    subject: str
    told: list[str]  # the situation
    asked: str  # where its facts have to stand
    facts: list[list[str]]
    lines: list[str]  # sentences of a body that is right
    decoys: list[str]


def email(rng: random.Random, difficulty: float) -> Letter:
    """An invitation or a complaint; harder ones have more facts, a copy, and details that no longer hold."""
    reader, writer = rng.sample([f"{first} {last}" for first in FIRST for last in LAST], 2)
    plan = rng.choice((_invitation, _complaint))(rng, difficulty, reader, writer)
    closing, groups = rng.choice(_CLOSINGS), len(plan.facts)
    headers = {"To": f"{_ascii(reader)}@example.org", "Subject": plan.subject}
    if difficulty > rng.random():
        headers = {"To": headers["To"], "Cc": f"office{rng.randint(1, 9)}@example.org", "Subject": plan.subject}
    low, high = 10 + 10 * groups, 50 + 30 * groups
    form = [
        f"Write the e-mail. Its lines at the top are {', '.join(f'{k}: {v}' for k, v in headers.items())}, one each, "
        f'then a blank line. It opens with the line "Dear {reader}," and ends with the two lines "{closing}" and '
        f'"{writer}". The body has {low} to {high} words. {plan.asked} Use no other names, dates, numbers or places.'
    ]
    target = {
        "headers": headers,
        "greeting": f"Dear {reader},",
        "closing": [closing, writer],
        "facts": plan.facts,
        "words": [low, high],
        "names": [],
        "decoys": plan.decoys,
    }
    top = "\n".join(f"{k}: {v}" for k, v in headers.items())
    text = f"{top}\n\nDear {reader},\n\n{' '.join(plan.lines)}\n\n{closing}\n{writer}"
    return Letter("\n\n".join([" ".join(plan.told), *form]), target, text)


def _invitation(rng: random.Random, difficulty: float, reader: str, writer: str) -> _Plan:
    """When and where, then who does what at which time; it may have been moved."""
    occasion, about = rng.choice(_OCCASIONS)
    hours = sorted(rng.sample(range(8, 20), 6), reverse=True)  # the occasion comes last
    times = [f"{hour}:{rng.randrange(0, 60, 5):02d}" for hour in hours]
    when, old = _two_dates(rng)
    room, old_room = rng.sample([f"{block}{number}" for block in "ABCD" for number in range(10, 60)], 2)
    tasks = rng.sample(_TASKS, round(4 * difficulty))
    helpers = rng.sample([n for n in FIRST if n not in f"{reader} {writer}"], len(tasks))
    shared = [f"{h} {task} at {t}." for h, task, t in zip(helpers, tasks, times[1:], strict=False)]
    moved = difficulty > 0.4 and rng.random() < difficulty
    return _Plan(
        f"Invitation to the {occasion}",
        [
            f"{writer} invites {reader} to the {occasion} on {when} at {times[0]} in room {room}.",
            *shared,
            *[f"It was to be on {old} in room {old_room} at first; that no longer holds, so it isn't said."] * moved,
        ],
        "One sentence says date, time and room together, exactly as they are given here"
        + (", and for each helper one sentence of its own gives the name and the time." if tasks else "."),
        [[when, times[0], room], *([h, t] for h, t in zip(helpers, times[1:], strict=False))],
        [
            f"I would like to invite you to the {occasion} on {when} at {times[0]} in room {room}.",
            f"{about} It would be a great pleasure to see you.",
            *(f"Please note that {line}" for line in shared),
        ],
        [old, old_room] if moved else [],
    )


def _complaint(rng: random.Random, difficulty: float, reader: str, writer: str) -> _Plan:
    """What was delivered when, and what of it is wrong; some of it may have been put right."""
    number, (when, old) = f"OR-{rng.randint(1000, 9999)}", _two_dates(rng)
    goods = rng.sample(_GOODS, 1 + round(4 * difficulty))
    counts = rng.sample(range(32, 99), len(goods) + 1)  # no day of a month
    faults = [rng.choice(_WRONGS) for _ in goods]
    settled = difficulty > 0.4 and rng.random() < difficulty
    reported = [f"{n} {good} {fault}." for n, good, fault in zip(counts, goods, faults, strict=False)]
    return _Plan(
        f"Order {number}",
        [
            f"{writer} complains to {reader} about the order {number}, which was delivered on {when}.",
            *reported,
            *[f"Of {counts[-1]} {_SETTLED} sent on {old} the money is back; that is settled, so it isn't said."]
            * settled,
        ],
        "One sentence says the number of the order and the date together, exactly as they are given here, and for each "
        "article one sentence of its own says how many, in digits, and what is wrong.",
        [[number, when], *([str(n), good] for n, good in zip(counts, goods, strict=False))],
        [
            f"I write to you about the order {number}, which was delivered on {when}.",
            "I am sorry to say that not all of it was as it should be.",
            *(f"Of the delivery, {line}" for line in reported),
            "I would be glad if you could put this right soon.",
        ],
        [old, str(counts[-1]), _SETTLED] if settled else [],
    )


def _two_dates(rng: random.Random) -> tuple[str, str]:
    """Two dates as people write them, in different years."""
    first, second = day(rng), day(rng)
    return (told_date(first), told_date(second)) if first.year != second.year else _two_dates(rng)


def commit(rng: random.Random, difficulty: float) -> Letter:
    """A commit message: a head alone at first; then a body, an issue and what it breaks."""
    kind, verb, topic, why = rng.choice(_FAULTS)
    scope, number, other = rng.choice(_COMPONENTS), rng.randint(10, 9_999), rng.randint(10, 9_999)
    author, version = (
        f"{rng.choice(FIRST)} {rng.choice(LAST)}",
        f"{rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(1, 9)}",
    )
    function = f"{rng.choice(('load', 'run', 'read', 'send', 'build'))}_{rng.choice(('all', 'next', 'batch', 'page'))}"
    figures = [f"{rng.randint(11, 990)} ms", f"{rng.randint(11, 99)} MB"][: round(2 * difficulty)]
    ways = ("A run takes {} now.", "It needs {} of memory now.")
    measured = [way.format(figure) for way, figure in zip(ways, figures, strict=False)]
    breaking = difficulty > 0.5 and rng.random() < difficulty
    body = difficulty > 0.2
    footers = [f"BREAKING CHANGE: {function} is gone"] * breaking + [f"Fixes: #{number}"] * (difficulty > 0.1)
    facts = [function, *figures] * body
    told = [
        f"{author} made a change of the type {kind} to the component {scope}: it is to {verb} {topic}.",
        *[f"The function concerned is {function}. {why}"] * body,
        *measured * body,
        *[f"It closes issue {number}; issue {other} stays open."] * (difficulty > 0.1),
        *[f"Whoever calls {function} has to change their code, since it is gone."] * breaking,
        *[f"The last release was {version}."] * (difficulty > 0.3),
    ]
    form = [
        "Write the commit message in the conventional form: type(scope): subject on the first line, of at most "
        f'50 characters, without a full stop; the subject begins with "{verb}" and names "{topic}".',
        *["A ! stands before the colon, as it breaks what others built on."] * breaking,
        *[
            "Then a blank line and a body of whole sentences in lines of at most 72 characters, with the function and "
            "every figure of it with its unit."
        ]
        * body,
        *[f"It has no body; after a blank line it ends with {' and '.join(footers)}."] * (bool(footers) and not body),
        *[f"After another blank line it ends with {' and '.join(footers)}."] * (bool(footers) and body),
        *["There is nothing after the first line."] * (not footers and not body),
        "Neither the author nor other issues or releases are named, nor any other number.",
    ]
    sentences = [f"This concerns {function} and all that relies on it. {why}"]
    sentences += measured
    target = {
        "head": {"type": kind, "scope": scope, "breaking": breaking},
        "verbs": [verb],
        "subject": [topic],
        "facts": facts,
        "footers": footers,
        "columns": [50, 72],
        "names": [],
        "decoys": [author.split()[0], author.split()[1], str(other), version],
    }
    head = f"{kind}({scope}){'!' * breaking}: {verb} {topic}"
    if len(head) > 50 or other == number:
        return commit(rng, difficulty)
    blocks = [head, *[textwrap.fill(" ".join(sentences), 72)] * body, *["\n".join(footers)] * bool(footers)]
    return Letter(f"{' '.join(told)}\n\n{' '.join(form)}", target, "\n\n".join(blocks))


def _ascii(name: str) -> str:
    return name.lower().replace("ö", "o").replace(" ", ".")
