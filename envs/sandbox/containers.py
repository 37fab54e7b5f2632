"""Back ends for machines where the native one can't raise its walls: bubblewrap, and gVisor's runsc.

Each run starts a program of its own (some 15 and 150 ms) that walls in `child.py`: job on stdin, values on stdout.
"""

import contextlib
import glob
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envs.sandbox.job import Job, Reader, Said, packages
from envs.sandbox.seccomp import filter_program
from rewards.errors import EnvError

_CHILD = Path(__file__).with_name("child.py")
_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_SYSTEM = (*_SYSTEM_LIBRARIES, "/bin", "/usr/bin", "/etc/alternatives")
_PYTHON = [sys.executable, "-I", "-S"]
_NOBODY = 65534
_SCRATCH_BYTES = 16 << 20


class _Container:
    """A command that runs `child.py` behind walls; as many at a time as there are cores."""

    name = ""
    layers: tuple[str, ...] = ()
    program = ""

    def __init__(self) -> None:
        found = shutil.which(self.program)
        if found is None:
            raise EnvError(f"{self.program} is not installed")
        self.path = found
        self._places = threading.BoundedSemaphore(len(os.sched_getaffinity(0)))

    def _execute(self, command: Sequence[str], job: Job) -> Said:
        """Starts the command with the job on stdin, and ends all of it when its time is over."""
        holding, _ = packages()
        text = json.dumps(
            asdict(job)
            | {"packages": holding, "layers": self.layers, "filter": (filter_program(shell=job.shell) or b"").hex()}
        ).encode()
        with self._places:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={},
                cwd="/",
            )
            try:
                reader = Reader(job.limits.wall_seconds)
                timed_out = _talk(process, text, reader)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said, status = bytes(reader.text), process.returncode
        # Both pass a signal on as 128 + its number.
        spent = status in (128 + signal.SIGXCPU, 128 + signal.SIGKILL)
        return Said(said, timed_out or spent, status)


def _talk(process: subprocess.Popen[bytes], text: bytes, reader: Reader) -> bool:
    """Sends the job and reads what comes back; True when time ran out."""
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as stdin, contextlib.suppress(BrokenPipeError):
        stdin.write(text)
    with process.stdout as stdout:
        poll = select.poll()
        poll.register(stdout, select.POLLIN)
        while poll.poll(reader.seconds_left() * 1000):
            if not reader.take(os.read(stdout.fileno(), 1 << 16)):
                return False
    return True


class Bubblewrap(_Container):
    """bwrap: namespaces, and a root that shows the Python library only."""

    name = "bubblewrap"
    program = "bwrap"
    layers = ("processes", "root", "network", "user", "limits")

    def execute(self, job: Job) -> Said:
        """Everything unshared; the program dies with bwrap, and bwrap with us."""
        parts = [self.path, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
        parts += ["--uid", str(_NOBODY), "--gid", str(_NOBODY)]
        for path in _readable(job.shell):
            link = os.path.islink(path) and path in _SYSTEM
            parts += ["--symlink", os.readlink(path), path] if link else ["--ro-bind", path, path]
        for path in _covered():
            parts += ["--tmpfs", path]
        for path in packages()[1]:
            parts += ["--ro-bind", path, path]
        parts += ["--ro-bind", str(_CHILD), "/child.py"]
        for device in ("/dev/null", "/dev/urandom"):  # its own --dev would be room to fill
            parts += ["--dev-bind", device, device]
        parts += ["--perms", "1777", "--size", str(_SCRATCH_BYTES), "--tmpfs", "/scratch", "--remount-ro", "/"]
        return self._execute([*parts, "--chdir", "/scratch", *_PYTHON, "/child.py"], job)


class Gvisor(_Container):
    """runsc: a kernel of its own in user space, over a root that shows the Python library only."""

    name = "gvisor"
    program = "runsc"
    layers = ("kernel", "processes", "root", "network", "user", "limits")

    def execute(self, job: Job) -> Said:
        """Runs one job in a bundle of its own (the OCI runtime format), which is gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="postgym-run-") as bundle:
            os.mkdir(f"{bundle}/root")
            Path(bundle, "config.json").write_text(json.dumps(self._bundle(job.shell)))
            name = os.path.basename(bundle)
            flags = ["--network=none", "--ignore-cgroups", f"--root={bundle}/state"]
            flags += [] if os.geteuid() == 0 else ["--rootless"]
            try:
                return self._execute([self.path, *flags, "run", f"--bundle={bundle}", name], job)
            finally:
                forget = [self.path, *flags, "delete", "--force", name]
                subprocess.run(forget, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}, check=False)

    def _bundle(self, shell: bool) -> dict[str, Any]:
        binds = [_bind(os.path.realpath(path), path) for path in _readable(shell)]
        covers = [_memory(path, "0555") for path in (*_covered(), "/proc", "/sys", "/tmp")]  # or runsc brings its own
        packages_shown = [_bind(path, path) for path in packages()[1]]
        return {
            "ociVersion": "1.0.2",
            "root": {"path": "root", "readonly": True},
            "process": {
                "args": [*_PYTHON, "/child.py"],
                "cwd": "/scratch",
                "user": {"uid": _NOBODY, "gid": _NOBODY},
                "noNewPrivileges": True,
                "capabilities": {},
            },
            "mounts": [*binds, *covers, *packages_shown, _bind(str(_CHILD), "/child.py"), _memory("/scratch")],
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
        }


def _bind(source: str, target: str) -> dict[str, Any]:
    return {"destination": target, "type": "bind", "source": source, "options": ["ro", "rbind", "nosuid", "nodev"]}


def _memory(target: str, mode: str = "1777") -> dict[str, Any]:
    options = ["nosuid", "nodev", "noexec", f"size={_SCRATCH_BYTES}", f"mode={mode}"]
    return {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": options}


def _readable(shell: bool) -> list[str]:
    """What the interpreter needs: system libraries, its own library and programs, never `site-packages`."""
    own = [f"{prefix}/{part}" for prefix in {sys.prefix, sys.base_prefix} for part in ("bin", "pyvenv.cfg")]
    own += glob.glob(f"{sys.base_prefix}/lib/libpython*")
    return [
        path
        for path in (*(_SYSTEM if shell else _SYSTEM_LIBRARIES), *own, os.path.dirname(os.__file__))
        if os.path.exists(path)
    ]


def _covered() -> list[str]:
    """Folders inside of these that are nobody's business: other packages, perhaps this project."""
    inner = f"{os.path.dirname(os.__file__)}/site-packages"
    return [inner] if os.path.isdir(inner) else []
