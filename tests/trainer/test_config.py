from pathlib import Path

import pytest

from rewards.errors import ConfigError
from trainer.config import load_config, parse_overrides

GOOD = """
name: test
environments:
  - id: postgym/Weather-v0
    difficulty: [0.0, 0.2]
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(GOOD)
    return path


def test_defaults_and_overrides(path):
    config = load_config(path, ["--trainer.learning_rate", "1e-5", "--trainer.steps=7", "--name", "mine"])
    assert (config.trainer.learning_rate, config.trainer.steps, config.name) == (1e-5, 7, "mine")
    assert config.rollout.group_size == 8


def test_a_list_entry_can_be_overridden(path):
    config = load_config(path, ["--environments.0.difficulty", "[0.5, 0.6]"])
    assert config.environments[0].difficulty == (0.5, 0.6)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["--trainer.learning_rat", "1"], ["trainer.learning_rat", "did you mean learning_rate"]),
        (["--tariner.steps", "1"], ["tariner", "did you mean trainer"]),
        (["--trainer.steps", "many"], ["trainer.steps", "integer", "'many'"]),
        (["--trainer.steps", "-1"], ["trainer.steps", "greater than or equal to 0", "-1"]),
        (["--rollout.tool_format", "lama"], ["rollout.tool_format", "did you mean llama"]),
        (["--precision", "float16"], ["precision", "'auto', 'bfloat16' or 'float32'", "float16"]),
        (["--environments.0.id", "postgym/Wether-v0"], ["environments.0.id", "did you mean postgym/Weather-v0"]),
        (["--environments.0.difficulty", "[0.9, 0.1]"], ["environments.0.difficulty", "0.9"]),
        (["--environments.0.difficutly", "[0, 1]"], ["did you mean difficulty"]),
        (["--trainer.steps"], ["--trainer.steps needs a value"]),
        (["trainer.steps", "3"], ["'trainer.steps' is no override"]),
        (["--name", "../escape"], ["name", "../escape"]),
        (["--rollout.group_size", "1"], ["rollout.group_size", "greater than or equal to 2"]),
    ],
)
def test_a_wrong_field_names_itself_its_limits_and_the_nearest_right_name(path, overrides, named):
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    for text in named:
        assert text in str(caught.value)


@pytest.mark.parametrize(("text", "why"), [("a: [", "no YAML"), ("- 1", "a mapping"), ("name: x", "environments")])
def test_a_broken_file_is_named(tmp_path, text, why):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=why):
        load_config(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "none.yaml")


def test_values_are_read_as_yaml(path):
    assert parse_overrides(["--a", "1e-5", "--b=true", "--c", "[1, 2]", "--d=x=y"]) == {
        "a": 1e-5,
        "b": True,
        "c": [1, 2],
        "d": "x=y",
    }


@pytest.mark.parametrize(
    ("rubric", "message"),
    [
        ("nowhere.yaml", "rubric file nowhere.yaml does not exist"),
        ("{criteria: [{name: a, reward: rewards.tools.right_anser}]}", "did you mean rewards.tools.right_answer"),
        ("{criteria: [{name: a, reward: os.system}]}", "no reward 'os.system'"),
        ("5", "a rubric is a mapping"),
    ],
)
def test_a_wrong_rubric_is_refused_before_anything_loads(path, rubric, message):
    with pytest.raises(ConfigError, match=message):
        load_config(path, ["--environments.0.rubric", rubric])


@pytest.mark.parametrize("file", sorted(Path("scripts/configs").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_config_that_comes_along_is_valid(file):
    config = load_config(file)
    assert config.name == file.stem


@pytest.mark.parametrize(("name", "gpus"), [("cluster-1x8", 8), ("cluster-4x8", 32)])
def test_a_clusters_gpus_are_all_used_and_none_twice(name, gpus):
    config = load_config(Path(f"scripts/configs/{name}.yaml"))
    rollout, learning = config.rollout, config.trainer.processes
    own = 1  # the run's own process has one in any case
    assert rollout.replicas * rollout.tensor_parallel + own + (learning if learning > 1 else 0) == gpus
    assert rollout.concurrency <= rollout.groups * rollout.group_size


def test_an_engine_that_plays_ahead_of_the_trainer_can_not_sleep_meanwhile(path):
    with pytest.raises(ConfigError, match=r"rollout\.sleep_while_training: rounds are played while the trainer learns"):
        load_config(path, ["--rollout.sleep_while_training", "true", "--trainer.max_staleness", "1"])
    with pytest.raises(ConfigError, match=r"rollout\.sleep_while_training: 2 trainer processes have GPUs of their own"):
        load_config(path, ["--rollout.sleep_while_training", "true", "--trainer.processes", "2"])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["--rollout.concurrency", "3"], r"drivers: 4 of them share concurrency=3 episodes"),
        (["--rollout.env_workers", "2"], r"drivers: 4 of them share env_workers=2; raise it, or set it to 0"),
        (["--environments.0.concurrency", "3"], r"rollout\.drivers: 4 of them share .* 3 for postgym/"),
    ],
)
def test_what_drivers_share_must_be_enough_for_all(path, overrides, said):
    load_config(path, ["--rollout.drivers", "4"])
    with pytest.raises(ConfigError, match=said):
        load_config(path, ["--rollout.drivers", "4", *overrides])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["--trainer.memory.weights", "bfloat16"], "bfloat16 needs precision: bfloat16, not auto"),
        (
            ["--trainer.memory.lora.rank", "8", "--rollout.weight_transport", "nccl"],
            "nccl sends neither adapters nor merged weights",
        ),
        (
            ["--trainer.memory.lora.rank", "8", "--rollout.weight_transport", "ipc"],
            "ipc sends neither adapters nor merged weights",
        ),
        (["--rollout.weight_transport", "ipc", "--rollout.replicas", "2"], r"ipc is for one replica .* 2 GPUs"),
        (["--rollout.weight_transport", "ipc", "--rollout.tensor_parallel", "2"], r"ipc is for one replica .* 2 GPUs"),
        (["--rollout.lora", "adapter"], r"all weights learn .*set trainer.memory.lora"),
        (["--trainer.memory.lora.rnak", "8"], "did you mean rank"),
    ],
)
def test_settings_of_memory_that_can_not_go_together_are_refused(path, overrides, said):
    with pytest.raises(ConfigError, match=said):
        load_config(path, overrides)
