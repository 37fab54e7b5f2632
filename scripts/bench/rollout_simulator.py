"""A discrete-event model of rollouts on a cluster: where does one central scheduler become the bottleneck?

Assumptions, all of them fields of `Cluster`:

- Replicas serve the sequences of their batch at the same speed, which falls with the batch: a sequence alone gets
  `alone` tokens/s, n of them alone / (1 + n / half) each. Prefill is part of that.
- An episode alternates turns of the model (lengths exponential around `turn_tokens`) and of a tool (uniform over
  `tool_seconds`). It stays with its replica, which has its prefix; one that has ended is replaced at once: the load is
  steady.
- The central scheduler is one process with one queue. Every turn passes through it once, when the tool has answered,
  and takes `turn_cost` seconds of it: what scripts/bench/rollout.py measures per turn, tokenising included.

Shown are the scheduler's load, how long a turn waits for it, and how busy the replicas are beside a cluster whose
scheduler costs nothing.
"""

import heapq
import random
import statistics
from dataclasses import dataclass, replace

from scripts.bench.ratios import Ratio, of_pairs

_ANSWERED, _SENT, _GENERATED = range(3)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is simulated; times in seconds."""

    turn_cost: float
    replicas: int = 1_000
    episodes: int = 100_000
    turn_tokens: float = 4_000.0
    tool_seconds: tuple[float, float] = (0.1, 2.0)
    alone: float = 80.0
    half: float = 200.0

    @property
    def turn_seconds(self) -> float:
        """What a turn takes to generate with every episode at its replica."""
        return self.turn_tokens * (1 + self.episodes / self.replicas / self.half) / self.alone


@dataclass(frozen=True, slots=True)
class Outcome:
    """Over the second half of the simulated time; seconds are what a turn waited for the scheduler."""

    tokens_per_second: float
    turns_per_second: float
    scheduler_load: float
    wait_mean: float
    wait_p99: float


class _Replica:
    """Processor sharing in virtual time: every sequence of the batch advances alike, so the order of ends is fixed."""

    def __init__(self, cluster: Cluster) -> None:
        self._alone, self._half = cluster.alone, cluster.half
        self._ends: list[tuple[float, int]] = []  # virtual tokens at which an episode's turn ends
        self._virtual = self._at = self.made = 0.0
        self.stamp = 0  # of the newest plan; older ones are void

    def advance(self, now: float) -> None:
        passed = (now - self._at) * self._speed
        self._virtual, self._at = self._virtual + passed, now
        self.made += passed * len(self._ends)

    def begin(self, episode: int, tokens: float) -> None:
        heapq.heappush(self._ends, (self._virtual + tokens, episode))

    def end(self) -> int:
        return heapq.heappop(self._ends)[1]

    def next_end(self) -> float | None:
        """When the next turn ends if nothing changes."""
        self.stamp += 1
        return self._at + (self._ends[0][0] - self._virtual) / self._speed if self._ends else None

    @property
    def _speed(self) -> float:
        return self._alone / (1 + len(self._ends) / self._half)


class _Simulation:
    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster, self.rng = cluster, random.Random(seed)
        self.replicas = [_Replica(cluster) for _ in range(cluster.replicas)]
        self.events: list[tuple[float, int, int, int]] = []  # time, kind, episode or stamp, replica
        self.free_at = 0.0  # when the scheduler has sent all that has come
        self.busy, self.turns, self.waits = 0.0, 0, [0.0]
        for episode in range(cluster.episodes):  # they don't all begin in the same moment
            self._later(self.rng.uniform(0, cluster.turn_seconds), _ANSWERED, episode, episode % cluster.replicas)

    def run(self, until: float) -> None:
        while self.events and self.events[0][0] < until:
            now, kind, which, number = heapq.heappop(self.events)
            if kind == _ANSWERED:
                self._schedule(now, which, number)
            elif kind == _SENT:
                self.replicas[number].advance(now)
                self.replicas[number].begin(which, self.rng.expovariate(1 / self.cluster.turn_tokens))
                self._plan(number)
            elif which == self.replicas[number].stamp:
                self._ended(now, number)

    def made(self, now: float) -> float:
        """Tokens so far."""
        for replica in self.replicas:
            replica.advance(now)
        return sum(replica.made for replica in self.replicas)

    def _schedule(self, now: float, episode: int, number: int) -> None:
        started = max(now, self.free_at)
        self.free_at = started + self.cluster.turn_cost
        self.busy += self.cluster.turn_cost
        self.waits.append(started - now)
        self._later(self.free_at, _SENT, episode, number)

    def _ended(self, now: float, number: int) -> None:
        self.turns += 1
        self.replicas[number].advance(now)
        episode = self.replicas[number].end()
        self._plan(number)
        self._later(now + self.rng.uniform(*self.cluster.tool_seconds), _ANSWERED, episode, number)

    def _plan(self, number: int) -> None:
        if (at := self.replicas[number].next_end()) is not None:
            self._later(at, _GENERATED, self.replicas[number].stamp, number)

    def _later(self, at: float, kind: int, which: int, number: int) -> None:
        heapq.heappush(self.events, (at, kind, which, number))


def simulate(cluster: Cluster, turns_each: float = 4.0, seed: int = 0) -> Outcome:
    """Plays the model for as long as `turns_each` turns of an episode take, and looks at the second half."""
    simulation = _Simulation(cluster, seed)
    horizon = turns_each * max(cluster.turn_seconds, cluster.episodes * cluster.turn_cost)
    simulation.run(horizon / 2)
    before = simulation.made(horizon / 2)
    simulation.busy, simulation.turns, simulation.waits = 0.0, 0, [0.0]
    simulation.run(horizon)
    waits = sorted(simulation.waits)
    half = horizon / 2
    return Outcome(
        (simulation.made(horizon) - before) / half,
        simulation.turns / half,
        min(1.0, simulation.busy / half),
        statistics.fmean(waits),
        waits[int(0.99 * (len(waits) - 1))],
    )


def simulations(turn_ms: float) -> list[Ratio]:
    """A table of clusters with a scheduler of `turn_ms` a turn, each beside one whose scheduler costs nothing."""
    print(f"  {turn_ms:.2f} ms of the scheduler a turn: it sends at most {1_000 / turn_ms:,.0f} turns/s", flush=True)
    found = []
    for tokens in (8_000, 2_000, 500):
        for episodes in (1_000, 10_000, 30_000, 100_000):
            cluster = Cluster(turn_ms / 1_000, episodes=episodes, turn_tokens=tokens)
            ours, free = simulate(cluster), simulate(replace(cluster, turn_cost=0.0))
            found.append(
                of_pairs(
                    f"simulated: 1,000 replicas, {episodes:,} episodes, {tokens:,} tokens a turn",
                    [(ours.tokens_per_second, free.tokens_per_second)],
                    "a scheduler that costs nothing",
                    "tokens/s",
                )
            )
            print(
                f"    scheduler {ours.scheduler_load:.0%} busy with {ours.turns_per_second:,.0f} turns/s; a turn waits "
                f"{ours.wait_mean * 1_000:,.1f} ms for it, 1% over {ours.wait_p99 * 1_000:,.1f} ms",
                flush=True,
            )
    return found
