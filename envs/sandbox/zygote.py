"""Makes walled-in processes, one for each order: `python -I -S zygote.py CONTROL SETTINGS`.

It is started clean, loads what solutions may import, and from then on only forks. It never sees a job: each child gets
a socket to the pool of its own, over which the pool sends the code and reads the values. So nothing that one run knew
is there for the next, and nothing that the trainer knows was ever here.
"""

import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import child
import walls

del sys.path[0]
_MAX_JOB = 64 << 20
# What solutions may want, beside what `child` loads: ready in memory, and there even where files can't be read.
_READY = (
    "array asyncio base64 calendar contextlib difflib encodings.idna graphlib inspect numbers pprint queue secrets"
    " traceback uuid zlib"
)


def live(room, folder, line):
    """The life of a child: raises its walls, waits for its job, runs it."""
    try:
        stand = walls.raise_walls(room, folder, line)
        child.say(3, {"layers": stand})
    except BaseException as error:
        child.say(line, {"layers": [], "reason": child.in_words(error)})
        os._exit(3)
    job = read_job(3)
    if job is None:
        os._exit(0)
    walls.limit(room, job["limits"])
    child.run(job, 3)
    os._exit(0)


def read_job(line):
    """The length of the job in 8 bytes, then the job; None when the pool has no use for this child any more."""
    said = b""
    while len(said) < 8 or len(said) < 8 + int.from_bytes(said[:8], "big"):
        piece = os.read(line, 1 << 20)
        if not piece or len(said) > _MAX_JOB:
            return None
        said += piece
    return json.loads(said[8:])


def make_child(room, control):
    """Forks a child and hands its socket and its handle to the pool; returns its id, handle and folder."""
    ours, theirs = socket.socketpair()
    folder = None
    if not room.has_root:
        folder = tempfile.mkdtemp(prefix="postgym-run-")
        os.chmod(folder, 0o777)
    number = room.fork()
    if number == 0:
        live(room, folder, theirs.fileno())
    handle = os.pidfd_open(number)
    socket.send_fds(control, [json.dumps({"child": number}).encode()], [ours.fileno(), handle])
    ours.close()
    theirs.close()
    return number, handle, folder


def bury(number, handle, folder, control):
    """Reaps a dead child, clears its folder, and says how it ended."""
    _, status, usage = os.wait4(number, 0)
    os.close(handle)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    cpu = usage.ru_utime + usage.ru_stime
    control.send(json.dumps({"ended": number, "status": os.waitstatus_to_exitcode(status), "cpu": cpu}).encode())


def leave(children):
    """Ends the children and itself; the kernel would end them too, but not clear their folders."""
    for number, _, folder in children:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)  # not every container's first process reaps what it inherits
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def main():
    """Serves orders until the pool is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    settings = json.loads(sys.argv[2])
    sys.path += settings["packages"]
    for name in [*_READY.split(), *settings["modules"]]:
        importlib.import_module(name)
    os.environ.clear()
    room = walls.Room(settings["libraries"], settings["shown"], settings["shell"], settings["without"])
    gc.collect()
    gc.freeze()  # the collector in a child would write to every page that it shares with us
    children = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        for number, _ in poll.poll():
            if number != control.fileno():
                poll.unregister(number)
                bury(*children.pop(number), control)
            elif not control.recv(1):
                leave(children.values())
            else:
                made = make_child(room, control)
                children[made[1]] = made
                poll.register(made[1], select.POLLIN)


if __name__ == "__main__":
    main()
