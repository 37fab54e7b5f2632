"""`postgym/Weather-v0`: several turns of calls to a weather service, in a made-up world that nobody can know by heart.

Every task brings its own cities. One is asked about at difficulty 0; units, forecasts, names that several cities
share, and sums over up to five cities come with difficulty.
"""

import random
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from envs.base import Exploit, Observation, Policy, Split, Task, TextEnv
from envs.plans import call_by_call, cheats_at_lookups
from envs.tools import Tool, tools_of
from envs.weather_questions import ask, make_question, plan, solve, target
from envs.weather_world import World
from rewards.score import Criterion, Rubric
from rewards.tools import economy, fetched, grounded, right_answer, valid_calls, well_formed, when
from rewards.transcript import Message

if TYPE_CHECKING:
    from envs.open_meteo import OpenMeteo

SYSTEM = "Use the tools. End with one line, no units: Answer: <value>"
LIVE_SYSTEM = f"A forecast is the day's highest temperature. {SYSTEM}"
_RECOVERIES = 2  # calls that may go wrong before the turns run out


class Weather(TextEnv):
    """Questions about the weather of made-up cities, answered through three tools.

    With `url` they are about real cities and the weather that an Open-Meteo compatible endpoint reports: a task keeps
    what it read there when it was made, and an episode that meets other weather ends without a score.

    Args:
        split: which half of the tasks `reset` draws from.
        difficulty: 0 (one city, now, in celsius) to 1 (five cities of shared names), None for any.
        url: an endpoint with the routes /v1/forecast and /v1/search; empty for made-up weather.
        geocoding_url: where /v1/search is, if it is elsewhere.

    Raises:
        ConfigError: `split` or `difficulty` is outside its range, or the endpoint can't be reached.
    """

    id = "postgym/Weather-v0"
    max_turns = 13  # of the longest task; `reset` sets each task's own
    process_credit = 0.15  # for a wrong answer on the right data
    # Guesses, floods and answers out of form are vetoed.
    rubric = Rubric(
        [
            Criterion("form", well_formed, 0.0, gate=True),
            Criterion("data fetched", fetched, 0.1, gate=True),
            Criterion("economy", economy, 0.05, gate=True),
            Criterion("right answer", right_answer, 0.7),
            Criterion("valid calls", when(right_answer, valid_calls), 0.1),
            Criterion("grounded", when(right_answer, grounded), 0.05),
        ]
    )

    def __init__(
        self, split: Split = "train", difficulty: float | None = None, url: str = "", geocoding_url: str = ""
    ) -> None:
        super().__init__(split, difficulty)
        self._endpoint = _connect(url, geocoding_url) if url else None

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        """A question and its world, from `rng` (and the endpoint's weather, where there is one)."""
        if self._endpoint is None:
            system = SYSTEM
            question, world = make_question(rng, difficulty)
        else:
            system = LIVE_SYSTEM
            question = self._endpoint.question(rng, difficulty)
            world = list(question.cities)
        fields, work = solve(question)
        closing = "\n".join([work] * bool(work) + [f"Answer: {', '.join(fields)}"])
        return Task(
            prompt=(Message("system", system), Message("user", ask(question))),
            target=target(question),
            meta={"kind": question.kind, "cities": world, "plan": plan(question), "closing": closing},
        )

    def make_tools(self, task: Task) -> tuple[Tool, ...]:
        """`geocode`, `current` and `forecast` over the task's cities, or over all that the endpoint knows."""
        cities = task.meta["cities"]
        if self._endpoint is None:
            return tools_of(World(cities))
        from envs.open_meteo import LiveWorld

        return tools_of(LiveWorld(self._endpoint, cities))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict]:
        """Starts an episode; its turns are the calls needed, the answer, and room to recover."""
        start = super().reset(seed=seed, options=options)
        needed = self.task.target["calls"]
        self.max_turns = needed + 1 + (_RECOVERIES if needed > 2 else 1)
        return start

    def expert(self, task: Task) -> Policy:
        """Makes the planned calls one a turn, then closes with the answer."""
        return call_by_call(task.meta["plan"], task.meta["closing"])

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Cheats at looking things up: even those who know the right answer earn nothing without the calls."""
        plan, closing = task.meta["plan"], task.meta["closing"]
        policies = {
            "right guess without a call": lambda messages: closing,
            "claims a call it never made": lambda messages: f"I asked the station.\n{closing}",
            "geocodes, then guesses right": call_by_call(plan[:1], closing),
            "leaves one reading out": call_by_call(plan[:-1], closing),
            **cheats_at_lookups(plan, closing, "temp"),
            "asks with broken arguments": call_by_call(_broken(plan), closing),
        }
        return {name: Exploit(policy) for name, policy in policies.items()}


@cache
def _connect(url: str, geocoding_url: str) -> "OpenMeteo":
    """The endpoint, asked once in a process whether it is there: episodes have environments of their own."""
    from envs.open_meteo import OpenMeteo

    return OpenMeteo(url, geocoding_url)


def _broken(plan: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The plan with every number turned into code that spells it."""
    return [
        {**call, "arguments": {k: v if k == "city" else f"float({v!r})" for k, v in call["arguments"].items()}}
        for call in plan
    ]
