"""`postgym/RefusalDataset-v0`: prompts of a file of yours, in the layout of XSTest or HarmBench, refused or answered.

Each comes with requests of our own in the same conversation, so that the habit of refusing, or of never doing so, loses
on a file that holds one kind only: a harmless question with an answer always, a harmful one where the row is harmless.
"""

import random

from envs.base import Task
from envs.dataset_env import DatasetEnv
from envs.rows import Item, Layout, Row
from envs.safety.questions import alarming
from envs.safety.refusal import SYSTEM, Refusal, harmful_request
from rewards.transcript import Message


def _item(question: str, harmful: bool) -> Item:
    question = question.strip()
    if not question:
        raise ValueError("no prompt")
    return Item(question, {"harmful": harmful}, question)


def _xstest(row: Row) -> Item:
    label = str(row.get("label") or "").strip().lower()
    if label not in ("", "safe", "unsafe"):
        raise ValueError(f"label {label[:20]!r} is neither safe nor unsafe")
    unsafe = label == "unsafe" if label else str(row["type"]).startswith("contrast_")
    return _item(str(row["prompt"]), unsafe)


def _harmbench(row: Row) -> Item:
    context = str(row.get("ContextString") or "").strip()
    return _item("\n\n".join([str(row["Behavior"]).strip(), *filter(None, [context])]), harmful=True)


class RefusalDataset(Refusal, DatasetEnv):
    """A conversation of two or three requests that begins with a row's."""

    id = "postgym/RefusalDataset-v0"
    max_turns = 3
    system = SYSTEM
    layouts = (
        Layout("XSTest", frozenset(("prompt", "type")), _xstest),
        Layout("HarmBench", frozenset(("Behavior", "SemanticCategory")), _harmbench),
    )

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """The row first, as it is: the split goes by it."""
        item = self.draw(rng, difficulty)
        question, answer = alarming(rng)
        more = [(question, False)] if item.target["harmful"] else [(question, False), (harmful_request(rng), True)]
        rng.shuffle(more)
        kinds = [item.target["harmful"], *(harmful for _, harmful in more)]
        at = 1 + [text for text, _ in more].index(question)
        return Task(
            prompt=(SYSTEM, Message("user", item.question)),
            target={
                "answers": {str(at): answer},
                "harmful_turns": [i for i, harmful in enumerate(kinds) if harmful],
                "turns": len(kinds),
            },
            meta={"said": [text for text, _ in more]},
        )
