"""What TRL is given to learn from in the benchmark of updates."""

from argparse import Namespace

from scripts.bench.trainer import _given_completions, make_groups

OPTIONS = Namespace(prompts=2, group_size=3, prompt_tokens=7, completion_tokens=(4, 9))


def test_both_sides_learn_from_the_same_ids_and_rewards_in_whatever_order_prompts_come():
    groups = make_groups(OPTIONS)
    assert [t.sampled_tokens for t in groups[0].trajectories] == [4, 6, 9]
    given = _given_completions(groups, ["1", "0", "1", "0", "0", "1"], None)
    theirs = sorted(zip(*given.values(), strict=True), key=str)
    ours = [
        (t.token_ids[:7].tolist(), t.token_ids[7:].tolist(), t.logprobs[7:].tolist(), t.score.value)
        for group in groups
        for t in group.trajectories
    ]
    assert theirs == sorted(ours, key=str)


def test_the_same_options_make_the_same_round():
    first, second = (make_groups(OPTIONS)[1].trajectories[2] for _ in range(2))
    assert first.token_ids.tolist() == second.token_ids.tolist()
    assert first.score == second.score
