"""Every example in a function's documentation is true."""

from __future__ import annotations

import math

import pytest
from tests.functions.evaluation import aggregate_example, value

from penstock.functions import all_functions
from penstock.functions.define import Example, Function

EXAMPLES = [(f, e) for f in all_functions() if f.builtin for e in f.examples]


@pytest.mark.parametrize(("function", "example"), EXAMPLES, ids=[e.call for _, e in EXAMPLES])
def test_example(function: Function, example: Example) -> None:
    wanted = None if example.result == "NULL" else value(example.result)
    got = aggregate_example(example.call) if function.kind == "AGGREGATE" else value(example.call)
    if isinstance(wanted, float) and isinstance(got, float):
        assert math.isclose(got, wanted, rel_tol=1e-12, abs_tol=1e-12)
    else:
        assert got == wanted
    assert isinstance(got, type(wanted))
