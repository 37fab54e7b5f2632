"""Every algorithm solves a small world whose best policy is known: look up first, then answer."""

import math

import numpy as np
import pytest
import torch

from trainer import losses
from trainer.advantages import gae
from trainer.algorithms import ALGORITHMS, Clip

# Two states, two actions each. In state 0: answer blindly (right one time in four) or call the tool, which costs 0.1
# and leads to state 1, where one of the two answers is right. Best: call, then answer right, 0.9.
BLIND, CALL, WRONG, RIGHT = 0, 1, 0, 1


def episode(logits, generator):
    """(state, action) pairs and the reward."""
    state, steps = 0, []
    while True:
        probabilities = logits[state].softmax(-1)
        action = int(torch.multinomial(probabilities, 1, generator=generator))
        steps.append((state, action))
        if state == 0 and action == BLIND:
            return steps, float(torch.rand((), generator=generator) < 0.25)
        if state == 1:
            return steps, 0.9 * (action == RIGHT)
        state = 1


def expected_reward(logits):
    (_, call), (_, right) = logits.softmax(-1).tolist()
    return (1 - call) * 0.25 + call * 0.9 * right


def flatten(groups, advantages):
    states, actions, whose, worth = [], [], [], []
    for episodes, values in zip(groups, advantages, strict=True):
        for (steps, _), value in zip(episodes, values, strict=True):
            for state, action in steps:
                states.append(state)
                actions.append(action)
                worth.append(value)
                whose.append(len(whose) and whose[-1] + (state == 0))
    return (torch.tensor(x) for x in (states, actions, whose, worth))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_learns_to_call_the_tool_and_to_answer(name):
    algorithm = ALGORITHMS[name]
    generator = torch.Generator().manual_seed(0)
    logits = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    assert expected_reward(logits) == pytest.approx(0.35)
    for _ in range(60):
        with torch.no_grad():
            groups = [[episode(logits, generator) for _ in range(8)] for _ in range(4)]
        advantages = algorithm.advantage([np.array([reward for _, reward in group]) for group in groups])
        states, actions, whose, worth = flatten(groups, advantages)
        old = logits.detach().log_softmax(-1)[states, actions]
        for _ in range(2):
            new = logits.log_softmax(-1)[states, actions]
            value = getattr(losses, algorithm.objective)(new, old, worth, whose, algorithm.clip).value
            weights = losses.aggregation_weights(algorithm.aggregation, whose, len(whose), 32, 2)
            optimizer.zero_grad()
            (-(weights * value).sum()).backward()
            optimizer.step()
    assert expected_reward(logits) > 0.85


def test_ppo_with_its_critic_solves_it_too_and_the_critic_knows_the_values():
    generator = torch.Generator().manual_seed(0)
    logits = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    values = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits, values], lr=0.05)
    for _ in range(150):
        with torch.no_grad():
            episodes = [episode(logits, generator) for _ in range(32)]
        known, worth, returns = values.detach().numpy(), [], []
        for steps, reward in episodes:
            a, r = gae(np.append(np.zeros(len(steps) - 1), reward), known[[s for s, _ in steps]], 0.0)
            worth.extend(a)
            returns.extend(r)
        states = torch.tensor([s for steps, _ in episodes for s, _ in steps])
        actions = torch.tensor([a for steps, _ in episodes for _, a in steps])
        old, old_values = logits.detach().log_softmax(-1)[states, actions], values.detach()[states]
        for _ in range(2):
            new = logits.log_softmax(-1)[states, actions]
            policy = losses.token_clipped(new, old, torch.tensor(worth), states, Clip(0.2, 0.2, dual=3.0)).value
            critic = losses.value_loss(values[states], old_values, torch.tensor(returns), 0.2)
            optimizer.zero_grad()
            (critic - policy).mean().backward()
            optimizer.step()
    assert expected_reward(logits) > 0.85
    assert values.detach().tolist() == pytest.approx([expected_reward(logits), 0.9], abs=0.06)


def test_the_world_is_what_it_says():
    sure = torch.tensor([[-50.0, 50.0], [-50.0, 50.0]])
    assert expected_reward(sure) == pytest.approx(0.9)
    generator = torch.Generator().manual_seed(1)
    mean = np.mean([episode(torch.zeros(2, 2), generator)[1] for _ in range(2000)])
    assert mean == pytest.approx(0.35, abs=4 * math.sqrt(0.25 / 2000))
