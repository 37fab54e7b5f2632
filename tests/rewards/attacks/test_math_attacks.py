"""Attacks on the judging of mathematics: each earns nothing and costs milliseconds, its honest twin is right."""

import os
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import pytest

from rewards import symbolic
from rewards.math_answer import math_answer
from rewards.score import Status
from rewards.transcript import Message, Transcript

ONE = ("num", Fraction(1))
FIVE = {"answer": "5"}
FIFTY = {"answer": "50"}
AT_MOST_SECONDS = 1.0  # the aim is 50 ms; the rest is for a machine that does other things


def judged(text, target):
    return math_answer(Transcript((Message("user", "?"), Message("assistant", text))), target)


def answer(gold, kind="auto", **more):
    return {"answer": gold, "kind": kind, **more}


ATTACKS = {
    "01-an equation in the box": (r"\boxed{3=5}", r"\boxed{5}", FIVE),
    "02-answer inside the thinking": (r"<think>\boxed{5}</think>I give up", r"<think>no</think>\boxed{5}", FIVE),
    "02-thinking that never ends": (r"<think>hm \boxed{5}", r"<think>hm</think> \boxed{5}", FIVE),
    "03-line against box": ("Answer: 5\n\\boxed{3}", "\\boxed{5}\nAnswer: 5", FIVE),
    "03-box before the line": ("\\boxed{3}\nAnswer: 5", "\\boxed{5.0}\nAnswer: 5", FIVE),
    "03-said against box": (
        r"The final answer is $5$. But \boxed{3}",
        r"The final answer is $3$. So \boxed{3}",
        answer("3"),
    ),
    "03-two lines": ("Answer: 5\nAnswer: 3", "So it is.\nAnswer: 5", FIVE),
    "04-a list of everything": ("Answer: 1 2 3 4 5", "Answer: 5", FIVE),
    "04-a list with commas": ("Answer: 1, 2, 3, 4, 5", "Answer: 5", FIVE),
    "04-or": (r"\boxed{5\text{ or }7}", r"\boxed{5}", FIVE),
    "04-every candidate boxed": (r"\boxed{4} \boxed{5} \boxed{6}", r"\boxed{5} \boxed{5}", FIVE),
    "05-percent slack below": ("Answer: 0.5", "Answer: 50", FIFTY),
    "05-percent slack above": ("Answer: 5000", "Answer: 50", FIFTY),
    "05-percent not granted": ("Answer: 50%", "Answer: 50.0", FIFTY),
    "05-near in thousands": ("Answer: 100009", "Answer: 100,000", answer("100000")),
    "05-near in ten-millionths": ("Answer: 2e-7", "Answer: 0.0000001", answer("1e-7")),
    "05-beyond the tolerance": ("Answer: 3.2", "Answer: 3.14", answer("3.14159", tolerance="0.01")),
    "06-another factorial": (r"\boxed{1/2006!}", r"\boxed{\frac{1}{2004!}}", answer("1/2004!", "expression")),
    "06-a root beside it": (r"\boxed{4\sqrt(2)}", r"\boxed{4}", answer("4")),
    "06-plus for minus": (r"\boxed{1+1/\mathrm{e}}", r"\boxed{1-\frac1{e}}", answer(r"1-1/\mathrm{e}")),
    "07-set for tuple": (r"\boxed{\{1,2\}}", r"\boxed{(1,2)}", answer("(1,2)")),
    "07-twice in a set": ("Answer: 1,2,2", "Answer: 2, 1", answer("1,2", "set")),
    "07-open for closed": ("Answer: (1,2)", "Answer: [1,2]", answer("[1,2]", "interval")),
    "07-half open for closed": ("Answer: (1,2]", r"Answer: 1 \le x \le 2", answer("[1,2]", "interval")),
    "07-another sequence": ("Answer: 1,3,5,2n-1", "Answer: 1,2,3,n", answer("1,2,3,n", "tuple")),
    "07-dots": ("Answer: 1,3,5,...,2n-1", "Answer: 2n-1", answer("2n-1")),
    "07-order of a tuple": ("Answer: (2,1)", "Answer: 1, 2", answer("(1,2)", "tuple")),
    "08-not B": (r"\boxed{\text{not B}}", r"\boxed{\text{(B)}}", answer("B", "choice")),
    "08-unrelated equation": (r"\boxed{y = x}", r"\boxed{2y = 2x + 2}", answer("y = x + 1")),
    "08-flipped inequality": (r"\boxed{x < 3}", r"\boxed{3 < x}", answer("x > 3")),
    "09-import": ("Answer: __import__('os').system('touch PWNED')", "Answer: 5", FIVE),
    "09-open in a list": ("Answer: [open('PWNED', 'w')]", "Answer: 5", FIVE),
    "09-open or pi": (r"\boxed{open('PWNED','w') or \pi}", r"\boxed{\pi}", answer(r"\pi")),
    "09-attribute walk": (r"\boxed{().__class__.__bases__}", r"\boxed{5}", FIVE),
    "09-lambda": (r"\boxed{\lambda: 5}", r"\boxed{5}", FIVE),
    "10-power tower": (r"\boxed{9^{9^{9}}}", r"\boxed{5}", FIVE),
    "10-power tower by stars": ("Answer: 9**9**9", "Answer: 5", FIVE),
    "10-factorial": (r"\boxed{99999999!}", r"\boxed{120}", answer("5!")),
    "10-factorial of a factorial": (r"\boxed{((9!)!)!}", r"\boxed{5}", FIVE),
    "10-digits": ("Answer: " + "7" * 10_000, "Answer: 5", FIVE),
    "10-brackets": ("Answer: " + "(" * 5_000 + "5" + ")" * 5_000, "Answer: ((5))", FIVE),
    "10-open brackets": (r"\boxed{" + "{" * 5_000, r"\boxed{{5}}", FIVE),
    "10-boxes in boxes": (r"\boxed{" * 5_000 + "5" + "}" * 5_000, r"\boxed{5}", FIVE),
    "10-a product of sums": (
        r"\boxed{" + "(x+y+z+a+b)" * 40 + "}",
        r"\boxed{(x+1)(x-1)}",
        answer("x^2-1"),
    ),
    "10-minus signs": ("Answer: " + "-" * 5_000 + "5", "Answer: --5", answer("5", "expression")),
    "10-a root of a root": (
        r"\boxed{" + r"\sqrt{" * 500 + "5" + "}" * 501,
        r"\boxed{\sqrt{25}}",
        answer("5", "expression"),
    ),
    "11-integral not worked out": (r"\boxed{\int_0^{17}1dx}", r"\boxed{17}", answer("17")),
    "11-sum not worked out": (r"\boxed{\sum_{k=1}^{5} 1}", r"\boxed{5}", FIVE),
    "11-plus not worked out": ("Answer: 2+3", "Answer: 5", FIVE),
    "11-fraction not worked out": ("Answer: 10/2", "Answer: 5/2", answer("5/2")),
    "11-fraction not in lowest terms": (r"\boxed{\frac{10}{4}}", r"\boxed{\frac{5}{2}}", answer("2.5")),
    "12-Arabic digits": ("Answer: ٥", "Answer: 5", FIVE),
    "12-superscript": ("Answer: 5²", "Answer: 5^2", answer("25", "expression")),
    "12-circled": ("Answer: ⑤", "Answer: ５", FIVE),
    "12-vulgar fraction": ("Answer: ½", "Answer: 𝟏/𝟐", answer("1/2")),
}


