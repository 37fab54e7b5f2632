import itertools

import pytest
import torch

from trainer.policy import faster_precision


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in bfloat16")
@pytest.mark.parametrize(
    ("half", "full", "chosen"),
    [
        ([1.0], [2.0], "bfloat16"),
        ([2.0], [1.0], "float32"),
        ([1.0], [1.2], "float32"),  # in doubt the exact one
        ([2.0], [1.0] + [9.0] * 9, "float32"),  # a machine that is busy nine turns of ten
        ([1.0] + [9.0] * 9, [2.0], "bfloat16"),
    ],
)
def test_only_a_clearly_faster_bfloat16_is_taken_whatever_else_the_machine_does(half, full, chosen):
    times = {"bfloat16": itertools.cycle(half), "float32": itertools.cycle(full)}
    assert faster_precision(lambda name: next(times[name])) == chosen
