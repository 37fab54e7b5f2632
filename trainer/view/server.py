"""The page that shows a run while it trains and afterwards: a small FastAPI application over `RunData`.

It reads and never writes, answers on this machine alone unless told otherwise, and sends a policy with every answer
that lets a browser run nothing but the page's own scripts: what models wrote is hostile text.
"""

import ipaddress
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware

from rewards.errors import ConfigError, PostgymError
from rollout.catalogue import Filter
from trainer.view.data import RunData
from trainer.view.sides import held_out_tasks, side_by_side

PAGE = Path(__file__).parent / "page"
MOST_ROWS = 200  # of one answer
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
_POLICY += "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def make_app(folder: Path, hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")) -> FastAPI:
    """The application for one run's folder.

    Args:
        hosts: names that a browser may use for it; any other is refused, so that no foreign page can reach it by
            a name that it makes point here.

    Raises:
        ConfigError: it is no run's folder.
    """
    data = RunData(folder)
    app = FastAPI(title=f"postgym: {folder.name}", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)

    @app.middleware("http")
    async def guarded(request: Request, answer: Callable[[Request], Any]) -> Response:
        response = await answer(request)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(ConfigError)
    async def unknown(request: Request, error: ConfigError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 404)

    @app.exception_handler(PostgymError)
    async def damaged(request: Request, error: PostgymError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 500)

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE))
    _answers(app, data)
    return app


def _answers(app: FastAPI, data: RunData) -> None:
    """What the page asks for."""

    @app.get("/api/run")
    def run() -> dict:
        return data.overview()

    @app.get("/api/metrics")
    def metrics() -> list[dict]:
        return data.metrics()

    @app.get("/api/episodes")
    def episodes(
        env: str = "",
        split: str = "",
        stage: str = "",
        status: str = "",
        fault: str = "",
        finish: str = "",
        low: float | None = None,
        high: float | None = None,
        first_step: int | None = None,
        last_step: int | None = None,
        sort: str = "newest",
        rising: bool = False,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
    ) -> dict:
        wanted = Filter(env, split, stage, status, fault, finish, low, high, first_step, last_step)
        return data.episodes(wanted, sort, rising, offset, limit)

    @app.get("/api/episodes/{file}/{row}")
    def episode(file: str, row: int) -> dict:
        return data.episode(file, row)

    @app.get("/api/tasks")
    def tasks() -> dict:
        return held_out_tasks(data)

    @app.get("/api/task")
    def task(id: str) -> dict:
        return side_by_side(data, id)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free.

    Raises:
        ConfigError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        mend = "choose another with --port, or --port 0 for any that is free"
        raise ConfigError(f"can't listen on {host}:{port} ({error.strerror or error}); {mend}") from error
    except OverflowError:
        bound.close()
        raise ConfigError(f"--port {port} is no port; give 0 to 65535") from None
    return bound


def serve(folder: Path, host: str, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serves the page until Ctrl-C.

    Args:
        host: 127.0.0.1 keeps it on this machine.
        browser: opens one on it.
        say: is told the address.

    Raises:
        ConfigError: no run's folder, or the port is taken.
    """
    import uvicorn

    hosts = ("127.0.0.1", "localhost", "[::1]") if _is_loopback(host) else ("*",)
    app = make_app(folder, hosts)
    with bind(host, port) as bound:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{bound.getsockname()[1]}/"
        say(f"{folder} at {address}  (Ctrl-C ends it)")
        if hosts == ("*",):
            say("warning: everybody who can reach this address can read the run")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        if browser:
            threading.Thread(target=_open_when_up, args=(server, address), daemon=True).start()
        server.run(sockets=[bound])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _open_when_up(server: Any, address: str) -> None:
    while not server.started:
        time.sleep(0.05)
    webbrowser.open(address)
