"""Write a run's checkpoint as a model folder, for transformers, `vllm serve` or scripts/benchmark.py.

python scripts/model.py runs/quickstart --out models/best
python scripts/model.py runs/quickstart --checkpoint 12 --out models/step-12
"""

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from scripts.cli import run


def main() -> int:
    """Parses, writes, says what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--checkpoint", default="best", help="best, newest, or a number of updates (default: best)")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--precision", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    arguments = parser.parse_args()

    from trainer.model_folder import write_model

    checkpoint = write_model(arguments.run, arguments.checkpoint, arguments.out, arguments.precision)
    print(f"{checkpoint.name} of {arguments.run}: {arguments.out.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
