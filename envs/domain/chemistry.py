"""`postgym/Chemistry-v0`: formulas, balanced equations, amounts of substance, solutions, gases, yields, analysis.

A molar mass at difficulty 0; at 1 limiting reagents, gases and the formula of a substance from what its combustion
leaves. Atomic masses are given in the question; amounts carry a unit, any that measures the same.
"""

import math
import random
from collections.abc import Sequence
from typing import Any

from envs.base import Exploit, Task
from envs.domain.sheet import Sheet, shown
from envs.mathematics.cheats import says
from envs.mathematics.problems import Problem, ProblemEnv
from rewards.chemistry import atoms, balanced_equation, right_formula
from rewards.quantity import right_quantity
from rewards.score import Criterion, Rubric, Score
from rewards.transcript import Transcript

MASSES = {  # standard atomic weights, IUPAC, to five figures at most
    **{"H": 1.008, "Li": 6.94, "C": 12.011, "N": 14.007, "O": 15.999, "F": 18.998, "Na": 22.99, "Mg": 24.305},
    **{"Al": 26.982, "Si": 28.085, "P": 30.974, "S": 32.06, "Cl": 35.45, "K": 39.098, "Ca": 40.078, "Cr": 51.996},
    **{"Mn": 54.938, "Fe": 55.845, "Ni": 58.693, "Cu": 63.546, "Zn": 65.38, "Br": 79.904, "Ag": 107.87, "I": 126.9},
    **{"Ba": 137.33, "Pb": 207.2},
}
Side = tuple[tuple[int, str], ...]
REACTIONS: tuple[tuple[Side, Side], ...] = (
    (((2, "H2"), (1, "O2")), ((2, "H2O"),)),
    (((1, "N2"), (3, "H2")), ((2, "NH3"),)),
    (((4, "Fe"), (3, "O2")), ((2, "Fe2O3"),)),
    (((1, "Fe2O3"), (3, "CO")), ((2, "Fe"), (3, "CO2"))),
    (((2, "Al"), (1, "Fe2O3")), ((1, "Al2O3"), (2, "Fe"))),
    (((1, "CaCO3"), (2, "HCl")), ((1, "CaCl2"), (1, "H2O"), (1, "CO2"))),
    (((2, "Na"), (2, "H2O")), ((2, "NaOH"), (1, "H2"))),
    (((1, "Zn"), (2, "HCl")), ((1, "ZnCl2"), (1, "H2"))),
    (((2, "Al"), (6, "HCl")), ((2, "AlCl3"), (3, "H2"))),
    (((2, "AgNO3"), (1, "CaCl2")), ((2, "AgCl"), (1, "Ca(NO3)2"))),
    (((1, "Pb(NO3)2"), (2, "KI")), ((1, "PbI2"), (2, "KNO3"))),
    (((2, "KClO3"),), ((2, "KCl"), (3, "O2"))),
    (((4, "NH3"), (5, "O2")), ((4, "NO"), (6, "H2O"))),
    (((4, "P"), (5, "O2")), ((2, "P2O5"),)),
    (((1, "P2O5"), (3, "H2O")), ((2, "H3PO4"),)),
    (((1, "H2SO4"), (2, "NaOH")), ((1, "Na2SO4"), (2, "H2O"))),
    (((2, "H3PO4"), (3, "Ca(OH)2")), ((1, "Ca3(PO4)2"), (6, "H2O"))),
    (((1, "Al2(SO4)3"), (6, "NaOH")), ((2, "Al(OH)3"), (3, "Na2SO4"))),
    (((3, "Cu"), (8, "HNO3")), ((3, "Cu(NO3)2"), (2, "NO"), (4, "H2O"))),
    (((4, "FeS2"), (11, "O2")), ((2, "Fe2O3"), (8, "SO2"))),
    (((2, "ZnS"), (3, "O2")), ((2, "ZnO"), (2, "SO2"))),
    (((1, "MnO2"), (4, "HCl")), ((1, "MnCl2"), (1, "Cl2"), (2, "H2O"))),
    (((1, "Mg3N2"), (6, "H2O")), ((3, "Mg(OH)2"), (2, "NH3"))),
    (((1, "SiO2"), (4, "HF")), ((1, "SiF4"), (2, "H2O"))),
    (((2, "Na2O2"), (2, "CO2")), ((2, "Na2CO3"), (1, "O2"))),
    (((1, "BaCl2"), (1, "Na2SO4")), ((1, "BaSO4"), (2, "NaCl"))),
    (((6, "CO2"), (6, "H2O")), ((1, "C6H12O6"), (6, "O2"))),
    (((2, "Cr2O3"), (3, "Si")), ((4, "Cr"), (3, "SiO2"))),
    (((2, "C2H2"), (5, "O2")), ((4, "CO2"), (2, "H2O"))),
    (((1, "Ni"), (4, "CO")), ((1, "Ni(CO)4"),)),
    (((6, "Li"), (1, "N2")), ((2, "Li3N"),)),
    (((2, "KMnO4"), (16, "HCl")), ((2, "KCl"), (2, "MnCl2"), (5, "Cl2"), (8, "H2O"))),
)
SUBSTANCES = tuple(sorted({f for sides in REACTIONS for side in sides for _, f in side if len(f) > 3}))
SOLUTES = ("NaCl", "KNO3", "NaOH", "CaCl2", "Na2SO4", "AgNO3", "KI", "HCl", "H2SO4", "C6H12O6", "Na2CO3", "MgBr2")
_GRAMS, _LITRES = {"g": 1.0, "kg": 1000.0, "mg": 0.001}, {"L": 1.0, "mL": 0.001}


