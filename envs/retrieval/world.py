"""A made-up world in 1,150 short documents: people, companies, towns and books that refer to each other.

Nothing in it can be known by heart: there are 16 such worlds, every name and fact drawn from the world's number. In a
few documents a fact is left out; a few entities have a second document that contradicts the first.
"""

import random
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from pydantic import Field

from envs.tools import ToolError, tool

WORLDS = 16
_WORD = re.compile(r"[^\W_]+")
_COUNTS = {"person": 460, "company": 190, "town": 130, "book": 320}
_OMITTED, _CONTRADICTED = 40, 50  # entities of a world with a fact left out, and with a second opinion
_STARTS = ("Ar", "Bel", "Cor", "Dun", "El", "Fen", "Gar", "Hol", "Is", "Jor", "Kel", "Lor", "Mar", "Nor", "Os", "Pel")
_MIDDLES = ("a", "be", "di", "en", "go", "il", "ka", "le", "mo", "na", "or", "ri", "su", "ta", "ve", "wi")
_ENDS = ("bury", "den", "field", "gate", "ham", "land", "mere", "ney", "port", "ra", "sk", "ton", "vale", "wick")
_FIRST = (
    *("Ada", "Boris", "Clara", "David", "Edith", "Frank", "Greta", "Hugo", "Irma", "Jonas", "Karin", "Leon", "Mona"),
    *("Nils", "Olga", "Peter", "Rosa", "Simon", "Tilda", "Ulf", "Vera", "Walter", "Yara", "Zeno"),
)
_JOBS = ("engineer", "surveyor", "chemist", "printer", "architect", "botanist", "accountant", "translator", "pilot")
_PRODUCTS = ("clocks", "glass", "bicycles", "paper", "tools", "lamps", "pianos", "tiles", "boats", "lenses", "ropes")
_SUBJECTS = ("glaciers", "tides", "bees", "canals", "volcanoes", "looms", "comets", "orchards", "bridges", "moths")
_REGIONS = ("the North March", "Lower Vale", "the Salt Coast", "High Moor", "the Lake District", "East Reach")
_TITLES = (
    "House",
    "Road",
    "Silence",
    "Winter",
    "Garden",
    "Bell",
    "Shadow",
    "Daughter",
    "Stone",
    "Map",
    "Music",
    "Door",
)
_KINDS = ("Works", "Brothers", "Company", "and Sons", "Union", "Mill")

LEAVES: dict[str, dict[str, str]] = {  # what can be asked of each kind, with {x} for the entity
    "person": {"born": "In which year was {x} born?", "job": "What is the profession of {x}?"},
    "company": {"founded": "In which year was {x} founded?", "product": "What does {x} make?"},
    "town": {
        "river": "Which river flows through {x}?",
        "region": "In which region is {x}?",
        "population": "How many inhabitants has {x}?",
    },
    "book": {"year": "In which year did {x} appear?", "subject": "What is {x} about?"},
}
LINKS: dict[str, dict[str, tuple[str, str]]] = {  # to which kind, and the words for it, with {x} for where one starts
    "person": {
        "home": ("town", "the town where {x} was born"),
        "employer": ("company", "the company that employs {x}"),
    },
    "company": {"seat": ("town", "the town where {x} has its seat"), "founder": ("person", "the founder of {x}")},
    "town": {"mayor": ("person", "the mayor of {x}")},
    "book": {"author": ("person", "the author of {x}"), "publisher": ("company", "the publisher of {x}")},
}
_SENTENCES: dict[str, dict[str, str]] = {
    "person": {
        "born": "{x} was born in {v}.",
        "job": "The profession of {x} is {v}.",
        "home": "The place of birth was {v}.",
        "employer": "{x} works for {v}.",
    },
    "company": {
        "founded": "{x} was founded in {v}.",
        "product": "It makes {v}.",
        "seat": "{x} has its seat in {v}.",
        "founder": "The founder was {v}.",
    },
    "town": {
        "river": "The river {v} flows through {x}.",
        "region": "{x} lies in {v}.",
        "population": "It has {v} inhabitants.",
        "mayor": "The mayor of {x} is {v}.",
    },
    "book": {
        "year": "{x} appeared in {v}.",
        "subject": "It is a book about {v}.",
        "author": "It was written by {v}.",
        "publisher": "{x} was published by {v}.",
    },
}


@dataclass(slots=True)
class Entity:
    """A person, company, town or book: its facts, links by the number of the entity they lead to, and its documents."""

    kind: str
    name: str
    facts: dict[str, str] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    omitted: str = ""  # the fact that its document doesn't hold
    contradicted: tuple[str, str] = ("", "")  # a fact and what the second document says instead
    documents: tuple[str, ...] = ()


