"""Any OpenAI-compatible endpoint as a `ChatEngine`: to measure models that are not ours, with native tool calls.

Such an endpoint gives neither token ids nor the policy's logprobs, so its episodes can be compared, not learned from.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from envs.actions import read_json, unread
from rewards.endpoint import RETRIED, Endpoint
from rewards.errors import ConfigError, EngineError, TurnError
from rewards.transcript import Message, ToolCall
from rollout.engine import ChatRequest, Reply, Sampling

PREFIX = "openai:"
_FORM = "the arguments as one JSON object"
_NO_ROOM = re.compile(r"context[ _](length|window|size)", re.IGNORECASE)
_OPTIONAL = ("temperature", "seed", "max_tokens")  # some models take only their own value, or another name


def parse_endpoint(spec: str, api_key_env: str = "") -> Endpoint:
    """`openai:MODEL@URL` as an endpoint; `api_key_env` names the variable that holds its key.

    Raises:
        ConfigError: it is written otherwise.
    """
    model, _, url = spec.removeprefix(PREFIX).rpartition("@")
    if not spec.startswith(PREFIX) or not model or not re.match(r"https?://[^/]", url):
        raise ConfigError(f"{spec!r}: write openai:MODEL@URL, such as openai:my-model@http://localhost:8000/v1")
    return Endpoint(url, model, api_key_env, seconds=120.0, retries=6, pause_s=1.0)


class _PassingError(Exception):
    """What may be over at the next try; `error` is raised when it isn't."""

    def __init__(self, error: EngineError, retry_after: str = "") -> None:
        super().__init__(str(error))
        self.error, self.retry_after = error, retry_after


class OpenAIEngine:
    """Asks an endpoint for one chat completion a turn.

    After 408, 429, 5xx, broken connections, time-outs and answers that can't be read it asks again, as `Endpoint`
    says. Settings that the model refuses (`temperature`, `seed`, `max_tokens` under this name) are left
    out from then on, and `refused` names them.

    Raises:
        ConfigError: the endpoint's key is not set, or its URL is none.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        try:
            httpx.URL(endpoint.chat_url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{endpoint.url!r} is no URL ({error})") from None
        self.endpoint = endpoint
        self.refused: set[str] = set()
        timeout = httpx.Timeout(endpoint.seconds, pool=None)  # waiting for a connection is no fault of the endpoint
        headers = {"Content-Type": "application/json", **endpoint.headers()}
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout)

    async def reply(self, request: ChatRequest) -> Reply | None:
        """The model's next turn; None when the conversation is too long for it.

        Raises:
            TurnError: the endpoint refuses this request, or never gave an answer that can be read.
            EngineError: the endpoint can't be reached, is overloaded, or refuses key or model.
        """
        tried = 0
        while True:
            try:
                return await self._ask(request)
            except _PassingError as failed:
                if tried == self.endpoint.retries:
                    raise type(failed.error)(f"{failed.error} (tried {tried + 1} times)") from None
                await asyncio.sleep(self.endpoint.pause(tried, failed.retry_after))
                tried += 1

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _ask(self, request: ChatRequest) -> Reply | None:
        while True:
            body = {"model": self.endpoint.model, "messages": to_openai(request.messages), **self._settings(request)}
            try:
                response = await self._client.post(self.endpoint.chat_url, content=json.dumps(body).encode())
            except httpx.HTTPError as error:
                raise _PassingError(EngineError(self._say(f"{type(error).__name__} {error}".strip()))) from None
            if response.status_code == 200:
                try:
                    return _read_reply(response)
                except ValueError as error:
                    raise _PassingError(TurnError(self._say(str(error)))) from None
            if response.status_code in RETRIED:
                busy = EngineError(self._say(_reason(response)))
                raise _PassingError(busy, response.headers.get("Retry-After", ""))
            if not self._adapt(response, body):
                return self._give_up(response)

    def _settings(self, request: ChatRequest) -> dict[str, Any]:
        sampling: Sampling = request.sampling
        settings: dict[str, Any] = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
        if sampling.seed is not None:
            settings["seed"] = sampling.seed
        if "max_tokens" in self.refused:
            settings["max_completion_tokens"] = sampling.max_tokens
        settings = {name: value for name, value in settings.items() if name not in self.refused}
        return settings | ({"tools": list(request.tools)} if request.tools else {})

    def _adapt(self, response: httpx.Response, body: Mapping[str, Any]) -> bool:
        """Whether the request was refused for a setting that can be left out: it is, from now on."""
        named = _error(response).get("param")
        if response.status_code != 400 or named not in _OPTIONAL or named not in body:
            return False
        self.refused.add(named)
        return True

    def _give_up(self, response: httpx.Response) -> None:
        """Nothing to say (None) where the conversation is too long; otherwise raises."""
        why = _reason(response)
        if response.status_code in (400, 413) and _NO_ROOM.search(response.text):
            return
        if response.status_code in (401, 403):
            variable = self.endpoint.api_key_env or "no variable; name one with --api-key-env"
            raise EngineError(self._say(f"{why}; the key comes from {variable}"))
        if response.status_code in (404, 405):
            raise EngineError(self._say(f"{why}; check the model's name and the URL, up to and with /v1"))
        raise TurnError(self._say(why))

    def _say(self, why: str) -> str:
        return f"{self.endpoint.model} at {self.endpoint.url}: {why}"


def to_openai(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The conversation as the API takes it: arguments as JSON text, and only calls that were answered."""
    answered = {m.tool_call_id for m in messages if m.role == "tool"}
    rows = []
    for message in messages:
        row: dict[str, Any] = {"role": message.role, "content": message.content}
        if calls := [_to_openai_call(c) for c in message.tool_calls if c.id in answered]:
            row["tool_calls"] = calls
        if message.tool_call_id is not None:
            row["tool_call_id"] = message.tool_call_id
        rows.append(row)
    return rows


