"""The value model and what it makes of episodes: by hand, by slow references, and by learning values that are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewards.errors import ConfigError, TrainingError
from rewards.score import Score
from tests.trainer.groups import make_group
from trainer.algorithms import ALGORITHMS
from trainer.checkpoint import CheckpointStore
from trainer.critic import explained_variance, make_critic
from trainer.lessons import make_lessons, token_advantages
from trainer.optimizer import make_optimizer
from trainer.packing import pack_group
from trainer.policy import Policy
from trainer.trainer_config import TrainerConfig
from trainer.update import update


def settings(critic=None, **values):
    known = {"algorithm": "ppo", "learning_rate": 1e-3, "warmup_steps": 0, "max_mismatch": 100.0}
    return TrainerConfig(**known | values, critic={"warmup_rounds": 0, "learning_rate": 1e-3} | (critic or {}))


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    """As the session's, with the thousand words that made-up groups use: fifty times fewer weights to move."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"vocab_size": 1000, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "initializer_range": 0.2}
    folder = tmp_path_factory.mktemp("tiny")
    LlamaForCausalLM(LlamaConfig(**sizes, **heads, tie_word_embeddings=True)).save_pretrained(folder)
    return folder


@pytest.fixture
def policy(tiny_model):
    return Policy(str(tiny_model), precision="float32")


def episode(mask, score, finish="terminated", prompt=2):
    """An episode whose tokens behind the prompt were sampled where `mask` says so."""
    (member,) = make_group(np.random.default_rng(0), [score], prompt=prompt).trajectories
    mask = np.concatenate([np.zeros(prompt, bool), np.asarray(mask, bool)])
    return replace(
        member,
        token_ids=np.arange(len(mask), dtype=np.int32) + 3,
        loss_mask=mask,
        logprobs=np.zeros(len(mask), np.float32),
        weight_versions=np.where(mask, 0, -1).astype(np.int32),
        finish=finish,
    )


def judged(member, values, rewards=None, **critic):
    (pack,) = pack_group([member], 10_000)
    own = np.zeros(len(pack.targets)) if rewards is None else np.asarray(rewards, np.float64)
    target, advantages = token_advantages([member], pack, own, np.asarray(values, np.float64), settings(critic))
    return advantages.tolist(), target.returns.tolist()


TURNS = [1, 1, 0, 0, 0, 1, 1]  # two tokens, a tool's three, two tokens


def test_hand_worked_advantages_over_two_turns():
    # deltas: 0.2 - 0.1 = 0.1; over the tool's tokens 0.4 - 0.2 = 0.2; 0.7 - 0.4 = 0.3; 1 - 0.7 = 0.3; decay 0.5
    advantages, returns = judged(episode(TURNS, 1.0), [0.1, 0.2, 0.4, 0.7], gae_decay=0.5)
    assert advantages == pytest.approx([0.1 + 0.5 * 0.425, 0.2 + 0.5 * 0.45, 0.3 + 0.5 * 0.3, 0.3])
    assert returns == pytest.approx([0.4125, 0.625, 0.85, 1.0])


def test_without_decay_every_token_is_measured_by_the_score_of_the_episode():
    advantages, returns = judged(episode(TURNS, 0.8), [0.1, 0.2, 0.4, 0.7])
    assert advantages == pytest.approx([0.7, 0.6, 0.4, 0.1])
    assert returns == pytest.approx([0.8] * 4)


@pytest.mark.parametrize("finish", ["truncated", "context"])
def test_an_episode_that_ran_into_a_limit_is_worth_what_the_critic_says_there(finish):
    advantages, returns = judged(episode(TURNS, 0.0, finish), [0.1, 0.2, 0.4, 0.7])
    assert returns == pytest.approx([0.7] * 4)
    assert advantages == pytest.approx([0.6, 0.5, 0.3, 0])
    assert judged(episode(TURNS, 0.5, finish), [0.1, 0.2, 0.4, 0.7]) == (advantages, returns), "its score isn't added"
    _, without = judged(episode(TURNS, 0.5, finish), [0.1, 0.2, 0.4, 0.7], bootstrap=False)
    assert without == pytest.approx([0.5] * 4)
    assert judged(episode([1], 0.0, finish), [0.3]) == ([0], pytest.approx([0.3]))


