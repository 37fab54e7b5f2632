"""Formulas and equations: atoms are counted, whatever the spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.chemistry import atoms, balanced_equation, right_formula
from rewards.score import Status
from rewards.transcript import Message, Transcript

WATER = {"reactants": ["H2", "O2"], "products": ["H2O"]}
SLAKED = {"reactants": ["CaO", "H2O"], "products": ["Ca(OH)2"]}


def said(reward, text, target):
    return reward(Transcript((Message("user", "?"), Message("assistant", f"Answer: {text}"))), target)


@pytest.mark.parametrize(
    ("formula", "found"),
    [
        ("H2O", {"H": 2, "O": 1}),
        ("Ca(OH)2", {"Ca": 1, "O": 2, "H": 2}),
        ("Al2(SO4)3", {"Al": 2, "S": 3, "O": 12}),
        ("CH3COOH", {"C": 2, "H": 4, "O": 2}),
        ("Fe4(Fe(CN)6)3", {"Fe": 7, "C": 18, "N": 18}),
    ],
)
def test_atoms_are_counted_through_brackets(formula, found):
    assert atoms(formula) == found


@pytest.mark.parametrize("text", ["", "h2o", "H2O)", "(H2O", "H-2", "2H2O", "H0", "H2 O", "()", "x" * 400])
def test_what_is_no_formula_has_no_atoms(text):
    assert atoms(text) is None


@pytest.mark.parametrize(
    "text", ["2 H2 + O2 -> 2 H2O", "O2 + 2H2 = 2H2O", "2 H_2 + O_2 \\rightarrow 2 H_2O", "2H₂ + 1 O₂ → 2H₂O."]
)
def test_a_balanced_equation_counts_in_any_spelling(text):
    assert said(balanced_equation, text, WATER).value == 1


@pytest.mark.parametrize(
    "text",
    [
        "H2 + O2 -> H2O",
        "4 H2 + 2 O2 -> 4 H2O",
        "2 H2O -> 2 H2 + O2",
        "2 H2 + 2 O -> 2 H2O",
        "0 H2 + 0 O2 -> 0 H2O",
        "2 H2 + O2 -> 2 H2O -> 2 H2O",
        "H2 + H2 + O2 -> 2 H2O",
        "2 H2 + O2 + N2 -> 2 H2O + N2",
        "2 H2 + O2",
        "-2 H2 + -1 O2 -> -2 H2O",
        "2.0 H2 + O2 -> 2 H2O",
        "",
    ],
)
def test_nothing_else_balances(text):
    assert said(balanced_equation, text, WATER).value == 0
    assert said(balanced_equation, "CaO + H2O -> Ca(OH)2", SLAKED).value == 1


def test_a_formula_may_be_written_in_any_order():
    assert [said(right_formula, t, {"formula": "C2H6O"}).value for t in ("C2H5OH", "OC2H6", "C_2H_6O")] == [1, 1, 1]
    assert [said(right_formula, t, {"formula": "C2H6O"}).value for t in ("CH3O", "C4H12O2", "ethanol")] == [0, 0, 0]


@pytest.mark.parametrize("target", [{}, {"reactants": ["x"], "products": ["H2"]}, {"reactants": "H2", "products": []}])
def test_a_broken_target_is_the_tasks_fault(target):
    assert said(balanced_equation, "H2 -> H2", target).status is Status.TASK_ERROR
    assert said(right_formula, "H2", target).status is Status.TASK_ERROR


@given(st.one_of(st.text(max_size=60), st.text(alphabet="HO2()+-> CaNl10", max_size=60)))
def test_any_text_is_judged(text):
    assert said(balanced_equation, text, WATER).value in (0, 1)
    assert said(right_formula, text, {"formula": "H2O"}).value in (0, 1)
