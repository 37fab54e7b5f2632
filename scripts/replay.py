"""Play a run's stored episodes again in the environments of today: which of them earn another score?

python scripts/replay.py runs/quickstart
python scripts/replay.py runs/quickstart --env Weather --stage grpo
"""

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from scripts.cli import run

DIFFERENT = 1
_LISTED = 20


def main() -> int:
    """Parses, plays, lists what differs; 1 when something does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--env", default="", help="environment, such as Weather or postgym/Weather-v0")
    parser.add_argument("--stage", default="", help="experts, grpo, or eval-base and its like")
    parser.add_argument("--first-step", type=int, help="round, from 0")
    parser.add_argument("--last-step", type=int, help="round, included")
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    arguments = parser.parse_args()

    from rollout.catalogue import Filter
    from trainer.replay import replay_run

    wanted = Filter(
        arguments.env, stage=arguments.stage, first_step=arguments.first_step, last_step=arguments.last_step
    )
    found = replay_run(arguments.run, wanted)
    different = [r for r in found if not r.same]
    for r in different[:_LISTED]:
        after = "went another way" if r.after is None else f"earns {r.after.score.value}: {r.after.score.reason}"
        print(f"{r.before.task.id} earned {r.before.score.value:g}, {after}")
    print(f"{len(found)} episodes played again, {len(different)} otherwise than then")
    return DIFFERENT if different else 0


if __name__ == "__main__":
    sys.exit(run(main))
