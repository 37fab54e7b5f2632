import json
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards import symbolic
from rewards.equivalence import KINDS, check_gold, equivalent
from rewards.math_answer import boxed, math_answer, offered
from rewards.math_normal import same, value
from rewards.math_parse import parse
from rewards.math_tokens import MathError, clean
from rewards.score import Status
from rewards.transcript import Message, Transcript

SAME = [
    ("0.5", "1/2", "auto"),
    (r"\frac12", "0.5", "auto"),
    (r"-\dfrac{3}{4}", "-0.75", "auto"),
    ("1,234.50", "1234.5", "auto"),
    (r"6.02\times 10^{23}", "6.02e23", "auto"),
    (r"1\frac{1}{2}", "3/2", "auto"),
    (r"0.\overline{3}", "1/3", "auto"),
    ("x = 5", "5", "auto"),
    (r"\$5", "5", "units $"),
    (r"50\%", "50", "units %"),
    (r"\sqrt{12}", r"2\sqrt{3}", "auto"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt 2}", "auto"),
    (r"2^{1/2}", r"\sqrt 2", "auto"),
    (r"\log_2 8", "3", "expression"),
    (r"\ln 6", r"\ln 2 + \ln 3", "auto"),
    (r"\binom{5}{2}", "10", "expression"),
    ("(x+1)^2", "x^2+2x+1", "auto"),
    (r"x^2+\frac1x", r"\frac{x^3+1}{x}", "auto"),
    ("2ab", "b a + a b", "auto"),
    (r"\sin 2x", r"2 \sin x \cos x", "auto"),
    (r"e^{i\pi}", "-1", "expression"),
    (r"\sin^{-1} x", r"\arcsin x", "auto"),
    (r"|x|^2", "x^2", "auto"),
    ("(1,2)", "(1, 2.0)", "auto"),
    (r"\left(\frac12, 3\right)", "(0.5, 3)", "auto"),
    ("2, 1", "1, 2", "set"),
    (r"\{2,1\}", "1, 2", "set"),
    (r"\pm 2", "2, -2", "set"),
    ("7", r"\{7\}", "set"),
    ("1, 2", "(1, 2)", "tuple"),
    (r"(-\infty, 3)", "x < 3", "interval"),
    (r"1 < x \le 2", "(1, 2]", "interval"),
    (r"x \in [0,1)", "[0,1)", "interval"),
    (r"[0,1)\cup(2,3]", r"(2,3]\cup[0,1)", "auto"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&\frac82\end{bmatrix}", "auto"),
    ("y = 2x+1", "2x - y + 1 = 0", "equation"),
    ("x^2+y^2=4", "4 = y^2+x^2", "auto"),
    ("x > 3", "3 < x", "auto"),
    ("-x > 3", "x < -3", "auto"),
    ("(b)", "B", "choice"),
    (r"\textbf{C}.", "C", "choice"),
]
DIFFERENT = [
    ("5", "-5", "auto"),
    ("0.3333", "1/3", "auto"),
    ("50", "50%", "auto"),
    (r"\sqrt{-12}", r"2\sqrt{3}", "auto"),
    ("(x+1)^2", "x^2+1", "auto"),
    (r"\sin 2x", r"2 \sin x", "auto"),
    ("x^2", "|x|", "auto"),
    ("(1,2)", "(2,1)", "auto"),
    ("(1,2,3)", "(1,2)", "auto"),
    ("[1,2]", "(1,2)", "interval"),
    (r"(-\infty, 3]", "x < 3", "interval"),
    ("x < 3", "x > 3", "auto"),
    ("x <= 3", "x < 3", "auto"),
    ("y = 2x+1", "y = 2x", "equation"),
    ("y = 0x", "y = x", "equation"),
    ("1", r"\{1,2\}", "set"),
    (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", "auto"),
    ("A or B", "B", "choice"),
    ("", "B", "choice"),
]


def judged(given_text, gold, kind):
    units = (kind.split()[1],) if kind.startswith("units") else ()
    try:
        return equivalent(given_text, gold, "auto" if units else kind, units)[0]
    except MathError:
        return False


@pytest.mark.parametrize(("text", "gold", "kind"), SAME)
def test_another_spelling_of_the_answer_is_right(text, gold, kind):
    assert judged(text, gold, kind)


@pytest.mark.parametrize(("text", "gold", "kind"), DIFFERENT)
def test_another_answer_is_wrong(text, gold, kind):
    assert not judged(text, gold, kind)


ATOMS = st.sampled_from(["x", "y", "2", "3", "7", r"\pi", r"\frac{1}{2}", r"\sqrt{2}"])
TERMS = st.recursive(
    ATOMS,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
    max_leaves=6,
)


@given(TERMS, TERMS)
def test_commuting_and_respelling_leave_the_verdict(a, b):
    sum_ = f"{a} + {b}"
    for other in (f"{b}+{a}", rf"\left({a}\right) + {b}", f"${a} + {b}$", rf"{a} \, + {b}", f"{a} + {b} + 0"):
        assert equivalent(other, sum_, "expression")[0], other
    assert not equivalent(f"{a} + {b} + 1", sum_, "expression")[0]


@given(TERMS)
def test_values_agree_with_pythons_own_arithmetic(text):
    plain = text.replace(r"\pi", "11").replace(r"\sqrt{2}", "13").replace("x", "5").replace("y", "17")
    expected = eval(plain.replace(r"\frac{1}{2}", "Fraction(1, 2)"), {"Fraction": Fraction})  # our own text
    assert value(parse(clean(plain))) == expected


@given(TERMS, TERMS)
@settings(max_examples=40, deadline=None)
def test_the_fast_path_agrees_with_sympy(a, b):
    left, right = parse(clean(a)), parse(clean(b))
    decided = same(left, right)
    if decided is not None:
        assert decided == (symbolic.ask(left, right) is symbolic.Verdict.EQUAL)


@given(st.text(max_size=60), st.sampled_from(KINDS))
def test_any_text_is_judged_without_an_exception(text, kind):
    target = {"answer": "5", "kind": kind}
    score = math_answer(Transcript((Message("assistant", f"Answer: {text}"),)), target)
    assert score.value in (0.0, 1.0, None)


PIECES = ["Answer: 5", r"\boxed{5}", r"\boxed{3}", "The final answer is 5.", "So 2 + 3 = 5", "Answer: 3", "", "<think>"]


@given(st.lists(st.sampled_from(PIECES), max_size=5), st.sampled_from(["Answer: 7", r"\boxed{7}", "Answer: 5 or 7"]))
def test_a_second_answer_never_raises_the_score(pieces, second):
    def score(parts):
        text = "\n".join(parts)
        return math_answer(Transcript((Message("assistant", text),)), {"answer": "5"}).value

    assert score([*pieces, second]) <= score(pieces)


def test_where_the_answer_stands():
    assert offered("So.\nAnswer: 5") == ["5"]
    assert offered(r"So $\boxed{\frac{1}{2}}$.") == [r"\frac{1}{2}"]
    assert offered(r"Answer: $\boxed{5}$")[0] == "5"
    assert offered("Answer: 5\nAnswer: 5") == []
    assert offered("5") == []
    assert offered("The final answer is 5.") == []
    assert boxed(r"\boxed{\{1,2\}} and \boxed{") == [r"\{1,2\}", ""]


def test_a_tolerance_is_exact_at_its_edge():
    target = {"answer": "3.14", "tolerance": "0.01"}
    scores = [
        math_answer(Transcript((Message("assistant", f"Answer: {x}"),)), target).value
        for x in ("3.13", "3.15", "3.1501", "3.1299")
    ]
    assert scores == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("gold", "kind"), [("5", "auto"), (r"\frac{1}{2}", "number"), ("B", "choice"), (r"\int_0^1 x\,dx", "expression")]
)
def test_golds_that_can_be_read(gold, kind):
    check_gold(gold, kind)


@pytest.mark.parametrize(("gold", "kind"), [("5 apples", "auto"), ("", "choice"), ("x", "number"), ("???", "set")])
def test_golds_that_can_not(gold, kind):
    with pytest.raises(MathError):
        check_gold(gold, kind)


def test_what_only_the_worker_can_decide_is_decided_there():
    assert equivalent(r"\int_0^1 2x\,dx", r"\int_0^1 2t\,dt", "expression")[0]
    score = math_answer(
        Transcript((Message("assistant", r"\boxed{\tan x \cos x}"),)), {"answer": r"\sin x", "kind": "expression"}
    )
    assert (score.value, score.status) == (1.0, Status.OK)


def peers_verdicts(rows):
    """What Math-Verify says of (given, gold) pairs; it wants its own delimiters."""
    verify = pytest.importorskip("math_verify")
    return [
        verify.verify(verify.parse(f"${gold}$", parsing_timeout=None), verify.parse(f"${text}$", parsing_timeout=None))
        for text, gold in rows
    ]


def test_plain_and_symbolic_answers_are_judged_as_math_verify_does():
    rng = random.Random(0)
    rows = []
    for _ in range(60):
        p, q = rng.randint(-40, 40), rng.randint(1, 12)
        gold = Fraction(p, q)
        text = rng.choice([rf"\frac{{{gold.numerator}}}{{{gold.denominator}}}", f"{gold.numerator}/{gold.denominator}"])
        if gold.denominator == 1:
            text = str(gold.numerator)
        shown = str(gold + rng.choice((0, 1)))
        rows.append((text, shown))
    ours = [equivalent(text, gold)[0] for text, gold in rows]
    assert json.dumps(ours) == json.dumps([bool(v) for v in peers_verdicts(rows)])
    assert len(set(ours)) == 2
