"""Write a run's episodes as a data set: OpenAI chats, ShareGPT, or SFT and DPO sets for TRL.

python scripts/export.py runs/quickstart --layout dpo --margin 0.5 --out pairs.jsonl
python scripts/export.py runs/quickstart --layout sft --env Weather --min-score 1 --out good.jsonl
"""

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from scripts.cli import run


def main() -> int:
    """Parses, filters, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder, or a trajectory file")
    parser.add_argument("--layout", required=True, choices=["openai", "sharegpt", "sft", "dpo"])
    parser.add_argument("--out", type=Path, required=True, help="JSONL file to write")
    parser.add_argument("--margin", type=float, default=0.5, help="dpo: chosen - rejected at least (default: 0.5)")
    parser.add_argument("--env", default="", help="environment, such as Weather or postgym/Weather-v0")
    parser.add_argument("--split", default="", choices=["train", "test"])
    parser.add_argument("--stage", default="", help="experts, grpo, or eval-base and its like")
    parser.add_argument("--status", default="", help="ok, invalid_output, infra_error, task_error, or error for both")
    parser.add_argument("--finish", default="", help="terminated, truncated or context: how it ended")
    parser.add_argument("--min-score", type=float, help="0 to 1")
    parser.add_argument("--max-score", type=float, help="0 to 1")
    parser.add_argument("--first-step", type=int, help="round, from 0")
    parser.add_argument("--last-step", type=int, help="round, included")
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    arguments = parser.parse_args()

    from rollout.catalogue import Filter, read_all
    from rollout.export import ToolsOf, export
    from trainer.run_folder import environment_maker

    wanted = Filter(
        env=arguments.env,
        split=arguments.split,
        stage=arguments.stage,
        status=arguments.status,
        finish=arguments.finish,
        low=arguments.min_score,
        high=arguments.max_score,
        first_step=arguments.first_step,
        last_step=arguments.last_step,
    )
    tools_of = ToolsOf(environment_maker(arguments.run))
    found = export(arguments.out, arguments.layout, read_all(arguments.run, wanted), tools_of, arguments.margin)
    print(f"{found.written} rows: {arguments.out.resolve()}")
    for reason, count in found.left_out.items():
        print(f"left out, {count}: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
