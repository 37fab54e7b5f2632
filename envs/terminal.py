"""`postgym/Terminal-v0`: jobs on files and text, done in a real shell behind walls, judged by the files at the end.

One job at difficulty 0, four after one another on more files at 1, some with blanks in their names. Files that weren't
asked for count against it; empty folders don't.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from envs.base import Exploit, Policy, Task, TextEnv
from envs.plans import call_by_call
from envs.sandbox.run import run_shell
from envs.terminal_jobs import JOBS, Files, make_files
from envs.tools import Tool, ToolError, tool, tools_of
from rewards.effects import reaches_state
from rewards.score import Criterion, Rubric
from rewards.transcript import Message, Transcript

SYSTEM = Message(
    "system", "Do what is asked with the shell, in the folder where it starts. When all is done, say so in a sentence."
)
_WINDOW = 6
_SHOWN = 2_000  # characters of a command's output


class Shell:
    """The shell: its files and the folder that it is in live from one command to the next."""

    def __init__(self, files: Files) -> None:
        self.files, self._folder = dict(files), "."

    @tool
    def shell(
        self,
        command: Annotated[str, Field(max_length=4_000, description="what sh is to run; files stay, variables don't")],
    ) -> dict[str, Any]:
        """Runs a command in the shell and returns its output and exit status."""
        if "\x00" in command:
            raise ToolError("invalid_argument", "command: holds a null character")
        ran = run_shell(command, self.files, self._folder)
        if ran.kind != "ok":
            raise ToolError("command_failed", f"{ran.kind}: {ran.output[:300]}; nothing was changed")
        self.files, self._folder = ran.files, ran.folder
        more = f" ... ({len(ran.output)} characters)" if len(ran.output) > _SHOWN else ""
        return {"output": ran.output[:_SHOWN] + more, "status": ran.status}


class Terminal(TextEnv):
    """A folder of small files and jobs to do on it."""

    id = "postgym/Terminal-v0"
    rubric = Rubric([Criterion("files", reaches_state)])
    max_turns = 12
    sandboxed = True

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """Jobs that each change something, on the files that the ones before leave."""
        admitted = [make for start, make in JOBS if start <= difficulty][-_WINDOW:]
        start = make_files(rng, difficulty)
        count = 1 + int(2.4 * difficulty + rng.random() * 0.6)
        files, jobs = start, []
        while len(jobs) < count:
            job = rng.choice(admitted)(rng, files)
            if job.after != files and job.after and "people.csv" in job.after:
                jobs.append(job)
                files = job.after
        words = "\n".join(f"{i}. {job.words}" for i, job in enumerate(jobs, 1)) if count > 1 else jobs[0].words
        listed = "\n".join(f"{path}: {text.splitlines()[0]} ..." for path, text in sorted(start.items()))
        return Task(
            prompt=(SYSTEM, Message("user", f"{words}\n\nThe files, each with its first line:\n{listed}")),
            target={"state": files, "exact": True},
            meta={"files": start, "commands": [job.command for job in jobs]},
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`shell`, over the task's files."""
        self._shell = Shell(task.meta["files"])
        return tools_of(self._shell)

    def evidence(self, task: Task, transcript: Transcript) -> Mapping[str, Any]:
        """The files as they were left."""
        return {"state": {path: text for path, text in self._shell.files.items() if not path.endswith("/")}}

    def expert(self, task: Task) -> Policy:
        """One command for each job."""
        return _commands(task.meta["commands"])

    def wrong_policy(self, task: Task, which: int) -> Policy:
        """Leaves the last job out, leaves a file behind, or spoils one."""
        commands = task.meta["commands"]
        some = 'f=$(find . -type f | sort | tail -n 1); echo more >> "$f"'
        return _commands(([*commands[:-1]], [*commands, "echo x > left-over"], [*commands, some])[which % 3])

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Claims, commands that are only written down, and files made to look done."""
        commands = task.meta["commands"]
        texts = {
            "claims that it is done": "All done.",
            "the commands in the reply": "```sh\n" + "\n".join(commands) + "\n```",
            "the commands in its thinking": f"<think>{commands[0]}</think>Done.",
        }
        lines = {
            "deletes everything": ["rm -rf ./* "],
            "prints that it is done": ["echo done; exit 0"],
            "writes outside": ["echo x > /tmp/done; echo x > ../done"],
            "only looks": ["ls -R", "cat */*"],
            "copies everything first": ["mkdir b; cp -r * b/ 2>/dev/null", *commands],
            "replaces the shell": ["echo 'exit 0' > sh; chmod +x sh; PATH=.:$PATH sh"],
        }
        return {
            **{name: Exploit(lambda messages, text=text: text) for name, text in texts.items()},
            **{name: Exploit(_commands(script)) for name, script in lines.items()},
        }


def _commands(commands: Sequence[str]) -> Policy:
    """Runs the commands one a turn, then says that it is done."""
    return call_by_call([("shell", {"command": command}) for command in commands], "All of it is done.")
