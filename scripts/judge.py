"""Put a run's episodes to a judge and see how far it agrees with their programmatic scores.

    python scripts/judge.py runs/quickstart --url http://localhost:8000/v1 --model my-judge \\
        --question "Is the answer correct?" --n 200

Writes calibration.md and calibration.json into --out. Verdicts are kept in --cache: the same command goes on where
it was stopped and asks nothing twice.
"""

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rewards.calibration import Scored
from rewards.errors import ConfigError
from scripts.cli import run


def episodes_of(folder: Path, n: int) -> list[Scored]:
    """At most `n` of a run's judged episodes, spread evenly over its files.

    Raises:
        ConfigError: the folder holds no judged episode, or `n` is below 1.
    """
    from rollout.store import read_groups

    found = [
        Scored(f"{path.stem}#{i}", t.transcript, t.task.target, t.score.value)
        for path in sorted((folder / "trajectories").glob("*.parquet"))
        for i, t in enumerate(member for group in read_groups(path) for member in group.trajectories)
        if t.score.value is not None
    ]
    if not found or n < 1:
        raise ConfigError(f"{folder} holds {len(found)} judged episodes and {n} were asked for; give a run's folder")
    return [found[i * len(found) // min(n, len(found))] for i in range(min(n, len(found)))]


def main() -> int:
    """Parses, judges, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder, such as runs/quickstart")
    parser.add_argument("--url", required=True, help="OpenAI-compatible endpoint, up to and with /v1")
    parser.add_argument("--model", required=True, help="the judge's name there")
    parser.add_argument("--question", required=True, help="what it grades, such as 'Is the answer correct?'")
    parser.add_argument("--reference", default="", help="key of the target to show it (default: none)")
    parser.add_argument("--api-key-env", default="", metavar="NAME", help="environment variable that holds the key")
    parser.add_argument("--n", type=int, default=200, help="episodes at most (default: 200)")
    parser.add_argument("--cache", type=Path, default=Path("runs/.judge"), help="verdicts (default: runs/.judge)")
    parser.add_argument("--out", type=Path, help="folder of the report (default: RUN/judge)")
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    arguments = parser.parse_args()

    from rewards.calibration import calibrate
    from rewards.endpoint import Endpoint
    from rewards.files import write_json_atomically, write_text_atomically
    from rewards.judge import Judge

    endpoint = Endpoint(arguments.url, arguments.model, arguments.api_key_env)
    judge = Judge(endpoint, arguments.question, arguments.cache, arguments.reference)
    report = calibrate(judge, episodes_of(arguments.run, arguments.n))
    out = arguments.out or arguments.run / "judge"
    write_text_atomically(out / "calibration.md", report.to_markdown())
    write_json_atomically(out / "calibration.json", report.to_dict())
    print(report.to_markdown())
    print(f"report: {(out / 'calibration.md').resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
