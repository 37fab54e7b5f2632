"""What can be seen of the NCCL transport without GPUs: what is sent, and who gets which rank."""

import pytest
import torch

from rewards.errors import ConfigError
from rollout.nccl import ModuleWeights, ReplicaGroup
from rollout.vllm_actor import VllmSettings
from rollout.vllm_engine import VllmEngine
from trainer.policy import Policy


def test_what_is_announced_is_what_is_sent_in_the_engines_precision(tiny_model):
    policy = Policy(str(tiny_model), "float32")
    weights = ModuleWeights(policy.model, torch.bfloat16)
    sent = dict(weights)
    assert [(p.name, p.dtype, p.shape) for p in weights.metadata()] == [
        (name, tensor.dtype, tuple(tensor.shape)) for name, tensor in sent.items()
    ]
    written = policy.state(torch.bfloat16)
    assert sent.keys() == written.keys()
    assert all(torch.equal(sent[name], written[name]) for name in written)
    with torch.no_grad():
        policy.parameters[0].add_(1)
    assert not torch.equal(dict(weights)[next(iter(sent))], sent[next(iter(sent))]), "each round sends what is there"


class Told:
    """Stands for Ray and for an actor: keeps what it is told."""

    def __init__(self):
        self.heard = []

    def __getattr__(self, name):
        class Method:
            remote = staticmethod(lambda *given: self.heard.append((name, *given)))

        return Method

    def get(self, results):
        return results


def test_every_gpu_of_every_replica_has_a_rank_of_its_own():
    actors = [Told(), Told(), Told()]
    group = ReplicaGroup(Told(), actors, gpus_each=2)
    group.init_weight_transfer_engine({"rank_offset": 1, "world_size": group.ranks})
    assert group.ranks == 7
    assert [a.heard[0][1]["rank_offset"] for a in actors] == [1, 3, 5]
    group.version = 4
    group.start_weight_update()
    group.update_weights({"names": []})
    group.finish_weight_update()
    for actor in actors:
        assert actor.heard[1:] == [("begin_transfer",), ("receive_transfer", {"names": []}), ("end_transfer", 4)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_refused(engine):
    with pytest.raises(ConfigError, match=r"rollout\.weight_transport=nccl goes from GPU to GPU; there is no GPU"):
        VllmEngine(VllmSettings(engine.settings.model, weight_transport="nccl"))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="two GPUs are needed")
def test_weights_sent_by_nccl_are_the_trainers(tiny_model, renderer, event_loop_runner):
    from trainer.weight_sync import WeightSync

    engine = VllmEngine(VllmSettings(str(tiny_model), 512, precision="float32", weight_transport="nccl"))
    try:
        policy = Policy(str(tiny_model), "float32")
        torch.cuda.set_device(1)  # the engine has the first
        policy.model.to("cuda:1")
        policy.device = torch.device("cuda:1")
        sync = WeightSync(engine, tiny_model, renderer, 0.1)
        for version in (1, 2):
            with torch.no_grad():
                policy.parameters[0].mul_(1.1)
            assert event_loop_runner.run(sync.send(policy, version)) < 0.01
    finally:
        engine.close()
