import numpy as np
import pytest
import torch

from rewards.errors import EngineError, TrainingError
from rewards.score import Status, failure
from rollout.collect import collect_groups
from rollout.engine import Sampling
from rollout.episode import Limits
from tests.trainer.groups import make_group
from tests.worlds import LikesEven
from trainer.advantages import batch_normalised
from trainer.algorithms import ALGORITHMS
from trainer.critic import make_critic
from trainer.lessons import make_lessons
from trainer.optimizer import learning_rate, make_optimizer
from trainer.packing import pack_group
from trainer.policy import Policy
from trainer.trainer_config import TrainerConfig
from trainer.update import update

LOOSE = {"max_mismatch": 100.0, "warmup_steps": 0}


@pytest.fixture
def policy(tiny_model):
    return Policy(str(tiny_model), precision="float32")


def test_the_gradients_norm_is_told_by_part_and_the_parts_make_up_the_whole(policy):
    config = TrainerConfig(**LOOSE)
    row = update(policy, make_optimizer(policy, config), [make_group(np.random.default_rng(0), [0.0, 1.0])], config, 0)
    parts = {name.removeprefix("grad_norm/"): norm for name, norm in row.items() if name.startswith("grad_norm/")}
    assert set(parts) == {"embedding", "attention", "mlp", "norm"}, "the tied head is the embedding"
    assert min(parts.values()) > 0
    assert np.linalg.norm(list(parts.values())) == pytest.approx(row["grad_norm"], rel=1e-5)


def moved(before, after):
    return float(torch.cat([(after[name] - tensor).flatten() for name, tensor in before.items()]).double().norm())


def test_no_step_is_longer_than_the_largest_gradient_allows(policy):
    config = TrainerConfig(algorithm="ppo", max_grad_norm=0.01, learning_rate=1.0, critic={"warmup_rounds": 0}, **LOOSE)
    optimizer, critic = torch.optim.SGD(policy.parameters, lr=1.0), make_critic(policy, config)
    critic.optimizer = torch.optim.SGD(critic.model.parameters(), lr=1.0)
    before, unlearned = policy.state(), critic.state()
    row = update(policy, optimizer, [make_group(np.random.default_rng(0), [0.0, 1.0])], config, 0, critic=critic)
    assert min(row["grad_norm"], row["grad_norm/critic"]) > 0.05, "what is told is the gradient as it was"
    assert moved(before, policy.state()) == pytest.approx(0.01, rel=1e-2)
    assert moved(unlearned, critic.state()) == pytest.approx(config.critic.epochs * 0.01, rel=0.1)


def total_logprob(policy, trajectory):
    with torch.no_grad():
        return float(policy.logprobs(pack_group([trajectory], 10_000)[0])[0].sum())


@pytest.mark.parametrize(
    ("schedule", "expected"), [("constant", [1, 2, 3, 3, 3, 3]), ("linear", [1, 5 / 3, 2, 1.5, 1, 0.5])]
)
def test_learning_rate_warms_up_and_then_follows_its_schedule(schedule, expected):
    config = TrainerConfig(learning_rate=3, warmup_steps=2, steps=6, schedule=schedule)
    assert [learning_rate(config, step) for step in range(6)] == pytest.approx(expected)


def test_one_whole_step_with_vllm_raises_the_probability_of_the_better_completion(
    engine, renderer, event_loop_runner, policy, tiny_model
):
    env = LikesEven()
    groups = event_loop_runner.run(
        collect_groups(
            [env.sample_task(0)], 4, lambda i: LikesEven(), engine, renderer, Sampling(12, 1.0, seed=3), Limits(480)
        )
    )
    best = max(groups[0].trajectories, key=lambda t: t.score.value)
    worst = min(groups[0].trajectories, key=lambda t: t.score.value)
    assert best.score.value > worst.score.value
    before = total_logprob(policy, best) - total_logprob(policy, worst)
    config = TrainerConfig(learning_rate=1e-3, warmup_steps=0)
    metrics = update(policy, make_optimizer(policy, config), groups, config, 0)
    assert total_logprob(policy, best) - total_logprob(policy, worst) > before + 0.01
    assert metrics["mismatch"] < 2e-3, "engine and trainer hold the same weights"
    assert metrics["grad_norm"] > 0


def test_groups_without_variance_are_skipped_and_change_nothing(policy):
    rng = np.random.default_rng(0)
    before = policy.state()
    metrics = update(
        policy, make_optimizer(policy, TrainerConfig()), [make_group(rng, [0.5] * 4)], TrainerConfig(**LOOSE), 0
    )
    assert metrics["zero_variance_share"] == 1
    assert all(torch.equal(before[k], v) for k, v in policy.state().items())


def test_a_round_without_any_verdict_changes_nothing_whatever_the_loss_holds(policy):
    group = make_group(np.random.default_rng(0), [None, None])
    before, config = policy.state(), TrainerConfig(entropy_coefficient=0.1)
    metrics = update(policy, make_optimizer(policy, config), [group, group], config, 0)
    assert metrics == {"zero_variance_share": 1.0, "learning_rate": 0.0, "grad_norm": 0.0}
    assert all(torch.equal(before[k], v) for k, v in policy.state().items())


