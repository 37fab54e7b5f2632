"""The written-out gradients against autograd on the definition."""

import pytest
import torch

from trainer import token_logprobs as module
from trainer.token_logprobs import head_logprobs, token_logprobs

WAYS = pytest.mark.parametrize("rows", [1, 16, 37])
PULLS = pytest.mark.parametrize(("of_logprobs", "of_entropies"), [(1, 0), (0, 1), (1, 0.3)])


def by_definition(logits, targets, temperature):
    distribution = torch.distributions.Categorical(logits=logits.double() / temperature)
    return distribution.log_prob(targets), distribution.entropy()


def pulled(found, of_logprobs, of_entropies):
    """Sends a gradient back that is another for each token."""
    weights = torch.randn(2, len(found[0]), generator=torch.Generator().manual_seed(1))
    (of_logprobs * weights[0] * found[0] + of_entropies * weights[1] * found[1]).sum().backward()
    return [part.detach().float() for part in found]


@WAYS
@PULLS
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_values_and_gradients_are_those_of_the_definition(rows, temperature, of_logprobs, of_entropies):
    torch.manual_seed(0)
    logits, targets = 3 * torch.randn(rows, 50), torch.randint(50, (rows,))
    gradients = []
    for function in (by_definition, lambda *given: token_logprobs(*given, entropy_gradient=True)):
        leaf = logits.clone().requires_grad_()
        gradients.append((*pulled(function(leaf, targets, temperature), of_logprobs, of_entropies), leaf.grad))
    for expected, found in zip(*gradients, strict=True):
        assert torch.allclose(found, expected, atol=1e-5)


@WAYS
@PULLS
@pytest.mark.parametrize("held", [64, 8])  # all logits until they go backward; five rows at a time, made again
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_head_s_values_and_gradients_are_those_of_the_definition(
    monkeypatch, rows, held, temperature, of_logprobs, of_entropies
):
    monkeypatch.setattr(module, "HELD_ROWS", held)
    monkeypatch.setattr(module, "LOGIT_ROWS", 5)
    torch.manual_seed(0)
    hidden, weight, targets = torch.randn(rows, 8), torch.randn(50, 8), torch.randint(50, (rows,))

    def plain(hidden, weight, targets, temperature):
        return by_definition(hidden.double() @ weight.double().T, targets, temperature)

    gradients = []
    for function in (plain, lambda *given: head_logprobs(*given, entropy_gradient=True)):
        leaves = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        found = pulled(function(*leaves, targets, temperature), of_logprobs, of_entropies)
        gradients.append((*found, *(leaf.grad for leaf in leaves)))
    for expected, found in zip(*gradients, strict=True):
        assert torch.allclose(found, expected, atol=3e-5)


def test_a_head_that_does_not_learn_gets_no_gradient():
    hidden, weight = torch.randn(3, 8, requires_grad=True), torch.randn(50, 8)
    head_logprobs(hidden, weight, torch.tensor([1, 2, 3]))[0].sum().backward()
    assert weight.grad is None
    assert hidden.grad is not None


def test_no_tokens_have_no_logprobs_and_no_gradient():
    hidden, weight = torch.zeros(0, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True)
    logprobs, entropies = head_logprobs(hidden, weight, torch.zeros(0, dtype=torch.long))
    assert logprobs.shape == entropies.shape == (0,)
    logprobs.sum().backward()
    assert not weight.grad.any()


def test_under_autocast_a_head_multiplies_in_bfloat16_and_its_weights_learn_in_their_own_kind():
    torch.manual_seed(0)
    hidden, weight = torch.randn(20, 8, requires_grad=True), torch.randn(300, 8, requires_grad=True)
    targets = torch.randint(300, (20,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logprobs, entropies = head_logprobs(hidden, weight, targets)
    expected = by_definition(hidden.detach().bfloat16() @ weight.detach().bfloat16().T, targets, 1.0)
    assert torch.allclose(logprobs, expected[0].float(), atol=1e-5)
    assert torch.allclose(entropies, expected[1].float(), atol=1e-5)
    logprobs.sum().backward()
    assert hidden.grad.dtype == weight.grad.dtype == torch.float32
    exact = [leaf.detach().requires_grad_() for leaf in (hidden, weight)]
    by_definition(exact[0] @ exact[1].T, targets, 1.0)[0].sum().backward()
    for found, leaf in zip((hidden, weight), exact, strict=True):
        assert float((found.grad - leaf.grad).norm() / leaf.grad.norm()) < 0.02


def test_entropies_have_no_gradient_unless_asked_for():
    logits, targets = torch.randn(3, 5, requires_grad=True), torch.tensor([0, 1, 2])
    for function in (token_logprobs, lambda logits, *given, **options: head_logprobs(logits, torch.eye(5), *given)):
        assert not function(logits, targets)[1].requires_grad
    assert token_logprobs(logits, targets, entropy_gradient=True)[1].requires_grad
    assert head_logprobs(logits, torch.eye(5), targets, entropy_gradient=True)[1].requires_grad


def test_bfloat16_logits_are_reckoned_in_float32_and_get_a_gradient_of_their_own_kind():
    torch.manual_seed(0)
    logits, targets = (4 * torch.randn(20, 300)).bfloat16().requires_grad_(), torch.randint(300, (20,))
    logprobs, entropies = token_logprobs(logits, targets)
    expected = by_definition(logits, targets, 1.0)
    assert torch.allclose(logprobs, expected[0].float(), atol=1e-5)
    assert torch.allclose(entropies, expected[1].float(), atol=1e-5)
    logprobs.sum().backward()
    assert logits.grad.dtype == torch.bfloat16
