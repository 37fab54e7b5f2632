"""`postgym/Structured-v0`: facts told in prose, to be put into JSON, YAML, INI, tables, e-mails and commit messages.

Two facts or two rows at difficulty 0; at 1 nested records in words and out of order, tables that have to be computed
and sorted, letters with details that no longer hold. Every fact must stand in its place, and none may be added.
"""

import csv
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from envs.base import Exploit, Policy, Task, TextEnv
from envs.mathematics.cheats import says
from envs.style.correspondence import commit, email
from envs.style.situations import Situation, situation
from rewards.errors import nearest
from rewards.letters import is_commit, is_email
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.structured import holds_the_facts
from rewards.transcript import Message, Transcript

SYSTEM = Message(
    "system",
    "Reply with the document that is asked for and nothing else: no remarks, no comments in it. Every fact stands in "
    "it as the text says; add none of your own. Numbers are written in digits, and dates YYYY-MM-DD unless "
    "told otherwise.",
)
_ASKED = (
    "{prose}\n\nPut this into {form}. {rules}",
    "Turn the following note into {form}. {rules}\n\nThe note: {prose}",
    "{prose}\n\nFrom this text I need {form}. {rules}",
    "Read this first: {prose}\n\nThen write {form}. {rules}",
    "We need {form} out of what follows. {rules}\n\n{prose}",
)
_JUDGES: Mapping[str, Callable[[Transcript, Mapping[str, Any]], Score]] = {
    **dict.fromkeys(("json", "yaml", "ini", "csv", "markdown"), holds_the_facts),
    "email": is_email,
    "commit": is_commit,
}
Draft = tuple[str, dict[str, Any], str]  # the request, the target, a right document