def test_length_is_not_punished_where_running_into_a_limit_is_excused():
    overlong = {"limit": 4, "buffer": 2, "penalty": 0.5}
    with pytest.raises(ValueError, match=r"overlong: .* set trainer\.critic\.bootstrap to false"):
        settings(overlong=overlong)
    punished = settings({"bootstrap": False}, overlong=overlong)
    (pack,) = pack_group([cut := episode(TURNS, 0.5, "context")], 10_000)
    target, _ = token_advantages([cut], pack, np.zeros(4), np.array([0.1, 0.2, 0.4, 0.7]), punished)
    assert target.returns == pytest.approx([0] * 4)


@given(
    mask=st.lists(st.booleans(), max_size=14),
    score=st.floats(0, 1),
    decay=st.floats(0, 1),
    cut=st.booleans(),
    seed=st.integers(0, 999),
)
def test_advantages_are_the_weighted_mean_of_all_n_step_returns(mask, score, decay, cut, seed):
    member = episode([*mask, True], score, "context" if cut else "terminated")
    rng = np.random.default_rng(seed)
    count = member.sampled_tokens
    values, own = rng.normal(size=count), rng.normal(size=count)
    advantages, _ = judged(member, values, own, gae_decay=decay)
    # Sutton and Barto, eq. 12.3: steps to the end, or to the last state that the critic judged
    end = count - 1 if cut else count
    earned = np.append(own[:-1], own[-1] + score)
    after = np.append(values, 0.0)
    for t in range(count):
        steps = [earned[t : t + n].sum() + after[t + n] for n in range(1, end - t + 1)]
        weights = [(1 - decay) * decay ** (n - 1) for n in range(1, len(steps))]
        expected = np.dot([*weights, decay ** (len(steps) - 1)], steps) - values[t] if steps else 0.0
        assert advantages[t] == pytest.approx(expected, abs=1e-6)


def test_packed_values_are_those_of_a_plain_pass_over_each_episode(policy):
    members = make_group(np.random.default_rng(3), [0.1, 0.9, 0.4]).trajectories
    critic = make_critic(policy, settings())
    torch.manual_seed(0)
    torch.nn.init.normal_(critic.model["head"].weight)
    torch.nn.init.constant_(critic.model["head"].bias, 0.3)
    (pack,) = pack_group(members, 10_000)
    found, plain = critic.judge(pack), []
    for member in members:
        ids = torch.from_numpy(member.token_ids.astype(np.int64))[None].to(policy.device)
        with torch.no_grad():
            hidden = policy.model(ids, output_hidden_states=True).hidden_states[-1][0]
        before = np.flatnonzero(member.loss_mask) - 1
        plain.append((hidden[before] @ critic.model["head"].weight[0] + 0.3).detach().cpu().numpy())
    assert found == pytest.approx(np.concatenate(plain), abs=1e-4)


def test_the_critic_finds_a_value_function_that_is_known(policy):
    # One question, four answers: before the first token all are one state, worth the mean; behind it each is its own.
    group = make_group(np.random.default_rng(1), [0.0, 1.0, 1.0, 0.4], turns=2)
    config = settings({"epochs": 80, "value_clip": None, "learning_rate": 3e-3}, max_grad_norm=100.0)
    critic = make_critic(policy, config)
    (lessons,) = make_lessons([group], config, critic=critic)[0]
    first = critic.learn([[lesson.target for lesson in lessons]])
    for lesson in lessons:
        values, scores = critic.judge(lesson.pack), np.array([0.0, 1.0, 1.0, 0.4])
        openings = np.unique(lesson.pack.episodes, return_index=True)[1]
        assert values[openings] == pytest.approx([0.6] * 4, abs=0.05)
        later = np.setdiff1d(np.arange(len(values)), openings)
        assert values[later] == pytest.approx(scores[lesson.pack.episodes[later]], abs=0.1)
    assert first["explained_variance"] == 0, "the first values are all alike"
    (lessons,) = make_lessons([group], config, critic=critic)[0]
    assert critic.learn([[lesson.target for lesson in lessons]])["explained_variance"] > 0.7


def test_explained_variance_by_hand():
    returns = np.array([0.0, 1.0])
    assert explained_variance(np.array([0.0, 1.0]), returns) == 1
    assert explained_variance(np.array([0.5, 0.5]), returns) == 0
    assert explained_variance(np.array([1.0, 0.0]), returns) == -3
    assert explained_variance(returns, np.array([0.5, 0.5])) == 0


