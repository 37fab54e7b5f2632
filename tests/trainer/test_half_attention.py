"""Attention in bfloat16 on a CPU: as exact as PyTorch's kernel, with what is shared kept once."""

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tests.trainer.groups import make_group
from trainer import attention, half_attention
from trainer.attention import prefix_attention
from trainer.packing import pack_group

WINDOWS = [None, 1, 3, 7, 1000]
SCALE = 0.3
PARTS = "result", "query", "key", "value"


@pytest.fixture(params=["one block", "many blocks"], autouse=True)
def blocks(request, monkeypatch):
    if request.param == "many blocks":
        monkeypatch.setattr(half_attention, "_SCORES", 1)
        monkeypatch.setattr(half_attention, "_FEWEST_ROWS", 3)


@pytest.fixture(scope="module")
def tree():
    members = make_group(np.random.default_rng(7), [0.1] * 6, choices=2).trajectories
    found = pack_group(members, 10_000, shortest=1)[0].tree
    assert len(set(found.parents)) > 3
    return found


def inputs_of(tree, offset=0.0, value_size=8):
    """Query, key, value and the result's gradient in bfloat16."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 8), (2, 8), (2, value_size), (4, value_size)]
    made = [torch.randn(1, heads, sum(tree.lengths), size, generator=generator) for heads, size in shapes]
    made[1] += offset
    return [x.bfloat16() for x in made]


def learned(attend, inputs, dtype=torch.bfloat16):
    """The result and the gradients, in fp32."""
    *read, of_found = (x.to(dtype).requires_grad_() for x in inputs)
    found = attend(*read)
    return [x.float() for x in (found, *torch.autograd.grad(found, read, of_found.detach()))]


def ours(tree, window, **settings):
    def attend(*read):
        found, _ = prefix_attention(None, *read, None, tree=tree, scaling=SCALE, sliding_window=window, **settings)
        return found.transpose(1, 2)

    return attend


def exact(tree, window, inputs):
    mask = torch.from_numpy(tree.attention_mask(window))

    def attend(*read):
        return scaled_dot_product_attention(*read, attn_mask=mask, scale=SCALE, enable_gqa=True)

    return learned(attend, inputs, torch.float32)


@pytest.mark.parametrize("offset", [0.0, 40.0], ids=["small scores", "scores of a hundred"])
@pytest.mark.parametrize("window", WINDOWS)
def test_it_is_as_exact_as_pytorchs_kernel(tree, window, offset, monkeypatch):
    inputs = inputs_of(tree, offset)
    found = learned(ours(tree, window), inputs)
    monkeypatch.setattr(attention, "_in_half", lambda query: False)
    usual = learned(ours(tree, window), inputs)
    for name, right, mine, theirs in zip(PARTS, exact(tree, window, inputs), found, usual, strict=True):
        size, mine, theirs = (float(x.norm()) for x in (right, mine - right, theirs - right))
        assert mine < max(1.25 * theirs, 0.004 * size), f"{name}: {mine / size:.1e} off, theirs {theirs / size:.1e}"


def test_values_may_be_of_another_size_than_keys(tree):
    inputs = inputs_of(tree, value_size=24)
    for name, right, found in zip(PARTS, exact(tree, 7, inputs), learned(ours(tree, 7), inputs), strict=True):
        assert found.shape == right.shape
        assert (found - right).norm() < 0.01 * right.norm(), name


def test_it_is_used_where_a_cpu_computes_in_bfloat16(tree, monkeypatch):
    used = []

    def watched(*arguments):
        used.append(arguments[0].dtype)
        return half_attention.half_attention(*arguments)

    monkeypatch.setattr(attention, "half_attention", watched)
    inputs = [x.float() for x in inputs_of(tree)]
    ours(tree, None)(*inputs[:3])
    assert not used
    with torch.autocast("cpu", torch.bfloat16):
        found = ours(tree, None)(*inputs[:3])
    assert used == [torch.bfloat16] * len(tree.lengths)
    assert found.dtype == torch.bfloat16
    ours(tree, None, softcap=2.0)(*(x.bfloat16() for x in inputs[:3]))
    assert len(used) == len(tree.lengths), "a soft cap has no such kernel"


def test_only_what_it_is_given_is_kept(tree):
    """No weights, no copies of the prompt for its branches, no copies of keys for the query's heads."""
    read, kept = [x.requires_grad_() for x in inputs_of(tree)[:3]], {}

    def keep(x):
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        ours(tree, None)(*read)
    assert kept == {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in read}
