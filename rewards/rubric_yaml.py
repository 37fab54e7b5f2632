"""Rubrics as YAML: criteria with dotted names of rewards in place of the functions, there and back exactly.

criteria:
- name: form
  reward: rewards.tools.well_formed
  weight: 0.0
  gate: true
- name: valid calls
  reward:
    rewards.tools.when:
      condition: rewards.tools.right_answer
      reward: rewards.tools.valid_calls
  weight: 0.1
- name: brevity
  group: rewards.group.brevity
  weight: 0.2
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rewards.errors import ConfigError, nearest
from rewards.recipes import describe, doc_of, resolve
from rewards.score import Criterion, GroupCriterion, Rubric

_FIELDS = ("name", "reward", "group", "weight", "gate", "turns")


def rubric_to_dict(rubric: Rubric) -> dict[str, Any]:
    """The rubric as plain JSON.

    Raises:
        ConfigError: a reward can't be named in a file: it is a lambda, or from a module that isn't allowed.
    """
    criteria = [_criterion_to_dict(c) for c in rubric.criteria]
    for row in criteria:
        _criterion(row)  # what can't be read back must not be written
    return {"criteria": criteria}


def rubric_to_yaml(rubric: Rubric) -> str:
    """The rubric as YAML; raises as `rubric_to_dict`."""
    return yaml.safe_dump(rubric_to_dict(rubric), sort_keys=False, allow_unicode=True)


def rubric_from_dict(values: Any) -> Rubric:
    """The rubric that `rubric_to_dict` wrote.

    Raises:
        ConfigError: a field, reward or argument is unknown, missing or of the wrong type; the nearest right name
            is given.
    """
    if not isinstance(values, Mapping) or set(values) != {"criteria"} or not isinstance(values["criteria"], list):
        raise ConfigError(f"a rubric is a mapping with one field, criteria, that holds a list; got {values!r:.200}")
    try:
        return Rubric([_criterion(row) for row in values["criteria"]])
    except ValueError as error:
        raise ConfigError(f"rubric: {error}") from None


def rubric_from_yaml(text: str) -> Rubric:
    """The rubric in a YAML text; raises as `rubric_from_dict`."""
    return rubric_from_dict(_parse(text, "rubric"))


def read_rubric(path: Path) -> dict[str, Any]:
    """The plain JSON of a rubric file, checked as `rubric_from_dict` does.

    Raises:
        ConfigError: the file is missing, is no YAML, or holds no rubric.
    """
    if not path.is_file():
        raise ConfigError(f"rubric file {path} does not exist")
    values = _parse(path.read_text(encoding="utf-8", errors="replace"), str(path))
    try:
        return rubric_to_dict(rubric_from_dict(values))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def rubric_rows(rubric: Rubric) -> list[dict[str, Any]]:
    """What a report shows of each criterion: its fields, what it judges, and the reward's own one-line account."""
    rows = []
    for criterion in rubric.criteria:
        group = isinstance(criterion, GroupCriterion)
        turns = "" if group else criterion.turns
        judges = "the group" if group else f"each turn ({turns})" if turns else "the episode"
        rows.append(
            {
                "name": criterion.name,
                "judges": judges,
                "weight": criterion.weight,
                "gate": criterion.gate,
                "reward": _spelled(describe(criterion.reward)),
                "doc": doc_of(criterion.reward),
            }
        )
    return rows


def _spelled(described: Any) -> str:
    """`describe`'s answer as a call, without the modules."""
    if not isinstance(described, dict):
        return str(described).rpartition(".")[2] if isinstance(described, str) else repr(described)
    ((name, arguments),) = described.items()
    inner = [f"{k}={_spelled(v) if isinstance(v, dict) or _named(v) else repr(v)}" for k, v in arguments.items()]
    return f"{name.rpartition('.')[2]}({', '.join(inner)})"


def _named(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("rewards.")


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{where}: no YAML: {' '.join(str(error).split())}") from None


def _criterion_to_dict(criterion: Criterion | GroupCriterion) -> dict[str, Any]:
    kind = "group" if isinstance(criterion, GroupCriterion) else "reward"
    row = {"name": criterion.name, kind: describe(criterion.reward), "weight": criterion.weight}
    if criterion.gate:
        row["gate"] = True
    if isinstance(criterion, Criterion) and criterion.turns:
        row["turns"] = criterion.turns
    return row


def _criterion(row: Any) -> Criterion | GroupCriterion:
    if not isinstance(row, Mapping) or not isinstance(row.get("name"), str) or not row["name"]:
        raise ConfigError(f"criterion {row!r:.200} needs a name")
    where = f"criterion {row['name']!r}"
    for key in row:
        if key not in _FIELDS:
            raise ConfigError(f"{where} has no field {key!r}; {nearest(str(key), _FIELDS)}")
    if ("reward" in row) == ("group" in row):
        raise ConfigError(f"{where} needs either `reward` or `group`, the dotted name of what judges")
    weight, gate = row.get("weight", 1.0), row.get("gate", False)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
        raise ConfigError(f"{where}: weight {weight!r} is no number")
    if not isinstance(gate, bool):
        raise ConfigError(f"{where}: gate {gate!r} is neither true nor false")
    if "group" in row:
        if "turns" in row:
            raise ConfigError(f"{where}: a group criterion judges whole episodes; remove `turns`")
        return GroupCriterion(row["name"], resolve(row["group"], "group"), weight, gate)
    try:
        return Criterion(row["name"], resolve(row["reward"]), weight, gate, row.get("turns", ""))
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from None
