"""The model being trained: logprobs of packed tokens, with logits only where the loss needs them."""

import contextlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rewards.errors import ConfigError
from trainer.packing import Pack

_LOGIT_ROWS = 512  # logits of a chunk: 512 x 49,152 x 4 bytes = 100 MB


class Policy:
    """A causal language model with fp32 weights, computing under bf16 autocast.

    Args:
        folder: a transformers model folder or hub id.
        autocast: bf16 autocast, or plain fp32.

    Raises:
        ConfigError: the model can't be loaded.
    """

    def __init__(self, folder: str, autocast: bool = True) -> None:
        from transformers import AutoModelForCausalLM

        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
        except (OSError, ValueError) as error:
            raise ConfigError(f"model {folder} can't be loaded: {' '.join(str(error).split())[:300]}") from error
        self.model = model.to(self.device).eval()  # no dropout: the ratio must be 1 at the start
        self.autocast = autocast

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """All weights, in a fixed order."""
        return list(self.model.parameters())

    def _precision(self) -> contextlib.AbstractContextManager:
        if not self.autocast:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def logprobs(self, pack: Pack) -> tuple[Tensor, Tensor]:
        """Logprobs and entropies of the sampled tokens of a pack.

        Returns:
            logprobs (N,) with gradient, entropies (N,) without; fp32.
        """
        to = self.device
        mask = torch.from_numpy(pack.attention_mask())[None, None].to(to)
        targets = torch.from_numpy(pack.targets).to(to)
        with self._precision():
            hidden = self.model.model(
                input_ids=torch.from_numpy(pack.input_ids)[None].to(to),
                position_ids=torch.from_numpy(pack.position_ids)[None].to(to),
                attention_mask=mask,
                use_cache=False,
            ).last_hidden_state[0]
            hidden = hidden[torch.from_numpy(pack.predict_at).to(to)]
            parts = [
                checkpoint(self._token_logprobs, h, t, use_reentrant=False)
                for h, t in zip(hidden.split(_LOGIT_ROWS), targets.split(_LOGIT_ROWS), strict=True)
            ]
        return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    def _token_logprobs(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.model.lm_head(hidden).float()
        normaliser = logits.logsumexp(-1)
        logprobs = logits.gather(-1, targets[:, None]).squeeze(-1) - normaliser
        with torch.no_grad():
            entropies = normaliser - (logits.softmax(-1) * logits).sum(-1)
        return logprobs, entropies

    def save(self, folder: Path, tokenizer: Any = None) -> None:
        """Writes a bf16 model folder that transformers and `vllm serve` load."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state(torch.bfloat16), folder / "model.safetensors", metadata={"format": "pt"})
        config = self.model.config.to_dict() | {"dtype": "bfloat16"}
        type(self.model.config).from_dict(config).save_pretrained(folder)
        self.model.generation_config.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)

    def state(self, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """The weights by name, tied ones once."""
        tied = set(getattr(self.model, "all_tied_weights_keys", None) or ())
        return {
            name: tensor.detach().to("cpu", dtype, copy=True).contiguous()
            for name, tensor in self.model.state_dict().items()
            if name not in tied
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Takes weights as `state` gives them."""
        missing, unexpected = self.model.load_state_dict(state, strict=False)
        tied = set(getattr(self.model, "all_tied_weights_keys", None) or ())
        if unexpected or set(missing) - tied:
            raise ConfigError(f"weights don't fit the model: missing {missing[:3]}, unexpected {unexpected[:3]}")