def test_values_move_no_further_in_a_round_than_the_clip_rewards(policy):
    group = make_group(np.random.default_rng(2), [1.0, 1.0])
    moved = {}
    for clip in (0.05, None):
        config = settings({"epochs": 30, "value_clip": clip, "learning_rate": 3e-4})
        critic = make_critic(policy, config)
        (lessons,) = make_lessons([group], config, critic=critic)[0]
        critic.learn([[lesson.target for lesson in lessons]])
        moved[clip] = critic.judge(lessons[0].pack).mean()
    assert moved[None] > 0.5
    assert moved[0.05] < 0.5 * moved[None], "beyond the clip there is nothing to gain"


def test_while_the_critic_warms_up_the_policy_stays_as_it_is(policy):
    config = settings({"warmup_rounds": 1})
    critic, optimizer = make_critic(policy, config), make_optimizer(policy, config)
    before, unlearned = policy.state(), critic.state()
    groups = [make_group(np.random.default_rng(0), [0.0, 1.0])]
    row = update(policy, optimizer, groups, config, 0, critic=critic)
    assert row["learning_rate"] == row["grad_norm"] == 0
    assert row["grad_norm/critic"] > 0
    assert all(torch.equal(before[k], v) for k, v in policy.state().items())
    assert not torch.equal(unlearned["head.bias"], critic.state()["head.bias"])
    assert update(policy, optimizer, groups, config, 1, critic=critic)["grad_norm"] > 0
    assert not all(torch.equal(before[k], v) for k, v in policy.state().items())


def test_the_policy_learns_from_advantages_that_are_whitened_over_the_whole_round(policy):
    rng, config = np.random.default_rng(4), settings()
    groups, critic = [make_group(rng, [0.0, 0.2]), make_group(rng, [1.0, 0.9, 0.8])], make_critic(policy, config)
    grouped, _ = make_lessons(groups, config, critic=critic)
    found = np.concatenate([lesson.advantages for lessons in grouped for lesson in lessons])
    whose = zip(groups, grouped, strict=True)
    nothing = [(g.trajectories, x.pack, np.zeros(len(x.advantages)), critic.judge(x.pack)) for g, (x,) in whose]
    plain = np.concatenate([token_advantages(*known, config)[1] for known in nothing])
    assert found == pytest.approx((plain - plain.mean()) / (plain.std() + 0.05), abs=1e-6)


def test_ppo_learns_from_groups_that_all_earn_alike(policy):
    config = settings()
    group = make_group(np.random.default_rng(0), [1.0, 1.0])
    row = update(policy, make_optimizer(policy, config), [group], config, 0, critic=make_critic(policy, config))
    assert row["zero_variance_share"] == 0
    assert row["value_loss"] == pytest.approx(0.5, abs=0.2)


def test_what_the_critic_learns_does_not_depend_on_how_the_round_is_split(policy):
    rng = np.random.default_rng(5)
    groups, states = [make_group(rng, [0.1, 0.9, 0.4]) for _ in range(3)], []
    for pack_tokens in (64, 10_000):
        config = settings({"epochs": 3}, pack_tokens=pack_tokens)
        critic = make_critic(policy, config)
        critic.optimizer = torch.optim.SGD(critic.model.parameters(), lr=0.1)
        grouped, _ = make_lessons(groups, config, critic=critic)
        critic.learn([[lesson.target for lessons in grouped for lesson in lessons]])
        states.append(critic.state())
    for name, tensor in states[0].items():
        assert torch.allclose(tensor, states[1][name], atol=1e-6, rtol=1e-5), name


def test_kl_in_the_reward_is_taken_from_the_token_that_strayed(policy, tiny_model):
    reference = Policy(str(tiny_model), precision="float32")
    group = make_group(np.random.default_rng(8), [0.5])
    config = settings(kl_coefficient=0.01, kl_estimator="k1", kl_in="reward")
    (lessons,), _ = make_lessons([group], config, reference, make_critic(policy, config))
    (pack,) = pack_group(group.trajectories, 10_000)
    with torch.no_grad():
        strayed = pack.sampler_logprobs - reference.logprobs(pack)[0].cpu().numpy()
    expected = 0.5 - 0.01 * np.cumsum(strayed[::-1])[::-1]
    assert lessons[0].target.returns == pytest.approx(expected, abs=1e-5)


def test_a_critic_whose_gradient_is_not_finite_stops_untouched(policy):
    critic = make_critic(policy, settings())
    group = make_group(np.random.default_rng(0), [0.0, 1.0])
    critic.model["head"].weight.register_hook(lambda gradient: gradient * float("nan"))
    before = critic.state()
    config = settings()
    with pytest.raises(TrainingError, match=r"critic\.learning_rate"):
        update(policy, make_optimizer(policy, config), [group], config, 0, critic=critic)
    assert all(torch.equal(before[k], v) for k, v in critic.state().items())


