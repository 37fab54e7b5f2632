"""Prefix sharing against the obvious way: every episode in a padded row of its own."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import create_mask

from tests.trainer.groups import make_group
from tests.trainer.padded import gradients, padded_logprobs
from trainer.attention import flex_prefix_attention, prefix_attention, visibility
from trainer.packing import pack_group
from trainer.policy import Policy


@pytest.fixture(scope="module")
def policy(tiny_model):
    return Policy(str(tiny_model), precision="float32")


def test_logprobs_are_those_of_the_sampling_temperature(tiny_model):
    warm = Policy(str(tiny_model), precision="float32", temperature=0.5)
    group = make_group(np.random.default_rng(4), [0.1, 0.9])
    (pack,) = pack_group(group.trajectories, 10_000)
    expected = padded_logprobs(warm, group.trajectories, temperature=0.5)
    assert torch.allclose(warm.logprobs(pack)[0], expected, atol=2e-5, rtol=0)
    assert not torch.allclose(padded_logprobs(warm, group.trajectories), expected, atol=1e-2, rtol=0)


@pytest.mark.parametrize("max_tokens", [10_000, 60])
def test_packed_logprobs_and_gradients_equal_padded_ones(policy, max_tokens):
    group = make_group(np.random.default_rng(3), [0.1, 0.9, 0.4, 0.6, 0.2])
    advantages = np.array([-1.0, 2.0, 0.5, -0.3, 1.1])
    packs = pack_group(group.trajectories, max_tokens)
    assert (len(packs) > 1) == (max_tokens == 60)
    packed = torch.cat([policy.logprobs(p)[0] for p in packs])
    padded = padded_logprobs(policy, group.trajectories)
    assert torch.allclose(packed, padded, atol=2e-5, rtol=0)
    weights = torch.from_numpy(np.concatenate([advantages[p.episodes] for p in packs])).float()
    ours = gradients(policy, (weights * packed).sum())
    theirs = gradients(policy, (weights * padded).sum())
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).norm() <= 1e-5 * b.norm(), "relative error in fp32"


def test_entropies_equal_the_definition(policy):
    group = make_group(np.random.default_rng(4), [0.0, 1.0])
    pack = pack_group(group.trajectories, 10_000)[0]
    _, entropies = policy.logprobs(pack)
    t = group.trajectories[0]
    logits = policy.model(torch.from_numpy(t.token_ids.astype(np.int64))[None]).logits[0]
    expected = torch.distributions.Categorical(logits=logits).entropy()[np.flatnonzero(t.loss_mask) - 1]
    assert torch.allclose(entropies[: t.sampled_tokens], expected, atol=1e-4)


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(20, 200))
def test_packs_hold_every_sampled_token_once_and_no_suffix_sees_another(seed, members, max_tokens):
    group = make_group(np.random.default_rng(seed), [0.5] * members)
    packs = pack_group(group.trajectories, max_tokens)
    targets = np.concatenate([p.targets for p in packs])
    whose = np.concatenate([p.episodes for p in packs])
    assert np.array_equal(whose, np.repeat(np.arange(members), [t.sampled_tokens for t in group.trajectories]))
    assert all(not set(a.episodes) & set(b.episodes) for a, b in itertools.combinations(packs, 2))
    assert targets.tolist() == np.concatenate([t.token_ids[t.loss_mask] for t in group.trajectories]).tolist()
    for pack in packs:
        mask = pack.attention_mask()
        segments = np.repeat(np.arange(len(pack.segment_lengths)), pack.segment_lengths)
        other = (segments[:, None] != segments[None, :]) & (segments[None, :] != 0)
        assert not (mask & other).any()
        assert mask.diagonal().all()
        assert len(pack.input_ids) <= max(max_tokens, max(len(t.token_ids) for t in group.trajectories))


def test_groups_with_different_prompts_are_refused():
    rng = np.random.default_rng(0)
    a, b = make_group(rng, [0.1]), make_group(rng, [0.2])
    with pytest.raises(ValueError, match="prompts of a group differ"):
        pack_group([*a.trajectories, *b.trajectories], 100)


WINDOWS = [None, 1, 12, 13, 14, 30]


def any_pack(members=3):
    return pack_group(make_group(np.random.default_rng(7), [0.1] * members).trajectories, 10_000)[0]


def heads(pack):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, heads, len(pack.input_ids), 8, generator=generator) for heads in (4, 2, 2)]


@pytest.mark.parametrize("softcap", [None, 0.7])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("attend", [prefix_attention, flex_prefix_attention])
def test_the_attention_of_a_pack_equals_one_masked_pass_over_the_whole_row(attend, window, softcap):
    pack = any_pack()
    query, key, value = heads(pack)
    settings = {"scaling": 0.3, "sliding_window": window, "softcap": softcap}
    found, _ = attend(None, query, key, value, None, segment_lengths=pack.segment_lengths, **settings)
    scores = query @ key.repeat_interleave(2, 1).transpose(-1, -2) * 0.3
    scores = scores if softcap is None else softcap * (scores / softcap).tanh()
    scores = scores.masked_fill(~torch.from_numpy(pack.attention_mask(window)), float("-inf"))
    expected = (scores.softmax(-1) @ value.repeat_interleave(2, 1)).transpose(1, 2)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_the_mask_function_for_gpus_says_what_the_dense_mask_says(window):
    pack = any_pack(members=4)
    rows = len(pack.input_ids)
    visible = visibility(pack.segment_lengths, window, torch.device("cpu"))
    mask = create_mask(visible, 1, 1, rows, rows, device="cpu")[0, 0]
    assert np.array_equal(mask.numpy(), pack.attention_mask(window))


def test_the_rows_of_a_pack_are_the_prompt_with_each_suffix():
    group = make_group(np.random.default_rng(7), [0.1, 0.2, 0.3])
    pack = pack_group(group.trajectories, 10_000)[0]
    for row, t in zip(pack.rows(), group.trajectories, strict=True):
        assert pack.input_ids[row].tolist() == t.token_ids[:-1].tolist(), "the last token is only predicted"
        assert pack.position_ids[row].tolist() == list(range(len(row)))
