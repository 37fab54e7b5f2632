"""What a run's folder holds, as the viewers ask for it: reads only, and copes with a run that is being written.

Every answer is plain JSON. Files are looked at again when they have changed; trajectories are read one by one.
"""

import hashlib
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rewards.errors import ConfigError, PostgymError, nearest
from rewards.files import read_json
from rollout.catalogue import Entry, Filter, kept_files, scan, trajectory_files
from rollout.trajectory import Trajectory
from trainer.algorithms import ALGORITHMS
from trainer.learned import learned_path, read_learned
from trainer.logs import read_metrics
from trainer.view.tokens import TokenTexts

Json = dict[str, Any]
_Stamp = tuple[str, int, int]  # name, time of the last change, bytes

_STAGES = ("base", "sft", "grpo")
_FACETS = ("stage", "env", "split", "status", "fault", "finish")
SORTS: Mapping[str, Callable[[Entry], Any]] = {
    "newest": lambda e: (-1 if e.step is None else e.step, e.path.name, -e.row),
    "score": lambda e: -1.0 if e.value is None else e.value,
    "tokens": lambda e: e.sampled_tokens,
    "seconds": lambda e: e.seconds,
}


class RunData:
    """A run's folder, read as it grows.

    Args:
        folder: of a run or a benchmark.

    Raises:
        ConfigError: it is no run's folder.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "config.json").is_file():
            raise ConfigError(f"{folder} is no run's folder (no config.json); give one such as runs/quickstart")
        self.folder = folder
        self.config = read_json(folder / "config.json")
        self._lock = threading.Lock()
        self._seen: dict[Path, tuple[_Stamp, list[Entry]]] = {}
        self._texts: dict[str, TokenTexts] = {}

    # What there is

    def entries(self) -> list[Entry]:
        """All entries, of files that are new or have changed read again; a broken file is left out and named."""
        return self._look()[0]

    def _look(self) -> tuple[list[Entry], list[_Stamp], dict[str, str]]:
        """Entries, what tells this state of the files from any other, and why some can't be read."""
        try:
            files = trajectory_files(self.folder)
        except ConfigError:  # none yet
            files = []
        files += kept_files(self.folder)
        seen: dict[Path, tuple[_Stamp, list[Entry]]] = {}
        broken: dict[str, str] = {}
        with self._lock:
            for path in files:
                try:
                    stamp = _stamp(path)
                    known = self._seen.get(path)
                    seen[path] = known if known and known[0] == stamp else (stamp, scan(path))
                except (PostgymError, OSError) as error:
                    if path.exists():  # a round that is whole takes the place of its groups
                        broken[path.name] = str(error)
            self._seen = seen
        entries = [entry for _, found in seen.values() for entry in found]
        return entries, [stamp for stamp, _ in seen.values()], broken

    def overview(self) -> Json:
        """What the run is and what can be chosen from; `version` changes whenever anything does."""
        entries, stamps, broken = self._look()
        metrics, stages = self.metrics(), self.stages()
        finished = (self.folder / "summary.json").is_file()
        facets = {name: sorted({getattr(e, name) for e in entries} - {""}) for name in _FACETS}
        state = repr((stamps, metrics[-1:], len(metrics), finished, stages))
        trainer = self.config.get("trainer", {})
        return {
            "name": self.config.get("name", self.folder.name),
            "model": self.config.get("model", ""),
            "algorithm": trainer.get("algorithm", ""),
            "steps": trainer.get("steps", 0),
            "done": len(metrics),
            "finished": finished,
            "episodes": len(entries),
            "errors": sum(e.value is None for e in entries),
            "playing": sum(e.stage == "playing" for e in entries),
            "stages": stages,
            "facets": facets,
            "broken": broken,
            "version": hashlib.sha256(state.encode()).hexdigest()[:16],
        }

    def metrics(self) -> list[Json]:
        """The rows of metrics.jsonl so far; what is no finite number is None."""
        return [
            {k: v if isinstance(v, int | float) and math.isfinite(v) else None for k, v in row.items()}
            for row in read_metrics(self.folder / "metrics.jsonl")
        ]

    def stages(self) -> list[str]:
        """Stages that were evaluated, in the order of the run; a benchmark's models in the order they were given."""
        order = list(self.config.get("models", _STAGES))
        found = [p.stem for p in (self.folder / "eval").glob("*.jsonl")]
        return sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))

    # Episodes

    def episodes(self, wanted: Filter, sort: str = "newest", rising: bool = False, first: int = 0, n: int = 50) -> Json:
        """A page of the entries that `wanted` takes.

        Raises:
            ConfigError: an unknown order.
        """
        if sort not in SORTS:
            raise ConfigError(f"no order {sort!r}; {nearest(sort, SORTS)}")
        found = [entry for entry in self.entries() if wanted.takes(entry)]
        found.sort(key=SORTS[sort], reverse=not rising)
        values = [e.value for e in found if e.value is not None]
        return {
            "total": len(found),
            "mean": float(np.mean(values)) if values else None,
            "rows": [_listed(entry) for entry in found[first : first + n]],
        }

    def episode(self, file: str, row: int) -> Json:
        """One trajectory with all that is known of its tokens.

        Raises:
            ConfigError: there is no such episode.
        """
        entry = next((e for e in self.entries() if e.file == file and e.row == row), None)
        if entry is None:
            raise ConfigError(f"{self.folder} has no episode {file}#{row}")
        t = entry.read()
        return _listed(entry) | {
            "task": t.task.id,
            "messages": [m.to_dict() | _errors(m) for m in t.transcript.messages],
            "score": shown_score(t),
            "target": t.task.target,
            "evidence": dict(t.transcript.evidence),
            "tokens": self._tokens(entry, t),
        }

    def _tokens(self, entry: Entry, t: Trajectory) -> Json:
        ratios, advantages, source = self._learned(entry, t)
        texts, why_none = self._texts_of(entry.stage)(t.token_ids.tolist())
        return {
            "ids": t.token_ids.tolist(),
            "texts": texts,
            "why_no_texts": why_none,
            "mask": t.loss_mask.tolist(),
            "logprobs": _finite(t.logprobs),
            "versions": t.weight_versions.tolist(),
            "ratios": ratios,
            "advantages": advantages,
            "advantages_from": source,
            "prompt_length": t.prompt_length,
        }

    def _texts_of(self, stage: str) -> TokenTexts:
        """The tokenizer of a stage: a benchmark's folder has episodes of several models."""
        model = self.config.get("models", {}).get(stage.removeprefix("eval-"), self.config.get("model", ""))
        return self._texts.setdefault(model, TokenTexts(self.folder, model))

    def _learned(self, entry: Entry, t: Trajectory) -> tuple[list | None, list | None, str]:
        """Ratio and advantage by token, None where unknown, and whether the update kept them or we worked them out."""
        if entry.stage != "grpo":
            return None, None, ""
        kept = read_learned(learned_path(entry.path)).get(entry.row)
        if kept is not None and len(kept.advantages) == t.sampled_tokens:
            ratio = np.exp(kept.trainer_logprobs.astype(np.float64) - t.logprobs[t.loss_mask])
            return _spread(t, ratio), _spread(t, kept.advantages), "kept by the update"
        advantage = self._advantage(entry)
        if advantage is None:
            return None, None, ""
        return None, _spread(t, np.full(t.sampled_tokens, advantage)), "worked out from the group's scores"

    def _advantage(self, entry: Entry) -> float | None:
        """The trainer's own function on the scores of the round; None for who has none."""
        name = self.config.get("trainer", {}).get("algorithm", "grpo")
        if entry.value is None or name not in ALGORITHMS:
            return None
        groups: dict[int, list[Entry]] = {}
        for other in self.entries():
            if other.path == entry.path and other.value is not None and other.sampled_tokens:
                groups.setdefault(other.group, []).append(other)
        worth = ALGORITHMS[name].advantage([np.array([e.value for e in members]) for members in groups.values()])
        rows = [e.row for members in groups.values() for e in members]
        known = dict(zip(rows, np.concatenate(worth).tolist(), strict=True))
        return float(known[entry.row]) if entry.row in known else None


