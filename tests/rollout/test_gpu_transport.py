"""What can be seen without GPUs of weights that go without files: what is sent, and to whom; what is refused."""

import pytest
import torch

from rewards.errors import ConfigError
from rollout.gpu_transport import ModuleTransport, ModuleWeights, ReplicaGroup, check_same_gpu, ipc_channel
from rollout.replica import vllm_environment
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


def test_within_one_gpu_vllms_own_sender_tells_the_engine_how_it_sends_and_where_the_weights_lie(monkeypatch):
    from vllm.distributed.weight_transfer import ipc_engine
    from vllm.distributed.weight_transfer.packed_tensor import PackedIpcChunk

    def pack(iterator, gpu_uuid, post_iter_func, buffer_size_bytes):  # in place of what copies on the GPU
        for name, tensor in iterator:
            assert tensor.nbytes <= buffer_size_bytes
            yield PackedIpcChunk([name], [list(tensor.shape)], ["bfloat16"], [tensor.nbytes], {gpu_uuid: HANDLE})

    monkeypatch.setattr(ipc_engine, "packed_ipc_producer", pack)
    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: type("Properties", (), {"uuid": "g"}))
    monkeypatch.setattr(torch.cuda, "ipc_collect", lambda: None)
    actor = Told()
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1, bias=False))
    sender = ModuleTransport("ipc", ReplicaGroup(Told(), [actor], gpus_each=1), module, torch.bfloat16)
    sender.send(5)
    names = [name for name, _ in module.named_parameters()]
    assert actor.heard[0] == ("join_transfer", {"packed": True})
    assert [method for method, *_ in actor.heard[1:]] == [
        "begin_transfer",
        *["receive_transfer"] * len(names),
        "end_transfer",
    ]
    told = [given[0] for method, *given in actor.heard if method == "receive_transfer"]
    assert [info["names"] for info in told] == [[name] for name in names]
    assert actor.heard[-1] == ("end_transfer", 5)


# What torch's reduce_tensor gives for a tensor on a GPU.
HANDLE = (torch.Tensor, torch.Size([8]), (1,), 0, torch.UntypedStorage, torch.uint8, 0, b"handle", 8, 0, False, b"", 0)


def test_where_weights_lie_reaches_vllms_own_process_as_it_was(monkeypatch):
    from vllm.distributed.weight_transfer.ipc_engine import IPCWeightTransferUpdateInfo
    from vllm.v1.serial_utils import MsgpackDecoder, MsgpackEncoder

    told = {
        "names": ["a"],
        "dtype_names": ["bfloat16"],
        "shapes": [[4]],
        "tensor_sizes": [8],
        "ipc_handles": {"g": HANDLE},
    }
    with pytest.raises(TypeError, match="is not serializable"):
        MsgpackEncoder().encode(told)
    for name, value in vllm_environment(VllmSettings("m", weight_transport="ipc")).items():
        monkeypatch.setenv(name, value)
    arrived = IPCWeightTransferUpdateInfo(**MsgpackDecoder().decode(MsgpackEncoder().encode(told)))
    for sent, found in zip(HANDLE, arrived.ipc_handles["g"], strict=True):
        assert (tuple(found) if isinstance(sent, tuple) else found) == sent
    assert "VLLM_ALLOW_INSECURE_SERIALIZATION" not in vllm_environment(VllmSettings("m")), "nobody else needs it"


def test_the_buffer_within_a_gpu_holds_the_largest_weight():
    with torch.device("meta"):
        module = torch.nn.Embedding(150_000, 4096)
    assert ipc_channel(ModuleWeights(module, torch.bfloat16)).packed_buffer_size_bytes == 2 * 150_000 * 4096
    assert ipc_channel(ModuleWeights(torch.nn.Linear(2, 2), torch.bfloat16)).packed_buffer_size_bytes == 2**28


def test_an_engine_on_another_gpu_than_the_trainers_is_refused():
    check_same_gpu("GPU-a", ["GPU-a"])
    with pytest.raises(ConfigError, match=r"an engine on the trainer's own GPU \(GPU-a\), this one is on GPU-b"):
        check_same_gpu("GPU-a", ["GPU-a", "GPU-b"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("way", ["nccl", "ipc"])
def test_without_a_gpu_it_is_refused(engine, way):
    with pytest.raises(ConfigError, match=rf"weight_transport={way} sends what lies on a GPU; there is no GPU"):
        VllmEngine(VllmSettings(engine.settings.model, weight_transport=way))


@pytest.mark.parametrize(("way", "gpus"), [("nccl", 2), ("ipc", 1)])
def test_weights_sent_from_gpu_to_gpu_are_the_trainers(tiny_model, renderer, event_loop_runner, way, gpus):
    from trainer.weight_sync import WeightSync

    if torch.cuda.device_count() < gpus:
        pytest.skip(f"{gpus} GPUs are needed")
    engine = VllmEngine(VllmSettings(str(tiny_model), 512, precision="float32", weight_transport=way))
    try:
        policy = Policy(str(tiny_model), "float32")
        if way == "nccl":
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
