"""What to know of reasoning-gym's datasets (0.1.25): how far their curricula are of use, and what is odd about them.

Plain data, so that ids are known without the package. `tests/envs/reasoning/test_gym_adapter.py` holds it to be true.
"""

from collections.abc import Mapping

from envs.reasoning.gym_program_rows import DRAWS, ROWS

PREFIX = "postgym/reasoning_gym/"

# The highest eighth of the curriculum's levels that difficulty reaches (8: all). Beyond it a task takes over 50 ms, its
# question is over 8,000 characters long, or the curriculum leads to settings that its dataset refuses. 0: no curriculum
# of use, so that difficulty changes nothing.
DATASETS: Mapping[str, int] = {
    "ab": 8,
    "acre": 0,
    "advanced_geometry": 4,
    "aiw": 8,
    "arc_1d": 6,
    "arc_agi": 0,
    "base_conversion": 8,
    "basic_arithmetic": 8,
    "bf": 0,
    "binary_alternation": 8,
    "binary_matrix": 6,
    "bitwise_arithmetic": 8,
    "boxnet": 8,
    "caesar_cipher": 3,
    "calendar_arithmetic": 8,
    "chain_sum": 8,
    "circuit_logic": 2,
    "codeio": 0,
    "coin_flip": 8,
    "color_cube_rotation": 8,
    "complex_arithmetic": 8,
    "composite": 8,
    "count_bits": 8,
    "count_primes": 8,
    "countdown": 1,
    "course_schedule": 8,
    "cryptarithm": 8,
    "decimal_arithmetic": 8,
    "decimal_chain_sum": 8,
    "dice": 8,
    "emoji_mystery": 8,
    "family_relationships": 8,
    "figlet_font": 8,
    "fraction_simplification": 8,
    "futoshiki": 1,
    "game_of_life": 1,
    "game_of_life_halting": 3,
    "gcd": 8,
    "graph_color": 8,
    "group_anagrams": 8,
    "gsm_symbolic": 0,
    "intermediate_integration": 8,
    "isomorphic_strings": 8,
    "jugs": 1,
    "kakurasu": 5,
    "knight_swap": 8,
    "knights_knaves": 8,
    "largest_island": 6,
    "lcm": 8,
    "leg_counting": 8,
    "letter_counting": 8,
    "letter_jumble": 2,
    "list_functions": 0,
    "mahjong_puzzle": 6,
    "manipulate_matrix": 6,
    "maze": 3,
    "mini_sudoku": 8,
    "modulo_grid": 0,
    "n_queens": 6,
    "needle_haystack": 1,
    "number_filtering": 8,
    "number_format": 3,
    "number_sequence": 8,
    "number_sorting": 3,
    "palindrome_generation": 8,
    "palindrome_partitioning": 8,
    "path_star": 8,
    "polynomial_equations": 3,
    "polynomial_multiplication": 2,
    "pool_matrix": 6,
    "power_function": 8,
    "prime_factorization": 8,
    "products": 8,
    "puzzle24": 8,
    "propositional_logic": 8,
    "quantum_lock": 4,
    "ransom_note": 8,
    "rearc": 8,
    "rectangle_count": 8,
    "rotate_matrix": 6,
    "rotten_oranges": 2,
    "rubiks_cube": 1,
    "rush_hour": 8,
    "self_reference": 8,
    "sentence_reordering": 8,
    "shortest_path": 6,
    "simple_equations": 8,
    "simple_geometry": 8,
    "simple_integration": 8,
    "sokoban": 8,
    "spell_backward": 6,
    "spiral_matrix": 6,
    "string_insertion": 8,
    "string_manipulation": 8,
    "string_splitting": 8,
    "string_synthesis": 2,
    "sudoku": 4,
    "survo": 8,
    "syllogism": 8,
    "time_intervals": 8,
    "tower_of_hanoi": 8,
    "tsumego": 8,
    "word_ladder": 8,
    "word_sequence_reversal": 8,
    "word_sorting": 8,
    "zebra_puzzles": 0,
}

