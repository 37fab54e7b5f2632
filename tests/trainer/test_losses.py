import math

import pytest
import torch

from trainer.losses import clipped_policy_loss


def loss_of(new, old, sampler, advantage, low=0.2, high=0.28, cap=2.0):
    tensors = [torch.tensor([float(x)], dtype=torch.float64) for x in (new, old, sampler, advantage)]
    tensors[0].requires_grad_()
    found = clipped_policy_loss(*tensors, low, high, cap)
    found.total.backward()
    return found, float(tensors[0].grad)


def test_on_policy_the_loss_is_minus_the_advantage_and_its_gradient_too():
    found, gradient = loss_of(-1.0, -1.0, -1.0, 0.7)
    assert float(found.total) == pytest.approx(-0.7)
    assert gradient == pytest.approx(-0.7)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "has_gradient"),
    [
        (1.5, 1.0, -1.28, False),  # a good token can gain no more than clip_high
        (1.2, 1.0, -1.2, True),
        (0.5, -1.0, 0.8, False),  # a bad token can lose no more than clip_low
        (0.5, 1.0, -0.5, True),  # moving the wrong way is never clipped
        (1.5, -1.0, 1.5, True),
    ],
)
def test_hand_worked_clipping(ratio, advantage, expected, has_gradient):
    found, gradient = loss_of(math.log(ratio), 0.0, 0.0, advantage)
    assert float(found.total) == pytest.approx(expected)
    assert (gradient != 0) == has_gradient
    assert bool(found.clipped) != has_gradient


def test_the_importance_weight_is_truncated_and_carries_no_gradient():
    below, gradient_below = loss_of(-1.0, -1.0, -1.0 - math.log(1.5), 1.0)
    above, gradient_above = loss_of(-1.0, -1.0, -1.0 - math.log(9.0), 1.0)
    assert float(below.total) == pytest.approx(-1.5)
    assert gradient_below == pytest.approx(-1.5)
    assert float(above.total) == pytest.approx(-2.0)
    assert gradient_above == pytest.approx(-2.0)


def test_it_equals_a_token_by_token_reference():
    generator = torch.Generator().manual_seed(0)
    new, old, sampler, advantages = (
        torch.randn(200, generator=generator, dtype=torch.float64) * s for s in (0.3, 0.3, 0.3, 1)
    )
    expected = 0.0
    for n, o, s, a in zip(new.tolist(), old.tolist(), sampler.tolist(), advantages.tolist(), strict=True):
        ratio = math.exp(n - o)
        expected -= min(math.exp(o - s), 2.0) * min(ratio * a, min(max(ratio, 0.8), 1.28) * a)
    found = clipped_policy_loss(new, old, sampler, advantages, 0.2, 0.28, 2.0)
    assert float(found.total) == pytest.approx(expected, rel=1e-12)
