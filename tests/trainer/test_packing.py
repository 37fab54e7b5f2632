"""Prefix sharing against the obvious way: every episode in a padded row of its own."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.attention.flex_attention import create_mask

from tests.trainer.groups import make_group
from tests.trainer.padded import gradients, padded_logprobs
from trainer import attention
from trainer.attention import flex_prefix_attention, prefix_attention, visibility
from trainer.packing import pack_group
from trainer.policy import Policy
from trainer.tree import Tree


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


@pytest.mark.parametrize("choices", [None, 1, 2])
@pytest.mark.parametrize("max_tokens", [10_000, 40])
def test_packed_logprobs_and_gradients_equal_padded_ones(policy, max_tokens, choices):
    group = make_group(np.random.default_rng(3), [0.1, 0.9, 0.4, 0.6, 0.2], choices=choices)
    advantages = np.array([-1.0, 2.0, 0.5, -0.3, 1.1])
    packs = pack_group(group.trajectories, max_tokens, shortest=1)
    assert (len(packs) > 1) == (max_tokens == 40 and choices != 1), "doubles cost nothing"
    packed = torch.cat([policy.logprobs(p)[0] for p in packs])
    padded = padded_logprobs(policy, [group.trajectories[e] for p in packs for e in dict.fromkeys(p.episodes)])
    assert torch.allclose(packed, padded, atol=2e-5, rtol=0)
    weights = torch.from_numpy(np.concatenate([advantages[p.episodes] for p in packs])).float()
    ours = gradients(policy, (weights * packed).sum())
    theirs = gradients(policy, (weights * padded).sum())
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).norm() <= 1e-5 * b.norm(), "relative error in fp32"


def test_logits_that_are_computed_again_going_backward_give_the_same_gradients(policy, monkeypatch):
    (pack,) = pack_group(make_group(np.random.default_rng(3), [0.1, 0.9, 0.4]).trajectories, 10_000)
    weights, found = torch.linspace(-1, 2, len(pack.targets)), []
    for rows, held in ((512, 2048), (16, 16)):
        monkeypatch.setattr("trainer.token_logprobs.LOGIT_ROWS", rows)
        monkeypatch.setattr("trainer.token_logprobs.HELD_ROWS", held)
        logprobs, entropies = policy.logprobs(pack, entropy_gradient=True)
        found.append((logprobs, entropies, *gradients(policy, (weights * (logprobs + 0.3 * entropies)).sum())))
    assert len(pack.targets) > 2 * 16
    for whole, again in zip(*found, strict=True):
        assert (whole - again).norm() <= 1e-5 * whole.norm()


def test_entropies_equal_the_definition(policy):
    group = make_group(np.random.default_rng(4), [0.0, 1.0])
    pack = pack_group(group.trajectories, 10_000)[0]
    _, entropies = policy.logprobs(pack)
    t = group.trajectories[0]
    logits = policy.model(torch.from_numpy(t.token_ids.astype(np.int64))[None]).logits[0]
    expected = torch.distributions.Categorical(logits=logits).entropy()[np.flatnonzero(t.loss_mask) - 1]
    assert torch.allclose(entropies[: t.sampled_tokens], expected, atol=1e-4)


@given(
    st.integers(0, 10**6),
    st.integers(1, 8),
    st.integers(20, 200),
    st.integers(1, 3),
    st.integers(1, 12),
    st.booleans(),
)
def test_every_path_spells_its_episode_and_every_sampled_token_is_learned_once(
    seed, members, budget, choices, shortest, shares
):
    group = make_group(np.random.default_rng(seed), [0.5] * members, choices=choices, vocabulary=6)
    packs = pack_group(group.trajectories, budget, shortest, shares)
    longest = max(np.flatnonzero(t.loss_mask)[-1] for t in group.trajectories)  # the last token is only predicted
    assert all(not set(a.episodes) & set(b.episodes) for a, b in itertools.combinations(packs, 2))
    assert {e for p in packs for e in p.episodes} == set(range(members))
    for pack in packs:
        mask, held = pack.tree.attention_mask(), set(pack.episodes.tolist())
        assert mask.diagonal().all()
        if shares and longest > budget:
            assert len(pack.input_ids) <= longest * 1.25
        else:
            computed = len(pack.input_ids) if shares else sum(len(row) for row in pack.rows())
            assert computed <= max(budget, *(len(group.trajectories[e].token_ids) for e in held))
        for episode in held:
            trajectory, mine = group.trajectories[episode], pack.episodes == episode
            sampled = np.flatnonzero(trajectory.loss_mask)
            assert pack.targets[mine].tolist() == trajectory.token_ids[sampled].tolist()
            assert pack.sampler_logprobs[mine].tolist() == trajectory.logprobs[sampled].tolist()
            for at, token in zip(pack.predict_at[mine], sampled, strict=True):
                seen = np.flatnonzero(mask[at])
                assert pack.input_ids[seen].tolist() == trajectory.token_ids[:token].tolist()
                assert pack.position_ids[seen].tolist() == list(range(token))


def test_a_prompt_longer_than_a_pack_goes_in_once_with_all_the_short_answers_to_it():
    group = make_group(np.random.default_rng(0), [0.5] * 4, prompt=400, turns=1)
    assert len(pack_group(group.trajectories, 100)) == 1
    assert len(pack_group(group.trajectories, 410)) > 1, "as long as its longest episode fits, the bound is one"
    assert len(pack_group(group.trajectories, 100, shares=False)) == 4, "each is a row of its own in any case"


@given(st.integers(0, 10**6), st.integers(2, 8), st.integers(1, 3))
def test_nothing_that_is_long_enough_goes_in_twice(seed, members, choices):
    """With stretches of one token allowed, a pack holds every beginning of its episodes exactly once."""
    group = make_group(np.random.default_rng(seed), [0.5] * members, choices=choices, vocabulary=6)
    (pack,) = pack_group(group.trajectories, 10_000, shortest=1)
    read = [t.token_ids[: np.flatnonzero(t.loss_mask)[-1]].tolist() for t in group.trajectories]
    assert len(pack.input_ids) == len({tuple(ids[: n + 1]) for ids in read for n in range(len(ids))})


def test_what_is_too_short_to_pay_is_copied():
    group = make_group(np.random.default_rng(1), [0.5] * 6, choices=2)
    sizes = [len(pack_group(group.trajectories, 10_000, shortest)[0].input_ids) for shortest in (1, 8, 100)]
    assert sizes == sorted(set(sizes)), "the fewer are shared the more are computed"


def with_ids(trajectory, ids, sampled_from):
    """A trajectory of other tokens, sampled from somewhere on."""
    ids = np.array(ids, np.int32)
    sampled = np.arange(len(ids)) >= sampled_from
    return dataclasses.replace(
        trajectory,
        token_ids=ids,
        loss_mask=sampled,
        logprobs=np.where(sampled, -1, 0).astype(np.float32),
        weight_versions=np.where(sampled, 0, -1).astype(np.int32),
        prompt_length=3,
    )


def test_doubles_beginnings_and_episodes_without_a_sampled_token_add_no_tokens():
    any_one = make_group(np.random.default_rng(0), [0.5]).trajectories[0]
    long, double, beginning, nothing = [3, 4, 5, 6, 7, 8], [3, 4, 5, 6, 7, 8], [3, 4, 5, 6], [3, 4, 5]
    members = [with_ids(any_one, ids, 3) for ids in (nothing, beginning, long, double)]
    (pack,) = pack_group(members, 5)
    assert pack.input_ids.tolist() == long[:-1]
    assert pack.episodes.tolist() == [1, 2, 2, 2, 3, 3, 3]
    assert pack.predict_at.tolist() == [2, 2, 3, 4, 2, 3, 4]
    (alone,) = pack_group(members[:1], 5)
    assert (alone.input_ids.tolist(), len(alone.targets)) == ([3, 4, 5], 0)


def test_episodes_longer_than_the_budget_that_share_little_have_packs_of_their_own():
    group = make_group(np.random.default_rng(0), [0.5] * 3, prompt=4, turns=12)
    packs = pack_group(group.trajectories, 64)
    assert [set(p.episodes) for p in packs] == [{0}, {1}, {2}]


def test_an_empty_prompt_is_refused():
    group = make_group(np.random.default_rng(0), [0.5], prompt=0)
    with pytest.raises(ValueError, match="the prompt is empty"):
        pack_group(group.trajectories, 64)


def test_groups_with_different_prompts_are_refused():
    rng = np.random.default_rng(0)
    a, b = make_group(rng, [0.1]), make_group(rng, [0.2])
    with pytest.raises(ValueError, match="prompts of a group differ"):
        pack_group([*a.trajectories, *b.trajectories], 100)


WINDOWS = [None, 1, 12, 13, 14, 30]


def any_pack():
    """The prompt, two first turns of three episodes each, and what follows them."""
    pack = pack_group(make_group(np.random.default_rng(7), [0.1] * 6, choices=2).trajectories, 10_000, shortest=1)[0]
    assert len(set(pack.tree.parents)) > 3
    return pack


def masked(pack, window):
    """The mask by its definition: every row sees the path that it is on, from its window on."""
    mask = np.zeros((len(pack.input_ids),) * 2, bool)
    for row in pack.rows():
        for n, at in enumerate(row):
            mask[at, row[max(0, n + 1 - window) if window else 0 : n + 1]] = True
    return torch.from_numpy(mask)


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
    found, _ = attend(None, query, key, value, None, tree=pack.tree, **settings)
    scores = query @ key.repeat_interleave(2, 1).transpose(-1, -2) * 0.3
    scores = scores if softcap is None else softcap * (scores / softcap).tanh()
    scores = scores.masked_fill(~masked(pack, window), float("-inf"))
    expected = (scores.softmax(-1) @ value.repeat_interleave(2, 1)).transpose(1, 2)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_what_branches_joined_to_their_prompt_is_let_go_and_joined_again_going_backward(monkeypatch, window):
    made, join = [], attention._join

    def watched(parts, first):
        found = join(parts, first)
        made.append(StorageWeakRef(found.untyped_storage()))
        return found

    monkeypatch.setattr(attention, "_join", watched)
    pack, gradients_of = any_pack(), {}
    for recomputed in (False, True):
        inputs = [x.requires_grad_() for x in heads(pack)]
        made.clear()
        found, _ = prefix_attention(None, *inputs, None, tree=pack.tree, sliding_window=window, recomputed=recomputed)
        assert len(made) == 2 * len(pack.tree.lengths)
        assert all(joined.expired() != recomputed for joined in made), "kept where the layer is computed again, only"
        gradients_of[recomputed] = torch.autograd.grad(found.sin().sum(), inputs)
        assert len(made) == (2 if recomputed else 4) * len(pack.tree.lengths)
    assert all(torch.equal(*both) for both in zip(*gradients_of.values(), strict=True))


@pytest.mark.parametrize("window", WINDOWS)
def test_the_mask_function_for_gpus_says_what_the_dense_mask_says(window):
    pack = any_pack()
    rows = len(pack.input_ids)
    mask = create_mask(visibility(pack.tree, window, torch.device("cpu")), 1, 1, rows, rows, device="cpu")[0, 0]
    assert torch.equal(mask, masked(pack, window))
    assert np.array_equal(mask.numpy(), pack.tree.attention_mask(window))


def test_several_trees_in_one_row_do_not_see_each_other():
    """Groups that have nothing in common are branches of nothing."""
    pack = any_pack()
    lengths, parents = pack.tree.lengths, pack.tree.parents
    two = Tree(lengths * 2, (*parents, *(p + len(parents) if p >= 0 else -1 for p in parents)))
    query, key, value = heads(pack)
    alone, _ = prefix_attention(None, query, key, value, None, tree=pack.tree, sliding_window=9)
    both, _ = prefix_attention(
        None, *(torch.cat((x, x), 2) for x in (query, key, value)), None, tree=two, sliding_window=9
    )
    assert torch.allclose(both, torch.cat((alone, alone), 1), atol=1e-6)
    assert np.array_equal(two.positions(), np.tile(pack.position_ids, 2))


@pytest.mark.parametrize("parents", [(0, 0), (-1, 2, 0), (-1, 0, 0, 1)])
def test_a_tree_whose_branches_are_not_one_after_the_other_is_refused(parents):
    with pytest.raises(ValueError, match="whose branch has ended"):
        Tree((2,) * len(parents), parents)


def test_the_rows_of_a_pack_are_the_prompt_with_each_suffix():
    group = make_group(np.random.default_rng(7), [0.1, 0.2, 0.3])
    pack = pack_group(group.trajectories, 10_000)[0]
    for row, t in zip(pack.rows(), group.trajectories, strict=True):
        assert pack.input_ids[row].tolist() == t.token_ids[:-1].tolist(), "the last token is only predicted"
        assert pack.position_ids[row].tolist() == list(range(len(row)))
