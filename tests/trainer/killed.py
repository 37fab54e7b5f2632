"""A whole run that is killed again and again: a program, as only a process of its own can be killed.

`python -m tests.trainer.killed MODEL FOLDER` leaves `FOLDER/whole/run`, never disturbed, and `FOLDER/killed/run`, which
died twenty times, with what hit it in `FOLDER/moments.json`. Each life is a fork of this process, which holds the
untrained model; what is killed is the real loop, on the engine of small_engine.py.
"""

import json
import os
import random
import signal
import sys
import threading
import traceback
from collections import Counter
from pathlib import Path

import torch
from rich.console import Console

import trainer.loop
import trainer.parts
from rollout.models import load_renderer
from tests.trainer.small_engine import PaysAnything, SmallEngine
from trainer.config import load_config
from trainer.logs import Display, quiet_libraries
from trainer.policy import Policy

# What a moment is drawn from: calls made in these files, counted in each life anew.
PHASES = {
    "evaluation": ("trainer/evaluate.py",),
    "rollout": ("rollout/episode.py", "rollout/talk.py", "rollout/store.py", "trainer/rounds.py"),
    "update": ("trainer/update.py", "trainer/lessons.py", "trainer/policy.py", "trainer/learned.py"),
    "checkpoint": ("trainer/checkpoint.py",),
    "sync": ("trainer/weight_sync.py", "rollout/weights.py"),
}
STEPS = 5
# Evaluation is at the start and the end; between, each phase of the loop has its turns in an order of chance.
FIRST, LAST = ["evaluation"] * 2, ["evaluation"] * 2
BETWEEN = ["rollout", "update", "checkpoint", "sync"] * 4
DAMAGED_AFTER = 8  # kills; then the weights of the cold start are no longer what they were

CONFIG = f"""
name: run
precision: float32
environments: [{{id: postgym/Arithmetic-v0, difficulty: [0.0, 0.2]}}]
curriculum: {{rate: 0.5, target: 0.1}}
sft: {{traces: 0}}
rollout: {{groups: 2, group_size: 2, max_new_tokens: 6}}
trainer: {{steps: {STEPS}, learning_rate: 1.0e-3, minibatches: 2, best_over: 1}}
evaluation: {{tasks: 2}}
logging: {{sinks: []}}
"""


def life(model: str, folder: Path, phase: str | None, moment: int, count: Path | None) -> None:
    """Goes on with the run in `folder`, up to its end or to the `moment`-th call in `phase`.

    Args:
        count: where to write how many calls each phase made.
    """
    calls, watched = Counter(), {str(Path(file).resolve()): p for p, files in PHASES.items() for file in files}

    def watch(frame, event, argument):
        if event in ("call", "c_call") and (where := watched.get(frame.f_code.co_filename)):
            calls[where] += 1
            if where == phase and calls[where] == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)
    sys.setprofile(watch)
    config = load_config(folder.parent / "config.yaml", extra={"model": model})
    with open(os.devnull, "w") as nowhere:
        trainer.loop.Run(config, folder, Display(Console(file=nowhere))).execute()
    if count is not None:
        count.write_text(json.dumps(calls))


def fork(*arguments) -> bool:
    """Whether a life in a process of its own was killed; one that fails tells why and ends the program."""
    child = os.fork()
    if not child:
        try:
            life(*arguments)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        sys.exit("a life ended with an error")
    return False


def flip_a_bit(path: Path) -> None:
    """As a failing disk does."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def main(model: str, top: Path) -> None:
    """The undisturbed run, then the killed one."""
    quiet_libraries()  # imports what each life would
    torch.set_num_threads(1)  # before anything is computed: a fork takes no threads along
    renderer, policy, engine = load_renderer(model, "auto"), Policy(model, "float32"), SmallEngine(model)
    trainer.parts.load_renderer = lambda *_: renderer
    trainer.parts.Policy = lambda *_: policy
    trainer.parts.VllmEngine = lambda _: engine
    trainer.loop.Mixture = PaysAnything
    for name in ("whole", "killed"):
        (top / name).mkdir()
        (top / name / "config.yaml").write_text(CONFIG)
    assert not fork(model, top / "whole" / "run", None, 0, top / "calls.json")
    calls = json.loads((top / "calls.json").read_text())
    chance, hit = random.Random(0), []
    chance.shuffle(BETWEEN)
    for phase in (*FIRST, *BETWEEN, *LAST):
        # Within one of the three evaluations, or within one of the rounds.
        moment = chance.randrange(1, calls[phase] // (3 if phase == "evaluation" else STEPS))
        killed = fork(model, top / "killed" / "run", phase, moment, None)
        done = len(list((top / "killed" / "run" / "checkpoints").glob("step-*")))
        hit.append({"phase": phase, "moment": moment, "killed": killed, "checkpoints": done})
        if len(hit) == DAMAGED_AFTER:
            flip_a_bit(top / "killed" / "run" / "sft" / "weights.safetensors")
    (top / "moments.json").write_text(json.dumps(hit))
    assert not fork(model, top / "killed" / "run", None, 0, None)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
