"""The one error hierarchy: what went wrong, where, with which value, and what to do about it.

Every entry point turns a `PostgymError` into one line on stderr and exit code 2.
"""

import difflib
from collections.abc import Iterable


class PostgymError(Exception):
    """Base of every error that a user can mend."""


class ConfigError(PostgymError):
    """A setting is unknown, of the wrong type, or out of range."""


class TaskError(PostgymError):
    """A task or data set entry is broken: its gold answer can't be judged."""


class EnvError(PostgymError):
    """An environment raised, hung or returned rubbish: its episode carries no score."""


class EngineError(PostgymError):
    """The generation engine can't start, has died, or doesn't hold the weights it should."""


class TurnError(EngineError):
    """One turn could not be generated: its episode carries no score, the engine goes on with others."""


class CheckpointError(PostgymError):
    """A checkpoint or stored file is damaged or from another version."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Ends an error message: the closest known names, or all of them when none is close."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=count, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
