"""What a run needs of an engine and of a world, small enough to run in the test's own process."""

import asyncio
import threading

import torch
from safetensors.torch import load_file

from rewards.errors import EngineError
from rollout.engine import Completion
from rollout.weights import weight_checksum
from tests.worlds import LikesEven
from trainer.policy import Policy
from trainer.tasks import Mixture
from trainer.weight_sync import score


class SmallEngine:
    """Samples with a policy of its own, a token a moment: weights may arrive amid a turn.

    Args:
        dies_at: the version whose weights it doesn't live to see.
        lingers_at: ids of tasks at whose turns it waits, in the middle, from the weights of update 1 to those of 2.
    """

    restarts = 0
    takes_module = takes_adapter = False

    def __init__(self, model, dies_at=None, lingers_at=()):
        self._policy, self._dies_at, self._version = Policy(str(model), "float32"), dies_at, 0
        self._lingers_at, self.lingers = lingers_at, threading.Event()

    async def generate(self, request):
        generator = torch.Generator().manual_seed(request.sampling.seed or 0)
        ids, logprobs, versions = list(request.prompt_ids), [], []
        for nth in range(request.sampling.max_tokens):
            while nth == 2 and request.task.id in self._lingers_at and versions[0] == self._version == 1:
                self.lingers.set()
                await asyncio.sleep(0.001)
            with torch.no_grad():
                found = self._policy.model(torch.tensor([ids]), use_cache=False, logits_to_keep=1).logits[0, -1]
            known = found.float().log_softmax(-1)
            sample = torch.multinomial(known.exp(), 1, generator=generator)
            token = int(sample if request.sampling.temperature else known.argmax())
            ids.append(token)
            logprobs.append(float(known[token]))
            versions.append(self._version)
            if token in request.stop_ids:
                break
            await asyncio.sleep(0.001)
        sampled = tuple(ids[len(request.prompt_ids) :])
        return Completion(sampled, tuple(logprobs), "length", tuple(versions))

    async def scores(self, token_ids):
        return [list(score(self._policy, token_ids))]

    async def update_weights(self, folder, version, checksum=None):
        if version == self._dies_at:
            raise EngineError("killed")
        assert weight_checksum(folder) == checksum
        self._policy.load_state(load_file(folder / "model.safetensors"))
        self._version = version

    def close(self):
        """Nothing runs beside this process."""


class PaysAnything(Mixture):
    """Arithmetic, with a score that a random model's episodes differ in."""

    def make_env(self, env_id):
        env = super().make_env(env_id)
        env.rubric = LikesEven.rubric
        return env
