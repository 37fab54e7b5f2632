"""`postgym/Constraints-v0`: write about a topic under demands on form that a programme can check, combined.

Two demands at difficulty 0, six at 1, of more than forty kinds: lists, tables, JSON, letters, words, counts, openings
and endings. Every combination can be met: a reply that meets it is written first. After Zhou et al. 2023 (IFEval).
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from envs.mathematics.cheats import says
from envs.style.texts import ACROSTICS, EXTRAS, OPENERS, PALINDROMES, TOPICS, sentence, sentences
from rewards.constraints import check, describe, follows_all_constraints
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.text import count_phrase, folded, words
from rewards.transcript import Message, Transcript

Demand = tuple[str, dict[str, Any]]
Draft = tuple[str, list[Demand]]  # a reply, and the demands on its layout that it meets

SYSTEM = Message("system", "Do as the user asks, to the letter.")
_COPIED = 0.5  # of the reply's runs of six words: more is the request handed back
_RUN = 6
_PLAIN = (
    "{T} are a topic that many people know well. They matter in daily life. There is much to say about {t}.",
    "Here is a short text about {t}. I hope that it helps you.",
    "# {T}\n\n- {T} are useful.\n- {T} are old.\n- {T} are liked.\n\nIn short: {t} matter!",
)


def on_topic(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 for a reply that names the topic in words of its own, else 0."""
    topic, asked = target.get("topic"), target.get("request")
    if not isinstance(topic, str) or not isinstance(asked, str):
        return failure(Status.TASK_ERROR, "target topic and request must be texts; fill them in the task")
    reply = transcript.answer
    if not count_phrase(topic, reply):
        return Score(0.0, f"nothing about {topic}")
    runs, known = _runs(reply), set(_runs(asked))
    copied = sum(run in known for run in runs) / max(1, len(runs))
    return Score(float(copied < _COPIED), "on the topic" if copied < _COPIED else "mostly the request again")


def _runs(text: str) -> list[tuple[str, ...]]:
    found = words(folded(text))
    return [tuple(found[i : i + _RUN]) for i in range(len(found) - _RUN + 1)]


# Layouts: each writes a reply of about `n` sentences.


