"""Losses against hand-worked numbers and against loops that follow the papers' equations word by word."""

import math

import pytest
import torch

from trainer import losses
from trainer.algorithms import ALGORITHMS, Clip
from trainer.losses import (
    Importance,
    aggregation_weights,
    clipped_weight,
    kl_estimate,
    sequence_clipped,
    token_clipped,
    value_loss,
)

CLIP = Clip(0.2, 0.28)


def column(*values, grad=False):
    return torch.tensor(values, dtype=torch.float64, requires_grad=grad)


def one_token(ratio, advantage, clip=CLIP, objective=token_clipped):
    new = column(math.log(ratio), grad=True)
    found = objective(new, column(0.0), column(advantage), torch.zeros(1, dtype=torch.long), clip)
    found.value.sum().backward()
    return float(found.value), float(new.grad), bool(found.clipped)


def sample(tokens=200, episodes=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    new, old, sampler, advantages = (
        torch.randn(tokens, generator=generator, dtype=torch.float64) * s for s in (0.3, 0.3, 0.3, 1)
    )
    whose = torch.arange(tokens) * episodes // tokens
    return new, old, sampler, advantages[whose], whose


def test_on_policy_a_token_is_worth_its_advantage_and_so_is_its_gradient():
    for name, algorithm in ALGORITHMS.items():
        _, gradient, clipped = one_token(1.0, 0.7, algorithm.clip, getattr(losses, algorithm.objective))
        assert gradient == pytest.approx(0.7), name
        assert not clipped, name


@pytest.mark.parametrize("objective", [token_clipped, sequence_clipped])
@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "has_gradient"),
    [
        (1.5, 1.0, 1.28, False),  # a good token can gain no more than high
        (1.2, 1.0, 1.2, True),
        (0.5, -1.0, -0.8, False),  # a bad token can lose no more than low
        (0.5, 1.0, 0.5, True),  # moving the wrong way is never clipped
        (1.5, -1.0, -1.5, True),
    ],
)
def test_hand_worked_clipping(objective, ratio, advantage, expected, has_gradient):
    value, gradient, clipped = one_token(ratio, advantage, objective=objective)
    assert value == pytest.approx(expected)
    assert (gradient != 0) == has_gradient
    assert clipped != has_gradient


def test_dual_clip_bounds_what_a_bad_token_costs():
    dual = Clip(0.2, 0.28, dual=3.0)
    assert one_token(10.0, -1.0) == pytest.approx((-10.0, -10.0, False))
    assert one_token(10.0, -1.0, dual) == pytest.approx((-3.0, 0.0, True))
    assert one_token(2.0, -1.0, dual) == one_token(2.0, -1.0)
    assert one_token(10.0, 1.0, dual) == one_token(10.0, 1.0)


def test_cispo_bounds_the_weight_and_keeps_every_gradient():
    for ratio, weight in ((0.1, 0.8), (1.0, 1.0), (9.0, 1.28)):
        _, gradient, clipped = one_token(ratio, -0.5, objective=clipped_weight)
        assert gradient == pytest.approx(-0.5 * weight)
        assert clipped == (ratio != weight)


def test_token_clipping_equals_a_loop():
    new, old, _, advantages, whose = sample()
    expected = []
    for n, o, a in zip(new.tolist(), old.tolist(), advantages.tolist(), strict=True):
        ratio = math.exp(n - o)
        expected.append(min(ratio * a, min(max(ratio, 0.8), 1.28) * a))
    assert token_clipped(new, old, advantages, whose, CLIP).value.tolist() == pytest.approx(expected, rel=1e-12)


