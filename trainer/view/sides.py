"""The same held-out task before and after: what each evaluated stage made of it, side by side."""

from typing import Any

from rewards.errors import ConfigError, PostgymError
from rollout.store import read_trajectory
from trainer.compare import Outcome, read_outcomes
from trainer.view.data import Json, RunData, shown_score


def held_out_tasks(data: RunData) -> Json:
    """Every held-out task with its score at each stage that has been evaluated; None where nobody could judge."""
    stages = data.stages()
    rows: dict[str, Json] = {}
    for stage in stages:
        for outcome in _outcomes(data, stage):
            row = rows.setdefault(outcome.task_id, {"task": outcome.task_id, "env": outcome.env, "scores": {}})
            row["scores"][stage] = outcome.score
    return {"stages": stages, "rows": list(rows.values())}


def side_by_side(data: RunData, task: str) -> Json:
    """What each stage said to one task, and what it earned by.

    Raises:
        ConfigError: no stage was evaluated on such a task.
    """
    sides = []
    for stage in data.stages():
        for row, outcome in enumerate(_outcomes(data, stage)):
            if outcome.task_id == task:
                sides.append({"stage": stage, **_side(data, stage, row, outcome)})
    if not sides:
        raise ConfigError(f"{data.folder} has no held-out task {task!r}")
    return {"task": task, "sides": sides}


def _side(data: RunData, stage: str, row: int, outcome: Outcome) -> Json:
    score: Json = {"value": outcome.score, "status": "", "reason": outcome.reason, "parts": []}
    found: dict[str, Any] = {"messages": list(outcome.messages), "score": score, "file": None, "row": None}
    path = data.folder / "trajectories" / f"eval-{stage}.parquet"
    try:  # the same episodes in the same order, token by token; runs of older versions kept none
        trajectory = read_trajectory(path, row)
    except PostgymError:
        return found
    if trajectory.task.id == outcome.task_id:
        found |= {"score": shown_score(trajectory), "file": path.stem, "row": row}
    return found


def _outcomes(data: RunData, stage: str) -> list[Outcome]:
    return read_outcomes(data.folder / "eval" / f"{stage}.jsonl")