def _paragraphs(rng: random.Random, topic: str, n: int) -> Draft:
    count = max(2, n // 2)
    parts = [" ".join(sentences(rng, topic, 2)) for _ in range(count)]
    number = rng.randint(2, count)
    word = parts[number - 1].split()[0].lower()
    starts: Demand = ("paragraph_starts", {"word": word, "number": number})
    return "\n\n".join(parts), [("paragraphs", _exactly(count)), starts, ("sentences_in_paragraph", {"count": 2})]


def _bullets(rng: random.Random, topic: str, n: int) -> Draft:
    count = max(2, n)
    return "\n".join(f"- {s}" for s in sentences(rng, topic, count)), [("bullets", _exactly(count))]


def _numbered(rng: random.Random, topic: str, n: int) -> Draft:
    count = max(2, n)
    lines = [f"{i}. {s}" for i, s in enumerate(sentences(rng, topic, count), 1)]
    return "\n".join(lines), [("numbered_list", _exactly(count))]


def _sections(rng: random.Random, topic: str, n: int) -> Draft:
    count, marker = max(2, n // 2), rng.choice(("Section", "Part", "Chapter"))
    parts = [f"{marker} {i}\n{' '.join(sentences(rng, topic, 2))}" for i in range(1, count + 1)]
    return "\n\n".join(parts), [("sections", {"marker": marker, "count": count})]


def _headings(rng: random.Random, topic: str, n: int) -> Draft:
    count = max(2, n // 2)
    names = rng.sample(("Past", "Present", "Future", "People", "Places", "Costs", "Ideas", "Advice"), min(count, 8))
    parts = [f"# {name}\n\n{' '.join(sentences(rng, topic, 2))}" for name in names]
    return "\n\n".join(parts), [("headings", _exactly(len(names)))]


def _table(rng: random.Random, topic: str, n: int) -> Draft:
    rows, columns = max(2, n // 2), rng.randint(2, 4)
    head = ["Point", "Remark", "Place", "Season"][:columns]
    cells = [[f"{topic} {chr(97 + r)}", *rng.sample(EXTRAS, columns - 1)] for r in range(rows)]
    lines = [head, ["---"] * columns, *cells]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{sentence(rng, topic)}\n\n{table}", [("table", {"rows": rows, "columns": columns})]


def _json_object(rng: random.Random, topic: str, n: int) -> Draft:
    keys = rng.sample(("summary", "reason", "example", "advice", "history", "outlook", "place", "people"), min(8, n))
    body = ", ".join(f'"{k}": "{sentence(rng, topic)}"' for k in keys)
    return f"{{{body}}}", [("json_keys", {"keys": keys})]


def _tagged(rng: random.Random, topic: str, n: int) -> Draft:
    tag = rng.choice(("reply", "text", "essay", "note"))
    return f"<{tag}>{' '.join(sentences(rng, topic, n))}</{tag}>", [("tagged", {"tag": tag})]


def _quoted(rng: random.Random, topic: str, n: int) -> Draft:
    return f'"{" ".join(sentences(rng, topic, n))}"', [("quotation", {})]


def _two(rng: random.Random, topic: str, n: int) -> Draft:
    half = max(1, n // 2)
    found = sentences(rng, topic, 2 * half)
    return f"{' '.join(found[:half])}\n******\n{' '.join(found[half:])}", [("two_responses", {})]


def _parts(rng: random.Random, topic: str, n: int) -> Draft:
    count, divider = max(2, n // 2), rng.choice(("***", "---", "~~~", "==="))
    parts = [" ".join(sentences(rng, topic, 2)) for _ in range(count)]
    return f"\n{divider}\n".join(parts), [("parts", {"divider": divider, "count": count})]


def _acrostic(rng: random.Random, topic: str, n: int) -> Draft:
    word = min(rng.sample(ACROSTICS, 4), key=lambda w: abs(len(w) - n))
    return "\n".join(sentences(rng, topic, len(word), word)), [("acrostic", {"word": word})]


def _lettered(rng: random.Random, topic: str, n: int) -> Draft:
    letter = rng.choice("stwpmah")
    text = " ".join(sentences(rng, topic, n, letter))
    return text, [("sentence_letter", {"letter": letter}), ("sentences", _exactly(n))]


def _prose(rng: random.Random, topic: str, n: int) -> Draft:
    number, extra = rng.randint(1, n), rng.choice(EXTRAS)
    found = sentences(rng, topic, n)
    found[number - 1] = sentence(rng, topic, found[number - 1][0].lower(), [extra])
    demands: list[Demand] = [("word_in_sentence", {"word": extra, "number": number}), ("sentences", _exactly(n))]
    return " ".join(found), demands


def _cased(rng: random.Random, topic: str, n: int) -> Draft:
    text = " ".join(sentences(rng, topic, n))
    return (text.upper(), [("uppercase", {})]) if rng.random() < 0.5 else (text.lower(), [("lowercase", {})])


def _code(rng: random.Random, topic: str, n: int) -> Draft:
    text = f"{' '.join(sentences(rng, topic, n))}\n\n```\nprint('{topic}')\n```"
    return text, [("code_blocks", _exactly(1))]


_LAYOUTS: tuple[Callable[[random.Random, str, int], Draft], ...] = (
    *(_paragraphs, _bullets, _numbered, _sections, _headings, _table, _json_object, _tagged, _quoted, _two, _parts),
    *(_acrostic, _lettered, _prose, _cased, _code),
)
_CLOSED = (_table, _json_object, _tagged, _quoted, _two, _acrostic, _lettered, _cased, _code)  # nothing may be added


def _exactly(count: int) -> dict[str, Any]:
    return {"relation": "exactly", "count": count}


def _around(rng: random.Random, text: str, topic: str) -> Draft:
    """The text with something put before or after it."""
    number = rng.randint(2, 3)
    places = rng.sample(("the hills", "the coast", "the city", "the north", "the past"), number)
    match rng.choice(
        ("title", "starts", "ends", "postscript", "highlights", "placeholders", "palindromes", "capitals")
    ):
        case "title":
            return f"<<All about {topic}>>\n\n{text}", [("title", {})]
        case "starts":
            phrase = rng.choice(("Let me begin:", "Dear reader:", "Good morning:", "To be clear:"))
            return f"{phrase} {text}", [("starts_with", {"phrase": phrase})]
        case "ends":
            phrase = rng.choice(("That is all.", "Any questions?", "Thank you for reading.", "Over to you."))
            return f"{text}\n\n{phrase}", [("ends_with", {"phrase": phrase})]
        case "postscript":
            marker = rng.choice(("P.S.", "P.P.S."))
            return f"{text}\n\n{marker} {sentence(rng, topic)}", [("postscript", {"marker": marker})]
        case "highlights":
            shown = " ".join(f"Think of *{topic} in {place}*." for place in places)
            return f"{text}\n\n{shown}", [("highlights", _exactly(number))]
        case "placeholders":
            shown = " ".join(f"Ask [{name}]." for name in rng.sample(("name", "date", "address", "price"), number))
            return f"{text}\n\n{shown}", [("placeholders", _exactly(number))]
        case "palindromes":
            shown = " ".join(f"Mind the {word}." for word in rng.sample(PALINDROMES, number))
            return f"{text}\n\n{shown}", [("palindromes", {"relation": "at least", "count": number})]
    shown = " ".join(f"{word.upper()} matters." for word in rng.sample(EXTRAS, number))
    return f"{text}\n\n{shown}", [("capital_words", _exactly(number))]


def _measured(rng: random.Random, text: str) -> list[Demand]:
    """Demands on words, letters and counts, taken from the text that is to meet them."""
    found = words(folded(text))
    long = [w for w in dict.fromkeys(found) if len(w) > 5] or found
    chosen = rng.choice(long)
    letter, count = rng.choice("aeionst"), len(found)
    low = count - rng.randint(0, 6)
    common = [w for w in ("very", "also", "beautiful", "important", "history", "nature", "the") if w not in found]
    demands: list[Demand] = [
        ("words", {"relation": "at least", "count": max(1, low)}),
        ("words", {"relation": "at most", "count": count + rng.randint(0, 6)}),
        ("word_range", {"bounds": [max(1, low), count + rng.randint(0, 9)]}),
        ("characters", {"relation": "at least", "count": max(1, len("".join(text.split())) - rng.randint(0, 30))}),
        ("required_words", {"wanted": rng.sample(long, min(3, len(long)))}),
        ("word_frequency", {"word": chosen, **_exactly(found.count(chosen))}),
        (
            "letter_frequency",
            {"letter": letter, "relation": "at least", "count": max(1, text.lower().count(letter) - 4)},
        ),
        ("no_comma", {}),
        ("no_digits", {}),
        ("without_sign", {"sign": rng.choice("!?;-*")}),
        ("different_openings", {}),
        ("no_repeats", {}),
        ("plain_text", {}),
        ("lines", _exactly(len(text.splitlines()))),
    ]
    demands += [("without_letter", {"letter": one}) for one in "jqxzvkb" if one not in text.lower()]
    demands += [("forbidden_words", {"unwanted": common[:3]})] if common else []
    return demands


def _fits(text: str, demand: Demand) -> bool:
    return check(text, *demand).met


class Constraints(TextEnv):
    """A topic and demands on form; all must be met."""

    id = "postgym/Constraints-v0"
    rubric = Rubric([Criterion("on topic", on_topic, 0.0, gate=True), Criterion("demands", follows_all_constraints)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A reply is written, and demands that it meets are taken from it."""
        while True:
            topic, layout = rng.choice(TOPICS), rng.choice(_LAYOUTS)
            text, demands = layout(rng, topic, 2 + round(8 * difficulty))
            if layout not in _CLOSED:
                text, more = _around(rng, text, topic)
                demands = demands + more
            others = _measured(rng, text)
            chosen = rng.sample(demands, min(len(demands), 1 + round(difficulty)))
            for demand in rng.sample(others, len(others)):
                if len(chosen) < 2 + round(4 * difficulty) and demand[0] not in [name for name, _ in chosen]:
                    chosen += [demand] if _fits(text, demand) else []
            rng.shuffle(chosen)
            listed = "\n".join(f"- {describe(name, given)}" for name, given in chosen)
            request = f"Write about {topic}.\n{listed}"
            lazy = (*(p.format(t=topic, T=topic.capitalize()) for p in _PLAIN), request)
            if all(_fits(text, d) for d in chosen) and not any(all(_fits(t, d) for d in chosen) for t in lazy):
                break
        return Task(
            prompt=(SYSTEM, Message("user", request)),
            target={
                "topic": topic,
                "request": request,
                "constraints": [{"name": name, "parameters": given} for name, given in chosen],
            },
            meta={"reply": text},
        )

    def expert(self, task: Task) -> Policy:
        """The reply that the demands were taken from."""
        return lambda messages: task.meta["reply"]

    def wrong_texts(self, task: Task, text: str) -> list[str]:
        """Replies on the topic that don't meet the demands."""
        topic = task.target["topic"]
        return [plain.format(t=topic, T=topic.capitalize()) for plain in _PLAIN]

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Plain replies, the demands handed back, all forms at once, the form without the topic."""
        topic, request, reply = task.target["topic"], task.target["request"], task.meta["reply"]
        every = f"<<{topic}>>\n\n- *{topic}* [x]\n1. {topic.upper()}\n# {topic}\n\n```\n{topic}\n```\nP.S. {topic}"
        return {
            **{f"plain reply {i}": says(text) for i, text in enumerate(self.wrong_texts(task, ""), 1)},
            "the request again": says(request),
            "the request in quotation marks": says(f'"{request}"'),
            "promises": says(f"Here is a text about {topic} that meets all of your demands, as you wished."),
            "every form at once": says(every),
            "the form without the topic": says(reply.replace(topic, "things").replace(topic.upper(), "THINGS")),
            "in its thinking only": says(f"<think>{reply}</think>I wrote about {topic}."),
            "one word": says(topic),
            "a word many times": says(" ".join([topic] * 80)),
            "an alphabet of openings": says("\n".join(f"{o} {topic}." for o in OPENERS.values())),
        }
