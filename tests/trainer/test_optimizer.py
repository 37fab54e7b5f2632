"""Optimisers that hold less, against the one that holds all."""

import numpy as np
import pytest
import torch

from tests.trainer.groups import make_group
from trainer import adam8bit
from trainer.adam8bit import AdamW8bit
from trainer.checkpoint import CheckpointStore
from trainer.optimizer import MasterWeights, make_adamw, make_optimizer
from trainer.policy import Policy
from trainer.trainer_config import MemoryConfig, TrainerConfig
from trainer.update import update

KINDS = {
    "8bit": {"optimizer": "adamw_8bit"},
    "masters": {"weights": "bfloat16"},
    "8bit masters": {"weights": "bfloat16", "optimizer": "adamw_8bit"},
    "adapters": {"lora": {"rank": 4}},
    "8bit adapters": {"lora": {"rank": 32}, "optimizer": "adamw_8bit"},
    "offloaded": {"optimizer": "adamw_offload"},
}


def settings(memory=None, rate=1e-3):
    return TrainerConfig(learning_rate=rate, warmup_steps=0, max_mismatch=100.0, memory=memory or {})


def policy_of(model, config):
    half = config.memory.weights == "bfloat16"
    return Policy(str(model), "bfloat16" if half else "float32", memory=config.memory)


def learn(policy, optimizer, config, steps):
    for step in steps:
        update(policy, optimizer, [make_group(np.random.default_rng(step), [0.0, 1.0])], config, step)


@pytest.mark.parametrize("kind", KINDS)
def test_going_on_from_a_checkpoint_equals_never_having_stopped(small_model, tmp_path, kind):
    config = settings(KINDS[kind])
    whole = policy_of(small_model, config)
    optimizer, store = make_optimizer(whole, config), CheckpointStore(tmp_path)
    learn(whole, optimizer, config, range(2))
    store.save(2, whole, optimizer)
    learn(whole, optimizer, config, range(2, 4))
    store.wait()
    resumed = policy_of(small_model, config)
    its_optimizer = make_optimizer(resumed, config)
    assert store.load_newest(resumed, its_optimizer) == 2
    learn(resumed, its_optimizer, config, range(2, 4))
    found = resumed.state()
    assert all(torch.equal(tensor, found[name]) for name, tensor in whole.state().items())


def test_fp32_masters_keep_steps_that_a_bf16_weight_loses():
    """Steps of 1e-4 on a weight of 1: half of bf16's last place there is 2e-3."""
    found = {}
    for name, make in {
        "plain": lambda weights: torch.optim.AdamW(weights, lr=1e-4, weight_decay=0),
        "masters": lambda weights: make_adamw(weights, 1e-4, 0.0, MemoryConfig(weights="bfloat16")),
    }.items():
        weight = torch.nn.Parameter(torch.ones(8, dtype=torch.bfloat16))
        optimizer = make([weight])
        for _ in range(100):
            weight.sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        found[name] = weight.detach().float()
    assert (found["plain"] == 1).all()
    assert torch.allclose(found["masters"], torch.full((8,), 0.99), atol=2**-8)


def test_gradients_of_bf16_weights_are_summed_in_fp32():
    weight = torch.nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    make_adamw([weight], 1e-4, 0.0, MemoryConfig(weights="bfloat16"))
    (weight * 1.0).sum().backward()
    for _ in range(100):
        (weight * 2**-10).sum().backward()
    assert torch.allclose(weight.grad, torch.full((4,), 1 + 100 / 1024)), "in bf16 each small one vanishes: 1 remains"


def test_bf16_weights_with_fp32_masters_follow_fp32_training(small_model):
    trained = {}
    for weights in ("float32", "bfloat16"):
        config = settings({"weights": weights})
        policy = Policy(str(small_model), "bfloat16", memory=config.memory)
        before = policy.state()
        learn(policy, make_optimizer(policy, config), config, range(6))
        trained[weights] = torch.cat([(t - before[name]).flatten() for name, t in policy.state().items()])
    reference, found = trained["float32"], trained["bfloat16"]
    assert torch.cosine_similarity(found, reference, dim=0) > 0.9
    assert found.norm() == pytest.approx(reference.norm(), rel=0.1)


def test_masters_elsewhere_take_the_steps_of_the_plain_optimiser(small_model):
    """What `adamw_offload` does on a GPU, with host memory on both sides."""
    config, states = settings(), []
    for make in (
        lambda policy: make_optimizer(policy, config),
        lambda policy: MasterWeights(
            policy.parameters, lambda p: make_adamw(p, 1e-3, 0.0, MemoryConfig()), torch.device("cpu")
        ),
    ):
        policy = Policy(str(small_model), "float32")
        learn(policy, make(policy), config, range(3))
        states.append(policy.state())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_in_host_memory_there_is_nothing_to_offload(small_model):
    policy = Policy(str(small_model), "float32")
    if policy.device.type == "cpu":
        assert type(make_optimizer(policy, settings({"optimizer": "adamw_offload"}))) is torch.optim.AdamW


