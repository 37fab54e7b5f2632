"""What is mended of reasoning-gym's datasets: each answer is checked another way, each hole of a scorer is shown.

The package's own scorers and sympy are the independent references where they are sound.
"""

import json
import re
from fractions import Fraction
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.reasoning import gym_adapter
from envs.reasoning.gym_adapter import find_entry
from envs.reasoning.gym_datasets import DATASETS
from envs.reasoning.gym_judges import JUDGES
from envs.reasoning.gym_mends import HOLDS, SortedSet, _left_to_right
from envs.reasoning.gym_puzzles import solve_rush_hour, swap_knights
from envs.registry import reasoning_gym_ids

pytestmark = pytest.mark.skipif(not reasoning_gym_ids(), reason=f"no reasoning-gym: {gym_adapter.INSTALL}")


def entries(name: str, count: int = 12, steps: tuple[int, ...] = (0, 3, 8)):
    made = [find_entry(name, step, i) for step in steps for i in range(count)]
    return [entry for entry in made if entry is not None]


def theirs(name: str, answer: str, entry) -> float:
    return gym_adapter._dataset(name, min(8, DATASETS[name])).score_answer(answer, entry.raw)


def judged(name: str, answer: str, entry) -> bool:
    return JUDGES[name](answer, entry.raw)


# Answers of our own, and the referees.


@pytest.mark.parametrize("name", ["rush_hour", "boxnet", "sokoban"])
def test_the_packages_own_scorer_pays_our_answers_to_puzzles_in_full(name):
    for entry in entries(name):
        assert theirs(name, entry.answer, entry) == 1


def test_a_rush_hour_is_solved_in_as_few_moves_as_its_list_says():
    for entry in entries("rush_hour", 8, (0, 4)):
        steps = sum(abs(int(move[1:])) for move in entry.answer.split())
        assert len(entry.answer.split()) <= entry.raw["metadata"]["min_moves"] <= steps


def test_a_board_that_takes_too_long_a_search_has_no_answer():
    board = entries("rush_hour", 1, (8,))[0].raw["metadata"]["board_config"]
    assert solve_rush_hour(board, 3) is None


@pytest.mark.parametrize(
    ("name", "spam"),
    [
        ("rush_hour", " ".join(f"{car}{far}" for _ in range(9) for car in "BCDEFGHIJA" for far in ("+4", "-4", "+3"))),
        ("sokoban", "LDRRUULLDDRRUULURD" * 20),
    ],
)
def test_a_list_of_all_moves_earns_nothing_here_whatever_the_package_pays(name, spam):
    assert not any(judged(name, spam, entry) for entry in entries(name))


def test_one_fixed_plan_that_would_empty_any_small_board_earns_nothing():
    squares = [(x + 0.5, y + 0.5) for x in range(2) for y in ((0, 1) if x == 0 else (1, 0))]
    way = [*squares, *squares[::-1]]
    plan = [
        {f"Agent[{a[0]}, {a[1]}]": f"move(box_{colour}, {to})"}
        for a, b in pairwise(way)
        for colour in ("red", "blue", "green")
        for to in (f"target_{colour}", f"square[{b[0]}, {b[1]}]")
    ]
    boards = entries("boxnet", 20, (0,))
    assert sum(theirs("boxnet", json.dumps(plan), entry) == 1 for entry in boards) >= 5
    assert not any(judged("boxnet", json.dumps(plan), entry) for entry in boards)


def test_a_box_moves_once_in_a_step():
    initial = {"0.5_0.5": ["box_red"], "0.5_1.5": [], "0.5_2.5": ["target_red"]}
    entry = {"metadata": {"initial_state": initial}}
    on, off = {"Agent[0.5, 0.5]": "move(box_red, square[0.5, 1.5])"}, {"Agent[0.5, 2.5]": "move(box_red, target_red)"}
    further = {"Agent[0.5, 1.5]": "move(box_red, square[0.5, 2.5])"}
    assert JUDGES["boxnet"](json.dumps([on, further, off]), entry)
    assert not JUDGES["boxnet"](json.dumps([on | further, off]), entry)


def test_knights_are_swapped_in_as_few_moves_as_the_packages_search_takes():
    from reasoning_gym.games.knight_swap import KnightSwapLogic

    for entry in entries("knight_swap", 3, (0, 4, 8)):
        meta = entry.raw["metadata"]
        reference = KnightSwapLogic.solve_swap(meta["board"], meta["pieces"], meta["start_turn"])
        assert len(reference) == len(json.loads(entry.answer))


