"""Constraints on a reply's layout: lists, titles, sections, tables, JSON. An empty item is no item."""

import re
from collections.abc import Sequence
from typing import Any

from rewards.constraint_types import (
    COUNT,
    MARK,
    RELATION,
    WORDING,
    WORDINGS,
    Constraint,
    Finding,
    compare_items,
    plural,
)
from rewards.format import read_json
from rewards.text import code_blocks, distinct, folded, has_words, visible, words

REST = 3  # words that must stand besides a title, a placeholder or a heading
SAME = 0.8  # two responses that share more of their words are one
_BULLET = re.compile(r"^[ \t]*[-*•+][ \t]+(.*)$", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*(\d{1,3})[.)][ \t]+(.*)$", re.MULTILINE | re.ASCII)
_HIGHLIGHT = re.compile(r"(?<![\w*])(\*{1,2})(?=[^\s*])([^*\n]*[^\s*])\1(?![\w*])")
_PLACEHOLDER = re.compile(r"\[([^\[\]\n]+)\](?!\()")
_TITLE = re.compile(r"<<([^<>\n]+)>>")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.*)$", re.MULTILINE)
_TABLE_LINE = re.compile(r"^\s{0,3}:?-{3,}:?\s*$")
_TWO = "******"


def _bullets(text: str, relation: str, count: int) -> Finding:
    found = [m.group(1) for m in _BULLET.finditer(visible(text)) if not _is_rule(m.group())]
    return _items(found, relation, count, "bullet point")


def _numbered_list(text: str, relation: str, count: int) -> Finding:
    found = list(_NUMBERED.finditer(visible(text)))
    if [int(m.group(1)) for m in found] != list(range(1, len(found) + 1)):
        return Finding(False, "the numbers don't run 1, 2, 3, ...")
    return _items([m.group(2) for m in found], relation, count, "numbered item")


def _items(found: Sequence[str], relation: str, count: int, noun: str) -> Finding:
    if any(not has_words(item) for item in found):
        return Finding(False, f"an empty {noun}")
    return compare_items(found, relation, count, noun)


def _is_rule(line: str) -> bool:
    return set(line) <= set("-*+ \t") and len(line.split()) > 1


def _highlights(text: str, relation: str, count: int) -> Finding:
    found = [m.group(2) for m in _HIGHLIGHT.finditer(visible(text)) if has_words(m.group(2))]
    return compare_items(found, relation, count, "highlighted section")


def _placeholders(text: str, relation: str, count: int) -> Finding:
    text = visible(text)
    found = [m.group(1) for m in _PLACEHOLDER.finditer(text) if sum(c.isalpha() for c in m.group(1)) > 1]
    if not has_words(_PLACEHOLDER.sub(" ", text), REST):
        return Finding(False, "nothing but placeholders")
    return compare_items(found, relation, count, "placeholder")


def _title(text: str) -> Finding:
    text = visible(text)
    found = [m for m in _TITLE.finditer(text) if has_words(m.group(1))]
    if len(found) != 1:
        return Finding(False, f"{plural(len(found), 'title')} in double angular brackets")
    met = has_words(_TITLE.sub(" ", text), REST)
    return Finding(met, "has a title" if met else "nothing but a title")


def _sections(text: str, marker: str, count: int) -> Finding:
    heading = re.compile(rf"^[ \t#*]*{re.escape(marker)}[ \t]+(\d{{1,3}})\b", re.MULTILINE | re.ASCII | re.IGNORECASE)
    text = visible(text)
    found = list(heading.finditer(text))
    if [int(m.group(1)) for m in found] != list(range(1, count + 1)):
        return Finding(False, f"{plural(len(found), 'section')} where 1 to {count} are asked for")
    ends = [*(m.start() for m in found[1:]), len(text)]
    bodies = [text[m.end() : end] for m, end in zip(found, ends, strict=True)]
    met = all(has_words(body, 2) for body in bodies) and distinct(bodies) == count
    return Finding(met, "all sections" if met else "a section is empty or said twice")


