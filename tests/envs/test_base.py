"""A task's way from the draft that a generator makes to the one that is handed out."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.base import TEST_SHARE, Task, TextEnv, split_of
from rewards.transcript import Message

KEPT = [Task(prompt=(Message("user", f"Question {i}?"),), target={"value": i}) for i in range(20)]


class KeepsItsTasks(TextEnv):
    """Hands out the same objects again and again, which `generate` may."""

    id = "postgym/KeepsItsTasks-v0"

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        return rng.choice(KEPT)


@given(st.text())
def test_a_questions_split_is_told_by_the_first_eight_digits_of_its_fingerprint(text):
    task = Task(prompt=(Message("user", text),), target={})
    assert split_of(task) == ("test" if int(task.fingerprint[:8], 16) / 2**32 < TEST_SHARE else "train")


def test_a_generator_that_keeps_its_tasks_does_not_change_those_handed_out():
    env = KeepsItsTasks()
    tasks = [env.sample_task(seed, difficulty=seed / 100) for seed in range(100)]
    assert [(t.seed, t.difficulty) for t in tasks] == [(seed, seed / 100) for seed in range(100)]
    assert {t.env for t in tasks} == {env.id}
    assert len({t.fingerprint for t in tasks}) <= len(KEPT)


def test_a_task_that_is_handed_out_is_frozen_and_whole():
    task = KeepsItsTasks().sample_task(3)
    assert task.model_fields_set >= {"prompt", "target", "env", "split", "seed", "difficulty"}
    assert Task.model_validate_json(task.model_dump_json()) == task
    with pytest.raises(ValueError, match="frozen"):
        task.seed = 4
