"""The reference that packs are held to: every episode in a padded row of its own, all logits."""

import numpy as np
import torch


def padded_logprobs(policy, trajectories, temperature=1.0):
    """Logprobs of the sampled tokens by the model's own forward pass over right-padded rows."""
    length = max(len(t.token_ids) for t in trajectories)
    ids = torch.zeros(len(trajectories), length, dtype=torch.long)
    attention = torch.zeros(len(trajectories), length, dtype=torch.long)
    for row, t in enumerate(trajectories):
        ids[row, : len(t.token_ids)] = torch.from_numpy(t.token_ids)
        attention[row, : len(t.token_ids)] = 1
    logprobs = policy.model(input_ids=ids, attention_mask=attention).logits.float().div(temperature).log_softmax(-1)
    rows = []
    for row, t in enumerate(trajectories):
        at = torch.from_numpy(np.flatnonzero(t.loss_mask))
        rows.append(logprobs[row, at - 1].gather(-1, ids[row, at][:, None])[:, 0])
    return torch.cat(rows)


def gradients(policy, loss):
    """The gradient of each weight, in the policy's order."""
    policy.model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in policy.parameters]