class Corpus:
    """The entities of a world and the documents about them, with BM25 over the documents."""

    def __init__(self, number: int) -> None:
        rng = random.Random(f"postgym corpus {number}")
        self.entities = _people_the_world(rng)
        self.texts: dict[str, tuple[str, str]] = {}  # id -> title and text
        slots = iter(rng.sample(range(2_000), len(self.entities) + _CONTRADICTED))
        for index, entity in enumerate(self.entities):
            ids = []
            for version in range(1 + bool(entity.contradicted[0])):
                ids.append(f"d{next(slots)}")
                title = entity.name if not version else f"Notes on {entity.name}"
                self.texts[ids[-1]] = (title, _write(rng, self.entities, index, version))
            entity.documents = tuple(ids)
        self._index: Any = None
        self._indexing = threading.Lock()

    def search(self, query: str, count: int) -> list[str]:
        """The ids of the documents that fit best, best first; equal ones in the order of the corpus."""
        with self._indexing:  # episodes run in threads, and a half-made index answers nonsense
            if self._index is None:
                import bm25s

                index = bm25s.BM25()
                index.index([_words(f"{title} {text}") for title, text in self.texts.values()], show_progress=False)
                self._index = index
        known = [word for word in _words(query) if word in self._index.vocab_dict]
        if not known:
            return []
        scores = self._index.get_scores(known)
        ids = list(self.texts)
        best = (-scores).argsort(kind="stable")[:count]
        return [ids[i] for i in best if scores[i] > 0]


class Library:
    """The tools: search, and open what was found."""

    def __init__(self, number: int) -> None:
        self._number = number

    @tool
    def search(
        self,
        query: Annotated[str, Field(max_length=300, description="a few words, such as a name")],
        count: Annotated[int, Field(ge=1, le=10, description="how many documents to list")] = 5,
    ) -> list[dict[str, str]]:
        """Lists the documents that fit a query best, by id and title."""
        corpus = corpus_of(self._number)
        return [{"id": i, "title": corpus.texts[i][0]} for i in corpus.search(query, count)]

    @tool
    def open(self, id: Annotated[str, Field(description="a document's id, such as d12")]) -> dict[str, str]:
        """Returns the text of a document."""
        found = corpus_of(self._number).texts.get(id)
        if found is None:
            raise ToolError("no_such_document", f"no document {id[:20]!r}; search lists the ids")
        return {"id": id, "text": found[1]}


@cache
def corpus_of(number: int) -> Corpus:
    """The world with that number, below `WORLDS`."""
    return Corpus(number)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _people_the_world(rng: random.Random) -> list[Entity]:
    towns = rng.sample([f"{a}{b}{c}" for a in _STARTS for b in _MIDDLES for c in _ENDS], 900)
    families = towns[_COUNTS["town"] + 130 :]
    rivers = towns[_COUNTS["town"] :]
    names = {
        "town": towns,
        "person": rng.sample([f"{a} {b}" for a in _FIRST for b in families[:300]], _COUNTS["person"]),
        "company": rng.sample([f"{b} {k}" for b in families[200:420] for k in _KINDS], _COUNTS["company"]),
        "book": rng.sample([f"The {a} of {b}" for a in _TITLES for b in families[300:420]], _COUNTS["book"]),
    }
    entities = [Entity(kind, names[kind][i]) for kind, count in _COUNTS.items() for i in range(count)]
    of_kind = {kind: [i for i, e in enumerate(entities) if e.kind == kind] for kind in _COUNTS}
    for place, entity in enumerate(entities):
        entity.facts = {leaf: _fact(rng, leaf, rivers, place) for leaf in LEAVES[entity.kind]}
        entity.links = {link: rng.choice(of_kind[to]) for link, (to, _) in LINKS[entity.kind].items()}
    special = rng.sample(entities, _OMITTED + _CONTRADICTED)
    for entity in special[:_OMITTED]:
        entity.omitted = rng.choice(sorted(entity.facts))
    for entity in special[_OMITTED:]:
        leaf = rng.choice(sorted(entity.facts))
        other = entity.facts[leaf]
        while other == entity.facts[leaf]:
            other = _fact(rng, leaf, rivers, rng.randrange(100))
        entity.contradicted = (leaf, other)
    return entities


def _fact(rng: random.Random, leaf: str, rivers: Sequence[str], place: int) -> str:
    drawn = {
        "born": lambda: str(rng.randint(1850, 1999)),
        "founded": lambda: str(rng.randint(1700, 2000)),
        "year": lambda: str(rng.randint(1900, 2020)),
        "population": lambda: str(rng.randint(900, 90_000)),
        "job": lambda: rng.choice(_JOBS),
        "product": lambda: rng.choice(_PRODUCTS),
        "subject": lambda: rng.choice(_SUBJECTS),
        "region": lambda: rng.choice(_REGIONS),
        "river": lambda: rivers[place % 100],
    }
    return drawn[leaf]()


def _write(rng: random.Random, entities: Sequence[Entity], index: int, version: int) -> str:
    """The document about an entity, or the one that contradicts it."""
    entity = entities[index]
    values = {**entity.facts, **{link: entities[to].name for link, to in entity.links.items()}}
    values.pop(entity.omitted, None)
    leaf, other = entity.contradicted
    if version:
        values = {leaf: other, **{k: values[k] for k in rng.sample(sorted(entity.links), 1)}}
    order = rng.sample(sorted(values), len(values))
    order.sort(key=lambda k: "{x}" not in _SENTENCES[entity.kind][k])  # who it is about is named at once
    said = [_SENTENCES[entity.kind][k].format(x=entity.name, v=values[k]) for k in order]
    return " ".join(said if entity.name in said[0] else [f"About {entity.name}.", *said])
