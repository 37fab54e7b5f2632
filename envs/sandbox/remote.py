"""Sandboxes on other machines: the same jobs and the same answers over HTTP.

A host runs `scripts/sandbox_server.py`; clients set `POSTGYM_SANDBOX=http://host1:8000,http://host2:8000`. Both sides
share `POSTGYM_SANDBOX_TOKEN`, if it is set. The client compares; a host never sees an expected value either.
"""

import hmac
import itertools
import json
import os
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import httpx

from envs.sandbox.job import OUTPUT_BYTES, START_SECONDS, Backend, Job, Said
from rewards.errors import EnvError

if TYPE_CHECKING:
    from fastapi import FastAPI

TOKEN_SETTING = "POSTGYM_SANDBOX_TOKEN"
_QUEUE_SECONDS = 600.0  # a job may wait for others on a busy host


class Remote:
    """The client: sends each job to the host with the fewest of ours, and to the next when one fails.

    Args:
        urls: of the hosts.
    """

    name = "remote"

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = [url.strip().rstrip("/") for url in urls if url.strip()]
        token = os.environ.get(TOKEN_SETTING)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limits = httpx.Limits(max_connections=None)
        self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(10.0, read=_QUEUE_SECONDS), limits=limits)
        self._in_flight: Counter[str] = Counter()
        self._turn = itertools.count()
        self._lock = threading.Lock()

    def execute(self, job: Job) -> Said:
        """Runs one job on some host."""
        failures: dict[str, str] = {}
        while len(failures) < len(self.urls):
            url = self._take(failures)
            try:
                return self._ask(url, job)
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                failures[url] = f"{type(error).__name__}: {error}"
            finally:
                with self._lock:
                    self._in_flight[url] -= 1
        raise EnvError("no sandbox server answers: " + "; ".join(f"{url}: {why}" for url, why in failures.items()))

    def _take(self, failures: dict[str, str]) -> str:
        with self._lock:
            turn = next(self._turn)
            open_urls = [url for url in self.urls if url not in failures]
            # Among equals in turn, or a quiet pool would load its first host only.
            rotated = open_urls[turn % len(open_urls) :] + open_urls[: turn % len(open_urls)]
            url = min(rotated, key=self._in_flight.__getitem__)
            self._in_flight[url] += 1
            return url

    def _ask(self, url: str, job: Job) -> Said:
        answer = self._client.post(f"{url}/run", content=json.dumps(asdict(job)))
        if answer.is_error:
            raise httpx.HTTPError(f"{answer.status_code} {answer.text[:300]}")
        said = answer.json()
        return Said(said["text"].encode("latin-1"), bool(said["timed_out"]), int(said["status"]))


def make_server(backend: Backend, token: str | None = None) -> "FastAPI":
    """The host's side: `POST /run` takes a job and gives what it said, `GET /health` the back end's name.

    Args:
        backend: runs the jobs.
        token: what clients must show; None lets anyone in.
    """
    from fastapi import FastAPI, HTTPException, Request, Response
    from pydantic import TypeAdapter, ValidationError
    from starlette.concurrency import run_in_threadpool

    server, jobs = FastAPI(title="postgym sandbox"), TypeAdapter(Job)

    def check(request: Request) -> None:
        shown = request.headers.get("authorization", "")
        if token and not hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, f"set {TOKEN_SETTING} to the server's token")

    @server.get("/health")
    def health() -> dict[str, Any]:
        return {"backend": backend.name, "start_seconds": START_SECONDS, "output_bytes": OUTPUT_BYTES}

    @server.post("/run")
    async def run(request: Request) -> Response:
        check(request)
        try:
            # Not FastAPI's own reading of the body: arguments may hold NaN and infinity, as Python writes them.
            job = jobs.validate_python(json.loads(await request.body()))
        except (ValueError, ValidationError, RecursionError) as error:
            raise HTTPException(422, str(error)[:500]) from None
        try:
            said = await run_in_threadpool(backend.execute, job)
        except EnvError as error:
            raise HTTPException(503, str(error)) from None
        text = {"text": said.text.decode("latin-1"), "timed_out": said.timed_out, "status": said.status}
        return Response(json.dumps(text), media_type="application/json")

    return server
