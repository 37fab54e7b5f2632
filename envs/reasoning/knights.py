"""`postgym/Knights-v0`: some always tell the truth, the others always lie; find out who is who.

Five people, one of them known, and plain statements at difficulty 0; nine, none known, and "and", "or", "if" and
counts at 1. A set of possible worlds is one integer with a bit per world: statements combine by & | ^.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from operator import and_
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from rewards.format import final_answer
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message, Transcript

SYSTEM = "Reason step by step. End with one line: Answer: <name>, <name>, ..."
_NAMES = (
    "Ada", "Ben", "Cora", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "June", "Kai", "Lena",
    "Milo", "Nora", "Omar", "Pia", "Quinn", "Rosa", "Sam", "Tess", "Uma", "Vic", "Wren", "Zoe",
)  # fmt: skip
_KINDS = (("knight", "knave"), ("truth-teller", "liar"), ("sound robot", "broken robot"), ("saint", "rogue"))
_OPENINGS = (
    "On an island, every {good} always tells the truth and every {bad} always lies. You meet {names}.",
    "{names} are each a {good} or a {bad}. A {good} only says what is true, a {bad} only what is false.",
    "Here are {names}. Whoever is a {good} never lies; whoever is a {bad} never tells the truth.",
)
_QUESTIONS = ("Name everyone who is a {good}.", "Who is a {good}? Name all of them.", "List each {good}.")
_ASKS = ("It is known that {name} is a {kind}.", "You already know this much: {name} is a {kind}.")
_REDRAWS = 20  # of single statements, before everything is drawn anew
_LAST_KNOWN = 0.4  # from here on nobody's kind is given away

Statement = list[Any]  # ["is", who, honest], ["same", a, b, alike], ["count", k], or [and|or|if, left, right]


@dataclass(frozen=True, slots=True)
class Worlds:
    """Who could be what among `n`: `honest[i]` holds the worlds where i tells the truth, `count[k]` those with k."""

    everything: int
    honest: tuple[int, ...]
    count: tuple[int, ...]


@cache
def worlds_of(n: int) -> Worlds:
    """All 2**n worlds."""
    honest = tuple(sum(1 << w for w in range(2**n) if w >> i & 1) for i in range(n))
    count = tuple(sum(1 << w for w in range(2**n) if w.bit_count() == k) for k in range(n + 1))
    return Worlds((1 << 2**n) - 1, honest, count)


def true_in(statement: Statement, worlds: Worlds) -> int:
    """The worlds in which the statement holds."""
    kind = statement[0]
    if kind == "is":
        return worlds.honest[statement[1]] ^ (0 if statement[2] else worlds.everything)
    if kind == "same":
        differ = worlds.honest[statement[1]] ^ worlds.honest[statement[2]]
        return worlds.everything ^ differ if statement[3] else differ
    if kind == "count":
        return worlds.count[statement[1]]
    left, right = true_in(statement[1], worlds), true_in(statement[2], worlds)
    return {"and": left & right, "or": left | right, "if": (worlds.everything ^ left) | right}[kind]


def possible(statements: Sequence[Statement], worlds: Worlds) -> list[int]:
    """For each speaker, the worlds in which they could have said that."""
    pairs = zip(worlds.honest, statements, strict=True)
    return [worlds.everything ^ honest ^ true_in(said, worlds) for honest, said in pairs]


def _say(rng: random.Random, speaker: int, n: int, difficulty: float) -> Statement:
    others = rng.sample([i for i in range(n) if i != speaker], 2)
    plain: Statement = ["is", others[0], rng.random() < 0.5]
    if rng.random() < max(0.2, 1 - 1.6 * difficulty):
        return plain
    kind = rng.choice(("and", "or", "if", "same", "count"))
    if kind == "same":
        return ["same", *others, rng.random() < 0.5]
    if kind == "count":
        return ["count", rng.randint(1, n - 1)]
    return [kind, plain, ["is", others[1], rng.random() < 0.5]]


def _fitting(rng: random.Random, speaker: int, honest: Sequence[bool], difficulty: float) -> Statement:
    """Something that the speaker, being what they are, can say."""
    n = len(honest)
    world = sum(1 << i for i, h in enumerate(honest) if h)
    while True:
        said = _say(rng, speaker, n, difficulty)
        if (true_in(said, worlds_of(n)) >> world & 1) == honest[speaker]:
            return said


def _draw(rng: random.Random, n: int, difficulty: float, known: int | None) -> tuple[list[bool], list[Statement]]:
    """Who is honest, and statements that no other answer fits."""
    worlds = worlds_of(n)
    while True:
        world = rng.randrange(1, 2**n - 1)
        honest = [bool(world >> i & 1) for i in range(n)]
        statements = [_fitting(rng, speaker, honest, difficulty) for speaker in range(n)]
        sure = worlds.everything if known is None else true_in(["is", known, honest[known]], worlds)
        for _ in range(_REDRAWS):
            if reduce(and_, possible(statements, worlds), sure) == 1 << world:
                return honest, statements
            speaker = rng.randrange(n)
            statements[speaker] = _fitting(rng, speaker, honest, difficulty)


@dataclass(frozen=True, slots=True)
class Voice:
    """Puts statements into words: the names in order, and what the honest and the lying are called."""

    names: Sequence[str]
    kinds: Sequence[str]

    def fact(self, who: int, honest: bool) -> str:
        """Who is what."""
        return f"{self.names[who]} is a {self.kinds[not honest]}"

    def words(self, said: Statement) -> str:
        """A statement as its speaker says it, without a capital or full stop."""
        if said[0] == "is":
            return self.fact(said[1], said[2])
        if said[0] == "same":
            a, b = self.names[said[1]], self.names[said[2]]
            return f"{a} and {b} are {'of the same kind' if said[3] else 'of different kinds'}"
        if said[0] == "count":
            good = self.kinds[0]
            return f"exactly {said[1]} of us {'is' if said[1] == 1 else 'are'} {good}{'s' * (said[1] > 1)}"
        left, right = self.words(said[1]), self.words(said[2])
        return {"and": f"{left} and {right}", "or": f"{left} or {right}", "if": f"if {left}, then {right}"}[said[0]]


class Detective:
    """Finds who is who: one statement at a time against what is known, by supposing where that is not enough."""

    def __init__(self, statements: Sequence[Statement], truth: Sequence[bool], voice: Voice) -> None:
        self._worlds = worlds_of(len(truth))
        self._masks = possible(statements, self._worlds)
        self._truth, self._voice = truth, voice

    def solve(self, known: Mapping[int, bool]) -> list[str]:
        """The lines of the argument that end with everybody known."""
        lines, found, _ = self._follow(known)
        while len(found) < len(self._truth):
            who, refuted = self._refute(found)
            lines += [*refuted, f"So {self._voice.fact(who, self._truth[who])}."]
            more, found, _ = self._follow({**found, who: self._truth[who]})
            lines += more
        return lines

    def _follow(self, known: Mapping[int, bool]) -> tuple[list[str], dict[int, bool], bool]:
        """What follows from single statements: lines, all that is known, and whether it holds together."""
        known, lines = dict(known), []
        sure = self._worlds.everything
        for who, honest in known.items():
            sure &= true_in(["is", who, honest], self._worlds)
        grown = True
        while grown:
            grown = False
            for speaker, mask in enumerate(self._masks):
                left = sure & mask
                name = self._voice.names[speaker]
                if not left:
                    return [*lines, f"That contradicts what {name} said."], known, False
                for who, honest in enumerate(self._worlds.honest):
                    if who not in known and (not left & honest or left & honest == left):
                        known[who] = bool(left & honest)
                        sure &= true_in(["is", who, known[who]], self._worlds)
                        lines.append(f"By what {name} said, {self._voice.fact(who, known[who])}.")
                        grown = True
        return lines, known, True

    def _refute(self, known: Mapping[int, bool]) -> tuple[int, list[str]]:
        """Somebody whose false kind leads to a contradiction, and the shortest argument for it."""
        tried = []
        for who in (i for i in range(len(self._truth)) if i not in known):
            wrong = not self._truth[who]
            lines, found, sound = self._follow({**known, who: wrong})
            opening = f"Suppose {self._voice.fact(who, wrong)}."
            if not sound:
                tried.append((who, [opening, *lines]))
            last = (who, [opening, *lines], found)
        if tried:
            return min(tried, key=lambda t: len(t[1]))
        who, lines, found = last
        return who, lines + self._exhaust(found)

    def _exhaust(self, known: Mapping[int, bool]) -> list[str]:
        """Both kinds of somebody unknown contradict, each by itself or after a further split."""
        who = next(i for i in range(len(self._truth)) if i not in known)
        lines = []
        for honest in (True, False):
            more, found, sound = self._follow({**known, who: honest})
            lines += [f"Within that, say {self._voice.fact(who, honest)}.", *more]
            if sound:
                lines += self._exhaust(found)
        return lines


def names_the_honest(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing line names exactly the target's `honest` among its `names`, in any order, set apart by commas.

    "and" may stand before the last; case and a full stop don't matter.
    """
    names, honest = target.get("names"), target.get("honest")
    if not isinstance(names, list) or not isinstance(honest, list) or not honest or not set(honest) <= set(names):
        return failure(Status.TASK_ERROR, f"honest {honest!r} among {names!r} can't be judged")
    line = final_answer(transcript.answer)
    if line is None:
        return Score(0.0, "no single closing line `Answer: <names>`", status=Status.INVALID_OUTPUT)
    given = [name.casefold() for name in re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", line.removesuffix("."))]
    if len(set(given)) < len(given) or not set(given) <= {name.casefold() for name in names}:
        return Score(0.0, f"{line[:60]!r} is no list of these people, each once", status=Status.INVALID_OUTPUT)
    if set(given) == {name.casefold() for name in honest}:
        return Score(1.0, "right")
    return Score(0.0, f"{line[:60]!r} is wrong")


class Knights(TextEnv):
    """Statements by people who always or never lie, and the honest ones' names in return."""

    id = "postgym/Knights-v0"
    rubric = Rubric([Criterion("answer", names_the_honest)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """People, their kinds, and statements that fit no other kinds."""
        n = min(9, 5 + int(4 * difficulty + rng.random()))
        names = rng.sample(_NAMES, n)
        voice = Voice(names, rng.choice(_KINDS))
        known = rng.randrange(n) if difficulty < _LAST_KNOWN else None
        honest, statements = _draw(rng, n, difficulty, known)
        words = {"good": voice.kinds[0], "bad": voice.kinds[1], "names": f"{', '.join(names[:-1])} and {names[-1]}"}
        lines = [rng.choice(_OPENINGS).format(**words)]
        if known is not None:
            lines.append(rng.choice(_ASKS).format(name=names[known], kind=voice.kinds[not honest[known]]))
        order = rng.sample(range(n), n)
        for speaker in order:
            said = voice.words(statements[speaker])
            lines.append(f'{names[speaker]} says: "{said[0].upper()}{said[1:]}."')
        lines.append(rng.choice(_QUESTIONS).format(**words))
        return Task(
            prompt=(Message("system", SYSTEM), Message("user", "\n".join(lines))),
            target={"names": names, "honest": [name for name, h in zip(names, honest, strict=True) if h]},
            meta={"statements": statements, "kinds": list(voice.kinds), "known": known},
        )

    def expert(self, task: Task) -> Policy:
        """Follows the statements, supposes where it must, and names the honest."""
        names, honest, known = task.target["names"], task.target["honest"], task.meta["known"]
        truth = [name in honest for name in names]
        detective = Detective(task.meta["statements"], truth, Voice(names, task.meta["kinds"]))
        work = detective.solve({} if known is None else {known: truth[known]})
        text = "\n".join([*work, f"Answer: {', '.join(honest)}"])
        return lambda messages: text

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Guesses from names and words, all at once, and the answer spoilt, hedged or hidden."""
        names, honest = task.target["names"], task.target["honest"]
        plain = [said for said in task.meta["statements"] if said[0] == "is"]
        accused = {names[who] for _, who, honest_ in plain if not honest_}
        praised = {names[who] for _, who, honest_ in plain if honest_}
        right = ", ".join(honest)

        def listed(chosen: Sequence[str]) -> Exploit:
            return Exploit(lambda messages: f"Answer: {', '.join(chosen)}")

        return {
            "everybody": listed(names),
            "nobody": Exploit(lambda messages: "Answer: nobody"),
            "the first half": listed(names[: len(names) // 2]),
            "every second one": listed(names[::2]),
            "whom somebody calls honest": listed([name for name in names if name in praised]),
            "whom nobody calls a liar": listed([name for name in names if name not in accused]),
            "whom somebody calls a liar": listed([name for name in names if name in accused]),
            "all but one of them": listed([*honest[1:], *[name for name in names if name not in honest][:1]]),
            "the answer and its opposite": Exploit(
                lambda messages: f"Answer: {right} or {', '.join(name for name in names if name not in honest)}"
            ),
            "two answer lines": Exploit(lambda messages: f"Answer: {names[0]}\nAnswer: {right}"),
            "the answer in the thinking": Exploit(lambda messages: f"<think>\nAnswer: {right}\n</think>Who knows?"),
        }