def right_document(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing text is the target's kind of document with exactly its facts, else 0."""
    kind = target.get("kind")
    if kind not in _JUDGES:
        return failure(Status.TASK_ERROR, f"target kind {kind!r:.60}: {nearest(str(kind), _JUDGES)}")
    return _JUDGES[kind](transcript, target)


class Structured(TextEnv):
    """A situation in prose and the form to put it into."""

    id = "postgym/Structured-v0"
    rubric = Rubric([Criterion("document", right_document)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A situation of about the size that the difficulty asks for, in a form that it allows."""
        makers = [make for least, make in _MAKERS if least <= difficulty]
        request, target, text = rng.choice(makers)(rng, difficulty)
        return Task(prompt=(SYSTEM, Message("user", request)), target=target, meta={"document": text})

    def expert(self, task: Task) -> Policy:
        """The document."""
        return lambda messages: task.meta["document"]

    def wrong_texts(self, task: Task, text: str) -> list[str]:
        """The document with a fact changed, with one added, and with its last line missing."""
        return [_changed(task), _added(task), text.rpartition("\n")[0] or "{}"]

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Forms without the facts, facts without the form, and the document among other things."""
        document, request = task.meta["document"], task.prompt[-1].content
        return {
            "form without facts": says(_hollow(task)),
            "one fact wrong": says(_changed(task)),
            "one fact made up": says(_added(task)),
            "a comment in it": says(f"# from the text\n{document}\n; done"),
            "the text pasted": says(request.split("\n\n")[0]),
            "the text quoted as JSON": says(json.dumps({"text": request}, ensure_ascii=False)),
            "every form at once": says(f"{document}\n\n{{}}\n\n| a |\n| --- |\n| b |"),
            "twice": says(f"{document}\n\n{document}"),
            "two versions": says(f"{_changed(task)}\n\n{document}"),
            "with a remark": says(f"Here is what you asked for:\n\n{document}"),
            "in its thinking only": says(f"<think>{document}</think>I have written it."),
            "promises": says("I have put all of the facts into the form that you asked for."),
        }


def _json(rng: random.Random, difficulty: float) -> Draft:
    told = _told(rng, difficulty)
    target = {"kind": "json", "format": "json", "record": told.record, "schema": told.schema}
    request = _ask(rng, told, "a JSON object", f"It follows this schema: {_dumped(told.schema)}")
    return request, target, json.dumps(told.record, ensure_ascii=False, indent=2)


def _yaml(rng: random.Random, difficulty: float) -> Draft:
    told = _told(rng, difficulty)
    target = {"kind": "yaml", "format": "yaml", "record": told.record, "schema": told.schema}
    request = _ask(rng, told, "a YAML document", f"Its value follows this JSON schema: {_dumped(told.schema)}")
    return request, target, yaml.safe_dump(told.record, sort_keys=False, allow_unicode=True).rstrip()


def _ini(rng: random.Random, difficulty: float) -> Draft:
    told = situation(rng, difficulty, 2 + round(4 * difficulty), 2 + round(8 * difficulty**2), nested=False)
    world = told.world
    things = told.record.pop(world.things)
    count = next(key for key, kind in world.thing.items() if kind == "count")
    record = {
        world.name: {key: _plain(value) for key, value in told.record.items()},
        world.things: {thing["name"]: str(thing[count]) for thing in things},
    }
    allowed = ", ".join(_allowed(key, told.schema["properties"][key]) for key in told.record)
    rules = (
        f"It has two sections: {world.name} with the keys {allowed}; and {world.things} with a key for each of the "
        f"{world.things}, its name, whose value is the {count} alone."
    )
    text = "\n\n".join(
        "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in section.items())])
        for name, section in record.items()
    )
    return _ask(rng, told, "an INI file", rules), {"kind": "ini", "format": "ini", "record": record}, text


def _csv(rng: random.Random, difficulty: float) -> Draft:
    return _table(rng, difficulty, "csv", "a CSV table")


def _markdown(rng: random.Random, difficulty: float) -> Draft:
    return _table(rng, difficulty, "markdown", "a Markdown table")


def _written(form: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table as text."""
    if form == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([columns, *rows])
        return out.getvalue().rstrip("\n")
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, ["---"] * len(columns), *rows))


def _table(rng: random.Random, difficulty: float, form: str, called: str) -> Draft:
    """Things as rows; harder ones have a column that is computed, an order and a row of totals."""
    told = _told(rng, difficulty, facts=round(3 * difficulty), things=2 + round(9 * difficulty**2))
    world, things = told.world, [dict(thing) for thing in told.record[told.world.things]]
    name, count, price = world.thing
    columns, rules = list(world.thing), [f"{price} has two decimals."]
    if difficulty > 0.4 and rng.random() < difficulty:
        columns.append("amount")
        rules.append(f"The amount is {count} times {price}, also with two decimals.")
        for thing in things:
            thing["amount"] = thing[count] * thing[price]
    rng.shuffle(columns)
    if difficulty > 0.5 and rng.random() < difficulty:
        things.sort(key=lambda thing: thing[name])
        rules.append(f"The rows are sorted by {name}, from A to Z.")
    else:
        rules.append("The rows are in the order of the text.")
    rows = [[_cell(thing[column]) for column in columns] for thing in things]
    if difficulty > 0.2 and rng.random() < 0.3 + difficulty:
        total = {name: "Total", count: str(sum(t[count] for t in things)), price: ""}
        total["amount"] = _cell(float(sum(t.get("amount", 0) for t in things)))
        rows.append([total[column] for column in columns])
        summed = f"{count} and amount" if "amount" in columns else count
        rules.append(
            f'Below stands a last row with "Total" as its {name} and the sum of {summed}; its {price} is left empty.'
        )
    told_columns = f"Its columns are {', '.join(columns)}, in this order and under these names."
    request = _ask(rng, told, f"{called} of the {world.things}", " ".join([told_columns, *rules]))
    target = {"kind": form, "format": form, "columns": columns, "rows": rows}
    return request, target, _written(form, columns, rows)


def _email(rng: random.Random, difficulty: float) -> Draft:
    letter = email(rng, difficulty)
    return letter.request, {"kind": "email", **letter.target}, letter.text


def _commit(rng: random.Random, difficulty: float) -> Draft:
    letter = commit(rng, difficulty)
    return letter.request, {"kind": "commit", **letter.target}, letter.text


_MAKERS: Sequence[tuple[float, Callable[[random.Random, float], Draft]]] = (
    (0.0, _json),
    (0.0, _csv),
    (0.1, _markdown),
    (0.2, _commit),
    (0.35, _email),
    (0.4, _ini),
    (0.5, _yaml),
)


def _told(rng: random.Random, difficulty: float, facts: int | None = None, things: int | None = None) -> Situation:
    facts = 2 + round(4 * difficulty) if facts is None else facts
    return situation(rng, difficulty, facts, round(8 * difficulty**2) if things is None else things)


def _ask(rng: random.Random, told: Situation, form: str, rules: str) -> str:
    return rng.choice(_ASKED).format(prose=told.prose, form=form, rules=rules)


def _dumped(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _allowed(key: str, schema: Mapping[str, Any]) -> str:
    values = ["true", "false"] if schema.get("type") == "boolean" else schema.get("enum", [])
    return f"{key} ({' or '.join(values)})" if values else key


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


# Spoiled documents, for the proof.


def _changed(task: Task) -> str:
    """The document with its last digit, or else its last word, made another."""
    text = task.meta["document"]
    at = next((i for i in range(len(text) - 1, -1, -1) if text[i].isdigit()), None)
    if at is None:
        return f"{text}s"
    return f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}"


def _added(task: Task) -> str:
    """The document with a fact that the text doesn't tell."""
    target, text = task.target, task.meta["document"]
    match target["kind"]:
        case "json":
            return json.dumps({**target["record"], "remark": "urgent"}, ensure_ascii=False)
        case "yaml":
            return f"{text}\nremark: urgent"
        case "ini":
            return f"{text}\nremark = urgent"
        case "csv" | "markdown":
            return "\n".join([text, text.splitlines()[-1]])
        case "email":
            greeting = target["greeting"]
            return text.replace(greeting, f"{greeting}\n\nPlease bring 3 friends.")
    return f"{text}\nSee also: #77777"


def _hollow(task: Task) -> str:
    """The form with nothing in it."""
    target = task.target
    match target["kind"]:
        case "json" | "yaml":
            return json.dumps({key: None for key in target["record"]})
        case "ini":
            return "\n".join(f"[{name}]" for name in target["record"])
        case "csv" | "markdown":
            empty = ["x"] * len(target["columns"])
            return _written(target["kind"], target["columns"], [empty] * len(target["rows"]))
        case "email":
            top = "\n".join(f"{k}: {v}" for k, v in target["headers"].items())
            ending = "\n".join(target["closing"])
            return f"{top}\n\n{target['greeting']}\n\nI hope that all is well with you and yours.\n\n{ending}"
    head = target["head"]
    return f"{head['type']}({head['scope']}): update the code"
