"""Every algorithm solves a small world whose best policy is known: look up first, then answer."""

import math

import numpy as np
import pytest
import torch

from trainer import losses
from trainer.advantages import episode_gae, whitened
from trainer.algorithms import ALGORITHMS

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


def flatten(groups, worth):
    """States, actions, whose they are and what they are worth, of all steps in a row."""
    episodes = [steps for group in groups for steps, _ in group]
    states, actions = (torch.tensor([step[i] for steps in episodes for step in steps]) for i in (0, 1))
    whose = torch.tensor([number for number, steps in enumerate(episodes) for _ in steps])
    return states, actions, whose, torch.tensor(np.concatenate(worth))


def worth_of_steps(algorithm, groups, values):
    """Advantages of each episode's steps, and what a critic should have said: an algorithm without one has no use."""
    if algorithm.advantage is None:
        found = []
        for steps, reward in (episode for group in groups for episode in group):
            earned = np.append(np.zeros(len(steps) - 1), reward)
            found.append(episode_gae(earned, values[[state for state, _ in steps]], cut=False, decay=0.95))
        return whitened([advantages for advantages, _ in found]), [returns for _, returns in found]
    advantages = algorithm.advantage([np.array([reward for _, reward in group]) for group in groups])
    every = [
        np.full(len(steps), value)
        for group, of_group in zip(groups, advantages, strict=True)
        for (steps, _), value in zip(group, of_group, strict=True)
    ]
    return every, [np.zeros_like(a) for a in every]


def learned(name):
    """The policy's logits and the critic's values after sixty rounds of `name`."""
    algorithm, generator = ALGORITHMS[name], torch.Generator().manual_seed(0)
    logits = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    values = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits, values], lr=0.1)
    assert expected_reward(logits) == pytest.approx(0.35)
    for _ in range(60):
        with torch.no_grad():
            groups = [[episode(logits, generator) for _ in range(8)] for _ in range(4)]
        known = values.detach().clone()
        worth, returns = worth_of_steps(algorithm, groups, known.numpy())
        states, actions, whose, worth = flatten(groups, worth)
        returns = torch.tensor(np.concatenate(returns))
        old = logits.detach().log_softmax(-1)[states, actions]
        for _ in range(2):
            new = logits.log_softmax(-1)[states, actions]
            value = getattr(losses, algorithm.objective)(new, old, worth, whose, algorithm.clip).value
            weights = losses.aggregation_weights(algorithm.aggregation, whose, len(whose), 32, 2)
            critic = losses.value_loss(values[states], known[states], returns, 0.2).mean()
            optimizer.zero_grad()
            (critic - (weights * value).sum()).backward()
            optimizer.step()
    return logits.detach(), values.detach()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_learns_to_call_the_tool_and_to_answer(name):
    assert expected_reward(learned(name)[0]) > 0.85


def test_the_critic_of_ppo_knows_what_the_states_are_worth_in_the_end():
    logits, values = learned("ppo")
    assert values.tolist() == pytest.approx([expected_reward(logits), 0.9], abs=0.06)


def test_the_world_is_what_it_says():
    sure = torch.tensor([[-50.0, 50.0], [-50.0, 50.0]])
    assert expected_reward(sure) == pytest.approx(0.9)
    generator = torch.Generator().manual_seed(1)
    mean = np.mean([episode(torch.zeros(2, 2), generator)[1] for _ in range(2000)])
    assert mean == pytest.approx(0.35, abs=4 * math.sqrt(0.25 / 2000))