def test_episodes_without_a_verdict_leave_their_group():
    group = make_group(np.random.default_rng(0), [0.0, 1.0, 0.5])
    broken = group.trajectories[2]
    fields = {f: getattr(broken, f) for f in broken.__dataclass_fields__}
    failed = type(broken)(**(fields | {"score": failure(Status.INFRA_ERROR, "gone")}))
    with_error = type(group)(group.task, (*group.trajectories[:2], failed))
    without = type(group)(group.task, group.trajectories[:2])
    (a,), _ = make_lessons([with_error], TrainerConfig())
    (b,), _ = make_lessons([without], TrainerConfig())
    assert np.array_equal(a[0].advantages, b[0].advantages)
    assert np.array_equal(a[0].pack.input_ids, b[0].pack.input_ids)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_update_does_not_depend_on_how_the_batch_is_split(tiny_model, algorithm):
    rng = np.random.default_rng(5)
    groups = [make_group(rng, [0.1, 0.9, 0.4]) for _ in range(3)]
    states = []
    for pack_tokens in (64, 10_000):
        policy = Policy(str(tiny_model), precision="float32")
        config = TrainerConfig(
            algorithm=algorithm, pack_tokens=pack_tokens, learning_rate=1e-3, critic={"warmup_rounds": 0}, **LOOSE
        )
        optimizer, critic = torch.optim.SGD(policy.parameters, lr=1.0), make_critic(policy, config)
        assert update(policy, optimizer, groups, config, 0, critic=critic)["grad_norm"] > 0
        states.append(policy.state())
    for name, tensor in states[0].items():
        assert torch.allclose(tensor, states[1][name], atol=1e-7, rtol=1e-5), name


@pytest.mark.parametrize(
    ("algorithm", "credit"), [("grpo", "episode"), ("gspo", "episode"), ("reinforce++_baseline", "turn")]
)
def test_the_update_does_not_depend_on_the_order_of_groups_and_episodes(tiny_model, algorithm, credit):
    rng = np.random.default_rng(5)
    groups = [make_group(rng, [0.1, 0.9, 0.4]) for _ in range(3)]
    shuffled = [type(g)(g.task, tuple(g.trajectories[i] for i in (2, 0, 1))) for g in (groups[1], groups[2], groups[0])]
    rows, states = [], []
    for given, pack_tokens in ((groups, 10_000), (shuffled, 64)):
        policy = Policy(str(tiny_model), precision="float32")
        config = TrainerConfig(algorithm=algorithm, credit=credit, pack_tokens=pack_tokens, **LOOSE)
        rows.append(update(policy, torch.optim.SGD(policy.parameters, lr=1.0), given, config, 0))
        states.append(policy.state())
    assert rows[0] == pytest.approx(rows[1], rel=1e-4, abs=1e-7), "loss, gradient norms and all"
    for name, tensor in states[0].items():
        assert torch.allclose(tensor, states[1][name], atol=1e-7, rtol=1e-5), name


def test_the_same_round_twice_gives_the_same_weights_to_the_bit(tiny_model):
    states = []
    for _ in range(2):
        policy = Policy(str(tiny_model), precision="float32")
        config = TrainerConfig(minibatches=2, **LOOSE)
        groups = [make_group(np.random.default_rng(n), [0.0, 1.0]) for n in (0, 1)]
        update(policy, make_optimizer(policy, config), groups, config, 0)
        states.append(policy.state())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_several_optimiser_steps_a_round_keep_the_old_policy_fixed(tiny_model):
    rng = np.random.default_rng(6)
    groups = [make_group(rng, [0.0, 1.0]) for _ in range(4)]
    rows = []
    for minibatches in (1, 4):
        policy = Policy(str(tiny_model), precision="float32")
        config = TrainerConfig(minibatches=minibatches, learning_rate=3e-2, **LOOSE)
        rows.append(update(policy, make_optimizer(policy, config), groups, config, 0))
    assert (rows[0]["ratio"], rows[0]["ratio_clip_fraction"]) == (1, 0)
    assert rows[1]["ratio"] != 1
    assert rows[1]["ratio_clip_fraction"] > 0
    assert all(0 < row["importance"] <= config.importance_cap for row in rows)


def test_what_is_told_of_engine_and_trainer_are_means_over_all_tokens(policy):
    groups, seen = [make_group(np.random.default_rng(n), [0.0, 1.0, 0.5]) for n in range(2)], []
    config = TrainerConfig(pack_tokens=64, max_mismatch=100.0)
    row = update(
        policy,
        make_optimizer(policy, config),
        groups,
        config,
        0,
        on_lesson=lambda lesson, logprobs: seen.append(logprobs - lesson.pack.sampler_logprobs),
    )
    assert len(seen) > 2, "several packs"
    gap = np.concatenate(seen).astype(np.float64)
    assert len(gap) == sum(t.sampled_tokens for g in groups for t in g.trajectories)
    assert row["mismatch"] == pytest.approx(np.abs(gap).mean())
    assert row["mismatch_kl"] == pytest.approx((np.expm1(gap) - gap).mean(), rel=1e-5)
    assert row["importance"] == pytest.approx(np.minimum(np.exp(gap), 2).mean(), rel=1e-5)
    assert row["importance_cut_fraction"] == pytest.approx((np.exp(gap) > 2).mean())
    assert (row["ratio"], row["ratio_clip_fraction"]) == (1, 0), "one step a round"


