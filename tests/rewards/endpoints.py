"""A model's endpoint in a thread: FastAPI under uvicorn, speaking the OpenAI chat form, with faults on demand."""

import contextlib
import json
import threading
from collections.abc import Iterator

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from tests.serving import served


class FakeJudge:
    """Passes answers that hold the word `right`; `faults` are served first, one a request.

    A fault is a (status, headers, body) response, or the text of a verdict. `pause` is the seconds to each answer.
    """

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.headers: list[dict] = []
        self.faults: list[tuple | str] = []
        self.pause = 0.0
        self.released = threading.Event()
        self.url = ""

    def answer(self, body: dict) -> Response:
        """What is answered when no fault is served."""
        return completion({"role": "assistant", "content": self.verdict(body)})

    def verdict(self, body: dict) -> str:
        answer = json.loads(body["messages"][-1]["content"])["answer"]
        return json.dumps({"score": 10 if "right" in answer else 2, "reason": f"read {len(answer)} characters"})

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        def chat(body: dict, request: Request) -> Response:
            self.requests.append(body)
            self.headers.append(dict(request.headers))
            fault = self.faults.pop(0) if self.faults else None
            if isinstance(fault, tuple):
                return PlainTextResponse(fault[2], fault[0], headers=fault[1])
            self.released.wait(self.pause)
            if isinstance(fault, str):
                return completion({"role": "assistant", "content": fault})
            return self.answer(body)

        return app


def completion(message: dict, **more: object) -> Response:
    """A chat completion that holds the message."""
    return JSONResponse({"choices": [{"message": message}], **more})


@contextlib.contextmanager
def serving(fake: FakeJudge | None = None) -> Iterator[FakeJudge]:
    """A `FakeJudge`, or `fake`, at a free port of this machine."""
    fake = fake or FakeJudge()
    with served(fake.app()) as url:
        fake.url = f"{url}/v1"
        yield fake
        fake.released.set()
