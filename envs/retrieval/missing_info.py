"""`postgym/MissingInfo-v0`: several questions over a corpus, some of which it doesn't answer or answers twice.

Two questions at difficulty 0, four at 1; of each task at least one can be answered and at least one can't. Who always
answers fails, and so does who never does. Where two documents contradict each other, both have to be cited.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from envs.plans import call_by_call
from envs.retrieval.search import opened
from envs.retrieval.world import LEAVES, WORLDS, Corpus, Entity, Library, corpus_of
from envs.tools import Tool, tools_of
from rewards.retrieval import supported
from rewards.score import Criterion, Rubric
from rewards.tools import fetched, right_answer
from rewards.transcript import Message, Transcript

UNKNOWN = "unknown"
SYSTEM = Message(
    "system",
    "Answer from the documents alone; look each thing up. State every fact that you find in a sentence with its "
    f"document, like [d12]. Where no document tells, the answer is {UNKNOWN}; also where two documents contradict each "
    "other: then state what each of them says. End with one line, the answers in order: Answer: <value>, <value>",
)


class MissingInfo(TextEnv):
    """Questions of which some have no answer."""

    id = "postgym/MissingInfo-v0"
    rubric = Rubric(
        [
            Criterion("looked", fetched, 0.0, gate=True),
            Criterion("right answers", right_answer, 0.6, gate=True),
            Criterion("supported", supported, 0.4, gate=True),
        ]
    )
    max_turns = 20

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """At least one question with an answer and one without, in any order."""
        number = rng.randrange(WORLDS)
        corpus = corpus_of(number)
        count = 2 + min(2, int(2 * difficulty + rng.random()))
        kinds = ["known", rng.choice(("omitted", "contradicted"))]
        kinds += [rng.choice(("known", "omitted", "contradicted")) for _ in range(count - 2)]
        rng.shuffle(kinds)
        asked = [_ask(rng, corpus, kind) for kind in kinds]
        if len({entity.name for entity, _ in asked}) < count:
            return self.generate(rng, difficulty)
        lines = [f"{i}. {LEAVES[e.kind][leaf].format(x=e.name)}" for i, (e, leaf) in enumerate(asked, 1)]
        known = [kind == "known" for kind in kinds]
        values = [e.facts[leaf] if k else UNKNOWN for (e, leaf), k in zip(asked, known, strict=True)]
        return Task(
            prompt=(SYSTEM, Message("user", "\n".join(lines))),
            target={
                "answer": [{"type": "text", "value": value} for value in values],
                "facts": [fact for entity, leaf in asked for fact in _facts(entity, leaf)],
                "needs": [[_open(d)] for entity, _ in asked for d in entity.documents],
            },
            meta={
                "world": number,
                "names": [e.name for e, _ in asked],
                "documents": [list(e.documents) for e, _ in asked],
            },
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`search` and `open`."""
        return tools_of(Library(task.meta["world"]))

    def evidence(self, task: Task, transcript: Transcript) -> Mapping[str, Any]:
        """What was opened."""
        return {"retrieved": opened(transcript)}

    def expert(self, task: Task) -> Policy:
        """Opens all that is said about each entity, then states what there is and what isn't."""
        return call_by_call(_plan(task), lambda messages: _closing(task, [f["value"] for f in task.target["answer"]]))

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Always unknown, never unknown, right guesses without a look, and looks without citations."""
        plan, answers = _plan(task), [f["value"] for f in task.target["answer"]]
        facts = [f["value"] for f in task.target["facts"]]
        guesses = [a if a != UNKNOWN else facts[0] for a in answers]
        right = _closing(task, answers)
        closings = {
            "always unknown": _closing(task, [UNKNOWN] * len(answers)),
            "never unknown": _closing(task, guesses),
            "one answer for all": _closing(task, answers[:1]),
            "no citations": right.replace("[", "").replace("]", ""),
            "asks back": "Could you tell me which documents to look at?",
        }
        half = [call for call in plan if call[0] == "search"]
        return {
            **{name: Exploit(call_by_call(plan, lambda messages, text=text: text)) for name, text in closings.items()},
            "right without a look": Exploit(lambda messages: right),
            "right after searching only": Exploit(call_by_call(half, lambda messages: right)),
            "leaves the last document closed": Exploit(call_by_call(plan[:-1], lambda messages: right)),
        }


def _ask(rng: random.Random, corpus: Corpus, kind: str) -> tuple[Entity, str]:
    """An entity and the leaf to ask for, such that the corpus answers it as `kind` says."""
    if kind == "omitted":
        entity = rng.choice([e for e in corpus.entities if e.omitted])
        return entity, entity.omitted
    if kind == "contradicted":
        entity = rng.choice([e for e in corpus.entities if e.contradicted[0]])
        return entity, entity.contradicted[0]
    while True:
        entity = rng.choice(corpus.entities)
        leaf = rng.choice(sorted(entity.facts))
        if leaf not in (entity.omitted, entity.contradicted[0]):
            return entity, leaf


def _facts(entity: Entity, leaf: str) -> list[dict[str, Any]]:
    """What has to be stated: nothing where nothing is said, both where there are two."""
    if leaf == entity.omitted:
        return []
    first = [{"value": entity.facts[leaf], "documents": [entity.documents[0]]}]
    if leaf != entity.contradicted[0]:
        return first
    return [*first, {"value": entity.contradicted[1], "documents": [entity.documents[1]]}]


def _open(document: str) -> dict[str, Any]:
    return {"name": "open", "arguments": {"id": document}}


def _plan(task: Task) -> list[tuple[str, dict[str, Any]]]:
    calls: list[tuple[str, dict[str, Any]]] = []
    for name, documents in zip(task.meta["names"], task.meta["documents"], strict=True):
        calls += [("search", {"query": name}), *(("open", {"id": d}) for d in documents)]
    return calls


def _closing(task: Task, answers: Sequence[str]) -> str:
    lines = [f"A document says {f['value']} [{f['documents'][0]}]." for f in task.target["facts"]]
    return "\n".join([*lines, f"Answer: {', '.join(answers)}"])