def test_knights_that_cannot_pass_each_other_are_not_swapped():
    line = {"A1": ["B3"], "B3": ["A1", "C1"], "C1": ["B3"]}
    assert swap_knights(line, {"A1": "w", "B3": None, "C1": "B"}) is None


# Calculations.


def test_24_is_made_of_the_given_numbers_alone():
    for entry in entries("puzzle24"):
        assert eval(re.sub(r"(\d+)", r"Fraction(\1)", entry.answer)) == 24  # our own generator's text
        assert sorted(map(int, re.findall(r"\d+", entry.answer))) == sorted(entry.raw["metadata"]["numbers"])
        given_these = sorted(entry.raw["metadata"]["numbers"]) == [1, 1, 4, 6]
        assert judged("puzzle24", "6 * 4 * 1 * 1", entry) == given_these
        assert theirs("puzzle24", "6 * 4 * 1 * 1", entry) == 1


@given(st.lists(st.integers(1, 10), min_size=2, max_size=5), st.lists(st.sampled_from("+-*/"), min_size=4, max_size=4))
def test_numbers_are_joined_from_the_left(numbers, signs):
    value = Fraction(numbers[0])
    for sign, number in zip(signs, numbers[1:], strict=False):
        value = {"+": value + number, "-": value - number, "*": value * number, "/": value / number}[sign]
        if value.denominator > 1:
            value = None
            break
    assert _left_to_right(numbers, signs[: len(numbers) - 1]) == value


def test_probabilities_are_those_of_all_ways_the_coins_can_fall():
    for entry in entries("coin_flip", 20, (0,)):
        meta = entry.raw["metadata"]
        falls = [sum(fall) for fall in product((0, 1), repeat=meta["num_trials"])]
        exact = meta["problem_type"] == "exact"
        right = sum(heads == meta["k_heads"] if exact else heads >= meta["k_heads"] for heads in falls)
        assert Fraction(entry.answer) == Fraction(right, len(falls))
        assert judged("coin_flip", f"{right / len(falls):.6g}", entry)


def test_0_and_1_are_no_answer_to_a_probability_that_is_near_to_them():
    made = entries("coin_flip", 20)
    assert sum(theirs("coin_flip", "0", entry) == 1 for entry in made) > len(made) / 4
    assert not any(judged("coin_flip", "0", entry) for entry in made)
    assert sum(judged("coin_flip", "1", entry) for entry in made) < len(made) / 5


@pytest.mark.parametrize("answer", ["1e-999999999", "1e99999999", "nan", "1/0", "9" * 400, "1_0/3", "٣/٤"])
def test_a_hostile_probability_is_refused(answer):
    try:
        assert not judged("coin_flip", answer, entries("coin_flip", 1, (8,))[0])
    except ZeroDivisionError:
        assert answer == "1/0"


# Algebra, by sympy.


def test_a_product_is_that_which_sympy_expands():
    import sympy

    for entry in entries("polynomial_multiplication", 6, (0, 2)):
        asked = entry.raw["metadata"]["polynomial_expr"]
        assert str(sympy.expand(sympy.sympify(asked))) == entry.answer
        shuffled = " + ".join(reversed(entry.answer.replace("- ", "+ -").split(" + "))).replace("+ -", "- ")
        assert judged("polynomial_multiplication", shuffled, entry)
        assert not judged("polynomial_multiplication", f"{entry.answer} + x", entry)


@pytest.mark.parametrize("answer", ["(x + 1)*(x + 2)", "__import__('os')", "9**9**9", "x**x", "", "+", "2*"])
def test_what_is_no_written_out_polynomial_is_not_read(answer):
    with pytest.raises(ValueError, match="no sum of monomials"):
        judged("polynomial_multiplication", answer, entries("polynomial_multiplication", 1, (0,))[0])


def test_roots_are_where_the_polynomial_changes_its_sign():
    import sympy

    for entry in entries("polynomial_equations", 8, (0, 3)):
        meta = entry.raw["metadata"]
        value = sympy.lambdify(sympy.Symbol(meta["variable"]), sympy.sympify(meta["polynomial_expr"]))
        roots = meta["real_solutions"]
        assert all(value(root - 1e-4) * value(root + 1e-4) <= 0 for root in roots)
        assert judged("polynomial_equations", ",".join(map(str, reversed(roots))), entry)
        assert not judged("polynomial_equations", f"{entry.answer}, 0", entry)
        assert theirs("polynomial_equations", f"{entry.answer}, or so", entry) == 1
        assert not judged("polynomial_equations", f"{entry.answer}, or so", entry)


