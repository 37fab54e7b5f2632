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


def email(rng: random.Random, difficulty: float) -> Letter:
    """An invitation: when and where, then who does what at which time; harder ones have been moved or have a copy."""
    first, last, sender = rng.choice(FIRST), rng.choice(LAST), f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    occasion, about = rng.choice(_OCCASIONS)
    when, old = told_date(day(rng).isoformat()), told_date(day(rng).isoformat())
    times = [
        f"{h}:{m:02d}" for h, m in zip(rng.sample(range(8, 20), 6), rng.choices(range(0, 60, 5), k=6), strict=True)
    ]
    room, wrong_room = rng.sample([f"{block}{number}" for block in "ABCD" for number in range(10, 60)], 2)
    tasks = rng.sample(_TASKS, round(4 * difficulty))
    helpers = rng.sample([n for n in FIRST if n != first and n not in sender], len(tasks))
    guest, closing = f"{first} {last}", rng.choice(_CLOSINGS)
    headers = {"To": f"{first.lower()}.{_ascii(last)}@example.org", "Subject": f"Invitation to the {occasion}"}
    copied = difficulty > rng.random()
    if copied:
        headers = {"To": headers["To"], "Cc": f"office{rng.randint(1, 9)}@example.org", "Subject": headers["Subject"]}
    moved = difficulty > 0.4 and old != when and rng.random() < difficulty
    low, high = 20 + 10 * len(tasks), 60 + 30 * len(tasks)
    facts = [[when, times[0], room], *([h, t] for h, t in zip(helpers, times[1:], strict=False))]
    told = [
        f"{sender} invites {guest} to the {occasion} on {when} at {times[0]} in room {room}.",
        *(f"{h} {task} at {t}." for h, task, t in zip(helpers, tasks, times[1:], strict=False)),
        *(
            [f"It was to be on {old} in room {wrong_room} at first; that no longer holds, and need not be said."]
            * moved
        ),
    ]
    form = [
        f"Write the e-mail. Its lines at the top are {', '.join(f'{k}: {v}' for k, v in headers.items())}, one each, "
        f'then a blank line. It opens with the line "Dear {guest}," and ends with the two lines "{closing}" and '
        f'"{sender}".',
        f"The body has {low} to {high} words: one sentence says date, time and room together, exactly as given here"
        + (", and for each helper one sentence of its own gives the name and the time." if tasks else "."),
        "Use no other names, dates, numbers or places.",
    ]
    lines = [
        f"I would like to invite you to the {occasion} on {when} at {times[0]} in room {room}.",
        f"{about} It would be a great pleasure to see you.",
        *(f"Please note that {h} {task} at {t}." for h, task, t in zip(helpers, tasks, times[1:], strict=False)),
        *["Do let me know if there is anything else that you need."] * bool(tasks or rng.random() < 0.3),
    ]
    top = "\n".join(f"{k}: {v}" for k, v in headers.items())
    target = {
        "headers": headers,
        "greeting": f"Dear {guest},",
        "closing": [closing, sender],
        "facts": facts,
        "words": [low, high],
        "names": [occasion],
        "decoys": [old, wrong_room] if moved else [],
    }
    text = f"{top}\n\nDear {guest},\n\n{' '.join(lines)}\n\n{closing}\n{sender}"
    return Letter(f"{' '.join(told)}\n\n{' '.join(form)}", target, text)


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
    breaking = difficulty > 0.5 and rng.random() < difficulty
    body = difficulty > 0.2
    footers = [f"BREAKING CHANGE: {function} is gone"] * breaking + [f"Fixes: #{number}"] * (difficulty > 0.1)
    facts = [function, *figures] * body
    told = [
        f"{author} made a change of the type {kind} to the component {scope}: it is to {verb} {topic}.",
        *[f"The function concerned is {function}. {why}"] * body,
        *[f"On the test machine it takes {figure.split()[0]} {figure.split()[1]} now." for figure in figures] * body,
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
        *[f"After another blank line it ends with the lines {' and '.join(footers)}."] * (bool(footers) and body),
        *["There is nothing after the first line."] * (not footers and not body),
        "Neither the author nor other issues or releases are named, nor any other number.",
    ]
    sentences = [f"This concerns {function} and all that relies on it. {why}"]
    sentences += [f"On the test machine it takes {figure} from now on." for figure in figures]
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
    return name.lower().replace("ö", "o")
