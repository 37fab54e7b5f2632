"""The commands that list, show and check environments, and the contract that `check` holds them to."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

import envs
from envs.base import Exploit, Task, TextEnv
from envs.contract import breaches, in_words
from envs.proof import prove
from rewards.math import numeric_answer
from rewards.score import Criterion, Rubric, Score, Status
from rewards.transcript import Message
from scripts.catalogue import section
from scripts.envs import PAGE
from tests.proofs import proof

ROOT = Path(__file__).parents[2]
BAD = '''
import random
from envs.base import Task, TextEnv
from rewards.score import Criterion, Rubric, Score
from rewards.transcript import Message


class Bad(TextEnv):
    """Says please."""

    id = "test/Bad-v0"
    rubric = Rubric([Criterion("polite", lambda t, g: Score(float("please" in t.answer), "said"))])

    def generate(self, rng, difficulty):
        return Task(prompt=(Message("user", f"say please {random.random()}"),), target={})

    def expert(self, task):
        return lambda messages: "please"

    def exploits(self, task):
        return {}
'''


def script(*arguments, cwd=ROOT):
    command = [sys.executable, str(ROOT / "scripts" / "envs.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


class Good(TextEnv):
    """Adds; the base of the broken ones."""

    id = "test/Good-v0"
    rubric = Rubric([Criterion("answer", numeric_answer)])

    def generate(self, rng: random.Random, difficulty: float) -> Task:
        numbers = [rng.randint(2, 10**6) for _ in range(2 + round(8 * difficulty))]
        question = "Add up " + " ".join(map(str, numbers))
        return Task(prompt=(Message("user", question),), target={"value": str(sum(numbers))}, meta={"numbers": numbers})

    def expert(self, task: Task):
        return lambda messages: f"{' + '.join(map(str, task.meta['numbers']))}\nAnswer: {task.target['value']}"

    def exploits(self, task: Task):
        return {name: Exploit(lambda messages, n=name: f"Answer: {n}") for name in ("1", "2", "3")}


class Forgetful(Good):
    def generate(self, rng, difficulty):
        return super().generate(random.Random(), difficulty)


class Narrow(Good):
    def generate(self, rng, difficulty):
        task = super().generate(rng, difficulty)
        return task.model_copy(update={"prompt": (Message("user", f"Question {rng.randint(1, 20)}"),)})


class Whispering(Good):
    def generate(self, rng, difficulty):
        task = super().generate(rng, difficulty)
        said = f"{task.prompt[0].content}; {self.expert(task)(())}"
        return task.model_copy(update={"prompt": (Message("user", said),)})


class Telling(Good):
    def reset(self, **kwargs):
        messages, info = super().reset(**kwargs)
        return messages, {**info, "value": self.task.target["value"]}


class Fragile(Good):
    rubric = Rubric(
        [Criterion("answer", lambda t, g: Score(float(int(t.answer.split(":")[1]) == int(g["value"])), ""))]
    )


class Unjudged(Good):
    rubric = Rubric([Criterion("answer", lambda t, g: Score(None, "no gold", status=Status.TASK_ERROR))])


class Level(Good):
    def generate(self, rng, difficulty):
        return super().generate(rng, 0.5)


class Trusting(Good):
    def exploits(self, task):
        return {"one": Exploit(lambda messages: "Answer: 1", 0.9)}


class Stateful(Good):
    def expert(self, task):
        self.asked = getattr(self, "asked", 0) + 1
        return super().expert(task)

    def evidence(self, task, transcript):
        return {"asked": getattr(self, "asked", 0)}

    rubric = Rubric([Criterion("answer", lambda t, g: Score(1.0, f"asked {t.evidence['asked']} times"))])

    def step(self, action):
        self.asked = getattr(self, "asked", 0) + 1
        return super().step(action)


@pytest.mark.parametrize("env_id", envs.known_ids())
def test_the_page_shows_every_environment_as_it_is(env_id):
    text = section(envs.make(env_id), proof(env_id))
    assert text in PAGE.read_text(), "run python scripts/envs.py docs"


def test_a_sound_environment_breaches_nothing():
    assert [fault for _, fault in breaches(Good()) if fault] == []


@pytest.mark.parametrize(
    ("broken", "part", "words"),
    [
        (Forgetful, "same seed, same task", "from its rng alone"),
        (Narrow, "questions differ", "of 300 questions differ"),
        (Telling, "hides its targets", "value"),
        (Whispering, "hides its targets", "word for word"),
        (Fragile, "takes any text", "IndexError"),
        (Unjudged, "takes any text", "no gold"),
        (Level, "grows harder", "careless expert earns"),
        (Trusting, "exploits", "at least 3"),
        (Stateful, "replays", "another way"),
    ],
)
def test_each_breach_is_found_and_said_in_words(broken, part, words):
    assert words in dict(breaches(broken()))[part]


def test_the_proofs_faults_are_said_in_words():
    faults = {row.policy: in_words(Unjudged(), row) for row in prove(Unjudged(), n=4, n_null=4) if not row.ok}
    assert "can't be judged (answer: no gold)" in faults["expert"]


def test_list_and_show_name_what_there_is():
    listed = script("list")
    assert listed.returncode == 0
    assert all(env_id in listed.stdout for env_id in envs.known_ids())
    shown = script("show", "postgym/Algebra-v0", "--seed", "3")
    assert shown.returncode == 0
    assert "score 1.000" in shown.stdout


def test_list_and_check_speak_json_to_other_programs():
    listed = json.loads(script("list", "--json").stdout)
    (weather,) = (row for row in listed if row["id"] == "postgym/Weather-v0")
    assert weather["tools"] == ["geocode", "current", "forecast"]
    assert set(weather) == {"id", "turns", "tools", "sandboxed", "about"}
    checked = script("check", "postgym/Countdown-v0", "--n", "4", "--json")
    found = json.loads(checked.stdout)
    assert checked.returncode == 0
    assert (found["id"], found["holds"], found["faults"]) == ("postgym/Countdown-v0", True, [])
    assert {"part": "replays", "fault": ""} in found["contract"]
    assert {row["policy"]: row["mean"] for row in found["proof"]}["expert"] == 1


def test_check_of_somebodys_class_says_what_is_wrong_and_ends_with_1(tmp_path):
    (tmp_path / "mine.py").write_text(BAD)
    found = script("check", "mine:Bad", "--n", "4", cwd=tmp_path)
    assert found.returncode == 1
    text = " ".join(found.stdout.split())
    for words in ("same seed, same task: seed 0 gave two different tasks", "0 exploits", "echo the prompt earned 1"):
        assert words in text
    assert "to mend" in text


@pytest.mark.parametrize("name", ["postgym/Wether-v0", "nowhere:Bad", "envs.base:Task"])
def test_an_unknown_environment_is_one_clear_line(name):
    found = script("check", name)
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "Traceback" not in found.stderr
