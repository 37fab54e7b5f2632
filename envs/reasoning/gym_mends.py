"""What is mended of datasets of reasoning-gym before an entry of theirs is a task, each with its reason.

Settings instead of the curriculum's, generators that don't depend on the process or don't end, answers where there are
none, and entries that are passed over because their answer is wrong or anybody's guess.
"""

import re
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from itertools import combinations, product
from types import SimpleNamespace
from typing import Any

import numpy as np

from envs.reasoning.gym_judges import models
from envs.reasoning.gym_puzzles import solve_boxnet, solve_rush_hour, swap_knights

_STATES = 4_000  # of a rush hour board, that the search for its answer may look at


class SortedSet(set[Any]):
    """A set that is walked through in order, whatever PYTHONHASHSEED is."""

    def __iter__(self) -> Any:
        """In order."""
        return iter(sorted(super().__iter__()))

    def __sub__(self, other: Any) -> "SortedSet":
        return SortedSet(super().__sub__(other))


def _sort_letters(dataset: Any) -> None:
    dataset.letters = SortedSet(dataset.letters)


def _sort_words(dataset: Any) -> None:
    for graph in dataset.word_graphs.values():
        for word, near in graph.items():
            graph[word] = sorted(near)


def _sort_monomials(dataset: Any) -> None:
    draw = dataset._get_monomials
    dataset._get_monomials = lambda rng: sorted(draw(rng), key=str)


def _end_sequences(dataset: Any) -> None:
    """Squares of squares grow without end; past 1,000 the generator drops a sequence, as it does after an error."""
    rule = sys.modules[type(dataset).__module__].PatternRule
    if hasattr(rule.apply, "__wrapped__"):
        return
    apply = rule.apply

    @wraps(apply)
    def bounded(self: Any, sequence: list[int], position: int) -> int:
        if abs(sequence[position]) > 1_000:
            raise OverflowError
        return apply(self, sequence, position)

    rule.apply = bounded


def _swap_faster(dataset: Any) -> None:
    logic = dataset.game_logic
    dataset.game_logic = SimpleNamespace(generate_board=logic.generate_board, solve_swap=swap_knights)


def _draw_24_in_whole_numbers(dataset: Any) -> None:
    """The same kind of expression, tried out in plain numbers: sympy takes a millisecond for each that isn't 24."""
    import sympy

    signs, config = dataset.config.operators, dataset.config

    def draw(rng: Any, count: int) -> tuple[Any, list[int], Any]:
        names = sympy.symbols(f"x:{count}")
        while True:
            numbers = [rng.randint(config.min_value, config.max_value) for _ in range(count)]
            chosen = [rng.choice(signs) for _ in numbers[1:]]
            if _left_to_right(numbers, chosen) == 24:
                return _left_to_right(names, chosen), numbers, names

    dataset._generate_candidate_expression = draw


def _left_to_right(numbers: Any, signs: list[str]) -> Any:
    """The numbers or symbols joined one after the other; None where whole numbers don't divide."""
    value = numbers[0]
    for sign, number in zip(signs, numbers[1:], strict=True):
        if sign == "/" and isinstance(value, int) and value % number:
            return None
        if sign == "/":
            value = value // number if isinstance(value, int) else value / number
        else:
            value = {"+": value + number, "-": value - number, "*": value * number}[sign]
    return value


MENDS: Mapping[str, Callable[[Any], None]] = {
    "isomorphic_strings": _sort_letters,
    "knight_swap": _swap_faster,
    "number_sequence": _end_sequences,
    "polynomial_multiplication": _sort_monomials,
    "puzzle24": _draw_24_in_whole_numbers,
    "ransom_note": _sort_letters,
    "word_ladder": _sort_words,
}

