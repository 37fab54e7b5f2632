"""`postgym/Sql-v0`: questions about a database, answered by one SQL query on real SQLite.

The schema is shown, and a tool runs queries on the data. The closing query is judged on other data of the same schema
too, by the rows that it gives. One table and one condition at difficulty 0; joins, subqueries, windows at 1.
"""

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from envs.base import Exploit, Policy, Task, TextEnv
from envs.sql_questions import QUESTIONS
from envs.sql_world import MAX_ROWS, THEMES, Theme, make_rows, open_database, run_query, same_rows
from envs.tools import Tool, ToolError, tool, tools_of
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message, ToolCall, Transcript

SYSTEM = Message(
    "system",
    "Answer with one SQLite query in one ```sql block that gives the rows asked for. It will be run on other data too.",
)
_DATABASES = 3  # the one that can be looked at, and two others
_FENCE = re.compile(
    r"^[ \t]*```[ \t]*(?:sql|sqlite)?[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE | re.IGNORECASE
)
_SHOWN_ROWS = 20

_WINDOW = 3


class _Database:
    """The tool's side: the data that can be looked at."""

    def __init__(self, theme: Theme, seed: int) -> None:
        self._theme, self._seed = theme, seed

    @tool
    def run_sql(self, query: Annotated[str, Field(description="one SELECT statement")]) -> dict[str, Any]:
        """Runs a query on the database and returns its columns and rows."""
        connection = open_database(self._theme, self._seed)
        try:
            columns, rows = run_query(connection, query)
        except ValueError as error:
            raise ToolError("sql_error", str(error)) from error
        finally:
            connection.close()
        shown = [[v if isinstance(v, int | float | str | None) and v == v else repr(v) for v in r] for r in rows]
        more = {"more_rows": len(rows) - _SHOWN_ROWS} if len(rows) > _SHOWN_ROWS else {}
        return {"columns": columns, "rows": shown[:_SHOWN_ROWS], **more}


def read_query(text: str) -> str | None:
    """The one query that a text offers: in one fenced block, and no other block beside it."""
    blocks = _FENCE.findall(text)
    return blocks[0].strip().rstrip(";") if len(blocks) == 1 and text.count("```") == 2 else None


def right_rows(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the query gives the rows asked for on every database, else 0."""
    if not target.get("query"):
        return failure(Status.TASK_ERROR, "target query is missing; fill it in the task")
    found = transcript.evidence.get("databases")
    if not isinstance(found, list) or not found:
        return failure(Status.INFRA_ERROR, "the query was not run")
    if found[0]["kind"] == "no_query":
        return Score(0.0, "no single ```sql block in the answer", status=Status.INVALID_OUTPUT)
    wrong = next((f for f in found if f["kind"] != "same"), None)
    return Score(0.0, wrong["reason"]) if wrong else Score(1.0, f"the right rows on {len(found)} databases")


class Sql(TextEnv):
    """One query as the answer; a tool to look at the data before."""

    id = "postgym/Sql-v0"
    rubric = Rubric([Criterion("rows", right_rows)])
    max_turns = 6

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A question whose right rows differ from one database to the next."""
        ask = rng.choice([make for start, make in QUESTIONS if start <= difficulty][-_WINDOW:])
        while True:
            theme, seeds = rng.choice(THEMES), [rng.randrange(2**31) for _ in range(_DATABASES)]
            words, query, ordered = ask(theme, rng, make_rows(theme, seeds[0]))
            wanted = [_run(theme, seed, query) for seed in seeds]
            if all(0 < len(rows) < MAX_ROWS for rows in wanted) and not any(
                same_rows(wanted[0], rows, ordered) for rows in wanted[1:]
            ):
                break
        return Task(
            prompt=(SYSTEM, Message("user", f"{theme.schema}\n\n{words}")),
            target={"query": query, "ordered": ordered},
            meta={
                "theme": THEMES.index(theme),
                "seeds": seeds,
                "kind": ask.__name__.strip("_"),
                "looks": difficulty > 0.3,
            },
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`run_sql` on the first of the databases."""
        return tools_of(_Database(THEMES[task.meta["theme"]], task.meta["seeds"][0]))

    def evidence(self, task: Task, transcript: Transcript) -> Mapping[str, Any]:
        """Runs the answer and the right query on every database."""
        query = read_query(transcript.answer)
        if query is None:
            return {"databases": [{"kind": "no_query"}]}
        theme, target = THEMES[task.meta["theme"]], task.target
        found = []
        for seed in task.meta["seeds"]:
            wanted = _run(theme, seed, target["query"])
            try:
                rows = _run(theme, seed, query)
            except ValueError as error:
                return {"databases": [*found, {"kind": "error", "reason": str(error)}]}
            same = same_rows(rows, wanted, target["ordered"])
            found.append({"kind": "same" if same else "different", "reason": _difference(rows, wanted)})
        return {"databases": found}

    def expert(self, task: Task) -> Policy:
        """Tries the query where the question is hard, then answers with it."""
        query = task.target["query"]

        def act(messages: Sequence[Message]) -> "str | Message":
            if task.meta["looks"] and messages[-1].role == "user":
                return Message("assistant", "", (ToolCall("run_sql", {"query": query}, "call_0"),))
            return f"```sql\n{query}\n```"

        return act

    def wrong_texts(self, task: Task, text: str) -> list[str]:
        """Queries that give other rows, or none."""
        query = task.target["query"]
        return [
            f"```sql\n{q}\n```" for q in (f"SELECT * FROM ({query}) LIMIT 0", f"SELECT *, 1 FROM ({query})", "SELECT 1")
        ]

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Rows copied from the data that can be seen, whole tables, and queries that do more than read."""
        theme, query = THEMES[task.meta["theme"]], task.target["query"]
        rows = _run(theme, task.meta["seeds"][0], query)
        values = ", ".join("(" + ", ".join(json.dumps(v).replace('"', "'") for v in row) + ")" for row in rows)
        queries = {
            "the rows it saw, written down": f"SELECT * FROM (VALUES {values})",
            "everything": f"SELECT * FROM {theme.actors}",
            "the right query twice": f"{query} UNION ALL {query}",
            "every column and the right ones": f"SELECT *, 1 FROM ({query})",
            "empties the tables": f"DELETE FROM {theme.events}",
            "never ends": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT COUNT(*) FROM c",
            "reads a file": "SELECT readfile('/etc/passwd')",
            "attaches a database": "ATTACH DATABASE '/tmp/x.db' AS x",
        }
        texts = {name: f"```sql\n{q}\n```" for name, q in queries.items()}
        texts["two queries"] = f"```sql\n{query}\n```\nor\n```sql\nSELECT 1\n```"
        texts["only thinks of it"] = f"<think>\n```sql\n{query}\n```\n</think>I can't."
        return {name: Exploit(lambda messages, text=text: text) for name, text in texts.items()}


def _run(theme: Theme, seed: int, query: str) -> list[tuple[Any, ...]]:
    connection = open_database(theme, seed)
    try:
        return run_query(connection, query)[1]
    finally:
        connection.close()


def _difference(found: Sequence[Any], wanted: Sequence[Any]) -> str:
    if len(found) != len(wanted):
        return f"{len(found)} rows where {len(wanted)} are right"
    widths = {len(row) for row in found}, {len(row) for row in wanted}
    return (
        "the right rows in another order, or others"
        if widths[0] == widths[1]
        else f"{widths[0]} columns, not {widths[1]}"
    )
