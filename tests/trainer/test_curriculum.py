"""The curriculum with learners whose skill is known: it finds the difficulty they can do, and what they learn."""

import math
import random

import pytest

from rewards.errors import ConfigError
from trainer.config import CurriculumConfig, EnvironmentConfig, load_config
from trainer.curriculum import Course, Curriculum, plan_metrics
from trainer.tasks import Mixture

A, B, C = "postgym/Weather-v0", "postgym/WordProblems-v0", "postgym/Arithmetic-v0"


def environments(*ids, difficulty=(0.0, 1.0), weights=None):
    return [
        EnvironmentConfig(id=i, difficulty=difficulty, weight=w)
        for i, w in zip(ids, weights or [1.0] * len(ids), strict=True)
    ]


class Learner:
    """Succeeds with probability 1 / (1 + exp(12 (difficulty - skill))); a task teaches its environment `gain`."""

    def __init__(self, skills, gains=None, seed=0):
        self.skills, self.gains = dict(skills), gains or dict.fromkeys(skills, 0.0)
        self.rng = random.Random(seed)

    def play(self, plan, tasks, size=8):
        """Mean scores of a round in which each environment gets its share of `tasks`, groups of `size` episodes."""
        row = {}
        for env_id, course in plan.items():
            wins = []
            for _ in range(round(course.share * tasks)):
                chance = 1 / (1 + math.exp(12 * (self.rng.uniform(course.low, course.high) - self.skills[env_id])))
                wins += [self.rng.random() < chance for _ in range(size)]
                self.skills[env_id] += self.gains[env_id] * chance * (1 - chance)
            if wins:
                row[f"reward/{env_id}"] = sum(wins) / len(wins)
        return row


def rounds(curriculum, learner, count, tasks=16):
    rows = []
    for step in range(count):
        plan = curriculum.plan(rows, step)
        rows.append({"step": step, **learner.play(plan, tasks), **plan_metrics(plan)})
    return rows


def mean(rows, name):
    found = [row[name] for row in rows if name in row]
    return sum(found) / len(found)


@pytest.mark.parametrize("target", [0.3, 0.5, 0.7])
def test_difficulty_converges_to_where_the_target_is_met(target):
    curriculum = Curriculum(CurriculumConfig(target=target, spread=0.05), environments(A, B))
    rows = rounds(curriculum, Learner({A: 0.35, B: 0.7}), 120)[60:]
    right = math.log(1 / target - 1) / 12  # where a learner of skill 0 succeeds as often as that
    assert mean(rows, f"difficulty/{A}") == pytest.approx(0.35 + right, abs=0.03)
    assert mean(rows, f"difficulty/{B}") == pytest.approx(0.7 + right, abs=0.03)
    for env_id in (A, B):
        assert mean(rows, f"reward/{env_id}") == pytest.approx(target, abs=0.04)


def test_difficulty_rises_with_a_learner_that_gets_better():
    learner = Learner({A: 0.2}, {A: 0.003})
    rows = rounds(Curriculum(CurriculumConfig(), environments(A)), learner, 60)
    assert 0.6 < learner.skills[A] < 1.0
    assert rows[-1][f"difficulty/{A}"] == pytest.approx(learner.skills[A], abs=0.2)
    assert mean(rows[-20:], f"reward/{A}") == pytest.approx(0.5, abs=0.2)


def test_difficulty_stays_within_the_range_of_its_environment():
    hopeless, master = Learner({A: -3.0}), Learner({A: 4.0})
    curriculum = Curriculum(CurriculumConfig(start=0.5, spread=0.2), environments(A, difficulty=(0.2, 0.6)))
    for learner, ends in ((hopeless, (0.2, 0.24)), (master, (0.56, 0.6))):
        rows = rounds(curriculum, learner, 40)
        course = curriculum.plan(rows, 40)[A]
        assert (course.low, course.high) == pytest.approx(ends)


def test_tasks_go_to_what_is_being_learned_and_nothing_starves():
    # A is learned slowly, B is out of reach, C is known already: its difficulty is at the top after 20 rounds
    learner = Learner({A: 0.1, B: -3.0, C: 5.0}, {A: 0.003, B: 0.0, C: 0.0})
    rows = rounds(Curriculum(CurriculumConfig(floor=0.3), environments(A, B, C)), learner, 80)[35:]
    shares = {env_id: mean(rows, f"share/{env_id}") for env_id in (A, B, C)}
    assert shares[A] > 0.6
    assert min(row[f"share/{env_id}"] for row in rows for env_id in (A, B, C)) >= 0.1 - 1e-9


