"""`postgym/Search-v0`: questions over 1,150 documents, answered by searching, opening and citing them.

One document settles a question at difficulty 0; at 1 four, each found through what the one before says. Every step of
the way has to be stated with the document that says it, as in: Ada Marlow was born in Corvo [d12].
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from envs.base import Exploit, Policy, Task, TextEnv
from envs.plans import call_by_call
from envs.retrieval.world import LEAVES, LINKS, WORLDS, Corpus, Library, corpus_of
from envs.tools import Tool, tools_of
from rewards.retrieval import supported
from rewards.score import Criterion, Rubric
from rewards.tools import right_answer
from rewards.transcript import Message, Transcript

SYSTEM = Message(
    "system",
    "Search the documents, open those you need, and state each fact that leads to the answer in a sentence with its "
    "document, like [d12]. End with one line: Answer: <value>",
)


def opened(transcript: Transcript) -> dict[str, str]:
    """The documents that were opened, by id."""
    return {r.result["id"]: r.result["text"] for r in transcript.calls if r.name == "open" and r.error is None}


def walk(rng: random.Random, corpus: Corpus, hops: int) -> tuple[list[int], str, str] | None:
    """Entities that lead to one another, the words for the last, and what is asked of it; None at a dead end."""
    at = rng.randrange(len(corpus.entities))
    path, words = [at], corpus.entities[at].name
    for _ in range(hops):
        entity = corpus.entities[at]
        link = rng.choice(sorted(entity.links))
        at = entity.links[link]
        path.append(at)
        words = LINKS[entity.kind][link][1].format(x=words)
    last = corpus.entities[at]
    leaf = rng.choice(sorted(LEAVES[last.kind]))
    return None if leaf in (last.omitted, last.contradicted[0]) or len(set(path)) < len(path) else (path, words, leaf)


class Search(TextEnv):
    """One question, a search engine and a reader."""

    id = "postgym/Search-v0"
    rubric = Rubric(
        [
            Criterion("right answer", right_answer, 0.6, gate=True),
            Criterion("supported", supported, 0.4, gate=True),
        ]
    )
    max_turns = 14

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A chain of up to three links, and one fact about where it ends."""
        corpus_number = rng.randrange(WORLDS)
        corpus = corpus_of(corpus_number)
        found = None
        while found is None:
            found = walk(rng, corpus, min(3, int(3 * difficulty + rng.random())))
        path, words, leaf = found
        entities = [corpus.entities[i] for i in path]
        values = [*(e.name for e in entities[1:]), entities[-1].facts[leaf]]
        return Task(
            prompt=(SYSTEM, Message("user", LEAVES[entities[-1].kind][leaf].format(x=words))),
            target={
                "answer": [{"type": "text", "value": values[-1]}],
                "facts": [
                    {"value": value, "documents": list(e.documents)} for value, e in zip(values, entities, strict=True)
                ],
            },
            meta={"world": corpus_number, "names": [e.name for e in entities]},
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`search` and `open`."""
        return tools_of(Library(task.meta["world"]))

    def evidence(self, task: Task, transcript: Transcript) -> Mapping[str, Any]:
        """What was opened."""
        return {"retrieved": opened(transcript)}

    def expert(self, task: Task) -> Policy:
        """Searches and opens along the chain, then says each step with its document."""
        return call_by_call(_plan(task), lambda messages: _closing(task))

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Right answers without the documents, made-up citations, everything at once."""
        plan, right, closing = _plan(task), task.target["answer"][0]["value"], _closing(task)
        bare = closing.replace("[", "(").replace("]", ")")
        return {
            "right guess without a document": Exploit(lambda messages: f"Answer: {right}"),
            "cites without opening": Exploit(lambda messages: closing),
            "only searches": Exploit(call_by_call([c for c in plan if c[0] == "search"], closing)),
            "opens and doesn't cite": Exploit(call_by_call(plan, bare)),
            "cites something else": Exploit(call_by_call(plan, closing.replace("[d", "[d9999"))),
            "cites everything": Exploit(call_by_call(plan, lambda messages: _everything(messages, right))),
            "the documents for an answer": Exploit(
                call_by_call(plan, lambda messages: f"Answer: {messages[-1].content}")
            ),
            "unknown": Exploit(call_by_call(plan, "It isn't known.\nAnswer: unknown")),
            "several answers": Exploit(call_by_call(plan, f"{closing}, or another")),
        }


def _plan(task: Task) -> list[tuple[str, dict[str, Any]]]:
    calls: list[tuple[str, dict[str, Any]]] = []
    for name, fact in zip(task.meta["names"], task.target["facts"], strict=True):
        calls += [("search", {"query": name}), ("open", {"id": fact["documents"][0]})]
    return calls


def _closing(task: Task) -> str:
    pairs = zip(task.meta["names"], task.target["facts"], strict=True)
    lines = [f"For {name} it says {fact['value']} [{fact['documents'][0]}]." for name, fact in pairs]
    return "\n".join([*lines, f"Answer: {task.target['answer'][0]['value']}"])


def _everything(messages: Sequence[Message], right: str) -> str:
    ids = " ".join(f"[d{i}]" for i in range(40))
    return f"All of it is said in {ids}: {right}.\nAnswer: {right}"
