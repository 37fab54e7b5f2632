"""Hands the trainer's weights to the engine and proves that it computes with them.

A fixed text is scored by both sides after every update. An engine that kept its old weights gives its old
logprobs again; one that loaded others is far from the trainer's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from rewards.errors import EngineError
from rewards.transcript import Message
from rollout.chat import ChatRenderer
from rollout.weights import weight_checksum
from trainer.policy import Policy, autocast

_EXACT = 0.01  # in fp32 engine and trainer differ by rounding alone; in bf16 by 0.035 in the mean for 135M weights
_TEXT = """The ferry to the island leaves at 9:40 and takes 35 minutes. Two adults and three children pay 4.50 each, \
the dog travels free. When do they arrive, and what do the tickets cost together?"""
_TOKENS = 32  # 0.1 s of a core each side for 135M weights; they fit the smallest context that a config allows
_MEND = "run the same command again: it goes on from the last checkpoint with a fresh engine"


class UpdatableEngine(Protocol):
    """An engine whose weights can be replaced and asked about."""

    takes_module: bool
    takes_adapter: bool

    async def update_from(self, module: torch.nn.Module, version: int) -> None:
        """Takes the module's weights from its GPU; for engines with `takes_module`."""
        ...

    async def update_weights(self, folder: Path, version: int, checksum: int | None = None) -> None:
        """Loads the safetensors of `folder`, an adapter's with `takes_adapter`; refuses files with another checksum."""
        ...

    async def scores(self, token_ids: list[int]) -> list[list[float]]:
        """Logprobs of `token_ids[1:]`, from each replica."""
        ...


class WeightSync:
    """Sends weights to an engine, again and again.

    Args:
        folder: where the weights are written for the engine.
        renderer: the model's, for the fixed text's ids.
        max_mismatch: the largest mean |delta logprob| that passes; in float32 it may be 0.01 at most.
    """

    def __init__(self, engine: UpdatableEngine, folder: Path, renderer: ChatRenderer, max_mismatch: float) -> None:
        self._engine, self._folder, self._limit = engine, folder, max_mismatch
        self._token_ids = renderer.prompt_ids([Message("user", _TEXT)], ())[:_TOKENS]
        self._known: tuple[int, np.ndarray] | None = None  # checksum and logprobs of the update before

    async def send(self, policy: Policy, version: int) -> float:
        """Writes the policy's weights (or its adapter), has the engine load them, and probes it.

        Returns:
            Mean |delta logprob| between engine and trainer on the fixed text, of the replica farthest off.

        Raises:
            EngineError: the engine read other bytes, kept its old weights, or computes something else.
        """
        if self._engine.takes_module:
            await self._engine.update_from(policy.model, version)
            return await self.probe(policy, version, None)
        if self._engine.takes_adapter:
            policy.save_adapter(self._folder)
        else:
            policy.save(self._folder, precision=policy.precision, for_engine=True)
        checksum = weight_checksum(self._folder)
        await self._engine.update_weights(self._folder, version, checksum)
        return await self.probe(policy, version, checksum)

    async def probe(self, policy: Policy, version: int, checksum: int | None) -> float:
        """Compares the engine with the trainer, as `send` does once the weights are loaded.

        Args:
            checksum: tells these weights from the ones before; None where nobody knows it, as without files.
        """
        found = np.asarray(await self._engine.scores(self._token_ids), np.float64)  # (replicas, tokens - 1)
        gap = float(np.abs(found - score(policy, self._token_ids)).mean(axis=1).max())
        limit = min(self._limit, _EXACT) if policy.precision == "float32" else self._limit
        if not gap <= limit:  # NaN is no agreement
            raise EngineError(
                f"after weight update {version} the engine's logprobs of a fixed text are {gap:.3g} from the trainer's "
                f"(mean; limit {limit:g} in {policy.precision}): it doesn't compute with the trainer's weights; {_MEND}"
            )
        known = self._known if checksum is not None else None
        if known and known[0] != checksum and (found[:, None] == known[1]).all(axis=-1).any():
            raise EngineError(
                f"weight update {version} changed nothing in the engine though the weights are others: "
                f"it kept its old ones; {_MEND}"
            )
        self._known = (checksum, found) if checksum is not None else None
        return gap


@torch.no_grad()
def score(policy: Policy, token_ids: Sequence[int]) -> np.ndarray:
    """Logprobs of `token_ids[1:]` at temperature 1, as an engine's `score` gives them; float64 (tokens - 1,)."""
    ids = torch.tensor(list(token_ids), device=policy.device)
    with autocast(policy.device, policy.precision):
        logits = policy.model(ids[None], use_cache=False).logits[0, :-1].float()
    return logits.log_softmax(-1).gather(-1, ids[1:, None])[:, 0].double().cpu().numpy()
