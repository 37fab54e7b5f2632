"""How strongly untrusted code is walled off here: probed once, named, and refused where it isn't.

`python -m envs.sandbox.level` prints it. The setting `POSTGYM_SANDBOX` overrides the choice: `native`, `bubblewrap`
or `gvisor` (that one or nothing), `http://host:port,...` (sandbox servers, see `remote.py`), or `unsafe` (whatever
walls stand, even none: only for code that can be trusted).
"""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from envs.sandbox.containers import Bubblewrap, Gvisor
from envs.sandbox.job import Backend, Job, Limits
from envs.sandbox.pool import Pool
from envs.sandbox.remote import Remote
from envs.sandbox.result import read_result
from rewards.errors import EnvError

SETTING = "POSTGYM_SANDBOX"
_EVERY_WALL = {"processes", "root", "network", "user", "landlock", "limits", "calls"}
_BACKENDS: dict[str, Callable[[], Backend]] = {"native": Pool, "bubblewrap": Bubblewrap, "gvisor": Gvisor}
_lock = threading.Lock()
_chosen: dict[str, "Level"] = {}


@dataclass(frozen=True, slots=True)
class Level:
    """A back end that works here, its walls, and the name of what they amount to.

    `full`: every wall of the native back end. `reduced`: files and network are out of reach, other walls are
    missing. `bubblewrap`, `gvisor`, `remote`: theirs. `unsafe`: less, because the setting says so.
    """

    name: str
    backend: Backend
    layers: tuple[str, ...]

    def __str__(self) -> str:
        return f"sandbox: {self.name} ({self.backend.name}; walls: {', '.join(self.layers) or 'none'})"


def level() -> Level:
    """The level in use, probed when first asked for.

    Raises:
        EnvError: nothing here walls code off, and the setting doesn't say to go on.
    """
    setting = os.environ.get(SETTING, "auto")
    with _lock:
        if setting not in _chosen:
            _chosen[setting] = _choose(setting)
        return _chosen[setting]


def backend() -> Backend:
    """Where untrusted code runs; see `level`."""
    return level().backend


_PROBE = """\
def f(path, port):
    import socket
    reached = []
    for what, attempt in (
        ("a file of this machine", lambda: open(path).close()),
        ("a port of this machine", lambda: socket.create_connection(("127.0.0.1", port), 1).close()),
    ):
        try:
            attempt()
            reached.append(what)
        except OSError:
            pass
    return reached
"""


def probe(candidate: Backend) -> Level:
    """Runs code there that tries to get out, and names what stood around it.

    Raises:
        EnvError: it didn't run, or it reached something, or less than the minimum stood: no way to the files, and
            none to the network.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        calls = [[__file__, server.getsockname()[1]]]
        said = candidate.execute(Job(_PROBE, "f", calls, Limits(cpu_seconds=10, wall_seconds=30.0)))
    result = read_result(said, 1)
    if result.kind != "ok" or result.calls[0].error is not None:
        raise EnvError(f"a trusted piece of code didn't run there: {result}")
    if result.calls[0].value != []:
        raise EnvError(f"code in it reached {' and '.join(map(str, result.calls[0].value))}")
    walls = set(result.layers)
    if candidate.name != "native":
        return Level(candidate.name, candidate, result.layers)
    if not {"root", "landlock"} & walls or not {"network", "calls"} & walls:
        raise EnvError(f"only these walls stand: {', '.join(result.layers)}")
    return Level("full" if walls >= _EVERY_WALL else "reduced", candidate, result.layers)


def _choose(setting: str) -> Level:
    if setting.startswith(("http://", "https://")):
        return probe(Remote(setting.split(",")))
    if setting == "unsafe":
        return Level("unsafe", Pool(), ())
    if setting != "auto" and setting not in _BACKENDS:
        raise EnvError(f"{SETTING}={setting!r}: want auto, unsafe, {', '.join(_BACKENDS)} or http://host:port")
    tried = []
    for name in _BACKENDS if setting == "auto" else [setting]:
        try:
            return probe(_BACKENDS[name]())
        except EnvError as error:
            tried.append(f"{name}: {error}")
    raise EnvError(
        f"nothing here walls untrusted code off ({'; '.join(tried)}). Run on Linux 5.13 or newer, as root or with "
        f"user namespaces; or install bubblewrap or gVisor's runsc; or name sandbox servers in {SETTING}; or set "
        f"{SETTING}=unsafe where the code can be trusted"
    )


if __name__ == "__main__":
    print(level())
