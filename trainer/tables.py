"""The comparison as a table in the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table


def print_comparison(console: Console, summary: dict[str, Any]) -> None:
    """Mean score of every stage per environment, and the paired differences with their 95% intervals."""
    stages = list(summary["stages"])
    table = Table(title=f"{summary['name']}: mean score on held-out tasks (success rate)")
    table.add_column("environment")
    for stage in stages:
        table.add_column(stage, justify="right")
    pairs = list(dict.fromkeys((c["before"], c["after"]) for c in summary["comparisons"]))
    for before, after in pairs:
        table.add_column(f"{after} - {before} [95%]", justify="right")
    environments = [e for e in summary["stages"][stages[0]] if e != "overall"]
    for env in [*environments, "overall"]:
        cells = []
        for stage in stages:
            found = summary["stages"][stage][env]
            cells.append(f"{found['mean_score']:.3f} ({found['success_rate']:.0%})")
        for pair in pairs:
            cells.append(_interval(summary["comparisons"], *pair, env))
        table.add_row(env.removeprefix("postgym/"), *cells, end_section=env != "overall" and env == environments[-1])
    console.print(table)


def _interval(comparisons: list[dict[str, Any]], before: str, after: str, env: str) -> str:
    for c in comparisons:
        if (c["before"], c["after"], c["env"], c["metric"]) == (before, after, env, "score"):
            colour = "green" if c["low"] > 0 else "red" if c["high"] < 0 else "default"
            return f"[{colour}]{c['difference']:+.3f} \\[{c['low']:+.3f}, {c['high']:+.3f}][/{colour}]"
    return "-"