def test_an_engine_with_other_weights_stops_the_run_before_the_weights_move(policy):
    group = make_group(np.random.default_rng(0), [0.0, 1.0])
    before = policy.state()
    config = TrainerConfig(warmup_steps=0)
    with pytest.raises(EngineError, match="doesn't hold the trainer's weights"):
        update(policy, make_optimizer(policy, config), [group], config, 0)
    assert all(torch.equal(before[k], v) for k, v in policy.state().items())


def test_a_gradient_that_is_not_finite_stops_before_the_weights_are_touched(policy):
    group = make_group(np.random.default_rng(0), [0.0, 1.0])
    optimizer = make_optimizer(policy, TrainerConfig())
    policy.parameters[1].register_hook(lambda gradient: gradient * float("nan"))
    before = policy.state()
    with pytest.raises(TrainingError, match="learning_rate"):
        update(policy, optimizer, [group], TrainerConfig(**LOOSE), 0)
    assert all(torch.equal(before[k], v) for k, v in policy.state().items())


@pytest.mark.parametrize("algorithm", [name for name, a in ALGORITHMS.items() if a.compares_in_groups])
def test_a_round_with_little_to_learn_from_moves_the_policy_little(tiny_model, algorithm):
    rng = np.random.default_rng(5)
    telling, flat = make_group(rng, [0.1, 0.9, 0.4]), make_group(rng, [0.5] * 3)
    norms = []
    for groups in ([telling], [telling, flat]):
        policy = Policy(str(tiny_model), precision="float32")
        config = TrainerConfig(algorithm=algorithm, max_grad_norm=1e9, **LOOSE)
        norms.append(update(policy, make_optimizer(policy, config), groups, config, 0)["grad_norm"])
    share = telling_share(telling, flat) if ALGORITHMS[algorithm].aggregation == "token" else 0.5
    if ALGORITHMS[algorithm].advantage is not batch_normalised:  # its scale is the round's own
        assert norms[1] == pytest.approx(share * norms[0], rel=1e-4)
    assert norms[1] < norms[0]


def telling_share(telling, flat):
    of = [sum(t.sampled_tokens for t in g.trajectories) for g in (telling, flat)]
    return of[0] / sum(of)


def test_kl_in_the_loss_pulls_back_to_the_reference(tiny_model):
    groups = [make_group(np.random.default_rng(7), [0.0, 1.0, 0.5])]
    reference = Policy(str(tiny_model), precision="float32")
    kl = {}
    for coefficient in (1e-9, 10.0):
        policy = Policy(str(tiny_model), precision="float32")
        config = TrainerConfig(kl_coefficient=coefficient, learning_rate=3e-4, **LOOSE)
        optimizer = make_optimizer(policy, config)
        rows = [update(policy, optimizer, groups, config, step, reference) for step in range(4)]
        assert rows[0]["kl"] == pytest.approx(0, abs=1e-7)
        kl[coefficient] = rows[-1]["kl"]
    assert 0 < kl[10.0] < 0.5 * kl[1e-9]


@pytest.mark.parametrize(
    ("estimator", "of"), [("k1", lambda d: d), ("k2", lambda d: d**2 / 2), ("k3", lambda d: np.exp(-d) - 1 + d)]
)
def test_kl_in_the_reward_lowers_what_strays_from_the_reference(tiny_model, estimator, of):
    reference = Policy(str(tiny_model), precision="float32")
    group = make_group(np.random.default_rng(8), [0.5, 0.5])
    with torch.no_grad():
        kl = []
        for member in group.trajectories:
            under_reference = reference.logprobs(pack_group([member], 10_000)[0])[0].numpy()
            kl.append(float(of(member.logprobs[member.loss_mask] - under_reference).sum()))
    config = TrainerConfig(algorithm="dr_grpo", kl_coefficient=0.01, kl_estimator=estimator, kl_in="reward", **LOOSE)
    (lessons,), _ = make_lessons([group], config, reference)
    first, second = lessons[0].advantages[[0, -1]]
    assert first == pytest.approx(-0.01 * (kl[0] - kl[1]) / 2, rel=1e-4)
    assert second == pytest.approx(-first)


def test_an_entropy_bonus_raises_entropy(tiny_model):
    groups = [make_group(np.random.default_rng(9), [0.0, 1.0])]
    after = {}
    for coefficient in (0.0, 100.0):
        learner = Policy(str(tiny_model), precision="float32")
        config = TrainerConfig(entropy_coefficient=coefficient, learning_rate=1e-4, **LOOSE)
        optimizer = make_optimizer(learner, config)
        update(learner, optimizer, groups, config, 0)
        after[coefficient] = update(learner, optimizer, groups, config, 1)["entropy"]
    assert after[100.0] > after[0.0]
