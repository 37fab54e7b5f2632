"""Whole updates, several optimiser steps each, against the loss code of TRL's trainers on padded rows; advantages too.

What surrounds TRL's `_compute_loss` is replaced: it is given the logprobs of a plain forward pass, and the same
advantages. Its correction for the sampler stands amid its generation and is written down here again. Advantages are
those of its real trainers, which are given the rewards.
"""

from collections import defaultdict
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from rewards.score import Part, Score
from tests.trainer.groups import make_group
from tests.trainer.padded import padded_logprobs
from trainer.advantages import batch_normalised, group_centred, group_normalised, leave_one_out
from trainer.critic import make_critic
from trainer.lessons import make_lessons
from trainer.policy import Policy
from trainer.trainer_config import TrainerConfig
from trainer.update import update

RATE, LENGTH = 0.5, 20
# By name: settings of ours, and what TRL calls the same.
CASES = {
    "grpo": ({"algorithm": "grpo"}, {"loss_type": "grpo"}),
    "dr_grpo": ({"algorithm": "dr_grpo"}, {"loss_type": "dr_grpo"}),
    "dapo": ({"algorithm": "dapo"}, {"loss_type": "dapo", "epsilon_high": 0.28}),
    "gspo": (
        {"algorithm": "gspo"},
        {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon_low": 3e-4, "epsilon_high": 4e-4},
    ),
    "cispo": ({"algorithm": "cispo", "clip_high": 0.05}, {"loss_type": "cispo", "epsilon_high": 1.05}),
    "reinforce++": ({"algorithm": "reinforce++"}, {"loss_type": "dapo"}),
    "reinforce++_baseline": ({"algorithm": "reinforce++_baseline"}, {"loss_type": "dapo"}),
    "ppo": ({"algorithm": "ppo", "dual_clip": 1.21}, {"loss_type": "dapo", "delta": 1.21}),
    "turns": ({"algorithm": "grpo", "credit": "turn"}, {"loss_type": "grpo"}),
    "KL in the loss": ({"algorithm": "grpo", "kl_coefficient": 0.3}, {"loss_type": "grpo", "beta": 0.3}),
    "TIS by sequence": (
        {"algorithm": "grpo", "importance_level": "sequence", "importance_cap": 1.5},
        {"loss_type": "grpo"},
    ),
    "IcePop": ({"algorithm": "dapo", "importance_beyond": "mask"}, {"loss_type": "dapo", "epsilon_high": 0.28}),
    "IcePop by sequence": (
        {"algorithm": "dr_grpo", "importance_beyond": "mask", "importance_level": "sequence"},
        {"loss_type": "dr_grpo"},
    ),
}
COMMON = {
    "minibatches": 2,
    "learning_rate": RATE,
    "warmup_steps": 0,
    "max_mismatch": 100.0,
    "max_grad_norm": 1e9,
    "length_constant": LENGTH,
    "pack_tokens": 64,  # several packs a group
    "critic": {"warmup_rounds": 0},
}


class Theirs(SimpleNamespace):
    """What TRL's `_compute_loss` asks of its trainer; with one process there is nothing to gather."""

    def __init__(self, **settings):
        common = {"loss_type": "grpo", "epsilon_low": 0.2, "epsilon_high": 0.2, "beta": 0.0, "delta": None}
        super().__init__(**common | {"importance_sampling_level": "token", "entropy_coef": 0.0} | settings)
        self.args = SimpleNamespace(delta=self.delta, use_bias_correction_kl=False)
        self.accelerator = SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x)
        self.model, self.max_completion_length = SimpleNamespace(training=False), LENGTH
        self.top_entropy_quantile, self.off_policy_mask_threshold, self.aux_loss_enabled = 1.0, None, False
        self.use_vllm = self.vllm_importance_sampling_correction = True
        self._entropy_bonus_enabled, self.use_adaptive_entropy = self.entropy_coef > 0, False
        self._metrics = {"eval": defaultdict(list)}

    def _get_per_token_logps_and_entropies(self, model, ids, attention, kept, **_):
        logits = model(input_ids=ids, attention_mask=attention).logits[:, -kept - 1 : -1].float()
        found = torch.distributions.Categorical(logits=logits)
        return found.log_prob(ids[:, -kept:]), found.entropy(), None