def _headings(text: str, relation: str, count: int) -> Finding:
    text = visible(text)
    found = list(_HEADING.finditer(text))
    if not found:
        return Finding(False, "no heading")
    ends = [*(m.start() for m in found[1:]), len(text)]
    if any(not has_words(text[m.end() : end]) for m, end in zip(found, ends, strict=True)):
        return Finding(False, "a heading with nothing below it")
    return _items([m.group(1) for m in found], relation, count, "heading")


def _code_blocks(text: str, relation: str, count: int) -> Finding:
    return _items(code_blocks(visible(text)), relation, count, "code block")


def _table(text: str, rows: int, columns: int) -> Finding:
    cells = [_cells(line) for line in visible(text).splitlines() if line.strip().startswith("|")]
    if len(cells) < 2 or not all(_TABLE_LINE.match(c) for c in cells[1]):
        return Finding(False, "no table with a head and a line of dashes below it")
    body = [cells[0], *cells[2:]]
    if any(len(row) != columns for row in [*body, cells[1]]):
        return Finding(False, f"not {plural(columns, 'column')} in every row")
    if any(not has_words(cell) for row in body for cell in row) or distinct([" ".join(r) for r in body]) < len(body):
        return Finding(False, "a cell is empty, or a row stands there twice")
    return Finding(len(body) - 1 == rows, f"{plural(len(body) - 1, 'row')} where {rows} are asked for")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _json(text: str) -> Finding:
    try:
        value = read_json(text)
    except ValueError as error:
        return Finding(False, f"not JSON: {str(error)[:80]}")
    met = isinstance(value, dict | list) and has_words(" ".join(_leaves(value)))
    return Finding(met, "JSON" if met else "JSON that holds nothing")


def _json_keys(text: str, keys: Sequence[str]) -> Finding:
    try:
        value = read_json(text)
    except ValueError as error:
        return Finding(False, f"not JSON: {str(error)[:80]}")
    if not isinstance(value, dict) or sorted(value) != sorted(keys):
        return Finding(False, f"no JSON object with exactly the keys {list(keys)[:10]}")
    empty = next((k for k in keys if not has_words(" ".join(_leaves(value[k])))), None)
    return Finding(empty is None, "the JSON asked for" if empty is None else f"{empty!r} is empty")


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [] if value is None else [str(value)]


def _quotation(text: str) -> Finding:
    said = visible(text).strip()
    wrapped = len(said) > 2 and (said[0], said[-1]) in (('"', '"'), ("“", "”"))
    met = wrapped and has_words(said[1:-1], REST)
    return Finding(met, "in double quotation marks" if wrapped else "not in double quotation marks")


def _tagged(text: str, tag: str) -> Finding:
    opening, closing = f"<{tag}>", f"</{tag}>"
    said = visible(text).strip()
    met = said.startswith(opening) and said.endswith(closing) and said.count(opening) == said.count(closing) == 1
    met = met and has_words(said[len(opening) : -len(closing)])
    return Finding(met, f"in {opening}" if met else f"not one full {opening} ... {closing}")


def _two_responses(text: str) -> Finding:
    parts = re.split(r"^[ \t]*\*{6}[ \t]*$", visible(text), flags=re.MULTILINE)
    if len(parts) != 2:
        return Finding(False, f"{plural(len(parts), 'response')} parted by {_TWO}")
    first, second = (set(words(folded(p))) for p in parts)
    if min(len(first), len(second)) < REST:
        return Finding(False, "an empty response")
    shared = len(first & second) / len(first | second)
    return Finding(shared <= SAME, "two responses" if shared <= SAME else "the same response twice")


def _one_of(text: str, options: Sequence[str]) -> Finding:
    met = folded(text).strip(" .!") in {folded(o).strip(" .!") for o in options}
    return Finding(met, "one of the options" if met else f"{text[:40]!r} is none of the options")


def _parts(text: str, divider: str, count: int) -> Finding:
    parts = [p for p in re.split(rf"^[ \t]*{re.escape(divider)}[ \t]*$", visible(text), flags=re.MULTILINE)]
    return _items(parts, "exactly", count, "part")


