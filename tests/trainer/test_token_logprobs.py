"""The written-out gradient against autograd on the definition."""

import pytest
import torch

from trainer.token_logprobs import token_logprobs


def by_definition(logits, targets, temperature):
    distribution = torch.distributions.Categorical(logits=logits.double() / temperature)
    return distribution.log_prob(targets), distribution.entropy()


@pytest.mark.parametrize("rows", [1, 16, 37])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize(("of_logprobs", "of_entropies"), [(1, 0), (0, 1), (1, 0.3)])
def test_values_and_gradients_are_those_of_the_definition(rows, temperature, of_logprobs, of_entropies):
    torch.manual_seed(0)
    logits, targets = 3 * torch.randn(rows, 50), torch.randint(50, (rows,))
    weights = torch.randn(2, rows)
    gradients = []
    for function in (by_definition, lambda *given: token_logprobs(*given, entropy_gradient=True)):
        leaf = logits.clone().requires_grad_()
        logprobs, entropies = function(leaf, targets, temperature)
        (of_logprobs * weights[0] * logprobs + of_entropies * weights[1] * entropies).sum().backward()
        gradients.append((logprobs, entropies, leaf.grad))
    for expected, found in zip(*gradients, strict=True):
        assert torch.allclose(found, expected.float(), atol=1e-5)


def test_entropies_have_no_gradient_unless_asked_for():
    logits, targets = torch.randn(3, 5, requires_grad=True), torch.tensor([0, 1, 2])
    assert not token_logprobs(logits, targets)[1].requires_grad
    assert token_logprobs(logits, targets, entropy_gradient=True)[1].requires_grad


def test_bfloat16_logits_are_reckoned_in_float32_and_get_a_gradient_of_their_own_kind():
    torch.manual_seed(0)
    logits, targets = (4 * torch.randn(20, 300)).bfloat16().requires_grad_(), torch.randint(300, (20,))
    logprobs, entropies = token_logprobs(logits, targets)
    expected = by_definition(logits, targets, 1.0)
    assert torch.allclose(logprobs, expected[0].float(), atol=1e-5)
    assert torch.allclose(entropies, expected[1].float(), atol=1e-5)
    logprobs.sum().backward()
    assert logits.grad.dtype == torch.bfloat16
