"""A discrete-event model of rollouts on a cluster: at what load do its drivers, or its one central process, hold it up?

Assumptions, all of them fields of `Cluster`:

- Replicas serve the sequences of their batch at the same speed, which falls with the batch: a sequence alone gets
  `alone` tokens/s, n of them alone / (1 + n / half) each. Prefill is part of that.
- An episode alternates turns of the model (lengths exponential around `turn_tokens`) and of a tool (uniform over
  `tool_seconds`), and has `episode_turns` of them. It stays with its replica, which has its prefix; one that has ended
  is replaced at once: the load is steady.
- Each of `drivers` processes plays its share of the episodes, with one queue. Every turn passes through it once, when
  the tool has answered, and takes `turn_cost` seconds of it, tokenising included.
- The run's own process hands out groups, with one queue: an episode that begins takes its share of `group_cost`. With
  one driver, and no `group_cost`, that is the process which plays everything itself.

Both costs are what the `overhead` part of scripts/bench/rollout.py measures. Shown are how busy the drivers and the
central process are, how long a turn waits for its driver, and how busy the replicas are beside a cluster whose
scheduling costs nothing.

With 2.4 ms a turn of 2,000 tokens and 2.7 ms a group of 8, on 1,000 replicas with 100,000 episodes at once, one driver
keeps 16% of the tokens/s of free scheduling, four keep 63%, six just under 90%, and eight all of them (2,600 turns/s,
each driver 79% busy); the central process is 18% busy then.
"""

import heapq
import random
import statistics
from dataclasses import dataclass, replace

from scripts.bench.ratios import Ratio, of_pairs

