"""Questions settled by looking figures up and working with them: what `postgym/Currency-v0` and `Units-v0` share.

The figures come from a task's own tools and the arithmetic from `calculate`; knowing the answer by heart isn't enough.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field

from envs.base import Exploit, Observation, Policy, Task, TextEnv
from envs.plans import call_by_call, cheats_at_lookups
from envs.tools import ToolError, tool
from rewards import arithmetic
from rewards.arithmetic import ExpressionError
from rewards.score import Criterion, Rubric
from rewards.tools import economy, fetched, grounded, right_answer, valid_calls, well_formed
from rewards.transcript import Message

Call = dict[str, Any]  # {"name", "arguments"}
MAX_DECIMALS = 9
_RECOVERIES = 2  # calls that may go wrong before the turns run out
_OPERATOR = re.compile(r" [-+*/] ")  # between two values; a sign has no blank behind it
_OPPOSITES = str.maketrans("*/+-", "/*-+")

LOOKUP_RUBRIC = Rubric(
    [
        Criterion("form", well_formed, 0.0, gate=True),
        Criterion("data fetched", fetched, 0.1, gate=True),
        Criterion("economy", economy, 0.05, gate=True),
        Criterion("right answer", right_answer, 0.7, gate=True),
        Criterion("valid calls", valid_calls, 0.1),
        Criterion("grounded", grounded, 0.05),
    ]
)


def rounded(value: Fraction, decimals: int) -> Decimal:
    """The value to so many decimals, halves away from zero; exact where it has no more."""
    scaled = abs(value) * 10**decimals
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(whole if value >= 0 else -whole).scaleb(-decimals)


def plain(value: Decimal) -> int | float:
    """The number as JSON has it: 15, not 15.0."""
    return int(value) if value == value.to_integral_value() else float(value)


class Calculator:
    """What worlds of lookups have besides their own tools."""

    @tool
    def calculate(self, expression: str, decimals: Annotated[int, Field(ge=0, le=MAX_DECIMALS)]) -> dict[str, Any]:
        """Works out + - * / and brackets exactly, then rounds to so many decimals, halves away from zero."""
        return {"value": plain(worked_out(expression, decimals))}


def worked_out(expression: str, decimals: int) -> Decimal:
    """What `calculate` makes of an expression.

    Raises:
        ToolError: it is no arithmetic within the limits of `rewards.arithmetic`.
    """
    try:
        return rounded(arithmetic.calculate(expression).value, decimals)
    except ExpressionError as error:
        raise ToolError(error.kind, str(error)) from None


def sum_call(expression: str, decimals: int) -> Call:
    """The call that works out an expression."""
    return {"name": "calculate", "arguments": {"expression": expression, "decimals": decimals}}


def number(value: Decimal) -> dict[str, Any]:
    """A number as a field of the answer."""
    return {"type": "number", "value": f"{value:f}"}


class Lookup(TextEnv):
    """A question, tools to settle it, one line to close with. A task's meta holds the `plan`, call by call."""

    rubric = LOOKUP_RUBRIC
    max_turns = 14  # of the longest task; `reset` sets each task's own

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict]:
        """Starts an episode; its turns are the calls needed, the answer, and room to recover."""
        start = super().reset(seed=seed, options=options)
        self.max_turns = self.task.target["calls"] + 1 + _RECOVERIES
        return start

    def expert(self, task: Task) -> Policy:
        """Makes the planned calls one a turn, then closes with the answer."""
        return call_by_call(task.meta["plan"], closing_of(task.target))

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Cheats at looking things up: even those who know the right answer earn nothing without the calls."""
        plan, closing = task.meta["plan"], closing_of(task.target)
        lookups = [c for c in plan if c["name"] != "calculate"]
        needed = [c for c in lookups if any(c in need for need in task.target["needs"])]
        without = [c for c in plan if c != needed[-1]]
        policies = {
            "right guess without a call": lambda messages: closing,
            "claims a call it never made": lambda messages: f"I looked it up.\n{closing}",
            "only calculates": call_by_call([c for c in plan if c not in lookups], closing),
            "leaves one figure out": call_by_call(without, closing),
            "multiplies instead of dividing": call_by_call(plan, lambda messages: _turned_round(plan, task.target)),
            **cheats_at_lookups(plan, closing, "value"),
        }
        return {name: Exploit(policy) for name, policy in policies.items()}


def closing_of(target: Mapping[str, Any]) -> str:
    """The closing line with the fields of the answer."""
    return f"Answer: {', '.join(field['value'] for field in target['answer'])}"


def _turned_round(plan: Sequence[Call], target: Mapping[str, Any]) -> str:
    """The answer by the opposite operations: what comes of a rate or a factor taken the wrong way."""
    last = plan[-1]["arguments"]
    value = worked_out(_OPERATOR.sub(lambda m: m.group().translate(_OPPOSITES), last["expression"]), last["decimals"])
    fields = [f["value"] if f["type"] == "text" else f"{value:f}" for f in target["answer"]]
    return f"Answer: {', '.join(fields)}"


def _dump(messages: Sequence[Message]) -> str:
    """All that was worked out on the answer line."""
    results = [json.loads(m.content) for m in messages if m.role == "tool"]
    return "Answer: " + ", ".join(str(r["value"]) for r in results if "value" in r) + ", 0"