@pytest.mark.parametrize(("attack", "honest", "target"), ATTACKS.values(), ids=ATTACKS.keys())
def test_the_attack_earns_nothing_and_its_twin_everything(attack, honest, target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    symbolic.ask(ONE, ONE)  # the worker's start is no answer's time
    took = []
    while not took or (min(took) > AT_MOST_SECONDS and len(took) < 5):  # a busy machine may stop us for a while
        started = time.perf_counter()
        score = judged(attack, target)
        took.append(time.perf_counter() - started)
    assert min(took) < AT_MOST_SECONDS
    assert score.status in (Status.OK, Status.INVALID_OUTPUT)
    assert score.value == 0, score.reason
    assert judged(honest, target).value == 1, judged(honest, target).reason
    assert not list(tmp_path.iterdir()), "no side effects"


def test_13_threads_other_than_the_main_one_judge_alike():
    texts = [r"\boxed{\sin^2 x + \cos^2 x}", r"\boxed{2}"]
    found = {}

    def work(name):
        found[name] = [judged(t, answer("1", "expression")).value for t in texts]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: [1.0, 0.0] for i in range(8)}


def test_13_a_forked_child_judges_too_and_leaves_the_parents_worker_alone():
    identity = r"\boxed{\sin^2 x + \cos^2 x}"
    assert judged(identity, answer("1", "expression")).value == 1
    child = os.fork()
    if child == 0:
        os._exit(int(judged(identity, answer("1", "expression")).value != 1))
    assert os.waitpid(child, 0)[1] == 0
    assert judged(identity, answer("1", "expression")).value == 1


def test_a_worker_that_dies_is_replaced_and_nobody_is_scored_wrong():
    identity = r"\boxed{\sin^2 x + \cos^2 x}"
    assert judged(identity, answer("1", "expression")).value == 1
    symbolic._WORKER.process.kill()
    assert judged(identity, answer("1", "expression")).value == 1


def test_a_worker_that_cannot_live_is_an_error_of_ours(monkeypatch):
    monkeypatch.setattr(symbolic._Worker, "ask", lambda self, request: symbolic.Verdict.DEAD)
    score = judged(r"\boxed{\sin^2 x + \cos^2 x}", answer("1", "expression"))
    assert (score.value, score.status) == (None, Status.INFRA_ERROR)


def test_the_worker_goes_when_its_owner_does():
    code = """
from fractions import Fraction
from rewards import symbolic
symbolic.ask(("num", Fraction(1)), ("num", Fraction(1)))
print(symbolic._WORKER.process.pid)
"""
    root = Path(__file__).parents[3]
    pid = int(subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"answer": ""},
        {"answer": "  "},
        {"answer": 5},
        {"answer": "5", "kind": "numbr"},
        {"answer": "5 or 7 maybe"},
        {"answer": "x", "kind": "number"},
        {"answer": "9^{9^{9}}", "kind": "number"},
        {"answer": "5", "units": "kg"},
        {"answer": "5", "tolerance": "about"},
    ],
    ids=str,
)
def test_a_broken_gold_is_the_tasks_fault(target):
    score = judged("Answer: 5", target)
    assert (score.value, score.status) == (None, Status.TASK_ERROR)