def test_gspo_with_its_aggregation_is_the_mean_over_sequences():
    new, old, _, advantages, whose = sample()
    new.requires_grad_()
    clip = Clip(0.01, 0.02)
    weights = aggregation_weights("sequence", whose, len(whose), 7, 1)
    ours = (weights * sequence_clipped(new, old, advantages, whose, clip).value).sum()
    terms = []
    for episode in range(7):
        mine = whose == episode
        s = ((new - old)[mine].sum() / mine.sum()).exp()  # eq. 7
        a = advantages[mine][0]
        terms.append(torch.minimum(s * a, s.clamp(0.99, 1.02) * a))  # eq. 5
    theirs = torch.stack(terms).mean()
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)
    (ours_gradient,) = torch.autograd.grad(ours, new)
    (theirs_gradient,) = torch.autograd.grad(theirs, new)
    assert torch.allclose(ours_gradient, theirs_gradient, rtol=1e-5, atol=1e-12)
    assert 0 < int((ours_gradient == 0).sum()) < len(whose)


def test_importance_is_truncated_by_tis_and_masked_by_icepop_by_token_and_by_episode():
    whose = torch.tensor([0, 0, 1, 2])
    old = column(0.0, 0.0, 0.0, 0.0, grad=True)
    sampler = column(-math.log(1.5), -math.log(9.0), math.log(4.0), math.log(1.25))

    def found(**settings):
        weights, bounded = Importance(**settings).weights(old, sampler, whose)
        assert not weights.requires_grad
        return weights.tolist(), bounded.tolist()

    assert found(cap=2.0) == (pytest.approx([1.5, 2.0, 0.25, 0.8]), [False, True, False, False])
    masked = [False, True, True, False]
    assert found(cap=5.0, floor=0.5, beyond="mask") == (pytest.approx([1.5, 0, 0, 0.8]), masked)
    # an episode's weight is the product of its tokens': 1.5 * 9, 1/4 and 4/5
    product = [13.5, 13.5, 0.25, 0.8]
    assert found(cap=20.0, level="sequence") == (pytest.approx(product), [False] * 4)
    assert found(cap=5.0, level="sequence") == (pytest.approx([5, 5, 0.25, 0.8]), [True, True, False, False])
    masked = [True, True, True, False]
    assert found(cap=5.0, level="sequence", beyond="mask") == (pytest.approx([0, 0, 0, 0.8]), masked)


def test_hand_worked_aggregation():
    whose = torch.tensor([0, 0, 0, 2])  # three tokens and one, of a batch of 8 tokens and 4 episodes
    assert aggregation_weights("token", whose, 8, 4, 10).tolist() == pytest.approx([1 / 8] * 4)
    assert aggregation_weights("sequence", whose, 8, 4, 10).tolist() == pytest.approx([1 / 12] * 3 + [1 / 4])
    assert aggregation_weights("constant", whose, 8, 4, 10).tolist() == pytest.approx([1 / 40] * 4)


def test_kl_estimates_agree_with_the_kl_of_two_distributions():
    generator = torch.Generator().manual_seed(1)
    p, q = (torch.randn(6, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2))
    logp, logq = p.log_softmax(0), q.log_softmax(0).detach()
    truth = (logp.exp() * (logp - logq)).sum()
    for kind in ("k1", "k3"):
        assert float((logp.exp() * kl_estimate(kind, logp, logq)).sum()) == pytest.approx(float(truth), rel=1e-9), kind
    assert (kl_estimate("k3", logp, logq) >= 0).all()
    # as a loss over samples from p, k2's expected gradient is the true one and k1's is nothing
    (right,) = torch.autograd.grad(truth, p, retain_graph=True)
    (of_k2,) = torch.autograd.grad((logp.exp().detach() * kl_estimate("k2", logp, logq)).sum(), p, retain_graph=True)
    (of_k1,) = torch.autograd.grad((logp.exp().detach() * kl_estimate("k1", logp, logq)).sum(), p)
    assert torch.allclose(of_k2, right)
    assert of_k1.abs().max() < 1e-12


def test_hand_worked_value_loss():
    args = column(0.5, 3.0), column(0.0, 2.9), column(1.0, 0.0)
    assert value_loss(*args, None).tolist() == pytest.approx([0.125, 4.5])
    # clipped to 0.2 of the old value: (0.2 - 1)^2 is worse than (0.5 - 1)^2; 3.0 is within 0.2 of 2.9
    assert value_loss(*args, 0.2).tolist() == pytest.approx([0.32, 4.5])
