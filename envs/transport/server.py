"""The server: one for each process, on the loopback, whose routes are the tools of the episodes being played.

`POST /postgym/Weather-v0/geocode` with the arguments as its JSON body, and the episode in the header X-Episode, gives
{"result": ...}. /docs and /openapi.json describe the tools of the episodes now open.
"""

import asyncio
import atexit
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import httpx

from envs.tools import Tool, ToolError
from envs.transport.faults import Faults, Kind
from rewards.errors import EnvError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

EPISODE, CALL = "X-Episode", "X-Call"  # headers: whose tools, and which call of the episode this is
_START_SECONDS, _STOP_SECONDS = 20.0, 5.0


class Episode:
    """The tools of one episode and what strikes its calls; a copy (by pickle) is an episode of its own.

    Args:
        env: the environment's id, the first part of the routes.
        tools: as `make_tools` gave them.
        faults: what may strike.
        seed: names the task.
    """

    def __init__(self, env: str, tools: tuple[Tool, ...], faults: Faults, seed: str) -> None:
        self.env, self.faults, self.seed = env, faults, seed
        self.tools = {t.name: t for t in tools}
        self.calls = 0
        self.key = secrets.token_urlsafe(16)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "key"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, key=secrets.token_urlsafe(16))

    def strikes(self, index: int) -> Kind | None:
        """What strikes that call."""
        return self.faults.strikes(self.seed, index)


class ToolServer:
    """FastAPI under uvicorn in a thread, at a free port of 127.0.0.1, from its making until `stop`.

    Raises:
        EnvError: it doesn't come up.
    """

    def __init__(self) -> None:
        import uvicorn

        self.pid = os.getpid()
        self.episodes: WeakValueDictionary[str, Episode] = WeakValueDictionary()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                make_app(self.episodes),
                lifespan="off",
                log_config=None,  # the process's logging is not ours
                log_level="error",
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)
        # trust_env off: a proxy named in the environment must not see calls to this very machine.
        self.client = httpx.Client(base_url=self.url, trust_env=False, limits=httpx.Limits(max_connections=None))
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise EnvError(f"the tool server at {self.url} doesn't start; can this process listen on 127.0.0.1?")
            time.sleep(0.005)

    def stop(self) -> None:
        """Ends the server; its port is free afterwards."""
        self.client.close()
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        self._listener.close()


_current: ToolServer | None = None
_lock = threading.Lock()


def server() -> ToolServer:
    """This process's server, started when it is first wanted (a forked child gets one of its own)."""
    global _current
    with _lock:
        if _current is None or _current.pid != os.getpid():
            _current = ToolServer()
            atexit.register(stop)
        return _current


def stop() -> None:
    """Ends this process's server, if there is one; the next call starts another."""
    global _current
    with _lock:
        if _current is not None and _current.pid == os.getpid():
            _current.stop()
        _current = None


def make_app(episodes: Mapping[str, Episode]) -> "FastAPI":
    """The web application over the tools of `episodes`, by their keys."""
    from fastapi import FastAPI, HTTPException, Request, Response
    from starlette.concurrency import run_in_threadpool

    app = FastAPI(title="postgym tools")

    @app.post("/{env:path}/{name}", include_in_schema=False)
    async def call(env: str, name: str, request: Request) -> Response:
        episode = episodes.get(request.headers.get(EPISODE, ""))
        if episode is None or episode.env != env or name not in episode.tools:
            raise HTTPException(404, f"no tool {name!r} of {env!r}: name an episode that is being played in {EPISODE}")
        if kind := episode.strikes(int(request.headers.get(CALL, "0"))):
            return await _struck(kind, episode.faults, request)
        try:
            arguments = _arguments(await request.body())
            result = await run_in_threadpool(episode.tools[name].call, arguments)
        except ToolError as error:
            return _json({"error": error.kind, "message": str(error), "details": error.details}, 422)
        except Exception as error:  # the tool's author's: nothing that a model could mend
            return _json({"crash": f"{type(error).__name__}: {error}"}, 500)
        return _json({"result": result}, 200)

    # An app's own description would be of its one dynamic route; what callers want is the tools.
    app.openapi = lambda: describe(app, [*episodes.values()])  # type: ignore[method-assign]
    return app


def describe(app: "FastAPI", episodes: list[Episode]) -> dict[str, Any]:
    """The OpenAPI description: every tool of the episodes as a POST route with its schema."""
    from fastapi.openapi.utils import get_openapi

    spec = get_openapi(title=app.title, version=app.version, description=__doc__, routes=[])
    components: dict[str, Any] = {}
    for episode in episodes:
        for tool in episode.tools.values():
            spec["paths"][f"/{episode.env}/{tool.name}"] = {"post": _operation(episode, tool, components)}
    spec["components"] = {"schemas": components}
    return spec


def _operation(episode: Episode, tool: Tool, components: dict[str, Any]) -> dict[str, Any]:
    """One route; definitions within the schema move to `components`, which is where OpenAPI looks them up."""
    prefix = f"{episode.env.replace('/', '.')}.{tool.name}."
    text = json.dumps(tool.parameters).replace('"#/$defs/', f'"#/components/schemas/{prefix}')
    schema = json.loads(text)
    components.update({prefix + name: inner for name, inner in schema.pop("$defs", {}).items()})
    header = {"name": EPISODE, "in": "header", "required": True, "schema": {"type": "string", "default": episode.key}}
    said = {
        200: "The result, under `result`.",
        422: "The tool refuses: `error` is the kind, `message` says what to mend.",
        429: "Too many requests; Retry-After says when to call again.",
        500: "The service failed.",
    }
    return {
        "tags": [episode.env],
        "operationId": prefix + "call",
        "summary": tool.description.partition("\n")[0],
        "description": tool.description,
        "parameters": [header],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {str(status): {"description": words} for status, words in said.items()},
    }


def _arguments(body: bytes) -> dict[str, Any]:
    try:
        arguments = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ToolError("invalid_argument", f"the body is no JSON that can be read: {str(error)[:100]}") from None
    if not isinstance(arguments, dict):
        raise ToolError("invalid_argument", "the body must be a JSON object of arguments")
    return arguments


def _json(value: Any, status: int, headers: Mapping[str, str] | None = None) -> "Response":
    from fastapi import Response

    # Python's own JSON, not FastAPI's: a result may hold what that refuses (NaN, lone surrogates), as in process.
    return Response(json.dumps(value), status, dict(headers or {}), "application/json")


async def _struck(kind: Kind, faults: Faults, request: "Request") -> "Response":
    from fastapi import Response

    match kind:
        case "rate_limit":
            return _json({"detail": "too many requests"}, 429, {"Retry-After": str(faults.retry_after)})
        case "server_error":
            return _json({"detail": "internal error"}, 500)
        case "malformed":
            return Response('{"result": {"', media_type="application/json")
        case "changed_field":
            return _json({"output": None}, 200)
    while (await asyncio.wait_for(request.receive(), 100 * faults.stall_seconds + 10))["type"] != "http.disconnect":
        pass
    return Response(status_code=504)
