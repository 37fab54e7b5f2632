"""The far side of `rewards.symbolic`: a process with sympy loaded that forks a fresh child for every question.

Nothing is evaluated as code: sympy's objects are built from parsed nodes, or by latex2sympy2_extended's grammar from
text that has passed a list of permitted commands. The child of a question is capped in memory and processor time by
the kernel, and what it has learnt dies with it, so no question changes the answer to another.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
from fractions import Fraction
from typing import Any

CPU_SECONDS = 2.0
MEMORY_BYTES = 1 << 30
MAX_REQUEST = 1 << 18
MAX_REPLY = 1 << 12


def serve(control: socket.socket) -> None:
    """Answers questions until the other side hangs up: each comes as a socket of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, who hangs up when it goes
    _warm_up()
    control.send(b"r")
    running: dict[int, tuple[int, socket.socket]] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        for handle, _ in poll.poll():
            if handle in running:
                poll.unregister(handle)
                _reap(handle, *running.pop(handle))
                continue
            message, handles, _, _ = socket.recv_fds(control, 1, 1)
            if not message or not handles:
                return
            question = socket.socket(fileno=handles[0])
            pid = os.fork()
            if pid == 0:
                _child(control, question)
            watch = os.pidfd_open(pid)
            running[watch] = pid, question
            poll.register(watch, select.POLLIN)


def _reap(watch: int, pid: int, question: socket.socket) -> None:
    """Tells the asker how its child ended, if no reply came first."""
    os.close(watch)
    _, status = os.waitpid(pid, 0)
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    with contextlib.suppress(OSError):
        question.sendall(json.dumps({"died": ended}).encode() + b"\n")
    question.close()


def _child(control: socket.socket, question: socket.socket) -> None:
    code = 1
    try:
        control.close()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # the kernel kills, whatever C code is running
        with question.makefile("rb") as stream:
            request = json.loads(stream.readline(MAX_REQUEST))
        question.sendall(json.dumps(_reply(request)).encode()[:MAX_REPLY] + b"\n")
        code = 0
    finally:
        os._exit(code)


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"equal": equal(_build(request["left"]), _build(request["right"]))}
    except MemoryError:
        return {"too_large": "memory"}
    except RecursionError:
        return {"too_large": "nesting"}
    except Exception as error:  # what sympy can't do is an answer about this question, not a fault of the worker
        return {"unreadable": f"{type(error).__name__}: {error}"[:200]}


def equal(left: Any, right: Any) -> bool:
    """Whether two sympy expressions are equal for all real values of their symbols, as far as it can be shown."""
    import sympy

    if isinstance(left, sympy.Expr) != isinstance(right, sympy.Expr):
        return False
    if not isinstance(left, sympy.Expr):
        return bool(left == right)
    difference = left - right
    if difference == 0:
        return True
    free = difference.free_symbols
    if not free:
        return difference.equals(0) is True
    difference = sympy.simplify(difference.doit())
    return difference == 0 or difference.equals(0) is True


def _build(node: Any) -> Any:
    """The sympy object of a node as it comes out of JSON."""
    import sympy

    kind = node[0]
    if kind == "num":
        return sympy.Rational(int(node[1], 16), int(node[2], 16))
    if kind == "sym":
        return sympy.Symbol(node[1], real=True)
    if kind == "const":
        return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "oo": sympy.oo}[node[1]]
    if kind == "latex":
        return _from_latex(node[1])
    values = [_build(v) for v in node[2:]] if kind == "fn" else [_build(v) for v in node[1:]]
    if kind == "fn":
        return _call(node[1], values)
    return {
        "+": lambda: sympy.Add(*values),
        "*": lambda: sympy.Mul(*values),
        "/": lambda: values[0] / values[1],
        "^": lambda: sympy.Pow(*values),
        "root": lambda: sympy.real_root(*values) if values[1].is_odd else sympy.root(*values),
        "neg": lambda: -values[0],
        "percent": lambda: values[0] / 100,
    }[kind]()


def _call(name: str, values: list[Any]) -> Any:
    import sympy

    if name == "log":
        return sympy.log(values[0]) / sympy.log(values[1] if len(values) > 1 else 10)
    names = {
        **{"ln": "log", "abs": "Abs", "ceil": "ceiling", "binom": "binomial"},
        **{f"arc{f}": f"a{f}" for f in ("sin", "cos", "tan", "cot", "sec", "csc")},
    }
    return getattr(sympy, names.get(name, name))(*values)


def _from_latex(text: str) -> Any:
    from latex2sympy2_extended.latex2sympy2 import latex2sympy

    found = latex2sympy(text)
    real = {s: type(s)(s.name, real=True) for s in found.free_symbols}
    return found.subs(real, simultaneous=True).doit()


def _warm_up() -> None:
    """Loads what questions need and fills sympy's caches, once for all children."""
    equal(_build(["fn", "sin", ["sym", "x"]]), _from_latex(r"\int_0^x \cos(t) dt"))
    equal(_build(["^", ["fn", "sin", ["sym", "x"]], ["num", hex(2), hex(1)]]), _build(["sym", "x"]))


def encode(node: Any) -> Any:
    """A parsed node as JSON; numbers in hexadecimal, whose length Python does not cap."""
    if isinstance(node, Fraction):
        raise TypeError("a bare number is no node")
    if node[0] == "num":
        return ["num", hex(node[1].numerator), hex(node[1].denominator)]
    return [encode(v) if isinstance(v, tuple) else v for v in node]


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as owner:
        serve(owner)
