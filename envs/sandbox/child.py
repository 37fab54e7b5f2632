"""The program inside the sandbox: locks itself in, runs untrusted code, writes values back as tagged JSON.

Started as `python -I -S child.py RESULT_FD`, with a job on stdin. It never sees an expected value, so
whatever the untrusted code does to this process, it can only return values, true or made up.
Everything it needs is imported before the doors close.
"""

# ruff: noqa: F401, I001  (solutions import these: they must be loaded while the library can be read)
import bisect, cmath, collections, copy, ctypes, dataclasses, datetime, decimal, enum, fractions, functools  # noqa: E401
import heapq, itertools, json, math, operator, os, random, re, resource, statistics, string, sys, textwrap  # noqa: E401
import typing, unicodedata  # noqa: E401

_NEWUSER, _NEWNET, _NEWIPC = 0x10000000, 0x40000000, 0x08000000
_NO_NEW_PRIVS, _SET_DUMPABLE, _SET_PDEATHSIG = 38, 4, 1
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every Linux architecture
_LANDLOCK_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # bits of file access by ABI
_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read a file, read a folder
_NOBODY = 65534
_MAX_DIGITS = 10_000


class _RulesetAttribute(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathAttribute(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def landlock(libc, writable, readable):
    """Allows reading `readable` and everything in `writable`, and no other file. True if the kernel can."""
    abi = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if abi < 1:
        return False
    every = (1 << _LANDLOCK_RIGHTS.get(abi, 16)) - 1
    attribute = _RulesetAttribute(every)
    ruleset = libc.syscall(
        _LANDLOCK_CREATE, ctypes.byref(attribute), ctypes.c_size_t(ctypes.sizeof(attribute)), ctypes.c_uint32(0)
    )
    if ruleset < 0:
        return False
    for path, access in [(writable, every), *((p, _READ) for p in readable)]:
        if not os.path.isdir(path):
            continue
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = _PathAttribute(access, handle)
        libc.syscall(_LANDLOCK_ADD, ruleset, ctypes.c_int(1), ctypes.byref(rule), ctypes.c_uint32(0))
        os.close(handle)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    done = libc.syscall(_LANDLOCK_RESTRICT, ruleset, ctypes.c_uint32(0)) == 0
    os.close(ruleset)
    return done


def lock_in(folder, limits):
    """Gives up network, files, processes and privileges; returns the names of the layers that hold."""
    libc = ctypes.CDLL(None, use_errno=True)
    root = os.geteuid() == 0
    layers = []
    spaces = _NEWNET | _NEWIPC | (0 if root else _NEWUSER)
    if libc.unshare(spaces) == 0:
        layers.append("network")
    if landlock(libc, folder, [os.path.dirname(os.__file__)]):
        layers.append("files")
    if root:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        layers.append("user")
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_SET_PDEATHSIG, 9, 0, 0, 0)
    for what, most in (
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        # A second between the soft and the hard CPU limit lets the parent see SIGXCPU: out of time.
        resource.setrlimit(what, (most, most + (what == resource.RLIMIT_CPU)))
    layers.append("limits")
    return layers


def tagged(value, depth=0):
    """Plain values with their exact types: what is no plain value is only named."""
    kind = type(value)
    if depth > 50:
        return {"other": "nested too deeply"}
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if value.bit_length() < 3 * _MAX_DIGITS else {"other": "huge int"}
    if kind is float:
        return {"float": repr(value)}
    if kind is list:
        return [tagged(v, depth + 1) for v in value]
    if kind is dict and all(type(k) is str for k in value):
        return {"dict": {k: tagged(v, depth + 1) for k, v in value.items()}}
    return {"other": kind.__name__}


def main():
    """Reads the job, locks itself in, runs it, says what came of it."""
    job = json.loads(sys.stdin.buffer.read())
    out = int(sys.argv[1])
    os.chdir(job["folder"])
    layers = lock_in(job["folder"], job["limits"])

    def say(message):
        os.write(out, json.dumps(message).encode() + b"\n")

    say({"layers": layers})
    if len({"network", "files"} & set(layers)) < job["needed"]:
        os._exit(3)
    try:
        program = compile(job["code"], "solution.py", "exec")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        say({"kind": "syntax", "reason": f"{type(error).__name__}: {error}"})
        os._exit(0)
    space = {"__name__": "solution"}
    try:
        exec(program, space)
        function = space[job["name"]]
    except BaseException as error:
        say({"kind": "runtime", "reason": f"{type(error).__name__}: {error}"[:300]})
        os._exit(0)
    for arguments in job["calls"]:
        try:
            value = tagged(function(*arguments))
            say({"value": value})
        except BaseException as error:
            say({"error": f"{type(error).__name__}: {error}"[:300]})
    os._exit(0)


if __name__ == "__main__":
    main()
