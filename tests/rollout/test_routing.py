"""Requests find the replica that knows their beginning, and none gets far more than its share."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rollout.routing import Router


def test_an_episodes_turns_one_after_the_other_go_to_one_replica():
    router = Router(4)
    for task in range(50):
        seen = set()
        for _ in range(6):
            seen.add(chosen := router.take(f"task {task}", range(4)))
            router.give_back(chosen)
        assert len(seen) == 1


def test_most_members_of_many_groups_stay_together():
    router = Router(4)
    homes = {group: Counter(router.take(f"group {group}", range(4)) for _ in range(8)) for group in range(32)}
    together = sum(max(home.values()) for home in homes.values()) / (32 * 8)
    assert together > 0.7  # 0.25 without affinity, 1 without a bound
    assert max(router.running) <= 1.25 * 64 + 1


@given(
    st.lists(st.one_of(st.integers(0, 5).map(lambda key: ("take", key)), st.just(("end", 0))), max_size=200),
    st.integers(1, 5),
)
def test_no_replica_ever_takes_a_request_beyond_its_share(moves, replicas):
    router, running = Router(replicas), []
    for move, key in moves:
        if move == "take":
            chosen = router.take(str(key), range(replicas))
            running.append(chosen)
            assert running.count(chosen) <= 1.25 * len(running) / replicas + 1
        elif running:
            router.give_back(running.pop(0))
        assert list(router.running) == [running.count(r) for r in range(replicas)]


def test_only_a_dead_replicas_keys_move_and_they_come_home_when_it_lives():
    keys = [f"task {i}" for i in range(300)]

    def homes(alive):
        router = Router(3)
        found = []
        for key in keys:
            found.append(chosen := router.take(key, alive))
            router.give_back(chosen)
        return found

    before, without, after = homes((0, 1, 2)), homes((0, 2)), homes((0, 1, 2))
    assert all(b == w for b, w in zip(before, without, strict=True) if b != 1)
    assert {w for b, w in zip(before, without, strict=True) if b == 1} == {0, 2}
    assert before == after
    assert all(80 < before.count(replica) < 120 for replica in range(3))