def test_only_ppo_has_a_critic_and_it_can_not_do_without(policy):
    without = [name for name in ALGORITHMS if make_critic(policy, settings(algorithm=name)) is None]
    assert without == [name for name in ALGORITHMS if name != "ppo"]
    with pytest.raises(ConfigError, match="ppo learns by a critic"):
        update(policy, make_optimizer(policy, settings()), [make_group(np.random.default_rng(0), [1.0])], settings(), 0)


def trained(tiny_model, first, last, state=None, memory=None):
    config = settings({"warmup_rounds": 1, "epochs": 2}, minibatches=2, memory=memory or {})
    half = config.memory.weights == "bfloat16"
    policy = Policy(str(tiny_model), "bfloat16" if half else "float32", memory=config.memory)
    optimizer, critic = make_optimizer(policy, config), make_critic(policy, config)
    if state is not None:
        assert state.load_newest(policy, optimizer, critic=critic) == first
    for step in range(first, last):
        rng = np.random.default_rng(step)
        groups = [make_group(rng, [0.0, 1.0, 0.5]) for _ in range(2)]
        update(policy, optimizer, groups, config, step, critic=critic)
    return policy, optimizer, critic


@pytest.mark.parametrize(
    ("stopped", "memory"),
    [
        (1, {}),  # as the warm-up ends
        (2, {}),
        (2, {"lora": {"rank": 4}, "gradient_checkpointing": True}),
        (2, {"weights": "bfloat16", "optimizer": "adamw_8bit"}),
        (2, {"weights": "bfloat16", "lora": {"rank": 4}}),
    ],
)
def test_ppo_going_on_from_a_checkpoint_equals_never_having_stopped(tiny_model, tmp_path, stopped, memory):
    whole, _, whole_critic = trained(tiny_model, 0, 4, memory=memory)
    start = make_critic(Policy(str(tiny_model), memory=settings(memory=memory).memory), settings(memory=memory)).state()
    assert not all(torch.equal(tensor, start[name]) for name, tensor in whole_critic.state().items())
    store = CheckpointStore(tmp_path)
    store.save(stopped, *trained(tiny_model, 0, stopped, memory=memory))
    store.wait()
    resumed, _, resumed_critic = trained(tiny_model, stopped, 4, store, memory)
    for one, other in ((whole, resumed), (whole_critic, resumed_critic)):
        for name, tensor in one.state().items():
            assert torch.equal(tensor, other.state()[name]), name
    moments = [c.optimizer.state_dict()["state"] for c in (whole_critic, resumed_critic)]
    assert all(torch.equal(moments[0][i][name], moments[1][i][name]) for i in moments[0] for name in moments[0][i])


def test_a_checkpoint_without_a_critic_does_not_restore_one(policy, tmp_path):
    store, optimizer, said = CheckpointStore(tmp_path), make_optimizer(policy, settings()), []
    store.save(1, policy, optimizer)
    store.wait()
    assert {p.name for p in (tmp_path / "step-00001").iterdir()} == {
        "weights.safetensors",
        "optimizer.safetensors",
        "state.json",
    }
    assert store.load_newest(policy, optimizer, said.append, make_critic(policy, settings())) is None
    assert "without a critic" in said[0]


def test_only_a_run_with_a_critic_writes_its_settings_down():
    assert settings().model_dump()["critic"]["gae_decay"] == 1
    assert "critic" not in TrainerConfig().model_dump(mode="json"), "folders of runs made before there was one go on"


def test_a_score_of_an_episode_counts_at_its_last_sampled_token_only():
    member = episode(TURNS, 1.0)
    assert judged(replace(member, score=Score(0.25, "")), [0.0] * 4, gae_decay=0.0)[1] == pytest.approx([0, 0, 0, 0.25])


def test_beside_adapters_a_checkpoint_keeps_only_what_learns_of_the_critic(tiny_model):
    config = settings(memory={"lora": {"rank": 4}})
    critic = make_critic(Policy(str(tiny_model), precision="float32", memory=config.memory), config)
    state = critic.state()
    adapters = {name for name in state if ".lora_" in name}
    assert adapters
    assert set(state) - adapters == {"head.weight", "head.bias"}
    critic.load_state(state)
    with pytest.raises(ConfigError, match=r"missing \['head.bias'\]"):
        critic.load_state({name: tensor for name, tensor in state.items() if name != "head.bias"})
    with pytest.raises(ConfigError, match=r"unexpected \['tail'\]"):
        critic.load_state(state | {"tail": torch.zeros(1)})