def rows(groups, values):
    """TRL's tensors of some groups: padded completions, with masks of what exists and of what was sampled."""
    members = [t for group in groups for t in group.trajectories]
    longest = max(len(t.token_ids) - t.prompt_length for t in members)

    def padded(of):
        found = [of(t) for t in members]
        return torch.stack([torch.nn.functional.pad(torch.as_tensor(x), (0, longest - len(x))) for x in found])

    def on_sampled(t):
        found = np.zeros(len(t.token_ids), np.float32)
        found[t.loss_mask] = values.get(id(t), 0.0)
        return found[t.prompt_length :]

    exists = padded(lambda t: np.ones(len(t.token_ids) - t.prompt_length, np.int64))
    return {
        "prompt_ids": torch.stack([torch.as_tensor(t.token_ids[: t.prompt_length]).long() for t in members]),
        "prompt_mask": torch.ones(len(members), members[0].prompt_length, dtype=torch.long),
        "completion_ids": padded(lambda t: t.token_ids[t.prompt_length :].astype(np.int64)),
        "completion_mask": exists,
        "tool_mask": padded(lambda t: t.loss_mask[t.prompt_length :].astype(np.int64)),
        "sampler": padded(lambda t: t.logprobs[t.prompt_length :]),
        "advantages": padded(on_sampled),
    }


def logprobs(theirs, model, batch):
    ids, attention = (torch.cat([batch[f"prompt_{x}"], batch[f"completion_{x}"]], 1) for x in ("ids", "mask"))
    with torch.no_grad():
        return theirs._get_per_token_logps_and_entropies(model, ids, attention, batch["completion_ids"].shape[1])[0]


def sampler_correction(old, batch, config):
    """As in TRL's `_generate_and_score_completions`, mode by mode."""
    gap = (old - batch["sampler"]) * batch["tool_mask"]
    if config.importance_level == "sequence":
        gap = gap.sum(-1, keepdim=True)
    ratio = torch.exp(gap)
    if config.importance_beyond == "truncate":
        return torch.clamp(ratio, max=config.importance_cap)
    return ratio.masked_fill((ratio < config.importance_floor) | (ratio > config.importance_cap), 0.0)