NOTES: Mapping[str, str] = {  # what our own judge asks beyond the question
    "boxnet": "A plan with an action that can't be done when its turn comes earns nothing.",
    "codeio": "Give numbers in full, as the code returns them.",
    "coin_flip": "Give the exact fraction, or a decimal that is within 1% of it and of what it lacks to 1.",
    "propositional_logic": "The conclusion joins two different symbols, each plain or negated, by one connective.",
    "rush_hour": "A list with a move that can't be made in full when its turn comes earns nothing.",
    "sokoban": "A string with a move that can't be made when its turn comes earns nothing.",
}
EXAMPLES: Mapping[str, str] = {  # several answers are right: where the metadata holds one of them
    "graph_color": "possible_answer",
    "rubiks_cube": "example_correct_answer",
}
SIZES: Mapping[str, int] = {  # datasets that make all their entries, or a list of them, beforehand: how many
    "acre": 500,
    "codeio": len(ROWS) * DRAWS,
    "gsm_symbolic": 5_000,
    "list_functions": 5_000,
    "word_ladder": 20_000,
}
EVALUATED = frozenset(["binary_matrix", "n_queens", "spiral_matrix", "string_insertion"])  # answers go to `eval`
CALCULATED = frozenset(["countdown"])  # answers go to sympy's parser
# Scorers that find the right answer among others, or ignore what stands beside it: it must be the same words.
LENIENT = frozenset(
    [
        "figlet_font",
        "fraction_simplification",
        "game_of_life_halting",
        "gsm_symbolic",
        "kakurasu",
        "knights_knaves",
        "letter_jumble",
        "pool_matrix",
        "spell_backward",
        "survo",
        "time_intervals",
    ]
)
FORMS: Mapping[str, str] = {  # what an answer must look like, where a scorer pays "nan" or picks moves out of any text
    "complex_arithmetic": r"[\d\s.()ijIJ+-]*",
    "number_sorting": r"[\d\s.,'\"\[\]+-]*",
    "quantum_lock": r"[A-Z](?:\s*→\s*[A-Z])*",
}
# Generators that draw from Python's or numpy's global state, or print.
GLOBAL_STATE = frozenset(["bf", "list_functions", "pool_matrix"])
SLOW = frozenset(  # over 25 ms a task on a busy core of an AMD Genoa
    [
        "advanced_geometry",
        "binary_matrix",
        "countdown",
        "figlet_font",
        "futoshiki",
        "game_of_life",
        "group_anagrams",
        "intermediate_integration",
        "kakurasu",
        "knight_swap",
        "mahjong_puzzle",
        "number_sorting",
        "pool_matrix",
        "rearc",
        "rubiks_cube",
        "string_splitting",
        "sudoku",
        "zebra_puzzles",
    ]
)

# Few answers are possible: what always giving the commonest of them may earn.
GUESSED: Mapping[str, float] = {
    "acre": 0.6,
    "aiw": 0.3,
    "binary_alternation": 0.5,
    "calendar_arithmetic": 0.3,
    "circuit_logic": 0.8,
    "color_cube_rotation": 0.3,
    "course_schedule": 0.7,
    "family_relationships": 0.3,
    "game_of_life_halting": 0.7,
    "gcd": 0.8,
    "isomorphic_strings": 0.7,
    "largest_island": 0.4,
    "letter_counting": 0.4,
    "mahjong_puzzle": 0.6,
    "maze": 0.3,
    "modulo_grid": 0.5,
    "n_queens": 0.3,
    "number_sequence": 0.4,
    "ransom_note": 0.7,
    "rectangle_count": 0.4,
    "rotten_oranges": 0.4,
    "self_reference": 0.7,
    "shortest_path": 0.7,
    "syllogism": 0.9,
    "zebra_puzzles": 0.8,
}

# What the composite is mixed of: soon made, without end, and not to be guessed.
MIXED = tuple(
    name for name in DATASETS if name != "composite" and not (name in SLOW or name in GUESSED or name in SIZES)
)
