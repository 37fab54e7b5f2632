"""`postgym/Poetry-v0`: poems to a form, judged by how their words sound in the CMU Pronouncing Dictionary.

Two free lines with a given word at difficulty 0, haiku, limericks and acrostics on the way, at 1 a sonnet of iambic
pentameters with given and forbidden words. The expert composes each poem from single words.
"""

import random
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from envs.mathematics.cheats import says
from envs.style.composer import NOUNS, compose, rhyming
from envs.style.verse_words import ACROSTICS
from rewards.score import Criterion, Rubric
from rewards.transcript import Message, Transcript
from rewards.verse import keeps_form

Form = tuple[float, str, list[list[int]], str, str]  # from this difficulty on: name, syllables, rhymes, meter

SYSTEM = Message(
    "system",
    "Write the poem that is asked for and nothing else: no title, no remarks, one verse a line. Write sentences that "
    "one can read, in plain English words that any dictionary has; no line may say again what another said. Syllables, "
    "stress and rhymes are judged by the CMU Pronouncing Dictionary. Lines rhyme when their last words sound the same "
    "from the stressed vowel on and the consonants before it differ, so that no word rhymes with itself; lines of "
    "different letters don't rhyme.",
)
_LIMERICK = [[7, 10], [7, 10], [4, 7], [4, 7], [7, 10]]
_FORMS: tuple[Form, ...] = (
    (0.0, "poem of two lines", [[4, 10]] * 2, "", ""),
    (0.05, "poem of three lines", [[4, 10]] * 3, "", ""),
    (0.1, "rhyming couplet", [[6, 10]] * 2, "AA", ""),
    (0.2, "haiku", [[5, 5], [7, 7], [5, 5]], "", ""),
    (0.3, "poem of four lines", [[6, 10]] * 4, "-A-A", ""),
    (0.4, "tanka", [[5, 5], [7, 7], [5, 5], [7, 7], [7, 7]], "", ""),
    (0.45, "poem in couplets", [[7, 9]] * 4, "AABB", ""),
    (0.5, "limerick", _LIMERICK, "AABBA", ""),
    (0.55, "quatrain", [[8, 8]] * 4, "ABAB", ""),
    (0.65, "poem of six lines", [[8, 8]] * 6, "ABABCC", ""),
    (0.7, "poem of eight lines", [[8, 8]] * 8, "AABBCCDD", "iambic"),
    (0.8, "poem of two quatrains", [[7, 7]] * 8, "ABABCDCD", "trochaic"),
    (0.85, "poem of two quatrains", [[10, 10]] * 8, "ABBACDDC", "iambic"),
    (0.9, "sonnet", [[10, 10]] * 14, "ABABCDCDEFEFGG", "iambic"),
    (0.95, "poem of twelve lines", [[10, 10]] * 12, "ABABCDCDEFEF", "iambic"),
)
_WINDOW = 3  # forms that a difficulty draws from
_REQUESTS = (
    "Write a {form} about {topic}.",
    "Please write me a {form} about {topic}.",
    "I need a {form} about {topic}{occasion}.",
    "Could you compose a {form} on {topic}{occasion}?",
    "Compose a {form} in which {topic} plays a part.",
    "{Topic}: make a {form} of it{occasion}.",
    "For tonight's reading we are short of a {form} about {topic}. Write one.",
)
_OCCASIONS = (
    *("", " for a birthday card", " for my niece", " for the school paper", " for a calendar", " to read aloud"),
    *(" for a friend who moves away", " for the wall of our kitchen", " for a class of beginners"),
)
_BEGINNING = {"iambic": "unstressed", "trochaic": "stressed"}
_METER = (
    "Keep to {meter} meter: unstressed and stressed syllables in turn, beginning {first}. The main stress of a longer "
    "word falls on a stressed place, an article never does."
)
_UNWANTED = ("and", "the", "old", "this", "by", "my", "dark", "on", "bright", "soft", "over", "love", "like", "every")


