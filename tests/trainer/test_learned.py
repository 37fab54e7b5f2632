import numpy as np
import pytest
import torch

from rewards.errors import CheckpointError
from rollout.store import read_groups, write_groups
from tests.trainer.groups import make_group
from trainer.advantages import group_normalised
from trainer.learned import LearnedLog, learned_path, read_learned
from trainer.optimizer import make_optimizer
from trainer.packing import pack_group
from trainer.policy import Policy
from trainer.trainer_config import TrainerConfig
from trainer.update import update


@pytest.mark.parametrize(("minibatches", "pack_tokens"), [(1, 4096), (2, 64)])
def test_every_token_keeps_the_logprob_before_the_update_and_its_advantage(
    tiny_model, tmp_path, minibatches, pack_tokens
):
    policy = Policy(str(tiny_model), precision="float32")
    rng = np.random.default_rng(0)
    groups = [make_group(rng, rewards) for rewards in ([0.5, 0.5], [0.0, None, 1.0], [1.0, 0.2, 0.3])]
    with torch.no_grad():
        alone = [policy.logprobs(pack_group([t], 10_000)[0])[0].numpy() for g in groups for t in g.trajectories]
    config = TrainerConfig(minibatches=minibatches, pack_tokens=pack_tokens, max_mismatch=100.0, learning_rate=1e-2)
    log = LearnedLog(groups)
    update(policy, make_optimizer(policy, config), groups, config, 0, on_lesson=log.add)
    path = tmp_path / "trajectories" / "step-00000.parquet"
    write_groups(path, groups)
    log.write(learned_path(path))
    found = read_learned(learned_path(path))
    assert sorted(found) == [2, 4, 5, 6, 7], "not the group that taught nothing, not the episode without a verdict"
    rows = [t for g in read_groups(path) for t in g.trajectories]
    expected = {2: group_normalised([[0, 1]])[0][0]} | dict(
        zip((5, 6, 7), group_normalised([[1, 0.2, 0.3]])[0], strict=True)
    )
    for row, learned in found.items():
        assert learned.trainer_logprobs.shape == (rows[row].sampled_tokens,)
        assert learned.trainer_logprobs == pytest.approx(alone[row], abs=1e-4)
        if row in expected:
            assert learned.advantages == pytest.approx(np.full(rows[row].sampled_tokens, expected[row]))


def test_a_damaged_file_is_named_and_a_missing_one_is_empty(tmp_path):
    assert read_learned(tmp_path / "none.parquet") == {}
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(CheckpointError, match=r"bad\.parquet can't be read"):
        read_learned(tmp_path / "bad.parquet")
