"""What is left of a cell without its solution can be run."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbgrader.preprocessors import ClearSolutions
from traitlets.config import Config

from autograder.core.stubs import LeaveStubs, with_blocks_filled

STUB = "# YOUR CODE HERE"


@pytest.mark.parametrize(
    ("left", "filled"),
    [
        (f"def f():\n    {STUB}", f"def f():\n    {STUB}\n    pass"),
        (f'def f():\n    """Say."""\n    {STUB}', None),
        (f"class A:\n    def __init__(self):\n        {STUB}\n\n    def g(self):\n        return 1",
         f"class A:\n    def __init__(self):\n        {STUB}\n        pass\n\n"
         "    def g(self):\n        return 1"),
        (f"def f(\n    a,\n    b,\n):\n    {STUB}\n\n\nx = f(1, 2)",
         f"def f(\n    a,\n    b,\n):\n    {STUB}\n    pass\n\n\nx = f(1, 2)"),
        (f"for x in range(3):\n    {STUB}\nelse:\n    {STUB}\n    print(x)",
         f"for x in range(3):\n    {STUB}\n    pass\nelse:\n    {STUB}\n    print(x)"),
        (f"%matplotlib inline\ndef f():\n    {STUB}",
         f"%matplotlib inline\ndef f():\n    {STUB}\n    pass"),
        (f"try:\n    {STUB}\nexcept ValueError:\n    {STUB}\nfinally:\n    print()",
         f"try:\n    {STUB}\n    pass\nexcept ValueError:\n    {STUB}\n    pass\n"
         "finally:\n    print()"),
        (f"{STUB}", None),
        (f"x = (\n    {STUB}\n)", None),
        (f"def f(:\n    {STUB}", None),
    ],
)  # fmt: skip  # a row is what nbgrader leaves and what becomes of it
def test_blocks_with_nothing_but_a_stub_are_filled(left, filled):
    assert with_blocks_filled(left, STUB) == (left if filled is None else filled)


_HEADS = st.sampled_from(["def f():", "class A:", "if True:", "while False:", "with open(0):"])


@given(st.lists(st.tuples(_HEADS, st.booleans()), min_size=1, max_size=6), st.data())
def test_whatever_the_nesting_the_rest_is_python(blocks, data):
    """Each block holds a stub, perhaps a statement, and perhaps the next block."""
    lines, depth = [], 0
    for head, has_more in blocks:
        lines += ["    " * depth + head, "    " * (depth + 1) + STUB]
        if has_more:
            lines.append("    " * (depth + 1) + "x = 1")
        depth = data.draw(st.integers(0, depth + 1))
    filled = with_blocks_filled("\n".join(lines), STUB)
    ast.parse(filled)
    kept = [line for line in filled.split("\n") if line.strip() != "pass"]
    assert kept == lines


@pytest.mark.parametrize(
    "stub", ["# YOUR CODE HERE", "# YOUR CODE HERE\nraise NotImplementedError()"]
)
def test_a_cell_that_nbgrader_leaves_whole_stays_as_it_leaves_it(kit, stub):
    config = Config()
    config.ClearSolutions.code_stub = {"python": stub}
    own, stock = LeaveStubs(config=config), ClearSolutions(config=config)
    for number, cell in enumerate(kit.source_notebook().cells):
        theirs, _resources = stock.preprocess_cell(cell.copy(), {"language": "python"}, number)
        ours, _resources = own.preprocess_cell(cell.copy(), {"language": "python"}, number)
        assert ours.source == theirs.source