def _to_openai_call(call: ToolCall) -> dict[str, Any]:
    name = re.sub(r"[^A-Za-z0-9_-]", "_", call.name)[:64] or "unknown"  # what a model made up may be no name
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(dict(call.arguments))},
    }


def _read_reply(response: httpx.Response) -> Reply:
    """The message of a chat completion.

    Raises:
        ValueError: it is none.
    """
    try:
        answer = response.json()
        message = answer["choices"][0]["message"]
        content = _text(message.get("content") or message.get("refusal") or "")
        calls = tuple(_read_call(c) for c in message.get("tool_calls") or ())
        tokens = (answer.get("usage") or {}).get("total_tokens") or 0
        if not isinstance(content, str) or not isinstance(tokens, int):
            raise TypeError(f"content is {type(content).__name__}, total_tokens {type(tokens).__name__}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no chat completion ({error!r:.100}): {response.text[:200]!r}") from None
    return Reply(Message("assistant", _whole(content), calls), tokens)


def _text(content: Any) -> Any:
    """The text of content that comes in parts, as some endpoints give it; their thinking is no part of a message."""
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def _read_call(call: Mapping[str, Any]) -> ToolCall:
    """A native call; arguments that can't be read become its error, for the model to mend."""
    call_id, function = _whole(str(call.get("id") or "")), call["function"]
    written = function.get("arguments") or "{}"
    text = written.strip() if isinstance(written, str) else json.dumps(written)
    try:
        arguments, end = read_json(text)
    except ValueError as error:
        return unread(str(error), _FORM, call_id)
    if not isinstance(arguments, dict) or end < len(text):
        return unread("the arguments are not one object", _FORM, call_id)
    return ToolCall(_whole(str(function["name"])), arguments, call_id)


def _whole(text: str) -> str:
    """Text without half surrogate pairs, which JSON can spell and no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _reason(response: httpx.Response) -> str:
    return f"HTTP {response.status_code}: {_error(response).get('message') or response.text[:200] or 'no reason given'}"


def _error(response: httpx.Response) -> Mapping[str, Any]:
    """The `error` object of an answer in the API's form, empty where there is none."""
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return {}
    error = found.get("error", found) if isinstance(found, dict) else {}
    return error if isinstance(error, dict) else {}
