"""What runs behind the walls: untrusted code is executed, its values go back as tagged JSON, a line each.

It never sees an expected value, so whatever the code does to this process, it can only return values, true or made
up. Under bubblewrap and gVisor this file is the program: `python -I -S child.py`, with a job on stdin.
"""

# ruff: noqa: F401, I001  (solutions import these: loaded before the fork, they cost nothing)
import abc, bisect, cmath, collections, copy, ctypes, dataclasses, datetime, decimal, enum, fractions  # noqa: E401
import functools, hashlib, heapq, io, itertools, json, math, operator, os, random, re, resource  # noqa: E401
import statistics, string, struct, sys, textwrap, threading, time, types, typing, unicodedata  # noqa: E401

_MAX_DEPTH = 50
_MAX_BITS = 40_000
_MAX_REASON = 300
_DICTS = (dict, collections.defaultdict, collections.OrderedDict, collections.Counter)  # all are equal to a dict
_MAX_PRINTED = 100_000
_MAX_FILES_BYTES = 150_000  # as JSON six times as much at worst, within what a run may say


def tagged(value, depth=0):
    """Plain values with their exact types: what is no plain value is only named."""
    kind = type(value)
    if depth > _MAX_DEPTH:
        return {"other": "nested too deeply"}
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        if value.bit_length() < 4000:
            return value
        return {"int": hex(value)} if value.bit_length() < _MAX_BITS else {"other": "huge int"}
    if kind is float:
        return {"float": repr(value)}
    if kind is list:
        return [tagged(v, depth + 1) for v in value]
    if kind is tuple or kind is set:
        return {kind.__name__: [tagged(v, depth + 1) for v in value]}
    if kind in _DICTS:
        if all(type(k) is str for k in value):
            return {"dict": {k: tagged(v, depth + 1) for k, v in value.items()}}
        return {"pairs": [[tagged(k, depth + 1), tagged(v, depth + 1)] for k, v in value.items()]}
    return {"other": kind.__name__}


def say(out, message):
    """Writes one line, whole."""
    left = json.dumps(message).encode() + b"\n"
    while left:
        left = left[os.write(out, left) :]


def in_words(error):
    """An error's kind and message: its own code may run for the message, and fail."""
    try:
        return f"{type(error).__name__}: {error}"[:_MAX_REASON]
    except BaseException:
        return type(error).__name__[:_MAX_REASON]


def run(job, out):
    """Executes the code, makes the calls, says what each gave."""
    if job["shell"]:
        return run_shell(job, out)
    try:
        program = compile(job["code"], "solution.py", "exec")
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError) as error:
        return say(out, {"kind": "syntax", "reason": in_words(error)})
    space = {"__name__": "solution"}
    try:
        exec(program, space)
        function = space[job["name"]]
    except BaseException as error:
        return say(out, {"kind": "runtime", "reason": in_words(error)})
    for arguments in job["calls"]:
        try:
            said = {"value": tagged(function(*arguments))}
        except BaseException as error:
            said = {"error": in_words(error)}
        say(out, said)


def run_shell(job, out):
    """Runs the script among its files; says its exit status, its output, the folder it ended in, and all files."""
    top = os.getcwd()
    os.set_inheritable(out, False)
    printed, ended_in = (os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL) for name in (".printed", ".ended-in"))
    for name in (".printed", ".ended-in"):
        os.unlink(name)
    for path, text in job["files"].items():
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if not path.endswith("/"):
            with open(path, "wb") as file:
                file.write(text.encode(errors="surrogateescape"))
    os.makedirs(job["folder"], exist_ok=True)
    os.chdir(job["folder"])
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    script = f"trap 'pwd -P >&9' EXIT; {job['code']}"
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, ended_in, 9)]
    actions += [(os.POSIX_SPAWN_DUP2, printed, number) for number in (1, 2)]
    variables = {"PATH": "/usr/bin:/bin", "HOME": top, "TMPDIR": top, "LC_ALL": "C.UTF-8"}
    number = os.posix_spawn(shell, [shell, "-c", script], variables, file_actions=actions)
    _, status = os.waitpid(number, 0)
    os.chdir(top)
    folder = os.path.relpath(os.pread(ended_in, 4096, 0).decode(errors="replace").strip() or top, top)
    said = {
        "status": os.waitstatus_to_exitcode(status),
        "output": os.pread(printed, _MAX_PRINTED, 0).decode(errors="replace"),
        "folder": "." if folder.startswith("..") else folder,
        "files": _files(),
    }
    say(out, {"value": tagged(said)})


def _files():
    """All plain files here as text, folders with a slash at the end; what is left out is named."""
    found, left = {}, _MAX_FILES_BYTES
    for folder, _, names in os.walk("."):
        if folder != ".":
            found[f"{folder[2:]}/"] = ""
        for path in (os.path.relpath(os.path.join(folder, name)) for name in names):
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            left -= os.path.getsize(path)
            if left < 0:
                return found | {"": "too many or too large files: the rest is lost"}
            with open(path, "rb") as file:
                found[path] = file.read().decode(errors="surrogateescape")
    return found


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def allow_only(program):
    """Puts a seccomp filter (see `seccomp.py`) over this process for good; True when it holds."""
    libc = ctypes.CDLL(None)
    filled = _Program(len(program) // 8, program)
    no_new_privs, set_seccomp, mode_filter = 38, 22, 2
    libc.prctl(no_new_privs, 1, 0, 0, 0)
    return libc.prctl(set_seccomp, mode_filter, ctypes.byref(filled), 0, 0) == 0


def main():
    """For back ends that bring their own walls: one job from stdin, results on stdout."""
    out = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    job = json.loads(sys.stdin.buffer.read())
    for number in (0, 1, 2):
        os.dup2(null, number)
    sys.path += job["packages"]
    for what, most in (
        (resource.RLIMIT_CPU, job["limits"]["cpu_seconds"]),
        (resource.RLIMIT_AS, job["limits"]["memory_bytes"] + (64 << 20)),
        (resource.RLIMIT_FSIZE, job["limits"]["file_bytes"]),
        (resource.RLIMIT_NPROC, 32),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    layers = job["layers"]
    if job["filter"] and allow_only(bytes.fromhex(job["filter"])):
        layers.append("calls")
    say(out, {"layers": layers})
    run(job, out)


if __name__ == "__main__":
    main()
    os._exit(0)