# Settings at a step of difficulty (0 to 8), where the curriculum has none of use.
SETTINGS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    # A grid of one square has one plan, and the commonest two are most of the small ones.
    "boxnet": lambda step: {
        **{"min_row_num": 2 + step // 4, "max_row_num": 2 + step // 2, "min_box_num": 1, "max_box_num": 1 + step // 4},
        **{"min_column_num": 2 + step // 4, "max_column_num": 3 + step // 2},
    },
    # Three coins have eight questions.
    "coin_flip": lambda step: {"min_trials": 3 + step, "max_trials": 12 + 4 * step},
    # The curriculum's levels are a kind of problem each, some of which are fifty questions.
    "intermediate_integration": lambda step: {
        **{"problem_type_weights": [int(kind <= step) for kind in range(8)], "linear_upper_bound": 6 + step},
        **{"outer_constant_max": 6 + step, "max_poly_degree": 3 + step // 4},
    },
    # The curriculum asks for boards that are refused; impossible ones lack a way of the knights that is drawn in them.
    "knight_swap": lambda step: {
        **{"min_nodes": 6 + step // 4, "max_nodes": 8, "min_pieces": 1 + (step > 3), "max_pieces": 2},
        **{"min_steps": 2 + step, "max_steps": 10 + 2 * step, "impossible_ratio": 0},
    },
    # Of few symbols there are too few conclusions.
    "propositional_logic": lambda step: {
        **{"min_vars": 6 + step // 4, "max_vars": 6 + step // 3, "min_statements": 2, "max_statements": 2 + step // 2},
        **{"min_complexity": 2, "max_complexity": 2 + (step > 3)},
    },
    # From 9 and 10 alone nobody makes 24.
    "puzzle24": lambda step: {"min_value": 1, "max_value": 6 + step // 2},
    # Harder ones take the search for an answer over a tenth of a second.
    "rush_hour": lambda step: {"min_moves": 1 + step, "max_moves": 6 + 2 * step},
    # Wider ones take seconds, some for ever.
    "sokoban": lambda step: {
        **{"min_w": 5 + step // 4, "max_w": 6 + step // 4, "min_h": 5 + step // 4, "max_h": 6 + step // 4},
        **{"min_boxes": 2 + step // 4, "max_boxes": 2 + step // 4, "max_depth": 60},
    },
}


def _answer_of_rush_hour(entry: Mapping[str, Any]) -> str | None:
    return solve_rush_hour(entry["metadata"]["board_config"], _STATES)


def _exact_probability(entry: Mapping[str, Any]) -> str:
    return "{numerator}/{denominator}".format(**entry["metadata"]["rational"])


def weakest_conclusions(entry: Mapping[str, Any]) -> list[str]:
    """Which "or" of two symbols, plain or negated, follow: whatever else of two symbols does implies one of them."""
    left, signs = models(entry), {True: "", False: "¬"}
    return [
        f"{signs[a]}{p} ∨ {signs[b]}{q}"
        for p, q in combinations(entry["metadata"]["variables"], 2)
        for a, b in product((True, False), repeat=2)
        if all(model[p] is a or model[q] is b for model in left)
    ]


def _one_conclusion(entry: Mapping[str, Any]) -> str | None:
    return next(iter(weakest_conclusions(entry)), None)


ANSWERS: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = {
    "boxnet": solve_boxnet,
    "coin_flip": _exact_probability,
    "propositional_logic": _one_conclusion,  # its example is in another form, or doesn't follow, in two of three
    "rush_hour": _answer_of_rush_hour,
}


def _dies_as_told(entry: Mapping[str, Any]) -> bool:
    """Whether the board does what its answer says; reasoning-gym takes it from the names of what lies on it."""
    rows = entry["question"].rpartition("Initial board:\n")[2]
    board = np.array([[int(cell) for cell in row if cell in "01"] for row in rows.replace(".", "").splitlines()])
    for _ in range(entry["metadata"]["simulation_steps"]):
        near = sum(np.roll(board, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) - board
        board = (near == 3) | ((board == 1) & (near == 2))
    return str(not board.any()) == entry["answer"]


def _has_its_real_roots(entry: Mapping[str, Any]) -> bool:
    """Whether the answer is more than 0, and holds every real root: sympy can't tell that some of a cubic are real."""
    import sympy

    meta = entry["metadata"]
    found = np.roots(
        [float(c) for c in sympy.Poly(meta["polynomial_expr"], sympy.Symbol(meta["variable"])).all_coeffs()]
    )
    real = sorted(root.real for root in found if abs(root.imag) < 1e-6)
    told = meta["real_solutions"]
    return any(told) and len(set(told)) == len(told) == len(real) and np.allclose(real, told, atol=1e-4)


def _has_one_integral(entry: Mapping[str, Any]) -> bool:
    """Not sin(u)*cos(u): sympy takes it for sin(u)**2/2 in one process and for -cos(u)**2/2 in another."""
    return re.search(r"sin\(([^()]*)\)\*cos\(\1\)(?!\*\*)", entry["metadata"]["integrand"]) is None


def _says_something(entry: Mapping[str, Any]) -> bool:
    """Whether few of the weakest conclusions follow, as all of them do from premises that contradict each other."""
    count = len(entry["metadata"]["variables"])
    return 0 < len(weakest_conclusions(entry)) <= count * (count - 1) * 2 / 10


HOLDS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "game_of_life_halting": _dies_as_told,
    "intermediate_integration": _has_one_integral,
    "polynomial_equations": _has_its_real_roots,
    "propositional_logic": _says_something,
}
