"""Stored episodes played again: what the policy said then, token for token, in the environments of today.

Beside `rollout/collect.py` on the data path. What an episode earns follows from its task and its actions alone; where
a replay earns another score, the environment or its rubric has changed, or isn't deterministic.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rewards.errors import ConfigError, TurnError
from rollout.chat import ChatRenderer
from rollout.collect import MakeEnv, Player
from rollout.engine import Completion, Request, Sampling
from rollout.episode import Limits
from rollout.schedule import Slots, together
from rollout.trajectory import Group, Trajectory


class RecordedEngine:
    """Continues the ids of stored trajectories as they went on then, with the logprobs and weight versions of then.

    Several that said the same so far are told apart by who asks: each is played once before any is played again.

    Args:
        trajectories: with tokens; those of a `ChatEngine` have none.
    """

    def __init__(self, trajectories: Iterable[Trajectory]) -> None:
        self._turns: dict[bytes, list[Completion]] = {}
        self._asked: Counter[bytes] = Counter()
        for t in trajectories:
            edges = np.flatnonzero(np.diff(t.loss_mask, prepend=False, append=False))
            for start, end in edges.reshape(-1, 2):
                turn = (a[start:end].tolist() for a in (t.token_ids, t.logprobs, t.weight_versions))
                ids, logprobs, versions = map(tuple, turn)
                completion = Completion(ids, logprobs, "stop", versions)
                self._turns.setdefault(_place(t.task.id, t.token_ids[:start]), []).append(completion)

    async def generate(self, request: Request) -> Completion:
        """The turn that followed these ids.

        Raises:
            TurnError: none did: the prompt or what the environment said is not what it was.
        """
        place = _place(request.task.id, request.prompt_ids)
        if place not in self._turns:
            raise TurnError("no recorded turn follows: the prompt, or what the environment said, is another than then")
        turns, number = self._turns[place], self._asked[place]
        self._asked[place] += 1
        return turns[number % len(turns)]


@dataclass(frozen=True, slots=True)
class Replay:
    """An episode and what became of it; `after` is None where it went another way than `before`."""

    before: Trajectory
    after: Trajectory | None

    @property
    def same(self) -> bool:
        """Whether it earned the same again, whatever the reason says."""
        return self.after is not None and self.after.score.value == self.before.score.value


async def replay(
    groups: Sequence[Group], make_env: MakeEnv, renderer: ChatRenderer, limits: Limits, slots: Slots
) -> list[Replay]:
    """Plays the groups again and judges them again, together as then; in the order of their episodes.

    Episodes without a verdict, and those without tokens, are left out: there is nothing that they could earn again.

    Args:
        renderer: of the model that played them.
        limits: of the run that played them.

    Raises:
        ConfigError: there is nothing to play.
    """
    judged = [[t for t in group.judged if t.sampled_tokens] for group in groups]
    played = [members for members in judged if members]
    if not played:
        raise ConfigError("no episode with tokens and a score to play again")
    async with together() as playing:
        tasks = [
            playing.create_task(
                Player(make_env, RecordedEngine(members), renderer, limits, slots).play(
                    members[0].task, len(members), Sampling(limits.max_context)
                )
            )
            for members in played
        ]
    return [r for members, task in zip(played, tasks, strict=True) for r in _paired(members, task.result())]


def _paired(members: Sequence[Trajectory], again: Group) -> list[Replay]:
    """Each episode with the one that has its ids: threads decide which member of a group asks first."""
    left: dict[bytes, list[Trajectory]] = {}
    for t in again.trajectories:
        left.setdefault(t.token_ids.tobytes(), []).append(t)
    return [Replay(t, (left.get(t.token_ids.tobytes()) or [None]).pop(0)) for t in members]


def _place(task: str, ids: Sequence[int] | np.ndarray) -> bytes:
    return hashlib.blake2b(task.encode() + np.asarray(ids, np.int32).tobytes(), digest_size=16).digest()
