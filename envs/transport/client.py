"""The client: tools whose calls go to the server, and what its faults look like to the model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import httpx

from envs.base import Task
from envs.tools import FaultError, Tool, ToolError
from envs.transport.faults import Faults
from envs.transport.server import CALL, EPISODE, Episode, server
from rewards.errors import EnvError


@dataclass(frozen=True, slots=True)
class Http:
    """A transport: the tools of an episode as routes of this process's server.

    Args:
        faults: what goes wrong on the way, and how often.
    """

    faults: Faults

    def __call__(self, task: Task, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
        """The same tools with the same schemas, called over HTTP; the server is started where it isn't yet."""
        episode = Episode(task.env or "env", tools, self.faults, task.id)
        server().episodes[episode.key] = episode
        return tuple(replace(tool, call=HttpCall(episode, tool.name)) for tool in tools)


@dataclass(frozen=True, slots=True)
class HttpCall:
    """The call of one tool of an episode."""

    episode: Episode
    name: str

    def __call__(self, arguments: Mapping[str, Any]) -> Any:
        """Asks the server.

        Raises:
            ToolError: the tool refuses.
            FaultError: the call was struck on its way.
            EnvError: the tool crashed, or the server failed where no fault was planned.
        """
        index = self.episode.calls
        self.episode.calls += 1
        planned = self.episode.strikes(index)
        try:
            return _read(
                self._ask(arguments, index, self.episode.faults.stall_seconds if planned == "timeout" else None)
            )
        except httpx.TimeoutException:
            fault = FaultError("timeout", "no answer in time; call again")
        except httpx.HTTPError as error:
            raise EnvError(f"{self.name}: the tool server can't be asked: {type(error).__name__}: {error}") from error
        except FaultError as error:
            fault = error
        if planned is None:  # ours, then: a model must not pay for it
            raise EnvError(f"{self.name}: the tool server failed by itself: {fault}")
        raise fault

    def _ask(self, arguments: Mapping[str, Any], index: int, stall: float | None) -> httpx.Response:
        """One request. A tool may take as long as in process; only an answer that won't come has a time limit."""
        try:
            body = json.dumps(dict(arguments))
        except (ValueError, RecursionError) as error:
            raise ToolError("invalid_argument", f"arguments can't be written as JSON: {str(error)[:100]}") from None
        host = server()
        host.episodes[self.episode.key] = self.episode  # an unpickled episode, or a server started anew
        return host.client.post(
            f"/{quote(self.episode.env)}/{quote(self.name, safe='')}",
            content=body,
            headers={EPISODE: self.episode.key, CALL: str(index)},
            timeout=httpx.Timeout(10.0, read=stall),
        )


def _read(answer: httpx.Response) -> Any:
    """The result that an answer holds, or the error that it is."""
    if answer.status_code == 429:
        seconds = int(answer.headers.get("Retry-After", 1))
        raise FaultError("rate_limited", f"too many requests; call again after {seconds} s", {"retry_after": seconds})
    try:
        body = answer.json()
    except ValueError:
        raise FaultError("bad_response", "the answer is no valid JSON; call again") from None
    if not isinstance(body, dict):
        raise FaultError("bad_response", "the answer is no JSON object; call again")
    if "crash" in body:
        raise EnvError(f"the tool raised {body['crash']}")
    if answer.status_code >= 500:
        raise FaultError("server_error", f"the service failed with status {answer.status_code}; call again")
    if answer.status_code == 422:
        raise ToolError(body["error"], body["message"], body["details"])
    if answer.is_error:
        raise EnvError(f"the tool server refused with status {answer.status_code}: {body}")
    if "result" not in body:
        raise FaultError("bad_response", "the answer has no field 'result'; call again")
    return body["result"]
