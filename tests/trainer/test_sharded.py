"""Two gloo processes with shards of one policy learn what one process with all of it learns."""

import numpy as np
import pytest
import torch

from tests.trainer.sharding import (
    LOOSE,
    broken,
    broken_critic,
    learn,
    make_offloaded,
    restore,
    rounds,
    shifted,
    started,
    work,
)
from trainer.optimizer import BETAS, make_optimizer
from trainer.policy import Policy
from trainer.trainer_config import TrainerConfig
from trainer.update import update

PPO = {"algorithm": "ppo", "minibatches": 2, "critic": {"warmup_rounds": 0, "gae_decay": 0.9}}
EIGHT = {"learning_rate": 1e-4, "minibatches": 2, "memory": {"optimizer": "adamw_8bit"}}
CASES = {
    "grpo": {"learning_rate": 1e-4},
    "dapo, two minibatches, entropy": {"algorithm": "dapo", "minibatches": 2, "entropy_coefficient": 0.01},
    "layers computed again": {"memory": {"gradient_checkpointing": True}},
    "reference in the loss": {"kl_coefficient": 0.1},
    "reference in the reward": {"kl_coefficient": 0.1, "kl_in": "reward", "minibatches": 3},
    "offloaded": {"learning_rate": 1e-4, "minibatches": 2},
    "8-bit moments": EIGHT,
    "8-bit moments of bf16 weights": {"memory": EIGHT["memory"] | {"weights": "bfloat16"}},
    "bf16 weights": {"memory": {"weights": "bfloat16"}},
    "adapters": {"kl_coefficient": 0.1, "memory": {"lora": {"rank": 3}, "gradient_checkpointing": True}},
    "adapters on bf16 weights": {"kl_coefficient": 0.1, "memory": {"lora": {"rank": 3}, "weights": "bfloat16"}},
    "ppo": PPO,
    "ppo, bf16 weights": PPO | {"memory": {"weights": "bfloat16"}},
    "ppo, adapters": PPO | {"memory": {"lora": {"rank": 3}, "gradient_checkpointing": True}},
}
RESTORED = ["grpo", "offloaded", "bf16 weights", "adapters", "8-bit moments"]
MAKE = dict.fromkeys(CASES, make_optimizer) | {"offloaded": make_offloaded}
ADAPTED = 3e-6  # an adapter's first steps are all of it: what is rounded is not hidden behind what was there before


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A Llama with a tied head, and a Qwen2 with biases and a head of its own; sizes that 2 doesn't divide."""
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(1)
    sizes = {"vocab_size": 1001, "hidden_size": 24, "intermediate_size": 41, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 3, "num_key_value_heads": 1, "initializer_range": 0.2}
    made = {
        "tied": LlamaForCausalLM(LlamaConfig(**sizes, **heads, tie_word_embeddings=True)),
        "untied": Qwen2ForCausalLM(Qwen2Config(**sizes, **heads, tie_word_embeddings=False)),
    }
    folder = tmp_path_factory.mktemp("models")
    for name, model in made.items():
        for bias in (p for p in model.parameters() if p.dim() == 1):
            torch.nn.init.normal_(bias, 0.5, 0.2)
        model.save_pretrained(folder / name)
    return {name: str(folder / name) for name in made}


@pytest.fixture(scope="module")
def alone(models):
    """What one process learns, by case."""
    found = {name: learn(models["tied"], settings, MAKE[name]) for name, settings in CASES.items()}
    return found | {"untied": learn(models["untied"], CASES["grpo"], make_optimizer)}


@pytest.fixture(scope="module")
def together(models, alone, tmp_path_factory):
    """What two processes do, by case; they are started once."""
    folder, model = tmp_path_factory.mktemp("team"), models["tied"]
    cases = {name: (learn, (model, settings, MAKE[name])) for name, settings in CASES.items()}
    cases |= {
        f"{name} restored": (restore, (model, CASES[name], MAKE[name], *alone[name][-1][2:])) for name in RESTORED
    }
    cases |= {
        "untied": (learn, (models["untied"], CASES["grpo"], make_optimizer)),
        "started": (started, (model, CASES["offloaded"], make_offloaded)),
        "broken": (broken, (model,)),
        "broken critic": (broken_critic, (model,)),
    }
    torch.multiprocessing.spawn(work, (2, folder, list(cases.values())), nprocs=2)
    return dict(zip(cases, torch.load(folder / "found.pt", weights_only=False), strict=True))


def off(found, expected):
    """How far a tensor is from another, relative to its length."""
    return float((found.double() - expected.double()).norm() / expected.double().norm().clamp_min(1e-30))


