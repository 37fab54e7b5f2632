"""report.html: what a run or a comparison found, on one self-contained page for people."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rewards.files import write_text_atomically
from trainer.charts import line_chart
from trainer.compare import Outcome
from trainer.run_folder import describe_machine

_MAX_TEXT = 4_000
_EXAMPLES = 3  # trajectories shown of each environment
_CURVES = (
    ("reward_mean", "mean reward"),
    ("success_rate", "full scores"),
    ("completion_tokens", "tokens sampled per episode"),
    ("entropy", "entropy (nats per token)"),
    ("grad_norm", "gradient norm"),
    ("explained_variance", "what the critic foresees (explained variance)"),
    ("mismatch", "engine/trainer |logprob difference|"),
    ("zero_variance_share", "groups without variance"),
    ("tokens_per_second", "tokens per second"),
)


def write_report(
    path: Path, summary: Mapping[str, Any], stages: Mapping[str, Sequence[Outcome]], metrics: Sequence[Mapping]
) -> None:
    """Writes the page, whole or not at all.

    Args:
        summary: as `summary.json` (see `trainer.compare`), with `name`, `phases`, `config` and `rubrics`.
        stages: outcomes by stage, the first the baseline.
        metrics: rows of `metrics.jsonl`; none for a comparison without training.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,  # model output is hostile text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = _shown
    page = environment.get_template("report.html").render(
        name=summary["name"],
        verdicts=_verdicts(summary),
        stage_names=list(summary["stages"]),
        rows=_table(summary),
        pairs=_pairs(summary),
        charts=_charts(metrics),
        rubrics=summary.get("rubrics", {}),
        phases=summary.get("phases", []),
        machine=describe_machine(summary["machine"]) if summary.get("machine") else "",
        examples=_examples(stages),
        config=json.dumps(summary.get("config", {}), indent=2),
    )
    write_text_atomically(path, page)


def _shown(value: Any) -> str:
    """Any value as text that a browser can show: cut when long, control characters made visible."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = "".join(c if c in "\n\t" or (ord(c) >= 32 and not 0xD800 <= ord(c) <= 0xDFFF) else "\ufffd" for c in text)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} ... ({len(text) - _MAX_TEXT} more characters)"


def _pairs(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((c["before"], c["after"]) for c in summary["comparisons"]))


def _difference(summary: Mapping[str, Any], pair: tuple[str, str], env: str, metric: str = "score") -> dict[str, Any]:
    for c in summary["comparisons"]:
        if (c["before"], c["after"], c["env"], c["metric"]) == (*pair, env, metric):
            verdict = "better" if c["low"] > 0 else "worse" if c["high"] < 0 else "open"
            return {**c, "verdict": verdict}
    return {"difference": 0.0, "low": 0.0, "high": 0.0, "n": 0, "verdict": "open"}


def _verdicts(summary: Mapping[str, Any]) -> list[str]:
    """The result in words, a sentence for each pair."""
    sentences = []
    for before, after in _pairs(summary):
        d = _difference(summary, (before, after), "overall")
        points = f"{100 * d['difference']:+.1f} points, 95% interval {100 * d['low']:+.1f} to {100 * d['high']:+.1f}"
        word = {"better": "beats", "worse": "falls behind", "open": "can't be told from"}[d["verdict"]]
        sentences.append(f"{after} {word} {before} on {d['n']} held-out tasks ({points}).")
    return sentences


def _table(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    stages = summary["stages"]
    first = next(iter(stages.values()), {"overall": {}})
    names = [e for e in first if e != "overall"] + ["overall"]
    return [
        {
            "env": env,
            "cells": [stages[s][env] for s in stages],
            "differences": [_difference(summary, pair, env) for pair in _pairs(summary)],
        }
        for env in names
    ]


def _charts(metrics: Sequence[Mapping]) -> list[dict[str, str]]:
    names = dict.fromkeys(key for row in metrics for key in row)
    curves = [*_CURVES, *((n, f"reward: {n.removeprefix('reward/')}") for n in names if n.startswith("reward/"))]
    charts = []
    for key, title in curves:
        points = [(row["step"] + 1, row[key]) for row in metrics if key in row]
        if len(points) > 1:
            charts.append({"title": title, "svg": line_chart(points, title)})
    return charts


def _examples(stages: Mapping[str, Sequence[Outcome]]) -> list[dict[str, Any]]:
    """Tasks of each environment at the first and the last stage: mended ones first, then broken, then others."""
    if not stages:
        return []
    (before_name, before), *_ = stages.items()
    after_name, after = list(stages.items())[-1]
    last = {o.task_id: o for o in after}
    pairs = [(o, last[o.task_id]) for o in before if o.task_id in last]
    found = []
    for env in sorted({o.env for o in before}):
        mine = [p for p in pairs if p[0].env == env]
        mended = [p for p in mine if (p[1].score or 0) > (p[0].score or 0)]
        broken = [p for p in mine if (p[1].score or 0) < (p[0].score or 0)]
        still = [p for p in mine if not p[1].success and p not in mended and p not in broken]
        chosen = [*mended[:1], *broken[:1], *still[:1]]
        chosen += [p for p in [*mended[1:], *mine] if p not in chosen][: _EXAMPLES - len(chosen)]
        found += [
            {"env": env, "task": a.task_id, "sides": [(before_name, a), (after_name, b)]} for a, b in chosen[:_EXAMPLES]
        ]
    return found
