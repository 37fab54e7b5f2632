"""What every command does about errors: one clear line and an exit code, no stack trace."""

import sys
from collections.abc import Callable

from rewards.errors import PostgymError

USER_ERROR = 2
INTERRUPTED = 130


def run(main: Callable[[], int | None]) -> int:
    """Calls `main` and turns what the user can mend into one line on stderr.

    Args:
        main: the command; it returns its exit code, None means 0.

    Returns:
        The exit code: `main`'s own, 2 after a `PostgymError`, 130 after Ctrl-C.

    Raises:
        PostgymError, KeyboardInterrupt: as they came, when `--debug` is on the command line.
    """
    try:
        return main() or 0
    except PostgymError as error:
        if "--debug" in sys.argv:
            raise
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        if "--debug" in sys.argv:
            raise
        return INTERRUPTED
