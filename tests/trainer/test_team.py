import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.team import ALONE, Team

TOKENS = st.lists(st.integers(1, 1000), max_size=20)


def test_alone_every_pack_is_computed_in_its_own_order():
    assert ALONE.share([5, 9, 2]) == [(0, True), (1, True), (2, True)]
    assert ALONE.gather("mine") == ["mine"]


@given(TOKENS, st.integers(2, 5))
def test_every_pack_counts_once_and_all_go_through_equally_many(tokens, size):
    shares = [Team(rank, size).share(tokens) for rank in range(size)]
    assert {len(share) for share in shares} == {-(-len(tokens) // size)}
    counted = [index for share in shares for index, counts in share if counts]
    assert sorted(counted) == list(range(len(tokens)))


@given(TOKENS.filter(bool), st.integers(2, 5))
def test_no_pass_waits_for_more_than_its_longest_pack_must(tokens, size):
    """The sum over passes of the longest pack is the least there can be: every size-th of the sorted packs."""
    shares = [Team(rank, size).share(tokens) for rank in range(size)]
    waited = sum(max(tokens[index] for index, _ in turn) for turn in zip(*shares, strict=True))
    assert waited == sum(sorted(tokens, reverse=True)[::size])


@pytest.mark.parametrize("tokens", [[], [7]])
def test_a_process_without_a_pack_goes_through_the_smallest_one_uncounted(tokens):
    assert Team(1, 2).share(tokens) == [(0, False)] * len(tokens)