def test_progress_at_a_fixed_difficulty_is_seen_too():
    rows = [{"step": n, f"reward/{A}": 0.02 * n, f"reward/{B}": 0.4} for n in range(20)]
    config = CurriculumConfig(rate=0.0, floor=0.2)
    plan = Curriculum(config, environments(A, B, difficulty=(0.1, 0.5))).plan(rows, 20)
    assert plan == {A: Course(0.1, 0.5, pytest.approx(0.9)), B: Course(0.1, 0.5, pytest.approx(0.1))}
    falling = [row | {f"reward/{A}": 1 - row[f"reward/{A}"]} for row in rows]
    again = Curriculum(config, environments(A, B)).plan(falling, 20)
    assert again[A].share == pytest.approx(0.9), "what is being forgotten wants tasks as well"


def test_until_progress_can_be_told_and_where_there_is_none_the_weights_say():
    given = environments(A, B, weights=[3.0, 1.0])
    for rows in ([], [{"step": n, f"reward/{A}": 0.5, f"reward/{B}": 0.5} for n in range(12)]):
        plan = Curriculum(CurriculumConfig(), given).plan(rows, len(rows))
        assert [plan[A].share, plan[B].share] == pytest.approx([0.75, 0.25])
    rare = [{"step": n, f"reward/{A}": 0.02 * n} for n in range(12)]  # nothing was seen of B
    assert Curriculum(CurriculumConfig(), environments(A, B)).plan(rare, 12)[B].share == pytest.approx(0.5)


def test_a_plan_by_hand():
    config = CurriculumConfig(target=0.5, rate=0.2, start=0.1, spread=0.1, window=4, floor=0.5)
    rows = [{"step": n, f"reward/{A}": s, f"reward/{B}": 0.5} for n, s in enumerate([1.0, 1.0, 0.5, 0.0])]
    # A stands at 0.1, 0.2, 0.3, 0.3 and then 0.2; score + place was 1.1, 1.2, 0.8, 0.3, B stands still
    plan = Curriculum(config, environments(A, B, difficulty=(0.0, 0.5))).plan(rows, 4)
    assert (plan[A].low, plan[A].high) == pytest.approx((0.075, 0.125))
    assert (plan[B].low, plan[B].high) == pytest.approx((0.025, 0.075))
    assert [plan[A].share, plan[B].share] == pytest.approx([0.75, 0.25])


def test_what_may_not_be_known_yet_is_not_read():
    rows = [{"step": n, f"reward/{A}": 0.9 - 0.1 * n} for n in range(8)]
    eager, patient = (Curriculum(CurriculumConfig(), environments(A), lag) for lag in (0, 2))
    assert patient.plan(rows, 8) == patient.plan(rows[:6], 8)
    assert eager.plan(rows, 6) == eager.plan(rows[:6], 6), "a round that is repeated meets the same plan"
    assert patient.plan(rows, 8) != eager.plan(rows, 8)


def test_training_tasks_follow_the_plan():
    mixture = Mixture(environments(A, B, difficulty=(0.0, 0.1)))
    plan = {A: Course(0.3, 0.5, 0.95), B: Course(0.7, 0.7, 0.05)}
    found = [t for step in range(50) for t in mixture.training(4, 0, step, plan=plan)]
    of_a, of_b = ([t.difficulty for t in found if t.env == i] for i in (A, B))
    assert min(of_a) >= 0.3
    assert max(of_a) <= 0.5
    assert set(of_b) == {0.7}
    assert 4 <= len(of_b) <= 16, "a fifth of a task a round is a task every fifth round"
    assert mixture.training(4, 0, 7, plan=plan) == mixture.training(4, 0, 7, plan=plan)
    assert {t.split for t in found} == {"train"}


def test_a_curriculum_is_a_section_of_the_config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"environments: [{{id: {A}}}]\ncurriculum: {{target: 0.6, rate: 0.2}}\n")
    assert load_config(path).curriculum == CurriculumConfig(target=0.6, rate=0.2)
    with pytest.raises(ConfigError, match=r"unknown field curriculum\.targt; did you mean target"):
        load_config(path, ["--curriculum.targt", "0.5"])
