"""The walls around untrusted code, raised from inside by the process that is to run it (see `zygote.py`).

`Room` is made once: a user namespace where we aren't root, and a root of its own with nothing in it but the Python
library, read-only. `raise_walls` closes one process in: fresh namespaces, an empty scratch folder in memory, Landlock,
an unprivileged user, limits, and the list of allowed system calls. Every wall is tried; the names of those that stand
are returned.
"""

import contextlib
import ctypes
import os
import resource
import struct
import tempfile

import child
import seccomp

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 1, 2, 4, 8, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_PIVOT_ROOT, _CAPSET = {"x86_64": (155, 126), "aarch64": (41, 91)}.get(os.uname().machine, (-1, -1))
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
_LANDLOCK_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many bits of file access an ABI knows
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_NOBODY = 65534
_SERVICE_USERS = range(61184, 65520)  # kept free by distributions for services without an account
_SCRATCH = "/scratch"
_SCRATCH_BYTES, _SCRATCH_FILES = 16 << 20, 1000
_ROOT_SIZE = "size=1m,mode=755"
_DEVICES = ("/dev/null", "/dev/urandom")
_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_PROGRAMS = ("/bin", "/usr/bin", "/etc/alternatives")
_THREADS = 32
_OPEN_FILES = 64

libc = ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [t.encode() if t is not None else None for t in (source, target, kind)]
    if libc.mount(*texts, ctypes.c_ulong(flags), data.encode() if data else None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


class Room:
    """What all runs of one zygote share: where they may read, as whom they run, and their own root if there is one.

    Args:
        libraries: folders of the Python library.
        packages: folders of packages that untrusted code may import.
        shell: whether programs may be started.
        without: names of walls to leave out, for tests of the others.
    """

    def __init__(self, libraries: list[str], packages: list[str], shell: bool, without: list[str]) -> None:
        system = [*_SYSTEM_LIBRARIES, *(_PROGRAMS if shell else ())]
        self.readable, self.shell, self.without = [*libraries, *packages, *system], shell, without
        self.alone = False
        self.filter = None if "calls" in without else seccomp.filter_program(shell=shell)
        self.null = os.open("/dev/null", os.O_RDWR)
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self.baseline = _mapped_bytes()
        self.was_root = os.geteuid() == 0
        self.user = _SERVICE_USERS[os.getpid() % len(_SERVICE_USERS)]
        if not self.was_root:
            with contextlib.suppress(OSError):
                _own_user_namespace()
        self.has_root = False
        if "root" not in without:
            with contextlib.suppress(OSError):
                _own_root(libraries, packages, system)
                self.has_root = True

    def fork(self) -> int:
        """Forks into a process namespace of its own where that is possible (all in it die with the child)."""
        if not self.was_root:
            return self._fork_through_another()
        alone = "processes" not in self.without and libc.unshare(_NEWPID) == 0
        try:
            child = os.fork()
        finally:
            if alone:
                libc.setns(self.own_pids, _NEWPID)
        if child == 0:
            self.alone = alone
        return child

    def _fork_through_another(self) -> int:
        """The same for a user, who may enter a new process namespace but never come back: another process enters it.

        It waits for the child, ends as the child did, and takes the child with it when it is killed.
        """
        between = os.fork()
        if between != 0:
            return between
        if "processes" in self.without or libc.unshare(_NEWPID) != 0:
            return 0
        child = os.fork()
        if child == 0:
            self.alone = True
            return 0
        libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)
        os.closerange(0, 1 << 20)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            os.kill(os.getpid(), os.WTERMSIG(status))
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _mapped_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _own_user_namespace() -> None:
    """Gives this process all rights inside a namespace, and so the right to make the other ones."""
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespaces")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _own_root(libraries: list[str], packages: list[str], system: list[str]) -> None:
    """Moves this process to a root of its own that shows these folders, read-only, at their old paths."""
    if libc.unshare(_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "no mount namespaces")
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    shown = [path for path in (*system, *libraries, *packages, *_DEVICES) if os.path.exists(path)]
    links = {path: os.readlink(path) for path in shown if os.path.islink(path) and path in system}
    handles = {path: os.open(path, os.O_PATH) for path in shown if path not in links}
    new = tempfile.gettempdir()  # any folder will do: it is covered in our own view only
    _mount("tmpfs", new, "tmpfs", _MS_NOSUID, _ROOT_SIZE)
    for path, handle in handles.items():
        _show(handle, new + path, path in _DEVICES)
        if path in libraries and os.path.isdir(new + path + "/site-packages"):
            # What else is installed there, perhaps this project, is nobody's business.
            _mount("tmpfs", new + path + "/site-packages", "tmpfs", _MS_NOSUID, _ROOT_SIZE)
    for path, target in links.items():
        os.symlink(target, new + path)
    for name in ("old", _SCRATCH):
        os.makedirs(f"{new}/{name}")
    os.chdir(new)
    if libc.syscall(_PIVOT_ROOT, b".", b"old") != 0:
        raise OSError(ctypes.get_errno(), "pivot_root")
    os.chdir("/")
    if libc.umount2(b"/old", _MNT_DETACH) != 0:
        raise OSError(ctypes.get_errno(), "umount")
    os.rmdir("/old")
    covers = [f"{path}/site-packages" for path in libraries if os.path.isdir(f"{path}/site-packages")]
    for path in ("/", *covers):
        _mount("none", path, None, _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID, _ROOT_SIZE)


