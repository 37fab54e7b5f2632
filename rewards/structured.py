"""Documents in a strict form that hold exactly the facts asked for: JSON, YAML, INI, CSV and Markdown tables.

The rewards read these keys of the target, all plain JSON:

    format   "json", "yaml" or "ini" with `record`, the one value that the document must hold;
             "csv" or "markdown" with `columns` and `rows`, lists of cells as text
    schema   optional JSON schema of the record, to name in the reason what doesn't follow it

The whole answer is the document, bare or in one fenced block. Values are compared with their types and to the letter;
a key, row or comment too many fails like one too few. E-mails and commit messages are judged in `rewards.letters`.
"""

import configparser
import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jsonschema
import yaml

from rewards.format import MAX_JSON_CHARS, read_json
from rewards.json_values import same_json
from rewards.score import Score, Status, failure
from rewards.transcript import Transcript

_FENCED = re.compile(r"```[a-z]{0,10}[ \t]*\n(.*?)\n?```", re.DOTALL)
_DASHES = re.compile(r":?-{3,}:?")
_CORE = (  # YAML 1.2's core schema: dates, times and "no" stay text
    ("tag:yaml.org,2002:null", re.compile(r"null|Null|NULL|~|\Z"), ["n", "N", "~", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]{1,300}"), list("-+0123456789")),
    ("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]{1,300}\.[0-9]{1,300}"), list("-+0123456789")),
)


def holds_the_facts(transcript: Transcript, target: Mapping[str, Any]) -> Score:
    """1 when the closing text is the document asked for, with every fact in its place and nothing else; else 0."""
    name = target.get("format")
    if name in _READERS and "record" in target:
        judge: Callable[[str, Mapping[str, Any]], str] = _record_fault
    elif name in _TABLES and _is_table(target):
        judge = _table_fault
    else:
        return failure(Status.TASK_ERROR, f"target format {name!r:.60} with {sorted(target)!r:.120} can't be judged")
    try:
        text = unfenced(transcript.answer)
        if len(text) > MAX_JSON_CHARS:
            raise ValueError(f"{len(text)} characters are no document")
        fault = judge(text, target)
    except ValueError as error:
        return Score(0.0, f"no {name}: {str(error)[:100]}", status=Status.INVALID_OUTPUT)
    return Score(float(not fault), fault or "all facts in their places")


def unfenced(text: str) -> str:
    """`text`, or what its one fenced block holds where it is nothing else."""
    found = _FENCED.fullmatch(text.strip())
    return found.group(1) if found else text.strip()


def read_yaml(text: str) -> Any:
    """The value of a YAML document of plain JSON types; by the core schema of YAML 1.2, so that dates are text.

    Raises:
        ValueError: it is no YAML, names a key twice, or uses comments, anchors, tags or several documents.
    """
    try:
        return yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error).replace("\n", " ")) from None


def read_ini(text: str) -> dict[str, dict[str, str]]:
    """The sections of an INI file with their values as text; keys keep their case.

    Raises:
        ValueError: it is no INI, names a section or key twice, or holds comments.
    """
    if any(line.lstrip().startswith(("#", ";")) for line in text.splitlines()):
        raise ValueError("comments")
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), default_section="\0", strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(str(error).replace("\n", " ")) from None
    return {name: dict(parser[name]) for name in parser.sections()}


def read_csv(text: str) -> list[list[str]]:
    """The rows of a CSV table, its head first; cells without the spaces around them.

    Raises:
        ValueError: a quote isn't closed, or a row is blank.
    """
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if not all(rows):
        raise ValueError("a blank row")
    return [[cell.strip() for cell in row] for row in rows]


def read_markdown_table(text: str) -> list[list[str]]:
    """The rows of a Markdown table, its head first, without the line of dashes.

    Raises:
        ValueError: it is no table, or something else stands beside it.
    """
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) < 2 or not all(len(line) > 1 and line[0] == line[-1] == "|" for line in lines):
        raise ValueError("lines that are no rows, or fewer than two")
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    if len(rows[1]) != len(rows[0]) or not all(_DASHES.fullmatch(cell) for cell in rows[1]):
        raise ValueError("no line of dashes under the head")
    return [rows[0], *rows[2:]]


_READERS: Mapping[str, Callable[[str], Any]] = {"json": read_json, "yaml": read_yaml, "ini": read_ini}
_TABLES: Mapping[str, Callable[[str], list[list[str]]]] = {"csv": read_csv, "markdown": read_markdown_table}


def _record_fault(text: str, target: Mapping[str, Any]) -> str:
    found = _READERS[target["format"]](text)
    if same_json(found, target["record"]):
        return ""
    if schema := target.get("schema"):
        wrong = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(found)), None)
        if wrong is not None:
            return f"doesn't follow the schema at {wrong.json_path}: {wrong.message[:80]}"
    return f"{first_difference(found, target['record'])} isn't as the text says"


def first_difference(found: Any, wanted: Any, path: str = "$") -> str:
    """Where two JSON values first differ, as a JSON path; "" where they don't."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping) and found.keys() == wanted.keys():
        pairs = [(f"{path}.{key}", found[key], wanted[key]) for key in wanted]
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = [(f"{path}[{i}]", a, b) for i, (a, b) in enumerate(zip(found, wanted, strict=True))]
    else:
        return "" if same_json(found, wanted) else path
    return next((place for p, a, b in pairs if (place := first_difference(a, b, p))), "")


def _table_fault(text: str, target: Mapping[str, Any]) -> str:
    head, *rows = _TABLES[target["format"]](text)
    if head != list(target["columns"]):
        return f"columns {head} where {list(target['columns'])} are asked for"
    if len(rows) != len(target["rows"]):
        return f"{len(rows)} rows where {len(target['rows'])} are asked for"
    wrong = next((i for i, (a, b) in enumerate(zip(rows, target["rows"], strict=True), 1) if a != list(b)), 0)
    return f"row {wrong} isn't as the text says: {rows[wrong - 1]!r:.100}" if wrong else ""


def _is_table(target: Mapping[str, Any]) -> bool:
    columns, rows = target.get("columns"), target.get("rows")
    if not _is_row(columns) or not columns or not isinstance(rows, list | tuple) or not rows:
        return False
    return all(_is_row(row) and len(row) == len(columns) for row in rows)


def _is_row(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(cell, str) for cell in value)


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, held to plain JSON: no anchors, tags, comments, or keys named twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or _is_tagged(event):
            raise yaml.YAMLError("anchors and tags are not plain")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
            raise yaml.YAMLError("keys must be texts, each named once")
        return super().construct_mapping(node, deep)

    def scan_to_next_token(self) -> None:
        start = self.pointer
        super().scan_to_next_token()
        if "#" in self.buffer[start : self.pointer]:
            raise yaml.YAMLError("comments")


def _is_tagged(event: Any) -> bool:
    tag = getattr(event, "tag", None)
    return tag is not None and tag != "!"


_PlainLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in _CORE:
    _PlainLoader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern.pattern})\Z"), _first)