def _plain_text(text: str) -> Finding:
    text = visible(text)
    markup = (_BULLET, _NUMBERED, _HIGHLIGHT, _HEADING)
    found = "```" if "```" in text else next((m.group() for pattern in markup if (m := pattern.search(text))), "")
    return Finding(not found, f"marked up: {found[:40]!r}" if found else "plain text")


_HOW_MANY = {"relation": RELATION, "count": COUNT}

LAYOUT = (
    Constraint(
        "bullets",
        _HOW_MANY,
        lambda relation, count: f"Use {relation} {plural(count, 'bullet point')}.",
        _bullets,
        {"relation": "exactly", "count": 3},
    ),
    Constraint(
        "numbered_list",
        _HOW_MANY,
        lambda relation, count: f"Write a list numbered from 1 with {relation} {plural(count, 'item')}.",
        _numbered_list,
        {"relation": "at least", "count": 2},
    ),
    Constraint(
        "highlights",
        _HOW_MANY,
        lambda relation, count: f"Highlight {relation} {plural(count, 'section')} of your reply, *like this*.",
        _highlights,
        {"relation": "at least", "count": 2},
    ),
    Constraint(
        "placeholders",
        _HOW_MANY,
        lambda relation, count: f"Use {relation} {plural(count, 'different placeholder')}, such as [address].",
        _placeholders,
        {"relation": "at least", "count": 2},
    ),
    Constraint("title", {}, lambda: "Give a title in double angular brackets, such as <<joy>>.", _title, {}),
    Constraint(
        "sections",
        {"marker": WORDING, "count": COUNT},
        lambda marker, count: f'Write {plural(count, "section")}, headed "{marker} 1" and so on.',
        _sections,
        {"marker": "Section", "count": 2},
    ),
    Constraint(
        "headings",
        _HOW_MANY,
        lambda relation, count: f'Use {relation} {plural(count, "heading")} that start with "#".',
        _headings,
        {"relation": "exactly", "count": 2},
    ),
    Constraint(
        "code_blocks",
        _HOW_MANY,
        lambda relation, count: f"Write {relation} {plural(count, 'block')} of code between lines of ```.",
        _code_blocks,
        {"relation": "exactly", "count": 1},
    ),
    Constraint(
        "table",
        {"rows": COUNT, "columns": COUNT},
        lambda rows, columns: (
            f"Write one Markdown table with {plural(columns, 'column')} and {plural(rows, 'row')} below its head."
        ),
        _table,
        {"rows": 2, "columns": 2},
    ),
    Constraint("json", {}, lambda: "Write the whole reply as JSON.", _json, {}),
    Constraint(
        "json_keys",
        {"keys": WORDINGS},
        lambda keys: f"Write the whole reply as one JSON object with exactly these keys: {', '.join(keys)}.",
        _json_keys,
        {"keys": ["city", "reason"]},
    ),
    Constraint("quotation", {}, lambda: "Put the whole reply in double quotation marks.", _quotation, {}),
    Constraint(
        "tagged",
        {"tag": WORDING},
        lambda tag: f"Put the whole reply between <{tag}> and </{tag}>.",
        _tagged,
        {"tag": "reply"},
    ),
    Constraint(
        "two_responses",
        {},
        lambda: f"Give two different responses, parted by a line of six asterisks: {_TWO}",
        _two_responses,
        {},
    ),
    Constraint(
        "one_of",
        {"options": WORDINGS},
        lambda options: f"Reply with exactly one of these: {', '.join(options)}.",
        _one_of,
        {"options": ["My answer is yes.", "My answer is no."]},
    ),
    Constraint(
        "parts",
        {"divider": MARK, "count": COUNT},
        lambda divider, count: f"Write {plural(count, 'part')}, parted by lines that hold only {divider}",
        _parts,
        {"divider": "***", "count": 2},
    ),
    Constraint(
        "plain_text", {}, lambda: "Write plain text: no lists, headings, highlights or code blocks.", _plain_text, {}
    ),
)
