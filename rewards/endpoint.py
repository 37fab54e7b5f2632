"""An OpenAI-compatible endpoint: where it is, what it takes to be let in, and how long to wait for it."""

import email.utils
import os
import time
from dataclasses import dataclass

from rewards.errors import ConfigError

RETRIED = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is asked.

    Args:
        url: up to and with `/v1`; `/chat/completions` is added.
        model: the name that the endpoint knows it by.
        api_key_env: the environment variable that holds the key; empty sends none.
        seconds: for one answer, and for one wait between two tries.
        retries: tries after the first, on 408, 429, 5xx, broken connections and time-outs.
        pause_s: wait before the first retry, doubled each time; `Retry-After` goes before it.
    """

    url: str
    model: str
    api_key_env: str = ""
    seconds: float = 30.0
    retries: int = 3
    pause_s: float = 0.5

    @property
    def chat_url(self) -> str:
        """Where chat completions are asked for."""
        return f"{self.url.rstrip('/')}/chat/completions"

    def headers(self) -> dict[str, str]:
        """The key's header, where there is one.

        Raises:
            ConfigError: the environment variable is not set.
        """
        if not self.api_key_env:
            return {}
        key = os.environ.get(self.api_key_env, "")
        if not key:
            raise ConfigError(f"environment variable {self.api_key_env} is not set; it should hold the endpoint's key")
        return {"Authorization": f"Bearer {key}"}

    def pause(self, attempt: int, retry_after: str = "") -> float:
        """Seconds to wait after a try that failed.

        Args:
            attempt: 0 for the first.
            retry_after: the `Retry-After` header of the answer, if any.
        """
        asked = _retry_after(retry_after)
        return min(self.pause_s * 2**attempt if asked is None else asked, self.seconds)


def _retry_after(text: str) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or a date."""
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
