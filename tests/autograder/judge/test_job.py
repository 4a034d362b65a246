"""What a job is made of."""

import pytest

from autograder.judge.job import imports_in

IMPORTING = "import json\nfrom decimal import Decimal"


def importing(source):
    """What a notebook with one code cell imports."""
    return imports_in({"cells": [{"cell_type": "code", "source": source}]})


@pytest.mark.parametrize(
    "source",
    [
        f"%load_ext autoreload\n%autoreload 2\n{IMPORTING}",
        f"{IMPORTING}\n!ls",
        f"%%time\n{IMPORTING}",
        f"files = !ls\n{IMPORTING}",
        f"{IMPORTING}\njson.loads?",
        f"if True:\n    %config Application.log_level = 0\n    {IMPORTING.splitlines()[0]}\n"
        f"{IMPORTING.splitlines()[1]}",
    ],
)
def test_a_cell_with_magics_has_its_imports_ready_too(source):
    assert importing(source) == {"json", "decimal"}
    assert importing(source.splitlines(keepends=True)) == {"json", "decimal"}


@pytest.mark.parametrize(
    "magic", ["%matplotlib inline", "if 1:\n    %matplotlib notebook", "%pylab"]
)
def test_a_magic_that_plots_imports_what_draws(magic):
    assert importing(f"{magic}\n{IMPORTING}") == {"json", "decimal", "matplotlib.pyplot"}
    assert importing(f"# {magic.splitlines()[-1]}\n{IMPORTING}") == {"json", "decimal"}
