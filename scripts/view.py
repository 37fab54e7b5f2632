"""See a run: its curves, every episode token by token, the same task before and after. Also while it trains.

python scripts/view.py runs/quickstart               # opens a page on this machine
python scripts/view.py runs/quickstart --terminal    # the same in short, where there is no browser
"""

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from scripts.cli import run


def main() -> int:
    """Parses, then serves or prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run or a benchmark, such as runs/quickstart")
    parser.add_argument("--port", type=int, default=8642, help="of the page; 0 takes any free one (default: 8642)")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 shows it to the network (default: 127.0.0.1)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--terminal", action="store_true", help="curves and newest episodes here; follows a live run")
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    arguments = parser.parse_args()
    if arguments.terminal:
        from trainer.view.terminal import watch

        watch(arguments.run)
        return 0

    from trainer.view.server import serve

    serve(arguments.run, arguments.host, arguments.port, not arguments.no_browser, lambda text: print(text, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
