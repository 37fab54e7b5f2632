"""Wrong versions of an answer, for the proof: different from it, and wrong."""

import pytest

from envs.mutants import mutants


@pytest.mark.parametrize("text", ["12 - 3 = 9\nAnswer: 9", "Answer: Oslo, -4.5", "Answer: 0", "Answer: 3/4", "Oslo"])
def test_mutants_differ_from_the_answer_in_its_last_line_alone(text):
    for wrong in mutants(text).values():
        assert wrong != text
        assert wrong.splitlines()[:-1] == text.splitlines()[:-1]


def test_mutants_of_a_number_have_another_value():
    for number in ("0", "7", "-7", "2.50", "-0.5", "100"):
        for name, wrong in mutants(f"Answer: {number}").items():
            assert float(wrong.removeprefix("Answer: ")) != float(number), name


def test_mutants_of_a_program_run_and_return_something_else():
    program = "def f(xs):\n    if not xs:\n        return 0\n    return sum(xs)"
    for name, wrong in mutants(f"```python\n{program}\n```").items():
        space = {}
        exec(wrong.removeprefix("```python\n").removesuffix("\n```"), space)  # our own programme, made above
        for values in ([], [1, 2]):
            assert space["f"](values) != sum(values), name
