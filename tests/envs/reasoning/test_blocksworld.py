"""Blocksworld: plans are carried out; a full search confirms that the limit can be met and leaves little slack."""

import random
import re
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.proof import play
from envs.reasoning.blocksworld import plan, reaches_goal, read_plan, rebuild, stacks_of, state_of, why_barred
from rewards.score import Status
from rewards.transcript import Message, Transcript

# C lies on A; wanted is A on B on C.
TARGET = {"start": [["A", "C"], ["B"]], "goal": [["C", "B", "A"]], "limit": 3}
RIGHT = "C to table; B to C; A to B"


@pytest.fixture(scope="module")
def env():
    return envs.make("postgym/Blocksworld-v0")


def score(text: str, target=TARGET):
    return reaches_goal(Transcript((Message("assistant", text),)), target)


def fewest_moves(start: list[list[str]], goal: list[list[str]]) -> int:
    """The length of a shortest plan, breadth first over all states."""
    wanted = frozenset(map(tuple, goal))
    seen = edge = {frozenset(map(tuple, start))}
    moves = 0
    while wanted not in edge:
        moves += 1
        reached = set()
        for stacks in edge:
            for stack in stacks:
                rest = stacks - {stack} | ({stack[:-1]} if len(stack) > 1 else set())
                places = [((), rest)] + [(to, rest - {to}) for to in stacks - {stack}]
                reached |= {frozenset({*others, (*to, stack[-1])}) for to, others in places}
        edge = reached - seen
        seen = seen | edge
    return moves


def test_the_limit_can_be_met_and_leaves_little_slack(env):
    for level in (0.0, 0.2, 0.4):
        for seed in range(10):
            target = env.sample_task(seed, "train", level).target
            assert 0 <= target["limit"] - fewest_moves(target["start"], target["goal"]) <= 2


def test_the_question_tells_start_goal_and_limit(env):
    for seed in range(40):
        task = env.sample_task(seed, "train", seed / 39)
        text, target = task.prompt[1].content, task.target
        assert f" {target['limit']} moves" in text
        if " is on " in text:
            start, goal = re.split(r"In the end|The goal:", text)
            for told, stacks in ((start, target["start"]), (goal, target["goal"])):
                for block, below in state_of(stacks).items():
                    assert f"{block} is on {'the table' if below == 'table' else below}" in told
        else:
            lines = text.splitlines()
            assert [" ".join(stack) for stack in target["start"] + target["goal"]] == [
                line for line in lines if set(line.split()) <= set(state_of(target["start"]))
            ]


def test_rebuilding_everything_always_takes_too_long(env):
    for seed in range(60):
        target = env.sample_task(seed, "test", seed / 59).target
        assert len(rebuild(state_of(target["start"]), state_of(target["goal"]))) > target["limit"]


def test_the_planner_reaches_any_goal(env):
    for seed in range(40):
        target = env.sample_task(seed, "train", seed / 39).target
        state, goal = state_of(target["start"]), state_of(target["goal"])
        moves = plan(random.Random(seed), state, goal)
        spelled = "; ".join(f"{block} to {to}" for block, to in moves)
        assert score(f"Answer: {spelled}", {**target, "limit": len(moves)}).value == 1


def test_stacks_and_states_say_the_same():
    assert stacks_of(state_of(TARGET["start"])) == TARGET["start"]


@pytest.mark.parametrize(
    "answer",
    [
        RIGHT,
        "c to table, b to c, a to b.",
        "move C to the table; move B onto C; move A on top of B",
        "C -> table;B -> C;A -> B",
        "put block C on the table; put block B on block C; put block A on block B",
    ],
)
def test_the_plan_in_any_usual_words_is_right(answer):
    assert score(f"Answer: {answer}").value == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("B to C; A to B", "move 2 can't be made: a has a block on it"),
        ("C to B; A to C; B to A", "move 3 can't be made: b has a block on it"),
        ("C to table; B to A; A to C", "a has a block on it"),
        ("C to table; B to C", "a is not where it should be"),
        ("C to B; C to table; B to C; A to B", "4 moves, at most 3"),
        ("C to C; B to C; A to B", "c is not free"),
        ("B to table; C to table", "stands there already"),
        ("D to table; B to C; A to B", "there is no d"),
        ("C to floor; B to C; A to B", "there is no floor"),
        ("table to C", "there is no table"),
        ("done", "no single closing line"),
        (f"{RIGHT} or nothing", "no single closing line"),
        ("; ".join(["C to table"] * 70), "no single closing line"),
    ],
)
def test_what_fails_is_told_why(answer, why):
    judged = score(f"Answer: {answer}")
    assert judged.value == 0
    assert why in judged.reason


@pytest.mark.parametrize(
    "target", [{}, {**TARGET, "limit": None}, {**TARGET, "goal": TARGET["start"]}, {**TARGET, "goal": [["A", "B"]]}]
)
def test_a_broken_target_is_the_tasks_fault(target):
    assert score(f"Answer: {RIGHT}", target).status is Status.TASK_ERROR


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(["A", "B", "C", "table"])), max_size=4))
def test_only_the_one_plan_of_three_moves_scores(moves):
    text = "; ".join(f"{block} to {to}" for block, to in moves)
    assert bool(score(f"Answer: {text}").value) == (text == RIGHT)


@given(st.text(max_size=80))
def test_any_text_is_read_or_not(text):
    assert read_plan(text) is None or all(len(move) == 2 for move in read_plan(text))


def test_random_moves_arrive_less_and_less(env):
    def wandering(task, tries: int = 40) -> float:
        """Legal moves at random, a few times over; answers with what arrived, if anything did."""
        rng, goal = random.Random(task.seed), state_of(task.target["goal"])
        for _ in range(tries):
            state, moves = state_of(task.target["start"]), []
            while state != goal and len(moves) < task.target["limit"]:
                move = rng.choice(list(state)), rng.choice(["table", *state])
                if why_barred(state, move) is None:
                    moves.append(move)
                    state[move[0]] = move[1]
            if state == goal:
                spelled = "; ".join(f"{block} to {to}" for block, to in moves)
                return play(env, task, lambda messages, spelled=spelled: f"Answer: {spelled}")[1].value
        return 0.0

    earned = [mean(wandering(env.sample_task(i, "train", level)) for i in range(40)) for level in (0, 0.4, 1)]
    assert earned == sorted(earned, reverse=True)
    assert earned[0] > earned[-1] + 0.2