def _given(formulas: Sequence[str]) -> str:
    elements = sorted({e for f in formulas for e in atoms(f) or {}})
    return "Atomic masses in g/mol: " + ", ".join(f"{e} {MASSES[e]:g}" for e in elements) + "."


def _molar(sheet: Sheet, formula: str) -> float:
    """The molar mass, as a line of work."""
    found = atoms(formula) or {}
    terms = [f"{n} * {MASSES[e]:g}" if n > 1 else f"{MASSES[e]:g}" for e, n in found.items()]
    return sheet.step(" + ".join(terms), sum(n * MASSES[e] for e, n in found.items()), "g/mol")


def _side(terms: Side, balanced: bool) -> str:
    return " + ".join(f"{n} {f}" if balanced and n > 1 else f for n, f in terms)


def _equation(reaction: tuple[Side, Side], balanced: bool = True) -> str:
    return " -> ".join(_side(side, balanced) for side in reaction)


def _burning(rng: random.Random) -> tuple[Side, Side]:
    """The combustion of an alcohol, an acid or a hydrocarbon."""
    carbon, oxygen = rng.randint(1, 12), rng.randint(0, 3)
    hydrogen = 2 * rng.randint(1, carbon + 1)
    fuel = "".join(f"{e}{n if n > 1 else ''}" for e, n in (("C", carbon), ("H", hydrogen), ("O", oxygen)) if n)
    halves = 2 * carbon + hydrogen // 2 - oxygen  # atoms of oxygen to come from outside
    if halves < 1:
        return _burning(rng)
    times = 1 + halves % 2
    return ((times, fuel), (times * halves // 2, "O2")), ((times * carbon, "CO2"), (times * hydrogen // 2, "H2O"))


def _reaction(rng: random.Random) -> tuple[Side, Side]:
    return rng.choice(REACTIONS) if rng.random() < 0.6 else _burning(rng)


def weight(rng: random.Random, difficulty: float) -> Problem:
    """The mass of an amount of substance."""
    sheet = Sheet(rng, difficulty)
    formula = rng.choice(SUBSTANCES) if rng.random() < 0.4 else _burning(rng)[0][0][1]
    told, n = sheet.draw(1, 20)
    molar = _molar(sheet, formula)
    grams = sheet.step(f"{told} * {shown(molar)}", n * molar, "g")
    return sheet.problem(f"What is the mass of {told} mol of {formula}? {_given([formula])}", grams, "g")


def moles(rng: random.Random, difficulty: float) -> Problem:
    """The amount of substance in a mass."""
    sheet, formula = Sheet(rng, difficulty), rng.choice(SUBSTANCES)
    told, grams = sheet.draw(1, 400, _GRAMS)
    molar = _molar(sheet, formula)
    n = sheet.step(f"{shown(grams)} / {shown(molar)}", grams / molar, "mol")
    return sheet.problem(f"How many moles are {told} of {formula}? {_given([formula])}", n, "mol")


def concentration(rng: random.Random, difficulty: float) -> Problem:
    """The concentration of a solution made from a mass."""
    sheet, formula = Sheet(rng, difficulty), rng.choice(SOLUTES)
    (told, grams), (volume, litres) = sheet.draw(2, 200, _GRAMS), sheet.draw(1, 5, _LITRES)
    molar = _molar(sheet, formula)
    n = sheet.step(f"{shown(grams)} / {shown(molar)}", grams / molar, "mol")
    c = sheet.step(f"{shown(n)} / {shown(litres)}", n / litres, "mol/L")
    question = f"{told} of {formula} are dissolved to make {volume} of solution. What is its concentration?"
    return sheet.problem(f"{question} {_given([formula])}", c, "mol/L")


def balance(rng: random.Random, difficulty: float) -> Problem:
    """The smallest whole coefficients; checked element by element."""
    reaction = _burning(rng) if rng.random() < 0.75 else rng.choice(REACTIONS)
    elements = sorted({e for side in reaction for _, f in side for e in atoms(f) or {}})
    work = []
    for element in elements:
        sums = (
            " + ".join(f"{n} * {count}" for n, f in side if (count := (atoms(f) or {}).get(element, 0)))
            for side in reaction
        )
        work.append(f"{element}: {' = '.join(sums)}")
    question = f"Balance with the smallest whole coefficients: {_equation(reaction, balanced=False)}"
    return Problem(question, _equation(reaction), tuple(work))


def dilution(rng: random.Random, difficulty: float) -> Problem:
    """The concentration after a part of a solution is diluted, twice."""
    sheet, formula = Sheet(rng, difficulty), rng.choice(SOLUTES)
    c = rng.randint(5, 120) / 10
    (part, a), (whole, b) = sheet.draw(1, 3, _LITRES), sheet.draw(4, 20, _LITRES)
    (second, d), (end, e) = sheet.draw(1, 3, _LITRES), sheet.draw(4, 20, _LITRES)
    n = sheet.step(f"{c:g} * {shown(a)}", c * a, "mol")
    middle = sheet.step(f"{shown(n)} / {shown(b)}", n / b, "mol/L")
    m = sheet.step(f"{shown(middle)} * {shown(d)}", middle * d, "mol")
    last = sheet.step(f"{shown(m)} / {shown(e)}", m / e, "mol/L")
    question = (
        f"{part} of {c:g} mol/L {formula} solution are diluted to {whole}; then {second} of that are diluted to {end}. "
        "What is the last concentration?"
    )
    return sheet.problem(question, last, "mol/L")


def product_mass(rng: random.Random, difficulty: float) -> Problem:
    """The mass of a product from that of a reactant, at some yield."""
    sheet, reaction = Sheet(rng, difficulty), _reaction(rng)
    (a, start), (b, end) = rng.choice(reaction[0]), rng.choice(reaction[1])
    told, grams = sheet.draw(5, 400, _GRAMS)
    percent = rng.randint(40, 99)
    m, w = _molar(sheet, start), _molar(sheet, end)
    n = sheet.step(f"{shown(grams)} / {shown(m)}", grams / m, "mol")
    k = sheet.step(f"{shown(n)} * {b} / {a}", n * b / a, "mol")
    full = sheet.step(f"{shown(k)} * {shown(w)}", k * w, "g")
    got = sheet.step(f"{shown(full)} * {percent} / 100", full * percent / 100, "g")
    question = (
        f"{_equation(reaction)}. What mass of {end} do {told} of {start} give at a yield of {percent}%, if nothing "
        f"else is lacking? {_given([start, end])}"
    )
    return sheet.problem(question, got, "g")


def gas(rng: random.Random, difficulty: float) -> Problem:
    """The volume of a gas that a reaction sets free, by the ideal gas law."""
    makers = [r for r in REACTIONS if any(f in ("H2", "CO2", "O2", "NO", "SO2", "Cl2") for _, f in r[1])]
    sheet, reaction = Sheet(rng, difficulty), rng.choice(makers)
    a, start = rng.choice(reaction[0])
    b, end = rng.choice([t for t in reaction[1] if t[1] in ("H2", "CO2", "O2", "NO", "SO2", "Cl2")])
    (told, grams), celsius, kilopascals = sheet.draw(5, 400, _GRAMS), rng.randint(5, 90), rng.randint(80, 130)
    m = _molar(sheet, start)
    n = sheet.step(f"{shown(grams)} / {shown(m)}", grams / m, "mol")
    k = sheet.step(f"{shown(n)} * {b} / {a}", n * b / a, "mol")
    kelvin = sheet.step(f"{celsius} + 273.15", celsius + 273.15, "K")
    product = sheet.step(f"{shown(k)} * 8.314 * {shown(kelvin)}", k * 8.314 * kelvin, "J")
    litres = sheet.step(f"{shown(product)} / {kilopascals}", product / kilopascals, "L")
    question = (
        f"{_equation(reaction)}. What volume of {end}, at {celsius} °C and {kilopascals} kPa, do {told} of {start} "
        f"set free? Take R = 8.314 J/(mol*K) and an ideal gas. {_given([start])}"
    )
    return sheet.problem(question, litres, "L")


def limiting(rng: random.Random, difficulty: float) -> Problem:
    """The mass of a product where one of two reactants runs out."""
    sheet = Sheet(rng, difficulty)
    reaction = rng.choice([r for r in REACTIONS if len(r[0]) == 2]) if rng.random() < 0.6 else _burning(rng)
    (a, one), (b, two) = reaction[0]
    c, end = rng.choice(reaction[1])
    (first, x), (second, y) = sheet.draw(5, 400, _GRAMS), sheet.draw(5, 400, _GRAMS)
    m, k, w = _molar(sheet, one), _molar(sheet, two), _molar(sheet, end)
    p = sheet.step(f"{shown(x)} / ({a} * {shown(m)})", x / (a * m), "mol")
    q = sheet.step(f"{shown(y)} / ({b} * {shown(k)})", y / (b * k), "mol")
    less, short = (p, one) if p < q else (q, two)
    sheet.work.append(f"{shown(less)} is the smaller: {short} runs out")
    got = sheet.step(f"{shown(less)} * {c} * {shown(w)}", less * c * w, "g")
    question = f"{_equation(reaction)}. {first} of {one} meet {second} of {two}. What mass of {end} can form?"
    return sheet.problem(f"{question} {_given([one, two, end])}", got, "g")


def empirical(rng: random.Random, difficulty: float) -> Problem:
    """The simplest formula of a substance of C, H and O from what its combustion leaves."""
    sheet = Sheet(rng, difficulty)
    shared = 2
    while shared > 1:
        c, h, o = rng.randint(1, 8), 2 * rng.randint(1, 6), rng.randint(1, 4)
        shared = math.gcd(c, h, o)
    n = rng.randint(5, 300) / 1000
    mass, dioxide = n * (c * 12.011 + h * 1.008 + o * 15.999), n * c * 44.009
    water = n * h / 2 * 18.015
    grams, gas_mass, wet = (float(f"{v:.5g}") for v in (mass, dioxide, water))
    x = sheet.step(f"{shown(gas_mass)} / 44.009", gas_mass / 44.009, "mol C")
    y = sheet.step(f"2 * {shown(wet)} / 18.015", 2 * wet / 18.015, "mol H")
    carbon, hydrogen = (
        sheet.step(f"{shown(x)} * 12.011", x * 12.011, "g C"),
        sheet.step(f"{shown(y)} * 1.008", y * 1.008, "g H"),
    )
    rest = sheet.step(f"{shown(grams)} - {shown(carbon)} - {shown(hydrogen)}", grams - carbon - hydrogen, "g O")
    z = sheet.step(f"{shown(rest)} / 15.999", rest / 15.999, "mol O")
    least = min(x, y, z)
    for name, amount in (("C", x), ("H", y), ("O", z)):
        sheet.step(f"{shown(amount)} / {shown(least)}", amount / least, name)
    formula = "".join(f"{e}{k if k > 1 else ''}" for e, k in (("C", c), ("H", h), ("O", o)))
    question = (
        f"{shown(grams)} g of a substance of C, H and O burn to {shown(gas_mass)} g of CO2 and {shown(wet)} g of H2O. "
        f"What is its simplest formula? {_given(['CHO'])}"
    )
    return Problem(question, formula, tuple(sheet.work))


def judge(transcript: Transcript, target: dict[str, Any]) -> Score:
    """By what the target holds: an equation, a formula or an amount."""
    reward = balanced_equation if "products" in target else right_formula if "formula" in target else right_quantity
    return reward(transcript, target)


def _twice(term: str) -> str:
    coefficient, _, formula = term.rpartition(" ")
    return f"{2 * int(coefficient) if coefficient.isdigit() else 2} {formula}"


class Chemistry(ProblemEnv):
    """Formulas, equations and amounts."""

    id = "postgym/Chemistry-v0"
    rubric = Rubric([Criterion("answer", judge)])
    commonest = ("18.015 g/mol", "1 mol", "CH2O")
    window = 3
    makers = (
        (0.0, weight),
        (0.1, moles),
        (0.15, balance),
        (0.25, concentration),
        (0.45, dilution),
        (0.55, gas),
        (0.65, product_mass),
        (0.8, limiting),
        (0.9, empirical),
    )

    def target_of(self, problem: Problem) -> dict[str, Any]:
        """What kind of answer it is tells its form."""
        if "->" in problem.answer:
            sides = (side.split(" + ") for side in problem.answer.split(" -> "))
            reactants, products = ([term.lstrip("0123456789 ") for term in side] for side in sides)
            return {"reactants": reactants, "products": products}
        if " " not in problem.answer:
            return {"formula": problem.answer}
        value, unit = problem.answer.split(" ", 1)
        return {"value": value, "unit": unit}

    def wrong_texts(self, task: Task, text: str) -> list[str]:
        """Amounts that are off by more than the tolerance, equations that don't balance, other formulas."""
        body, _, answer = text.rpartition("\nAnswer: ")
        if "value" in task.target:
            wrong = [f"{shown(1.02 * float(task.target['value']))} {task.target['unit']}", task.target["value"]]
        elif "products" in task.target:
            left, right = answer.split(" -> ")
            wrong = [f"{right} -> {left}", f"{left} -> 99 {right.lstrip('0123456789 ')}", left]
        else:
            wrong = [f"{answer}O", f"{answer}2", f"H{answer}"]
        return [f"{body}\nAnswer: {a}" for a in wrong]

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Beside what every problem invites: the unbalanced equation, multiples, no unit, almost right amounts."""
        right = task.meta["answer"]
        unbalanced = task.prompt[-1].content.partition(": ")[2]
        doubled = " -> ".join(" + ".join(map(_twice, side.split(" + "))) for side in right.split(" -> "))
        near = task.target.get("value")
        return {
            **super().exploits(task),
            "the equation as it was given": says(f"Answer: {unbalanced or right + ' ->'}"),
            "all coefficients doubled": says(f"Answer: {doubled if '->' in right else right + ' + ' + right}"),
            "no unit": says(f"Answer: {near or right + ' g'}"),
            "one percent off": says(f"Answer: {shown(1.01 * float(near)) if near else right} mol/g"),
        }
