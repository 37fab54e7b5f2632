"""Groups of made-up trajectories with turns, for tests of the numerics."""

import numpy as np

from envs.base import Task
from rewards.score import Score, Status, failure
from rewards.transcript import Message, Transcript
from rollout.trajectory import Group, Trajectory


def make_group(rng, rewards, prompt=13, turns=3, vocabulary=1000, choices=None) -> Group:
    """One task's episodes: sampled stretches with appended ones between them; None as reward is an error.

    With `choices` every turn is one of so many: episodes that choose alike from the beginning share their tokens.
    """
    task = Task(prompt=(Message("user", str(rng.integers(10**9))),), target={}, env="test")
    opening = rng.integers(3, vocabulary, prompt)
    members, known = [], {}
    for reward in rewards:
        ids, mask = [opening], [np.zeros(prompt, bool)]
        for turn in range(turns):
            which = (turn, rng.integers(choices) if choices else len(members))
            if which not in known:
                sampled, given = rng.integers(2, 9), rng.integers(1, 6) if turn < turns - 1 else 0
                known[which] = rng.integers(3, vocabulary, sampled + given), np.arange(sampled + given) < sampled
            ids.append(known[which][0])
            mask.append(known[which][1])
        token_ids, loss_mask = np.concatenate(ids).astype(np.int32), np.concatenate(mask)
        logprobs = np.where(loss_mask, rng.normal(-6, 0.5, len(token_ids)), 0).astype(np.float32)
        versions = np.where(loss_mask, 0, -1).astype(np.int32)
        score = failure(Status.INFRA_ERROR, "") if reward is None else Score(reward, "")
        members.append(
            Trajectory(task, token_ids, loss_mask, logprobs, versions, prompt, Transcript(()), score, "terminated", 0.1)
        )
    return Group(task, tuple(members))
