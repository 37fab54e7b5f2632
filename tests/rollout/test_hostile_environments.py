"""An environment that misbehaves costs its own episode a verdict, and nothing else: the run and the others go on."""

import asyncio
import math
import threading
import time

import pytest

from rewards.errors import Fault
from rewards.score import Criterion, Rubric, Score, Status, failure
from rewards.transcript import Message
from rollout.collect import collect_groups
from rollout.engine import Sampling, ScriptedEngine
from rollout.episode import Limits, run_episode
from tests.worlds import Lookup

SAMPLING = Sampling(max_tokens=64)
CALM = Limits(max_context=1024)
QUICK = Limits(max_context=1024, step_seconds=0.3)  # to tell what hangs
RELEASE = threading.Event()  # lets the threads of hanging environments end with the tests


class WordlessError(Exception):
    def __repr__(self):
        raise RuntimeError("no words either")


def raising(error):
    def step(self, action):
        raise error

    return step


def hanging(self, *arguments, **keywords):
    RELEASE.wait(30)


def returning(*, new=(), reward=0.0, over=True, info=None):
    def step(self, action):
        return new, reward, over, False, {"score": Score(1.0, "fine")} if info is None else info

    return step


def endless_tool_output(characters):
    def step(self, action):
        self._messages.append(Message("tool", "x " * (characters // 2)))
        return (self._messages[-1],), 0.0, False, False, {}

    return step


def environment(**attributes):
    return type("Hostile", (Lookup,), attributes)()


def play(env, renderer, limits=CALM, task=None):
    task = task or Lookup().sample_task(0)
    engine = ScriptedEngine(env.expert, renderer.turn_ids)
    return asyncio.run(run_episode(env, task, engine, renderer, SAMPLING, limits))


@pytest.fixture(scope="module", autouse=True)
def _release():
    yield
    RELEASE.set()


HOSTILE = {
    "40-raises in step": ({"step": raising(OSError("gone"))}, "gone", Fault.RAISED),
    "40-raises in reset": ({"reset": lambda self, **options: 1 / 0}, "ZeroDivisionError", Fault.RAISED),
    "40-exits the process": ({"step": raising(SystemExit(0))}, "SystemExit", Fault.RAISED),
    "40-interrupts": ({"step": raising(KeyboardInterrupt())}, "KeyboardInterrupt", Fault.RAISED),
    "40-cancels": ({"step": raising(asyncio.CancelledError())}, "CancelledError", Fault.RAISED),
    "40-stops an iteration": ({"step": raising(StopIteration())}, "StopIteration", Fault.RAISED),
    "40-raises an error whose words fail": ({"step": raising(WordlessError())}, "WordlessError", Fault.RAISED),
    "40-raises at length": ({"step": raising(ValueError("x" * 10**6))}, "ValueError", Fault.RAISED),
    "40-is out of memory": ({"step": raising(MemoryError())}, "MemoryError", Fault.MEMORY),
    "40-hangs in step": ({"step": hanging}, "no answer within 0.3 s", Fault.HUNG),
    "40-hangs in reset": ({"reset": hanging}, "no answer within 0.3 s", Fault.HUNG),
    "40-reward is NaN": ({"step": returning(reward=math.nan)}, "reward nan", Fault.BAD_REWARD),
    "40-reward is infinite": ({"step": returning(reward=math.inf)}, "reward inf", Fault.BAD_REWARD),
    "40-reward above 1": ({"step": returning(reward=7.0)}, "reward 7.0", Fault.BAD_REWARD),
    "40-reward below 0": ({"step": returning(reward=-0.5)}, "reward -0.5", Fault.BAD_REWARD),
    "40-reward is no number": ({"step": returning(reward="all of it")}, "all of it", Fault.BAD_REWARD),
    "40-reward is NaN before the end": (
        {"step": returning(reward=math.nan, over=False, info={})},
        "reward nan",
        Fault.BAD_REWARD,
    ),
    "40-score is a number": ({"step": returning(info={"score": 0.7})}, "float where a Score", Fault.BAD_SCORE),
    "40-score is missing": ({"step": returning(info={})}, "NoneType where a Score", Fault.BAD_SCORE),
    "40-step returns nothing": ({"step": lambda self, action: None}, "NoneType", Fault.BAD_STEP),
    "40-observation is text": ({"step": returning(new="more", over=False, info={})}, "got str", Fault.BAD_OBSERVATION),
    "40-observation holds no text": (
        {"step": returning(new=(Message("tool", 5),), over=False, info={})},
        "tuple of messages",
        Fault.BAD_OBSERVATION,
    ),
    "40-observation of ten million characters": (
        {"step": endless_tool_output(10**7)},
        "10000000 characters",
        Fault.TOO_MUCH_OUTPUT,
    ),
    "40-never ends": (
        {"step": returning(new=(Message("user", "?"),), over=False, info={})},
        "goes on after",
        Fault.ENDLESS,
    ),
    "40-rubric gives a value above 1": (
        {"rubric": Rubric([Criterion("mad", lambda t, g: Score(3.0, ""))])},
        "outside [0, 1]",
        Fault.RAISED,
    ),
    "40-rubric gives NaN": (
        {"rubric": Rubric([Criterion("mad", lambda t, g: Score(math.nan, ""))])},
        "outside [0, 1]",
        Fault.RAISED,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_ends_its_own_episode_without_a_value(renderer, name):
    attributes, reason, fault = HOSTILE[name]
    t = play(environment(**attributes), renderer, QUICK if fault is Fault.HUNG else CALM)
    assert (t.score.value, t.score.status, t.finish) == (None, Status.INFRA_ERROR, "error")
    assert t.score.fault is fault
    assert reason in t.score.reason
    assert len(t.score.reason) < 1_000
    assert sum(len(m.content) for m in t.transcript.messages) < 100_000, "what is huge isn't kept"
    assert len(t.token_ids) <= CALM.max_context


def test_the_honest_twin_is_judged(renderer):
    assert play(environment(), renderer).score.value == 1


def test_hanging_ones_hold_up_neither_the_others_nor_the_end(renderer):
    """A hundred hang, more than any pool has workers; the honest one among them earns its point."""
    task = Lookup().sample_task(0)
    made = iter([*(environment(step=hanging) for _ in range(100)), Lookup()])
    engine = ScriptedEngine(Lookup().expert, renderer.turn_ids)
    limits, started = Limits(max_context=1024, step_seconds=3), time.monotonic()
    (group,) = asyncio.run(
        collect_groups([task], 101, lambda i: next(made), engine, renderer, SAMPLING, limits, concurrency=101)
    )
    assert [t.score.value for t in group.judged] == [1]
    assert time.monotonic() - started < 10


def test_what_outgrows_the_context_is_scored_as_it_stands_and_not_carried_along(renderer):
    t = play(environment(step=endless_tool_output(50_000)), renderer, Limits(max_context=200, step_seconds=5))
    assert (t.finish, t.score.value) == ("context", 0)
    assert len(t.token_ids) <= 200
    assert t.loss_mask[-1], "the last token is the policy's own"


def test_scoring_a_cut_episode_has_its_time_limit_too(renderer):
    env = environment(step=endless_tool_output(50_000), truncate=hanging)
    t = play(env, renderer, Limits(max_context=200, step_seconds=0.3))
    assert t.score.status is Status.INFRA_ERROR
    assert "no answer within" in t.score.reason


@pytest.mark.parametrize(
    ("status", "fault"), [(Status.INFRA_ERROR, Fault.UNJUDGED), (Status.TASK_ERROR, Fault.TASK_BROKEN)]
)
def test_a_rubric_without_a_verdict_is_counted_by_kind_too(renderer, status, fault):
    lost = Rubric([Criterion("lost", lambda t, g: failure(status, "the judge is away"))])
    t = play(environment(rubric=lost), renderer)
    assert (t.score.value, t.score.fault, t.finish) == (None, fault, "terminated")


def test_a_prompt_without_room_for_an_answer_is_the_tasks_fault(renderer):
    t = play(Lookup(), renderer, Limits(max_context=8))
    assert (t.score.value, t.score.status, t.finish) == (None, Status.TASK_ERROR, "error")
    assert t.score.fault is Fault.TASK_TOO_LONG
    assert "leaves no room" in t.score.reason
