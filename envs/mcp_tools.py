"""The tools of any MCP server, in `make_tools`: the official SDK's client behind calls that wait for their answer.

The client lives in a thread with an event loop of its own. A server started by `command` ends with the environment.
"""

import asyncio
import contextlib
import json
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TextIO

from envs.tools import Tool, ToolError
from rewards.errors import ConfigError, EnvError

_STOP_SECONDS = 10.0  # the SDK gives a process that doesn't end by itself four before it kills it
_GRACE_SECONDS = 5.0  # beyond its own time limit, until the client is taken for dead
_LAST_WORDS = 500  # characters of a dead server's stderr that an error shows
_OPEN_ENDED = {"additionalProperties", "patternProperties", "unevaluatedProperties", "$ref", "allOf", "anyOf", "oneOf"}


class McpTools:
    """A connection to an MCP server, made when it is first needed.

    A copy (by pickle) makes a connection of its own: what the server remembers doesn't travel.

    Args:
        command: starts a server that speaks over stdin and stdout; or
        url: where one speaks streamable HTTP.
        variables: environment variables for the command, beside the harmless ones that the SDK passes on.
        timeout: seconds for each call.
        start_timeout: seconds for the start, until the tools are listed.
        keep: the connection outlives the episode, until `close`. Starting a server takes a second; without `keep` each
            episode has a new one, and nothing of the last can be found in it.

    Raises:
        ConfigError: neither or both of command and url.
    """

    def __init__(
        self,
        command: Sequence[str] = (),
        url: str = "",
        variables: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        start_timeout: float = 60.0,
        keep: bool = False,
    ) -> None:
        if bool(command) == bool(url):
            raise ConfigError(f"McpTools needs a command or an url, one of them; got {list(command)} and {url!r}")
        self.command, self.url, self.variables = tuple(command), url, dict(variables or {})
        self.timeout, self.start_timeout, self.keep = timeout, start_timeout, keep
        self._connection: _Connection | None = None
        self._end: weakref.finalize[..., Any] | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return McpTools, (*self._settings, self.keep)

    @property
    def _settings(self) -> tuple[Any, ...]:
        return self.command, self.url, self.variables, self.timeout, self.start_timeout

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The server's tools, under its own names, descriptions and input schemas.

        Raises:
            ConfigError: the command isn't there, or a schema isn't one.
            EnvError: the server doesn't start, answer, or stay alive.
        """
        if self._connection is not None and self._connection.gone:  # a kept server that died in an earlier episode
            self.close()
        return tuple(self._tool(listed) for listed in self._open().listed)

    def _tool(self, listed: Any) -> Tool:
        parameters = closed(listed.input_schema)
        call = McpCall(self, listed.name, json.dumps(parameters))
        _validator(call.parameters)  # a schema that isn't one is found now
        return Tool(listed.name, listed.description or listed.name, parameters, call, None if self.keep else self.close)

    def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """What the tool returns: its structured content, or else its text (as JSON where it is JSON).

        Raises:
            ToolError: `tool_error` where the server says so, `too_slow` where it says nothing in time.
            EnvError: the server is gone.
        """
        return self._open().call(name, arguments)

    def close(self) -> None:
        """Ends the connection, and with it the server that a command started; the next call makes another."""
        with self._lock:
            end, self._connection, self._end = self._end, None, None
        if end is not None:
            end()

    def _open(self) -> "_Connection":
        with self._lock:
            if self._connection is None:
                self._connection = _Connection(*self._settings)
                # Also for an environment that nobody closes, and at the end of the process.
                self._end = weakref.finalize(self, self._connection.close)
            return self._connection


@dataclass(frozen=True, slots=True)
class McpCall:
    """The call of one tool; arguments must satisfy its schema before they leave."""

    server: McpTools
    name: str
    parameters: str  # the schema as JSON text

    def __call__(self, arguments: Mapping[str, Any]) -> Any:
        """Checks the arguments and asks the server.

        Raises:
            ToolError: `invalid_argument` for arguments that break the schema, or as `McpTools.call`.
            EnvError: the server is gone.
        """
        fault = next(_validator(self.parameters).iter_errors(dict(arguments)), None)
        if fault is not None:
            where = ".".join(map(str, fault.absolute_path)) or "arguments"
            raise ToolError("invalid_argument", f"{where}: {fault.message[:200]}")
        return self.server.call(self.name, arguments)


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An input schema that lets no unknown argument through, unless it says otherwise itself.

    Most servers drop what they don't know without a word; the model would go on believing in it.
    """
    return {**schema} if _OPEN_ENDED & set(schema) else {**schema, "additionalProperties": False}