_BEGINS, _ANSWERED, _SENT, _GENERATED = range(4)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is simulated; times in seconds."""

    turn_cost: float
    replicas: int = 1_000
    episodes: int = 100_000
    turn_tokens: float = 4_000.0
    tool_seconds: tuple[float, float] = (0.1, 2.0)
    drivers: int = 1
    group_cost: float = 0.0
    group_size: int = 8
    episode_turns: int = 5
    alone: float = 80.0
    half: float = 200.0

    @property
    def turn_seconds(self) -> float:
        """What a turn takes to generate with every episode at its replica."""
        return self.turn_tokens * (1 + self.episodes / self.replicas / self.half) / self.alone


@dataclass(frozen=True, slots=True)
class Outcome:
    """Over the second half of the simulated time; seconds are what a turn waited for its driver."""

    tokens_per_second: float
    turns_per_second: float
    driver_load: float
    central_load: float
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


class _Server:
    """One queue, first come first served."""

    def __init__(self) -> None:
        self._free_at = self.busy = 0.0

    def serve(self, now: float, seconds: float) -> tuple[float, float]:
        """When a job that comes now is begun, and done."""
        started = max(now, self._free_at)
        self._free_at = started + seconds
        self.busy += seconds
        return started, self._free_at


class _Simulation:
    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster, self.rng = cluster, random.Random(seed)
        self.replicas = [_Replica(cluster) for _ in range(cluster.replicas)]
        self.events: list[tuple[float, int, int, int]] = []  # time, kind, episode or stamp, replica
        self.drivers, self.central = [_Server() for _ in range(cluster.drivers)], _Server()
        self.left = [self.rng.randint(1, cluster.episode_turns) for _ in range(cluster.episodes)]  # turns
        self.turns, self.waits = 0, [0.0]
        for episode in range(cluster.episodes):  # they don't all begin in the same moment
            self._later(self.rng.uniform(0, cluster.turn_seconds), _ANSWERED, episode, episode % cluster.replicas)

    def run(self, until: float) -> None:
        while self.events and self.events[0][0] < until:
            now, kind, which, number = heapq.heappop(self.events)
            if kind == _BEGINS:
                _, begun = self.central.serve(now, self.cluster.group_cost / self.cluster.group_size)
                self._later(begun, _ANSWERED, which, number)
            elif kind == _ANSWERED:
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

    def forget(self) -> None:
        """Begins to count anew."""
        self.turns, self.waits = 0, [0.0]
        for server in (*self.drivers, self.central):
            server.busy = 0.0

    def _schedule(self, now: float, episode: int, number: int) -> None:
        started, sent = self.drivers[episode % len(self.drivers)].serve(now, self.cluster.turn_cost)
        self.waits.append(started - now)
        self._later(sent, _SENT, episode, number)

    def _ended(self, now: float, number: int) -> None:
        self.turns += 1
        self.replicas[number].advance(now)
        episode = self.replicas[number].end()
        self._plan(number)
        self.left[episode] -= 1
        over = not self.left[episode]
        if over:
            self.left[episode] = self.cluster.episode_turns
        self._later(now + self.rng.uniform(*self.cluster.tool_seconds), _BEGINS if over else _ANSWERED, episode, number)

    def _plan(self, number: int) -> None:
        if (at := self.replicas[number].next_end()) is not None:
            self._later(at, _GENERATED, self.replicas[number].stamp, number)

    def _later(self, at: float, kind: int, which: int, number: int) -> None:
        heapq.heappush(self.events, (at, kind, which, number))


def simulate(cluster: Cluster, turns_each: float = 4.0, seed: int = 0) -> Outcome:
    """Plays the model for as long as `turns_each` turns of an episode take, and looks at the second half."""
    simulation = _Simulation(cluster, seed)
    slowest = max(cluster.turn_seconds, cluster.episodes * cluster.turn_cost / cluster.drivers)
    half = turns_each * slowest / 2
    simulation.run(half)
    before = simulation.made(half)
    simulation.forget()
    simulation.run(2 * half)
    waits = sorted(simulation.waits)
    return Outcome(
        (simulation.made(2 * half) - before) / half,
        simulation.turns / half,
        min(1.0, statistics.fmean(driver.busy for driver in simulation.drivers) / half),
        min(1.0, simulation.central.busy / half),
        statistics.fmean(waits),
        waits[int(0.99 * (len(waits) - 1))],
    )


def simulations(turn_ms: float, group_ms: float) -> list[Ratio]:
    """A table of clusters, each beside one whose scheduling costs nothing: ever more load, then ever more drivers."""
    print(f"  {turn_ms:.2f} ms of a driver a turn, {group_ms:.2f} ms of the central process a group", flush=True)
    costs = {"turn_cost": turn_ms / 1_000, "group_cost": group_ms / 1_000}
    loads = [(1, episodes, tokens) for tokens in (8_000, 2_000, 500) for episodes in (1_000, 10_000, 30_000, 100_000)]
    found, free = [], dict[tuple[int, int], float]()
    for drivers, episodes, tokens in [*loads, *((drivers, 100_000, 2_000) for drivers in (2, 4, 8, 16, 32))]:
        cluster = Cluster(**costs, drivers=drivers, episodes=episodes, turn_tokens=tokens)
        if (episodes, tokens) not in free:
            free[episodes, tokens] = simulate(replace(cluster, turn_cost=0.0, group_cost=0.0)).tokens_per_second
        ours = simulate(cluster)
        found.append(
            of_pairs(
                f"simulated: 1,000 replicas, {episodes:,} episodes, {tokens:,} tokens a turn, {drivers} drivers",
                [(ours.tokens_per_second, free[episodes, tokens])],
                "a scheduler that costs nothing",
                "tokens/s",
            )
        )
        print(
            f"    drivers {ours.driver_load:.0%} busy with {ours.turns_per_second:,.0f} turns/s, the central process "
            f"{ours.central_load:.0%}; a turn waits {ours.wait_mean * 1_000:,.1f} ms, 1% over "
            f"{ours.wait_p99 * 1_000:,.1f} ms",
            flush=True,
        )
    return found