def _show(handle: int, target: str, device: bool) -> None:
    """Binds an open folder or device to `target`, read-only unless it is a device."""
    if device:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "w").close()
    else:
        os.makedirs(target, exist_ok=True)
    _mount(f"/proc/self/fd/{handle}", target, None, _MS_BIND)
    os.close(handle)
    if not device:
        # In a user namespace a mount's restrictions can be added to, never dropped.
        kept = os.statvfs(target).f_flag & (_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        _mount("none", target, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV | kept)


def raise_walls(room: Room, folder: str | None, keep: int) -> list[str]:
    """Closes this process in, for good; returns the names of the walls that stand.

    Args:
        room: as the zygote made it.
        folder: where the code may write; None for a fresh one in memory.
        keep: the one open file that it keeps; it becomes number 3.
    """
    stand = ["processes"] if room.alone else []
    if room.has_root:
        stand.append("root")
    if "network" not in room.without and libc.unshare(_NEWNET | _NEWIPC | _NEWUTS) == 0:
        stand.append("network")
    if folder is None:
        if libc.unshare(_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
        _mount("tmpfs", _SCRATCH, "tmpfs", flags, f"size={_SCRATCH_BYTES},nr_inodes={_SCRATCH_FILES},mode=1777")
        folder = _SCRATCH
    os.chdir(folder)
    # Its paths are opened while we still may: the new user may not walk through /root.
    readable = ["/"] if room.has_root else room.readable
    ruleset = -1 if "landlock" in room.without else _landlock_rules(folder, readable, room.shell)
    if _give_up_rights(room):
        stand.append("user")
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if ruleset >= 0 and libc.syscall(_LANDLOCK_RESTRICT, ruleset, ctypes.c_uint32(0)) == 0:
        stand.append("landlock")
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)  # after the change of user, which clears it
    for number in (0, 1, 2):
        os.dup2(room.null, number)
    os.dup2(keep, 3)
    os.closerange(4, 1 << 20)  # one close_range(2)
    for what, most in ((resource.RLIMIT_NOFILE, _OPEN_FILES), (resource.RLIMIT_NPROC, _THREADS)):
        resource.setrlimit(what, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    stand.append("limits")
    if room.filter is not None and child.allow_only(room.filter):
        stand.append("calls")
    return stand


def limit(room: Room, limits: dict[str, int]) -> None:
    """Sets what this run may use; memory beyond what the zygote has loaded."""
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_seconds"],) * 2)
    resource.setrlimit(resource.RLIMIT_AS, (room.baseline + limits["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file_bytes"],) * 2)


class _RulesetAttribute(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathAttribute(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _landlock_rules(writable: str, readable: list[str], execute: bool) -> int:
    """A ruleset: reads (perhaps starts) `readable`, anything in `writable`; no TCP, no signal to outside.

    -1: no Landlock here.
    """
    abi = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if abi < 1:
        return -1
    every = (1 << _LANDLOCK_FILE_RIGHTS.get(abi, 16)) - 1
    attribute = _RulesetAttribute(every, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = ctypes.c_size_t(24 if abi >= 6 else 16 if abi >= 4 else 8)
    ruleset = libc.syscall(_LANDLOCK_CREATE, ctypes.byref(attribute), size, ctypes.c_uint32(0))
    reading = _READ_FILE | _READ_FOLDER | (_EXECUTE if execute else 0)
    devices = [(path, _READ_FILE | _WRITE_FILE) for path in _DEVICES]
    for path, access in [(writable, every), *((p, reading) for p in readable), *devices]:
        if not os.path.exists(path):
            continue
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = _PathAttribute(access, handle)
        libc.syscall(_LANDLOCK_ADD, ruleset, ctypes.c_int(1), ctypes.byref(rule), ctypes.c_uint32(0))
        os.close(handle)
    return ruleset


def _give_up_rights(room: Room) -> bool:
    """Becomes a user without rights: another one where we were root, else ourselves without any capability."""
    if room.was_root:
        os.setgroups([])
        for user in (room.user, _NOBODY):  # a container may not have the first
            with contextlib.suppress(OSError):
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
                break
    header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
    libc.syscall(_CAPSET, header, none)
    return room.was_root and os.getuid() != 0