class Poetry(TextEnv):
    """Verse under demands on sound and words; all must be met."""

    id = "postgym/Poetry-v0"
    rubric = Rubric([Criterion("form", keeps_form)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A form and demands, and a poem composed to them: forms that can't be met are dropped."""
        while True:
            target, name = _demands(rng, difficulty)
            if not (lines := compose(rng, target)):
                continue
            poem = ",\n".join(lines) + "."
            if keeps_form(_said(poem), target).value == 1:
                break
        return Task(prompt=(SYSTEM, Message("user", _request(rng, name, target))), target=target, meta={"poem": poem})

    def expert(self, task: Task) -> Policy:
        """The poem that was composed to the demands."""
        return lambda messages: task.meta["poem"]

    def wrong_texts(self, task: Task, text: str) -> list[str]:
        """The poem with a line missing, a line twice, and its subject unsaid."""
        lines = text.splitlines()
        unsaid = text.replace(task.target["words"][0], "thing").replace(task.target["words"][0].capitalize(), "Thing")
        return ["\n".join(lines[:-1]), "\n".join([*lines, lines[0]]), unsaid]

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Lines without language, one line again and again, disguised words, and the poem where it doesn't count."""
        target, lines = task.target, task.meta["poem"].splitlines()
        count, subject = len(lines), target["words"][0]
        shown = " ".join(target["words"])
        low = target["syllables"][0][0]
        return {
            "one word": says("\n".join([" ".join([subject] * low)] * count)),
            "one line again and again": says("\n".join([lines[0]] * count)),
            "one line, its last word changed": says(
                "\n".join(f"{lines[0].rpartition(' ')[0]} {n}" for n in _ends(task))
            ),
            "empty lines": says("\n".join(["- "] * count)),
            "title only": says(f"The {shown}"),
            "a list of nouns": says("\n".join(_nouns(task))),
            "articles and nouns": says("\n".join(f"the {subject} the {noun} the" for noun in _ends(task))),
            "syllables without words": says("\n".join(["la " * low + subject] * count)),
            "its words in any order": Exploit(
                lambda messages: _shuffled(task),
                0.35,
                "a line's order is judged by pairs of small words alone; where no sound is asked for, some pass",
            ),
            "letters of the alphabet": says(
                "\n".join(f"{subject} b c d e g p t v"[: len(subject) + low] for _ in lines)
            ),
            "a look-alike letter in every line": says(task.meta["poem"].replace("e", "\u0435").replace("a", "\u0430")),
            "a zero-width space in the subject": says("\n".join(["o\u200bf " * low] * count) + subject),
            "in its thinking only": says(f"<think>{task.meta['poem']}</think>I wrote about {subject}."),
            "with a title": says(f"The {subject.capitalize()}\n\n{task.meta['poem']}"),
            "with a remark": says(f"Here is your poem:\n\n{task.meta['poem']}"),
            "promises": says(f"I would write about {subject} with pleasure.\nEach line would be as you asked."),
            "the request in lines": says("\n".join(task.prompt[-1].content.split(". ")[:count])),
        }


def _said(poem: str) -> Transcript:
    return Transcript((Message("assistant", poem),))


def _ends(task: Task) -> list[str]:
    """As many nouns as there are lines, rhyming where that is easy."""
    family = [task.target["words"][0], *rhyming(task.target["words"][0]), *NOUNS]
    return family[: len(task.target["syllables"])]


def _shuffled(task: Task) -> str:
    """The poem with the words of each line in another order, all but the last."""
    rng, lines = random.Random(task.seed), []
    for line in task.meta["poem"].splitlines():
        *before, last = line.split()
        lines.append(" ".join([*rng.sample(before, len(before)), last]))
    return "\n".join(lines)


def _nouns(task: Task) -> list[str]:
    rng = random.Random(task.seed)
    return [" ".join([task.target["words"][0], *rng.sample(NOUNS, high // 2)]) for _, high in task.target["syllables"]]


def _demands(rng: random.Random, difficulty: float) -> tuple[dict[str, Any], str]:
    """The target of a task, and the name of its form."""
    open_forms = [form for form in _FORMS if form[0] <= difficulty][-_WINDOW:]
    _, name, lengths, scheme, meter = rng.choice(open_forms)
    if name.startswith("poem") and not meter and lengths[0][0] < lengths[0][1]:
        low, high = lengths[0]
        shift = rng.choice((-1, 0, 0, 1)) if low > 4 else rng.randint(0, 2)
        lengths = [[low + shift, high + shift - rng.randint(0, 1)]] * len(lengths)
    target: dict[str, Any] = {
        "syllables": [list(pair) for pair in lengths],
        "words": rng.sample(NOUNS, 1 + int(rng.random() < 0.2 + difficulty) + int(rng.random() < difficulty - 0.5)),
    }
    if scheme:
        target["rhymes"] = scheme
    if meter:
        target["meter"] = meter
    fitting = [word for word in ACROSTICS if len(word) == len(lengths)]
    if fitting and not meter and rng.random() < difficulty:
        target["acrostic"] = rng.choice(fitting)
    if rng.random() < difficulty:
        target["forbidden"] = rng.sample(_UNWANTED, 1 + round(2 * difficulty))
    return target, name


def _request(rng: random.Random, name: str, target: dict[str, Any]) -> str:
    topic = f"the {target['words'][0]}"
    request = rng.choice(_REQUESTS).format(
        form=name, topic=topic, Topic=topic.capitalize(), occasion=rng.choice(_OCCASIONS)
    )
    return " ".join([request, *_sentences(rng, name, target)])


def _sentences(rng: random.Random, name: str, target: dict[str, Any]) -> list[str]:
    """The demands in words."""
    quoted = ", ".join(f'"{word}"' for word in target["words"])
    told = [_lengths_told(target["syllables"])]
    if target.get("rhymes"):
        free = " (lines marked - are free)" if "-" in target["rhymes"] else ""
        told.append(f"Its rhyme scheme is {target['rhymes']}{free}.")
    if target.get("meter"):
        told.append(_METER.format(meter=target["meter"], first=_BEGINNING[target["meter"]]))
    if target.get("acrostic"):
        told.append(f'The first letters of its lines spell "{target["acrostic"]}".')
    told.append(
        rng.choice((f"Use {quoted}.", f"It has to hold {quoted}.", f"Let {quoted} stand in it, word for word."))
    )
    if target.get("forbidden"):
        unwanted = ", ".join(f'"{word}"' for word in target["forbidden"])
        told.append(rng.choice((f"Do without {unwanted}.", f"These words must not be in it: {unwanted}.")))
    return told


def _lengths_told(lengths: list[list[int]]) -> str:
    shown = [str(low) if low == high else f"{low} to {high}" for low, high in lengths]
    if len(set(shown)) == 1:
        return f"It has {len(shown)} lines of {shown[0]} syllables."
    return f"It has {len(shown)} lines, of {', '.join(shown[:-1])} and {shown[-1]} syllables."
