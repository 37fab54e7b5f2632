"""The programs of reasoning-gym's codeio as a dataset of ours: what does this program return for this input?

An entry runs a program that the package ships, in this process: no word of a model is run. Only the programs in
`gym_program_rows` are, which `scripts/choose_programs.py` read and ran on every input that they are asked about.
"""

import copy
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from envs.reasoning.gym_program_rows import DATA, DRAWS, ROWS
from rewards.errors import ConfigError

CHOOSE = "python -m scripts.choose_programs --write"


def read_programs() -> tuple[str, list[Mapping[str, Any]]]:
    """The SHA-256 of the package's file of programs, and what is in it."""
    from reasoning_gym.data import get_data_file_path

    packed = get_data_file_path("codeio.jsonl.gz").read_bytes()
    return hashlib.sha256(packed).hexdigest(), [json.loads(line) for line in gzip.decompress(packed).splitlines()]


def run_program(program: Mapping[str, Any], draw: int) -> tuple[Any, Any]:
    """Draws an input by the program's own generator and runs it.

    Args:
        draw: the seed of the input.

    Returns:
        (input, output): the input as it was before the program could change it, which the package doesn't see to.

    Raises:
        Exception: whatever the program raises.
    """
    space: dict[str, Any] = {"__name__": "codeio", "Random": Random, "print": lambda *texts, **settings: None}
    exec(f"{program['code_sample']}\n\n{program['input_generator']}", space)
    given = space["generate_inputs"](Random(draw))
    shown = copy.deepcopy(given)
    return shown, space["main_solution"](**given)


def make_entry(program: Mapping[str, Any], draw: int) -> dict[str, Any]:
    """The package's question for the output, and the answer in JSON.

    Its other question, for an input that leads to an output, has many right answers: to judge one would be to run the
    program on what the model says.
    """
    from reasoning_gym.code.codeio import OUTPUT_PREDICTION_PROMPT_TEMPLATE

    given, returned = run_program(program, draw)
    about = program["task_description"], program["input_output_spec"]
    return {
        "question": OUTPUT_PREDICTION_PROMPT_TEMPLATE.format(*about, given, program["code_sample"]),
        "answer": json.dumps(returned),
        "metadata": {"input_data": given, "output_data": returned},
    }


class Programs:
    """`len(rows) * DRAWS` entries: each of the programs on each of its inputs.

    Args:
        rows: which of the package's programs.

    Raises:
        ConfigError: the installed package holds other programs than those that were looked through.
    """

    def __init__(self, rows: Sequence[int] = ROWS) -> None:
        digest, programs = read_programs()
        if digest != DATA:
            raise ConfigError(
                f"codeio: this reasoning-gym holds other programs ({digest[:12]}) than were looked through "
                f"({DATA[:12]}); install the version that pyproject.toml names, or choose anew: {CHOOSE}"
            )
        self._programs = [programs[row] for row in rows]

    def __len__(self) -> int:
        return len(self._programs) * DRAWS

    def __getitem__(self, index: int) -> dict[str, Any]:
        draw, row = divmod(index, len(self._programs))
        return make_entry(self._programs[row], draw)
