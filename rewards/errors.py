"""The one error hierarchy: what went wrong, where, with which value, and what to do about it.

Every entry point turns a `PostgymError` into one line on stderr and exit code 2.
"""

import difflib
from collections.abc import Iterable
from enum import StrEnum


class Fault(StrEnum):
    """What kept an episode from a verdict: the kinds by which errors are counted."""

    RAISED = "raised"  # the environment raised
    HUNG = "hung"  # it took longer than rollout.step_seconds
    BAD_STEP = "bad_step"  # what it returned is no reset or step
    BAD_OBSERVATION = "bad_observation"
    BAD_REWARD = "bad_reward"
    BAD_SCORE = "bad_score"
    TOO_MUCH_OUTPUT = "too_much_output"
    ENDLESS = "endless"  # it goes on after its last turn
    MEMORY = "memory"
    WORKER_LOST = "worker_lost"  # its process died under it
    TURN_FAILED = "turn_failed"  # the engine could not give a turn
    CANCELLED = "cancelled"
    TASK_TOO_LONG = "task_too_long"
    TASK_BROKEN = "task_broken"
    UNJUDGED = "unjudged"  # the rubric, or the group's, could not judge


class PostgymError(Exception):
    """Base of every error that a user can mend."""


class ConfigError(PostgymError):
    """A setting is unknown, of the wrong type, or out of range."""


class TaskError(PostgymError):
    """A task or data set entry is broken: its gold answer can't be judged."""

    def __init__(self, message: str = "", fault: Fault = Fault.TASK_BROKEN) -> None:
        super().__init__(message)
        self.fault = fault


class EnvError(PostgymError):
    """An environment raised, hung or returned rubbish: its episode carries no score, and `fault` says which."""

    def __init__(self, message: str = "", fault: Fault = Fault.RAISED) -> None:
        super().__init__(message)
        self.fault = fault


class EngineError(PostgymError):
    """The generation engine can't start, has died, or doesn't hold the weights it should."""


class TurnError(EngineError):
    """One turn could not be generated: its episode carries no score, the engine goes on with others."""


class TrainingError(PostgymError):
    """Nothing can be learned: a gradient is not finite, or one of several trainer processes can't start or has died."""


class CheckpointError(PostgymError):
    """A checkpoint or stored file is damaged or from another version."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Ends an error message: the closest known names, or all of them when none is close."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=count, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