@pytest.mark.parametrize("name", ["simple_integration", "intermediate_integration"])
def test_an_integrals_derivative_is_the_integrand(name):
    import sympy

    for entry in entries(name, 6):
        meta = entry.raw["metadata"]
        x = sympy.Symbol(meta["variable"])
        slope = sympy.diff(sympy.sympify(entry.answer.removesuffix(" + C")), x) - sympy.sympify(meta["integrand"])
        assert all(abs(complex(slope.subs(x, at).evalf())) < 1e-6 * (1 + abs(at) ** 9) for at in (0.1, 0.2, 0.3))
        assert judged(name, f"7 + {entry.answer}", entry)
        for wrong in (f"{entry.answer} + {x}/1000", f"10**20 + {entry.answer}", "C", f"2*({entry.answer})", "0"):
            assert not judged(name, wrong, entry), (wrong, entry.answer)


def test_an_integral_may_be_written_in_another_way():
    entry = {"metadata": {"variable": "x"}, "answer": "sin(x)**2/2 + C"}
    for same in ("-cos(x)**2/2", "-cos(2*x)/4 + C", "(1 - cos(x)*cos(x))/2 + pi"):
        assert JUDGES["simple_integration"](same, entry), same
    for other in ("cos(x)**2/2", "sin(x)/2", "sin(x)**2/2 + C*x"):
        assert not JUDGES["simple_integration"](other, entry), other
    for hostile in ("sin(x)**2/2 # or 7", "__import__('os')", "[x][0]", "(lambda: x)()"):
        assert not JUDGES["simple_integration"](hostile, entry), hostile
    for hostile in ("x.real", "9**9**9", "sin", "f(x)", "x if x else x"):
        with pytest.raises((ValueError, KeyError, ArithmeticError)):
            JUDGES["simple_integration"](hostile, entry)


# Logic, sequences, life, words.


def test_a_conclusion_that_follows_is_paid_by_the_package_too_and_none_is_right_for_all():
    made = entries("propositional_logic", 60)
    fixed = [f"{a}P {join} {b}{q}" for a in ("", "¬") for b in ("", "¬") for q in "QRS" for join in "∧∨→↔"]
    paid = {conclusion: [judged("propositional_logic", conclusion, entry) for entry in made] for conclusion in fixed}
    for conclusion, rights in paid.items():
        assert sum(rights) < len(made) / 5, conclusion
        for entry, right in list(zip(made, rights, strict=True))[::5]:
            assert (theirs("propositional_logic", conclusion, entry) == 1) == right, conclusion


@pytest.mark.parametrize("answer", ["P", "P ∨ P", "P ∨ Q ∨ R", "¬(P ∧ Q)", "(P ∨ Q", "P or Q", ""])
def test_a_conclusion_of_another_form_is_not_read(answer):
    assert not judged("propositional_logic", answer, entries("propositional_logic", 12, (0,))[0])


def test_sequences_are_those_that_the_package_makes_where_it_ends(monkeypatch):
    dataset = gym_adapter._dataset("number_sequence", 0)
    from reasoning_gym.cognition.number_sequences import PatternRule

    ours = [dataset[i] for i in range(60)]
    monkeypatch.setattr(PatternRule, "apply", PatternRule.apply.__wrapped__)
    assert ours == [dataset[i] for i in range(60)]


def test_a_board_that_does_not_do_as_told_is_passed_over():
    for entry in entries("game_of_life_halting", 8, (0, 3)):
        other = {"True": "False", "False": "True"}[entry.answer]
        assert not HOLDS["game_of_life_halting"]({**entry.raw, "answer": other})
        assert theirs("game_of_life_halting", "no idea", entry) == 1


def test_every_step_of_a_word_ladder_changes_one_letter():
    for entry in entries("word_ladder", 10):
        words = entry.answer.split(",")
        assert all(sum(a != b for a, b in zip(u, v, strict=True)) == 1 for u, v in pairwise(words))


@given(st.sets(st.characters()), st.sets(st.characters()))
def test_a_sorted_set_is_walked_through_in_order(letters, less):
    assert list(SortedSet(letters)) == sorted(letters)
    assert list(SortedSet(letters) - less) == sorted(letters - less)
