"""A Ray cluster of several nodes on this machine that loses them, under an engine with light actors and environments.

Run as a program, because a process has one Ray session and the other tests' is local.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from envs.base import Task
from rewards.errors import EngineError
from rollout.collect import collect_groups
from rollout.engine import Request, Sampling, ScriptedEngine
from rollout.episode import Limits
from rollout.mail import SamplingActor
from rollout.vllm_actor import VllmSettings
from rollout.vllm_engine import VllmEngine
from rollout.workers import EnvWorkers, WorkerSettings
from tests.rollout.families import renderer_of
from tests.worlds import Lookup


class Light(SamplingActor):
    """Stands for `VllmActor`, and samples the version of its weights."""

    def __init__(self, settings, slot, peers):
        super().__init__()
        self._version = 0

    async def generate(self, *arguments):
        await asyncio.sleep(0.5)
        return [int(self._version)], [0.0], [self._version], "stop"

    async def load_weights(self, files, version, checksum):
        assert bytes(files["model.safetensors"]) == b"weights"
        self._version = version

    async def shutdown(self):
        pass


def request(seed):
    return Request([1], Sampling(1), Task(prompt=(), target={}, seed=seed))


async def play(engine, cluster, nodes, weights):
    """Loses one node of two, gets another, then loses all; what came of it."""

    async def ask_all():
        return await asyncio.gather(*(engine.generate(request(i)) for i in range(20)), return_exceptions=True)

    await engine.update_weights(weights, 1)
    asked = asyncio.create_task(ask_all())
    await asyncio.sleep(0.2)
    cluster.remove_node(nodes.pop(0), allow_graceful=False)
    answers = await asked
    deadline = time.monotonic() + 60
    while engine.living == 2 and not engine.restarts and time.monotonic() < deadline:
        answers += await ask_all()  # the node was slow to go: the turns above may have been done before
    nodes.append(cluster.add_node(num_cpus=1))
    deadline, version = time.monotonic() + 120, 1
    while engine.living < 2 and time.monotonic() < deadline:
        version += 1
        await engine.update_weights(weights, version)
        await asyncio.sleep(0.5)
    later = await ask_all()
    found = {
        "answers": [list(a.token_ids) for a in answers],
        "living": engine.living,
        "later": sorted({a.weight_versions[0] for a in later}),
        "version": version,
        "homes": len({replica.node for replica in engine._replicas}),
    }
    for node in nodes:
        cluster.remove_node(node, allow_graceful=False)
    end, deadline = set[str](), time.monotonic() + 60
    while not end and time.monotonic() < deadline:  # these too may be slow to go
        end = {str(a) for a in await ask_all() if isinstance(a, EngineError)}
    return found | {"end": sorted(end)}


class Slow(Lookup):
    """Takes a moment a turn."""

    def step(self, action):
        time.sleep(0.1)
        return super().step(action)


async def play_environments(address, cluster, nodes, renderer):
    """Loses one of two nodes while its workers play episodes; what they earned, and how many workers were replaced."""
    pool = EnvWorkers(WorkerSettings(4, 8, ray_address=address), lambda env_id: Slow())
    engine = ScriptedEngine(Slow().expert, renderer.turn_ids)
    tasks = [Slow().sample_task(seed) for seed in range(24)]
    ended = []

    def lose_at_the_eighth(trajectory):
        ended.append(trajectory)
        if len(ended) == 8:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    async def play_all():
        limits = Limits(step_seconds=20)
        return await collect_groups(tasks, 2, pool, engine, renderer, Sampling(64), limits, 16, lose_at_the_eighth)

    groups, deadline = await play_all(), time.monotonic() + 60
    while not pool.replaced and time.monotonic() < deadline:
        groups += await play_all()  # the node was slow to go
    pool.close()
    return {"values": [t.score.value for g in groups for t in g.trajectories], "replaced": pool.replaced}


def main():
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory() as folder:
        np.frombuffer(b"weights", np.uint8).tofile(Path(folder) / "model.safetensors")
        settings = VllmSettings("none", replicas=2, ray_address=cluster.address, place_seconds=6, max_restarts=9)
        engine = VllmEngine(settings, Light)
        homes = len({replica.node for replica in engine._replicas})
        found = asyncio.run(play(engine, cluster, nodes, Path(folder)))
        found["homes"] = [homes, found["homes"]]
    nodes = [cluster.add_node(num_cpus=1)]
    found["environments"] = asyncio.run(play_environments(cluster.address, cluster, nodes, renderer_of("chatml")))
    Path(sys.argv[1]).write_text(json.dumps(found))
    ray.shutdown()
    cluster.shutdown()


def test_a_lost_nodes_replica_and_episodes_move_and_only_the_last_nodes_loss_stops_the_run(tmp_path):
    root = Path(__file__).parents[2]
    program = [sys.executable, "-m", __name__, str(tmp_path / "found.json")]
    done = subprocess.run(program, cwd=root, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["homes"] == [2, 2], "each replica has a node of its own"
    assert found["answers"] == [[1]] * len(found["answers"]), "the turns of the lost node are sampled by the other"
    assert found["living"] == 2
    assert found["later"] == [found["version"]], "the replica on the new node has the newest weights"
    assert len(found["end"]) == 1
    assert "no node of the Ray cluster has room for replica" in found["end"][0]
    assert "within 6 s" in found["end"][0]
    values = found["environments"]["values"]
    assert values
    assert len(values) % 48 == 0, "all that was asked for, each time"
    assert values == [1.0] * len(values), "what was played there is played again elsewhere"
    assert found["environments"]["replaced"] >= 1


if __name__ == "__main__":
    main()