def first_gradient(state):
    """What AdamW's first step was made of, by its moments after one step or two; the nearer to 0 where two fit."""
    (b1, b2), steps = BETAS, int(state["step"])
    mean, square = state["exp_avg"].double() / (1 - b1), state["exp_avg_sq"].double() / (1 - b2)
    if steps == 1:
        return mean
    assert steps == 2, "mean = b1 g1 + g2 and square = b2 g1^2 + g2^2: an equation of the second degree"
    middle, a = b1 * mean, b1**2 + b2
    apart = (middle**2 - a * (mean**2 - square)).clamp_min(0).sqrt()
    return (middle.abs() - apart).abs() / a


def certain(first_round, case):
    """Where an adapter's first gradient is not almost 0, by name: there AdamW makes a whole step of its rounding."""
    _, _, weights, state = first_round
    if "adapters" not in case:
        return {}
    names = [name for name in weights if not name.startswith("critic.")]
    gradients = {name: first_gradient(state[index]).abs() for index, name in enumerate(names)}
    found = {name: gradient > 1e-4 * gradient.max() for name, gradient in gradients.items() if gradient.any()}
    assert min(mask.float().mean() for mask in found.values()) > 0.9
    return found


@pytest.mark.parametrize("case", [*CASES, "untied"])
def test_two_processes_learn_what_one_learns(alone, together, case):
    for (metrics, seen, weights, _), (expected, seen_alone, weights_alone, _) in zip(
        together[case], alone[case], strict=True
    ):
        assert metrics == pytest.approx(expected, rel=2e-6, abs=1e-8)
        assert metrics["grad_norm"] > LOOSE["max_grad_norm"], "clipping acts"
        assert list(weights) == list(weights_alone)
        told = certain(alone[case][0], case)
        worst = max(off(weights[name] * told.get(name, 1), weights_alone[name] * told.get(name, 1)) for name in weights)
        assert worst < (ADAPTED if "adapters" in case else 1e-6)
        assert seen.keys() == seen_alone.keys(), "each episode is seen by one of them"
        for row, learned in seen.items():
            assert np.allclose(learned.trainer_logprobs, seen_alone[row].trainer_logprobs, rtol=1e-5)
            assert np.allclose(learned.advantages, seen_alone[row].advantages, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", ["grpo", "layers computed again", "untied", "bf16 weights", "adapters"])
def test_every_gradient_is_that_of_one_process(alone, together, case):
    """After the first step AdamW's first moment is a tenth of the clipped gradient."""
    (_, _, _, optimizer), (_, _, _, expected) = together[case][0], alone[case][0]
    assert optimizer.keys() == expected.keys()
    worst = {i: off(optimizer[i]["exp_avg"], state["exp_avg"]) for i, state in expected.items()}
    assert max(worst.values()) < 1e-6, worst


@pytest.mark.parametrize("case", ["bf16 weights", "ppo, bf16 weights"])
def test_what_learns_in_fp32_is_in_the_state_where_weights_are_rounded(alone, together, case):
    for (_, _, weights, optimizer), (_, _, _, expected) in zip(together[case], alone[case], strict=True):
        rounded = {name for name, weight in weights.items() if weight.dtype == torch.bfloat16}
        assert set(weights) - rounded == {name for name in weights if name.startswith("critic.head.")}
        worst = {i: off(optimizer[i]["master"], state["master"]) for i, state in expected.items()}
        assert max(worst.values()) < 1e-6, worst


@pytest.mark.parametrize("case", RESTORED)
def test_weights_and_optimiser_come_out_of_the_shards_as_they_went_in(alone, together, case):
    _, _, weights, optimizer = alone[case][-1]
    found, state = together[f"{case} restored"]
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name].float(), tensor) for name, tensor in weights.items())
    assert {i: set(values) for i, values in state.items()} == {i: set(values) for i, values in optimizer.items()}
    assert all(torch.equal(state[i][name], value) for i, values in optimizer.items() for name, value in values.items())


def test_an_optimiser_with_copies_starts_from_the_weights_that_its_process_was_given(together, models):
    config = TrainerConfig(**LOOSE | CASES["offloaded"])
    policy = Policy(models["tied"], "float32")
    policy.load_state(shifted(policy.state()))
    update(policy, make_optimizer(policy, config), rounds()[0], config, 0)
    found = together["started"].weights
    assert max(off(found[name], weight) for name, weight in policy.state().items()) < 1e-6


def test_a_gradient_that_is_not_finite_in_one_process_stops_them_all_before_the_weights_move(together, models):
    said, weights = together["broken"]
    assert len(said) == 2
    assert said[0] == said[1]
    assert "lower trainer.learning_rate" in said[0]
    before = Policy(models["tied"], precision="float32").state()
    assert all(torch.equal(weights[name], tensor) for name, tensor in before.items())


def test_so_does_one_of_the_critic(together):
    said, weights = together["broken critic"]
    assert len(said) == 2
    assert said[0] == said[1]
    assert "lower trainer.critic.learning_rate" in said[0]
    assert not weights["head.weight"].any(), "it begins at 0"
