"""Calls into an environment: each in a thread of its own, given up at its time limit, whatever it raises an `EnvError`.

A thread can't be stopped. One that hangs is left behind as a daemon: it takes no thread from other episodes, and
the process can end without it. One that has answered takes the next call: starting a thread holds up the event loop.
"""

import asyncio
import contextlib
import contextvars
import os
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from rewards.errors import EnvError, Fault

_MAX_SHOWN = 500
_Work = Callable[[], None]
_idle: list[queue.SimpleQueue[_Work]] = []  # where each thread that has nothing to do waits for work
os.register_at_fork(after_in_child=_idle.clear)  # threads aren't forked


async def within(seconds: float, call: Callable[..., Any], *arguments: Any) -> Any:
    """What `call(*arguments)` returns.

    Raises:
        EnvError: it raised (SystemExit and the like too) or took longer than `seconds`.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if not done.done():
            done.set_result((result, error))

    def work() -> None:
        result, error = None, None
        try:
            result = call(*arguments)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it who asked
            loop.call_soon_threadsafe(settle, result, error)

    in_thread(partial(contextvars.copy_context().run, work))
    try:
        async with asyncio.timeout(seconds):
            result, error = await done
    except TimeoutError:
        if done.cancelled() or not done.done():
            raise EnvError(f"no answer within {seconds} s", Fault.HUNG) from None
        result, error = done.result()  # it was in time; the event loop was not
    if error is not None:
        raise told(error) from error
    return result


def in_thread(work: _Work) -> None:
    """Does `work`, which must not raise, in a thread that no other work waits for."""
    try:
        inbox = _idle.pop()
    except IndexError:
        inbox = queue.SimpleQueue()
        threading.Thread(target=_serve, args=(inbox,), name="environment", daemon=True).start()
    inbox.put(work)


def _serve(inbox: "queue.SimpleQueue[_Work]") -> None:
    while True:
        inbox.get()()
        _idle.append(inbox)


def told(error: BaseException) -> EnvError:
    """Whatever an environment raised as an `EnvError`; one stays as it is."""
    if isinstance(error, EnvError):
        return error
    return EnvError(_named(error), Fault.MEMORY if isinstance(error, MemoryError) else Fault.RAISED)


def _named(error: BaseException) -> str:
    try:
        return repr(error)[:_MAX_SHOWN]
    except Exception:  # even an error's own words may fail
        return type(error).__name__