@lru_cache(512)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry

    try:
        Draft202012Validator.check_schema(json.loads(schema))
    except SchemaError as error:
        raise ConfigError(f"an MCP tool has no valid input schema: {error.message[:200]}; mend the server") from None
    return Draft202012Validator(json.loads(schema), registry=Registry())  # its own registry: nothing is downloaded


class _Connection:
    """One client, its thread, and what the server listed when it began."""

    def __init__(
        self, command: Sequence[str], url: str, variables: Mapping[str, str], timeout: float, start_timeout: float
    ) -> None:
        self._named = url or " ".join(command)[:80]
        self._timeout, self._start_timeout = timeout, start_timeout
        self._said = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (the server's stderr; ends with us)
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._client: Any = None
        self.gone = False
        ready: Future[list[Any]] = Future()
        target = _target(command, url, variables, self._said)
        self._thread = threading.Thread(target=self._run, args=(target, ready), daemon=True, name="mcp client")
        self._thread.start()
        try:
            self.listed = ready.result(start_timeout + _GRACE_SECONDS)
        except FileNotFoundError as error:
            self.close()
            raise ConfigError(f"MCP server {self._named}: {error}; give a command that is installed") from None
        except BaseException as error:
            self.close()
            raise EnvError(f"MCP server {self._named} doesn't start: {self._why(error)}") from error

    def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        from mcp.shared.exceptions import MCPError
        from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        try:
            asked = self._client.call_tool(name, dict(arguments), read_timeout_seconds=self._timeout)
            result = asyncio.run_coroutine_threadsafe(asked, self._loop).result(self._timeout + _GRACE_SECONDS)
        except MCPError as error:
            if error.error.code == REQUEST_TIMEOUT:
                raise ToolError("too_slow", f"no answer within {self._timeout:g} s") from None
            if error.error.code == CONNECTION_CLOSED:
                self.gone = True
                raise EnvError(f"MCP server {self._named} is gone: {self._why(error)}") from error
            raise ToolError("tool_error", error.error.message) from None
        except Exception as error:
            self.gone = True
            raise EnvError(f"MCP server {self._named} can't be asked: {self._why(error)}") from error
        if result.is_error:
            raise ToolError("tool_error", _text(result.content))
        return result.structured_content if result.structured_content is not None else _value(result.content)

    def close(self) -> None:
        """Ends client and server; more than once does no harm."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            with contextlib.suppress(RuntimeError):  # its loop has closed in this very moment
                self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(_STOP_SECONDS)
        self._said.close()

    def _run(self, target: Any, ready: "Future[list[Any]]") -> None:
        try:
            self._loop.run_until_complete(self._serve(target, ready))
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
        finally:
            self._loop.close()

    async def _serve(self, target: Any, ready: "Future[list[Any]]") -> None:
        """Holds the client open: it has to be entered and left by one task."""
        from mcp.client import Client

        async with asyncio.timeout(None) as limit:
            limit.reschedule(self._loop.time() + self._start_timeout)
            async with Client(target, cache=None) as client:
                listed, cursor = [], None
                while True:
                    page = await client.list_tools(cursor=cursor)
                    listed += page.tools
                    if not (cursor := page.next_cursor):
                        break
                limit.reschedule(None)
                self._client = client
                ready.set_result(listed)
                await self._over.wait()

    def _why(self, error: BaseException) -> str:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        said = ""
        if not self._said.closed:
            self._said.seek(0)
            said = self._said.read()[-_LAST_WORDS:].strip()
        return f"{type(error).__name__}: {error}" + (f"; it said: {said}" if said else "")


def _target(command: Sequence[str], url: str, variables: Mapping[str, str], said: TextIO) -> Any:
    """What the SDK's client connects to."""
    from mcp.client.stdio import StdioServerParameters, stdio_client

    if url:
        return url
    return stdio_client(
        StdioServerParameters(command=command[0], args=[*command[1:]], env=dict(variables)), errlog=said
    )


def _text(content: Sequence[Any]) -> str:
    return "\n".join(str(getattr(block, "text", f"[{block.type}]")) for block in content)


def _value(content: Sequence[Any]) -> Any:
    """Unstructured content as plain JSON: one value, or a list of several."""
    values = []
    for block in content:
        text = getattr(block, "text", None)
        try:
            values.append(json.loads(text) if text is not None else {"type": block.type})
        except ValueError:
            values.append(text)
    return values[0] if len(values) == 1 else values
