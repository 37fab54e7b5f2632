"""The cold start by itself: it can be stopped at any step, and never learns from what is not a number."""

import numpy as np
import pytest
import torch

from rewards.errors import TrainingError
from tests.trainer.groups import make_group
from trainer.config import SftConfig
from trainer.policy import Policy
from trainer.sft import fine_tune

CONFIG = SftConfig(epochs=12, batch_size=4, learning_rate=3e-3)  # 24 steps; TRL keeps the 10th and the 20th
EXAMPLES = make_group(np.random.default_rng(0), [1.0] * 8).trajectories


class StoppedError(Exception):
    """What a kill is to the steps."""


def learn(model, tokenizer, folder, stop_at=None, policy=None):
    """The policy after a cold start, or after what of it went before `stop_at`; the steps that were taken."""
    policy, steps = policy or Policy(str(model), "float32"), []

    def seen(row):
        steps.append(row["step"])
        if row["step"] == stop_at:
            raise StoppedError

    try:
        fine_tune(policy, tokenizer, EXAMPLES, CONFIG, folder, 0, seen)
    except StoppedError:
        assert steps[-1] == stop_at
    return policy, steps


@pytest.mark.parametrize(("cut", "first"), [(False, 21), (True, 1)])
def test_one_that_was_stopped_ends_as_one_that_was_not(small_model, tokenizer, tmp_path, cut, first):
    whole, _ = learn(small_model, tokenizer, tmp_path / "whole")
    learn(small_model, tokenizer, tmp_path / "stopped", stop_at=23)
    if cut:  # a kill amid the checkpoint's writing
        (tmp_path / "stopped" / "checkpoint-20" / "trainer_state.json").unlink()
    resumed, steps = learn(small_model, tokenizer, tmp_path / "stopped")
    assert steps == list(range(first, 25))
    for name, tensor in resumed.state().items():
        assert torch.equal(tensor, whole.state()[name]), name


def test_a_gradient_that_is_not_finite_stops_it_before_the_weights_are_touched(small_model, tokenizer, tmp_path):
    policy = Policy(str(small_model), "float32")
    before = policy.state()
    policy.parameters[1].register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(TrainingError, match=r"step 1 of the cold start.*sft\.learning_rate"):
        learn(small_model, tokenizer, tmp_path, policy=policy)
    assert all(torch.equal(before[name], tensor) for name, tensor in policy.state().items())