def quadratic(make, steps=150):
    """Distance from the optimum after every step, with gradients of very different sizes and noise."""
    rng = torch.Generator().manual_seed(0)
    scales = 10 ** torch.linspace(-4, 1, 8192).view(16, 512)
    target = torch.randn(16, 512, generator=rng)
    weight = torch.nn.Parameter(torch.zeros(16, 512))
    optimizer, gaps = make([weight]), []
    for _ in range(steps):
        noise = torch.randn(16, 512, generator=rng)
        weight.grad = scales * (weight.detach() - target + 0.3 * noise)
        optimizer.step()
        gaps.append(float((weight.detach() - target).norm() / target.norm()))
    return gaps


def test_eight_bits_learn_as_fast_as_thirty_two():
    whole = quadratic(lambda weights: torch.optim.AdamW(weights, lr=0.04, betas=(0.9, 0.99), weight_decay=0))
    eight = quadratic(lambda weights: AdamW8bit(weights, lr=0.04, betas=(0.9, 0.99)))
    assert whole[-1] < 0.2
    assert np.abs(np.array(eight) - np.array(whole)).max() < 0.02


def test_eight_bit_moments_decay_though_a_step_is_less_than_half_a_code():
    weight = torch.nn.Parameter(torch.zeros(16, 256))
    optimizer = AdamW8bit([weight], lr=0.0, betas=(0.9, 0.99))
    generator = torch.Generator().manual_seed(0)
    for size in [1.0] * 30 + [0.0] * 100:
        weight.grad = size * (0.5 + torch.rand(16, 256, generator=generator))
        optimizer.step()
    state = optimizer.state[weight]
    root = (state["exp_avg_sq"].float() / 255) ** 3 * state["exp_avg_sq_scale"]
    expected = ((1 - 0.99**30) * (0.25 + 0.5 + 1 / 3) * 0.99**100) ** 0.5
    assert float(root.mean()) == pytest.approx(expected, rel=0.15)


def test_rows_that_blocks_do_not_divide_keep_their_moments():
    moved, generator = [], torch.Generator().manual_seed(0)
    gradients = torch.randn(3, 32, 601, generator=generator)
    for kind in (torch.optim.AdamW, AdamW8bit):
        weight = torch.nn.Parameter(torch.zeros(32, 601))
        optimizer = kind([weight], lr=0.1, weight_decay=0.0)
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
        moved.append(weight.detach())
    assert optimizer.state[weight]["exp_avg_scale"].shape == (32, 3)
    assert (moved[0] - moved[1]).norm() < 0.05 * moved[0].norm()


def test_eight_bit_moments_take_a_quarter_of_the_memory():
    weight = torch.nn.Parameter(torch.zeros(100, 1000))
    sizes = []
    for optimizer in (torch.optim.AdamW([weight], lr=0.1), AdamW8bit([weight], lr=0.1)):
        weight.grad = torch.ones(100, 1000)
        optimizer.step()
        sizes.append(sum(t.nbytes for t in optimizer.state[weight].values()))
    assert sizes[1] < 0.26 * sizes[0]


@pytest.mark.parametrize("memory", [{}, {"optimizer": "adamw_8bit"}, {"weights": "bfloat16"}])
def test_weights_decay_as_the_config_says(memory):
    kind = MemoryConfig.model_validate(memory)
    weight = torch.nn.Parameter(torch.ones(8, dtype=getattr(torch, kind.weights)))
    optimizer = make_adamw([weight], 0.1, 0.5, kind)
    weight.grad = torch.zeros(8)
    optimizer.step()
    assert weight.detach().float() == pytest.approx(0.95, abs=2**-8)


def test_weight_decay_is_adamws():
    decayed = []
    for kind in (torch.optim.AdamW, AdamW8bit):
        weight = torch.nn.Parameter(torch.full((16,), 2.0))
        optimizer = kind([weight], lr=0.1, weight_decay=0.5)
        for _ in range(5):
            weight.grad = torch.ones(16)
            optimizer.step()
        decayed.append(weight.detach())
    assert torch.allclose(*decayed)


def test_weights_that_are_moved_in_parts_move_as_at_once(monkeypatch):
    """Parts bound what a step takes besides; where they begin must not be seen, to the bit."""
    found, sizes = [], []
    monkeypatch.setattr(
        adam8bit, "_moved", lambda held, *a, f=adam8bit._moved: sizes.append(held.numel()) or f(held, *a)
    )
    for at_once in (2**21, 1000):
        sizes.clear()
        monkeypatch.setattr(adam8bit, "_AT_ONCE", at_once)
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(37, 300))
        optimizer = AdamW8bit([weight], lr=1e-2, weight_decay=0.1)
        for _ in range(3):
            weight.grad = torch.randn(37, 300)
            optimizer.step()
        found.append({"weight": weight.detach(), **optimizer.state[weight]})
    assert max(sizes) == 900, "three rows at once"
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_weight_without_dimensions_moves_too():
    weight = torch.nn.Parameter(torch.tensor(1.0))
    weight.grad = torch.tensor(0.5)
    AdamW8bit([weight], lr=0.1).step()
    assert weight.item() == pytest.approx(0.9)