def learned_by_trl(model, groups, config, settings, values, reference=None, compute_loss=GRPOTrainer._compute_loss):
    """The weights after a step of plain gradient descent on each minibatch."""
    policy, theirs = Policy(str(model), "float32"), Theirs(**settings)
    optimizer = torch.optim.SGD(policy.parameters, lr=RATE)
    tokens = sum(t.sampled_tokens for group in groups for t in group.trajectories)
    batches = [rows(part, values) for part in np.split(np.array(groups, object), config.minibatches)]
    for batch in batches:  # before any step
        batch["num_items_in_batch"] = torch.tensor(tokens / len(batches))
        batch["old_per_token_logps"] = old = logprobs(theirs, policy.model, batch)
        batch["old_logps"] = (old * batch["completion_mask"]).sum(1)
        batch["ref_per_token_logps"] = logprobs(theirs, reference.model, batch) if reference else None
        batch["importance_sampling_ratio"] = sampler_correction(old, batch, config)
    for batch in batches:
        compute_loss(theirs, policy.model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    return policy.state()


def made_groups(policy, spread=0.5, turns=3):
    """Four groups of episodes with tool tokens and judged turns, said by a sampler that is near the policy.

    All episodes of the third earn the same: KL and entropy count there too.
    """
    rng, groups = np.random.default_rng(3), []
    for number in range(4):
        group, members = make_group(rng, [0.5] * 3 if number == 2 else [0.0, 1.0, 0.3], turns=turns), []
        with torch.no_grad():
            known = padded_logprobs(policy, group.trajectories).split([t.sampled_tokens for t in group.trajectories])
        for t, under_policy in zip(group.trajectories, known, strict=True):
            said, earned = np.zeros(len(t.token_ids), np.float32), tuple(rng.random(turns))
            said[t.loss_mask] = under_policy.numpy() + rng.normal(0, spread, t.sampled_tokens)
            score = Score(t.score.value, "", (Part("steps", float(np.mean(earned)), 1.0, "", earned),))
            members.append(replace(t, logprobs=said, score=score))
        groups.append(type(group)(group.task, tuple(members)))
    return groups


def token_advantages(groups, config, critic):
    """What each episode's sampled tokens are worth, by the episode's identity."""
    values = {}
    for lesson in (lesson for lessons in make_lessons(groups, config, None, critic)[0] for lesson in lessons):
        for episode in np.unique(lesson.pack.episodes):
            member = groups[lesson.group].trajectories[episode]
            values[id(member)] = lesson.advantages[lesson.pack.episodes == episode]
    return values


def critic_with_opinions(policy, config):
    critic = make_critic(policy, config)
    if critic is not None:
        torch.manual_seed(1)
        torch.nn.init.normal_(critic.model["head"].weight, std=0.3)
    return critic


def strayed(model):
    """Another policy: what KL is measured to."""
    policy = Policy(str(model), "float32")
    torch.manual_seed(2)
    with torch.no_grad():
        for weight in policy.parameters:
            weight.add_(0.02 * torch.randn_like(weight))
    return policy


def assert_moved_alike(ours, theirs, start):
    moved = torch.cat([(theirs[name] - start[name]).flatten() for name in start])
    off = torch.cat([(ours[name] - theirs[name]).flatten() for name in start])
    assert moved.norm() > 1e-2
    assert off.norm() < 1e-4 * moved.norm()


@pytest.mark.parametrize("case", CASES)
def test_two_steps_of_ours_are_two_steps_of_trls(small_model, case):
    settings, named = CASES[case]
    config = TrainerConfig.model_validate(COMMON | settings)
    policy = Policy(str(small_model), "float32")
    groups = made_groups(policy, spread=0.15 if config.importance_level == "sequence" else 0.5)
    start, critic = policy.state(), critic_with_opinions(policy, config)
    reference = strayed(small_model) if config.kl_coefficient else None
    values = token_advantages(groups, config, critic)
    theirs = learned_by_trl(small_model, groups, config, named, values, reference)
    row = update(policy, torch.optim.SGD(policy.parameters, lr=RATE), groups, config, 0, reference, critic)
    assert 0 < row["ratio_clip_fraction"] < 0.5, "the second step met ratios that are clipped"
    assert 0 < row["importance_cut_fraction"] < 1
    assert_moved_alike(policy.state(), theirs, start)


def test_a_step_with_an_entropy_bonus_is_a_step_of_trls(small_model):
    config = TrainerConfig.model_validate(COMMON | {"algorithm": "dapo", "entropy_coefficient": 0.5, "minibatches": 1})
    policy = Policy(str(small_model), "float32")
    groups, start = made_groups(policy), policy.state()
    named = {"loss_type": "dapo", "entropy_coef": 0.5}
    theirs = learned_by_trl(small_model, groups, config, named, token_advantages(groups, config, None))
    update(policy, torch.optim.SGD(policy.parameters, lr=RATE), groups, config, 0)
    assert_moved_alike(policy.state(), theirs, start)


def test_a_step_of_rloo_is_a_step_of_trls(small_model):
    """Their ratio is the whole episode's: only while it is 1 are both the gradient of the paper."""
    config = TrainerConfig.model_validate(COMMON | {"algorithm": "rloo", "minibatches": 1, "length_constant": 1})
    policy = Policy(str(small_model), "float32")
    groups, start = made_groups(policy, spread=0.0, turns=1), policy.state()
    values = token_advantages(groups, config, None)

    def compute_loss(theirs, model, batch):
        return RLOOTrainer._compute_loss(theirs, model, batch | {"advantages": batch["advantages"][:, 0]})

    theirs = learned_by_trl(small_model, groups, config, {}, values, compute_loss=compute_loss)
    update(policy, torch.optim.SGD(policy.parameters, lr=RATE), groups, config, 0)
    assert_moved_alike(policy.state(), theirs, start)


REWARDS = [[0.0, 1.0, 0.3, 0.2], [0.5, 0.5, 0.5, 0.5], [0.9, 1.0, 1.0, 1.0]]


def advantages_of_trl(trainer, settings, model, tokenizer, folder):
    """What a trainer of TRL makes of the rewards, a group a row."""
    sizes = {"per_device_train_batch_size": 12, "num_generations": 4, "max_completion_length": 2, "max_steps": 1}
    quiet = {"save_strategy": "no", "report_to": [], "disable_tqdm": True, "use_cpu": True}
    made = trainer(
        str(model),
        reward_funcs=lambda completions, **_: [reward for group in REWARDS for reward in group],
        args=(GRPOConfig if trainer is GRPOTrainer else RLOOConfig)(str(folder), **sizes, **quiet, **settings),
        train_dataset=Dataset.from_list([{"prompt": word} for word in "abc"]),
        processing_class=tokenizer,
    )
    made.train()
    return np.array(made._logs["advantages"]).reshape(3, 4)


@pytest.mark.parametrize(
    ("ours", "trainer", "settings"),
    [
        (group_centred, GRPOTrainer, {"scale_rewards": "none"}),
        (partial(group_normalised, epsilon=1e-4), GRPOTrainer, {"scale_rewards": "group"}),
        (leave_one_out, RLOOTrainer, {"normalize_advantages": False}),
        (partial(batch_normalised, epsilon=1e-4), RLOOTrainer, {"normalize_advantages": True}),
    ],
)
def test_advantages_are_trls(ours, trainer, settings, tiny_model, tokenizer, tmp_path):
    """Its deviations are those of a sample, n - 1 in place of n; normalised leave-one-out is our `batch_normalised`."""
    found = np.array(ours([np.array(r) for r in REWARDS]))
    theirs = advantages_of_trl(trainer, settings, tiny_model, tokenizer, tmp_path)
    n = {"group": 4, True: 12}.get(next(iter(settings.values())))
    assert (found * ((n - 1) / n) ** 0.5 if n else found) == pytest.approx(theirs, rel=2e-3, abs=1e-6)