def _stamp(path: Path) -> _Stamp:
    stat = path.stat()
    return path.name, stat.st_mtime_ns, stat.st_size


def shown_score(t: Trajectory) -> Json:
    """The score with its breakdown; `points` is what a part adds to the whole where no gate vetoes."""
    total = sum(p.weight for p in t.score.parts) or 1.0
    return {
        "value": t.score.value,
        "status": str(t.score.status),
        "reason": t.score.reason,
        "parts": [
            {
                "name": p.name,
                "value": p.value,
                "weight": p.weight,
                "points": p.value * p.weight / total,
                "reason": p.reason,
                "turns": list(p.turns),
            }
            for p in t.score.parts
        ],
    }


def _listed(entry: Entry) -> Json:
    names = ("row", "stage", "step", "group", "env", "split", "difficulty", "value", "status", "fault", "finish")
    light = {name: getattr(entry, name) for name in names}
    return {"file": entry.file, **light, "tokens_sampled": entry.sampled_tokens, "seconds": entry.seconds}


def _errors(message: Any) -> Json:
    """Why a call could not be read, which the OpenAI layout has no place for."""
    errors = [call.error for call in message.tool_calls]
    return {"call_errors": errors} if any(errors) else {}


def _spread(t: Trajectory, values: np.ndarray) -> list[float | None]:
    """Values of the sampled tokens at their places among all tokens; None elsewhere."""
    spread = np.full(len(t.token_ids), np.nan)
    spread[t.loss_mask] = values
    return _finite(spread)


def _finite(values: Sequence[float] | np.ndarray) -> list[float | None]:
    return [float(v) if math.isfinite(v) else None for v in values]
