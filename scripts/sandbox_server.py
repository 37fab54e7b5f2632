"""Runs untrusted code for a cluster: a sandbox host that trainers and rollouts reach over HTTP.

On each host:    POSTGYM_SANDBOX_TOKEN=... .venv/bin/python scripts/sandbox_server.py --host 0.0.0.0 --port 8000
Where rewards are computed:    POSTGYM_SANDBOX=http://host1:8000,http://host2:8000 POSTGYM_SANDBOX_TOKEN=...
"""

import argparse
import os
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a file: scripts/ stands first on the path and its files would shadow packages
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from envs.sandbox.level import level
from envs.sandbox.remote import TOKEN_SETTING, make_server
from rewards.errors import PostgymError


def main() -> int:
    """Probes the walls, prints their level, serves until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine)")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    try:
        found = level()
    except PostgymError as error:
        print(error, file=sys.stderr)
        return 2
    token = os.environ.get(TOKEN_SETTING)
    if arguments.host not in ("127.0.0.1", "localhost", "::1") and not token:
        print(f"set {TOKEN_SETTING}: whoever reaches {arguments.host} could run code here", file=sys.stderr)
        return 2
    print(found, flush=True)
    import uvicorn

    uvicorn.run(make_server(found.backend, token), host=arguments.host, port=arguments.port, log_level="warning")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
