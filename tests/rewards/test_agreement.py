"""Where we and Math-Verify judge alike, and every case here where we don't (docs/rewards.md says who is right)."""

import contextlib
import warnings

import pytest

from rewards.equivalence import equivalent
from rewards.math_tokens import MathError

RIGHT = [  # gold, answer, kind
    ("7425000", "7,425,000", "auto"),
    ("1000", "1000.0", "auto"),
    ("0.4", ".4", "auto"),
    ("10/9", r"\frac{10}{9}", "auto"),
    ("1/3", r"\cfrac13", "auto"),
    ("1/3", r"\left(\frac{1}{3}\right)", "auto"),
    ("1/3", "k = 1/3", "auto"),
    (r"28\%", r"28\%", "auto"),
    (r"28\%", "0.28", "auto"),
    (r"\frac{3}{4}", r"75\%", "auto"),
    ("14{,}916", "14916", "auto"),
    (r"1.5\times 10^3", "1500", "auto"),
    (r"90^\circ", "90", "auto"),
    (r"15\text{ cm}^2", "15", "auto"),
    ("[0,1)", "[0,1)", "auto"),
    (r"\{1,2\}", r"\{2,1\}", "auto"),
    (r"\{1,2\}", "1,2", "set"),
    (r"(3,\frac{\pi}{2})", r"\left(3,\frac{\pi}{2}\right)", "auto"),
    (r"(-\infty,2)", "x<2", "interval"),
    (r"x \in [0,1]", r"0\le x\le 1", "auto"),
    ("x<2", "2>x", "auto"),
    (r"[0,1]\cup[2,3]", r"[2,3]\cup[0,1]", "auto"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}", "auto"),
    ("2-2p", "2(1-p)", "auto"),
    ("x^2-1", "(x-1)(x+1)", "auto"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}", "auto"),
    (r"\sqrt{12}", r"2\sqrt3", "auto"),
    (r"\ln 6", r"\ln 2+\ln 3", "auto"),
    (r"\sin^2 x+\cos^2 x", "1", "auto"),
    ("n(n+1)/2", r"\frac{n^2+n}{2}", "auto"),
    ("2+3i", "3i+2", "auto"),
    ("y=2x+3", "2x-y+3=0", "auto"),
    ("y=2x+3", "2x+3", "auto"),
    ("5", "x=5", "auto"),
    (r"x=1\text{ or }x=2", r"x=2\text{ or }x=1", "auto"),
    (r"1\pm\sqrt2", r"1+\sqrt2,1-\sqrt2", "set"),
    (r"\text{Evelyn}", "Evelyn", "choice"),
]
WRONG = [
    ("-5", "5", "auto"),
    ("1.22", "1,22", "auto"),
    ("10/9", "20/18", "auto"),
    ("10/9", "1.1111111", "auto"),
    ("10", "(9+1)", "auto"),
    ("1024", "2^{10}", "auto"),
    (r"28\%", "28", "auto"),
    ("28", r"28\%", "auto"),
    ("28", "0.28", "auto"),
    ("1/3", r"\frac{1}{3}\text{ meters}", "auto"),
    (r"15\text{ cm}^2", r"15\text{ cm}", "auto"),
    (r"\pi", "3.14159265", "auto"),
    ("50", "5000", "auto"),
    ("100000", "100009", "auto"),
    ("1e-7", "2e-7", "auto"),
    ("[0,1)", "(0,1)", "auto"),
    ("(1,2)", "[1,2]", "auto"),
    ("(1,2)", r"\{1,2\}", "auto"),
    ("(2,3)", "(3,2)", "auto"),
    (r"\{1,2\}", r"\{1,2,2\}", "auto"),
    ("1,2", "1,2,2", "auto"),
    ("a=1,b=2", "1,2", "auto"),
    ("x<2", r"x\le 2", "auto"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}", "auto"),
    ("x^2-1", "(x-1)^2", "auto"),
    ("4", r"4\sqrt(2)", "auto"),
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}", "auto"),
    (r"1-\frac{1}{\mathrm{e}}", r"1+\frac{1}{\mathrm{e}}", "auto"),
    ("y=2x+3", "y=3x+2", "auto"),
    ("5", "3=5", "auto"),
    ("5", r"5\text{ or }7", "auto"),
    ("17", r"\int_0^{17}1dx", "auto"),
    ("|x|", "x", "auto"),
    (r"\infty", r"-\infty", "auto"),
    (r"\text{B}", r"\text{not B}", "choice"),
    ("3", "1,2,3", "auto"),
]
THEY_ACCEPT = {  # and we don't
    ("10/9", "20/18"),
    ("10/9", "1.1111111"),
    ("10", "(9+1)"),
    ("1024", "2^{10}"),
    (r"28\%", "28"),
    ("28", r"28\%"),
    ("1/3", r"\frac{1}{3}\text{ meters}"),
    (r"15\text{ cm}^2", r"15\text{ cm}"),
    (r"\pi", "3.14159265"),
    ("(1,2)", r"\{1,2\}"),
    (r"\{1,2\}", r"\{1,2,2\}"),
    ("1,2", "1,2,2"),
    ("a=1,b=2", "1,2"),
    ("4", r"4\sqrt(2)"),
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
    (r"1-\frac{1}{\mathrm{e}}", r"1+\frac{1}{\mathrm{e}}"),
    ("5", "3=5"),
    ("17", r"\int_0^{17}1dx"),
}
THEY_REFUSE = {(r"(-\infty,2)", "x<2"), (r"x \in [0,1]", r"0\le x\le 1")}


@pytest.mark.parametrize(("gold", "given", "kind"), RIGHT)
def test_right_answers_are_right(gold, given, kind):
    assert equivalent(given, gold, kind)[0]


@pytest.mark.parametrize(("gold", "given", "kind"), WRONG)
def test_wrong_answers_are_wrong(gold, given, kind):
    with contextlib.suppress(MathError):  # no answer at all
        assert not equivalent(given, gold, kind)[0]


def test_math_verify_judges_the_same_but_for_these():
    peer = pytest.importorskip("math_verify")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        def theirs(gold, given):
            sides = [peer.parse(f"${text}$", parsing_timeout=None) for text in (gold, given)]
            return bool(peer.verify(*sides, timeout_seconds=None))

        assert {(g, a) for g, a, _ in WRONG if theirs(g, a)} == THEY_ACCEPT
        assert {(g, a) for g, a, _ in RIGHT if not theirs(g, a)} == THEY_REFUSE
