"""Compare models on the same held-out tasks: paired, greedy, with 95% intervals.

    python scripts/benchmark.py --models base=smollm2-135m-instruct trained=runs/quickstart/model \\
        --envs postgym/Weather-v0,postgym/WordProblems-v0 --n 256

A model behind an OpenAI-compatible endpoint is compared the same way, with its own tool calls:

    python scripts/benchmark.py --models base=smollm2-135m-instruct gpt=openai:MODEL@https://HOST/v1 \\
        --api-key-env gpt=MY_KEY --envs postgym/Weather-v0

Writes summary.json, report.html and one line per episode and model into --out. The same command goes on
where a killed one stopped.
"""

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rewards.errors import ConfigError
from scripts.cli import run


def parse_models(pairs: list[str]) -> dict[str, str]:
    """`["base=PATH", "trained=PATH"]` to names and models.

    Raises:
        ConfigError: a pair without its name, or a name used twice.
    """
    models: dict[str, str] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals or not name or not path or name in models:
            raise ConfigError(f"--models {pair!r}: write distinct name=path pairs, such as base=smollm2-135m-instruct")
        models[name] = path
    return models


def parse_keys(pairs: list[str]) -> dict[str, str]:
    """`["gpt=MY_KEY"]` to names of models and of environment variables.

    Raises:
        ConfigError: a pair without its name.
    """
    keys = {}
    for pair in pairs:
        name, _, variable = pair.partition("=")
        if not name or not variable:
            raise ConfigError(f"--api-key-env {pair!r}: write name=VARIABLE, such as gpt=OPENAI_API_KEY")
        keys[name] = variable
    return keys


def main() -> int:
    """Parses, evaluates, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", required=True, metavar="NAME=PATH", help="models, the baseline first")
    parser.add_argument(
        "--api-key-env", nargs="+", default=[], metavar="NAME=VARIABLE", help="variable that holds an endpoint's key"
    )
    parser.add_argument("--envs", required=True, metavar="ID,ID", help="environment ids")
    parser.add_argument("--n", type=int, default=256, help="held-out tasks over all environments (default: 256)")
    parser.add_argument("--difficulty", default="0,1", metavar="LOW,HIGH", help="spread of difficulty (default: 0,1)")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"), help="folder (default: runs/benchmark)")
    parser.add_argument("--max-new-tokens", type=int, default=128, help="tokens per turn (default: 128)")
    parser.add_argument("--max-context", type=int, default=1024, help="tokens per episode (default: 1024)")
    parser.add_argument("--precision", default="auto", help="auto, bfloat16 or float32 (default: auto)")
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    arguments = parser.parse_args()

    from trainer.benchmark import benchmark, benchmark_config
    from trainer.logs import Display
    from trainer.tables import print_comparison

    models, keys = parse_models(arguments.models), parse_keys(arguments.api_key_env)
    config = benchmark_config(
        arguments.envs.split(","),
        arguments.difficulty,
        arguments.n,
        arguments.max_new_tokens,
        arguments.max_context,
        arguments.precision,
    )
    display = Display()
    summary = benchmark(models, config, arguments.out, display, keys)
    print_comparison(display.console, summary)
    display.say(f"report: {(arguments.out / 'report.html').resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
