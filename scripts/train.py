"""Train a model on postgym's environments: evaluate, cold start, GRPO, evaluate, report.

    python scripts/train.py scripts/configs/quickstart.yaml --trainer.learning_rate 1e-5 --name mine

Any field of the config can be overridden as --section.field value. The same command goes on where a
killed run stopped.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from scripts.cli import run

if TYPE_CHECKING:
    from trainer.config import Config

SMOKE = {  # the same path on next to nothing
    "sft.traces": 24,
    "trainer.steps": 2,
    "rollout.groups": 3,
    "rollout.group_size": 4,
    "evaluation.tasks": 24,
}


def main() -> int:
    """Parses, runs, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="YAML file, such as scripts/configs/quickstart.yaml")
    parser.add_argument("--smoke", action="store_true", help="the same path in under 3 minutes, for a first look")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run folders lie (default: runs)")
    parser.add_argument("--estimate", action="store_true", help="say what memory the run would take, and do nothing")
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    arguments, overrides = parser.parse_known_args()

    from trainer.config import load_config

    config = load_config(arguments.config, overrides, SMOKE if arguments.smoke else None)
    if arguments.smoke and "--name" not in " ".join(overrides):
        config = config.model_copy(update={"name": f"{config.name}-smoke"})

    if arguments.estimate:
        return print_estimate(config)

    from trainer.logs import Display
    from trainer.loop import Run
    from trainer.tables import print_comparison

    display = Display()
    folder = arguments.runs / config.name
    summary = Run(config, folder, display).execute()
    print_comparison(display.console, summary)
    display.say(f"report: {(folder / 'report.html').resolve()}")
    display.say(f"model:  {(folder / 'model').resolve()}  (vllm serve or transformers load it)")
    return 0


def print_estimate(config: "Config") -> int:
    """The run's memory, entry by entry, and which settings would save some."""
    from rewards.errors import ConfigError
    from rollout.models import resolve_model
    from trainer.memory import estimate, savings, this_machine
    from trainer.policy import faster_precision

    if config.trainer.processes > 1 and config.rollout.ray_address != "local":
        raise ConfigError(
            "--estimate reckons with this machine alone: set rollout.ray_address to local, on a machine like those of "
            "the cluster"
        )
    precision = faster_precision() if config.precision == "auto" else config.precision
    model = resolve_model(config.model)
    found = estimate(config, model, precision, this_machine())
    print(found.table())
    print("\n".join(savings(found, config, model, precision)))
    return 2 if found.lacking else 0


if __name__ == "__main__":
    sys.exit(run(main))
