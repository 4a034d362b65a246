"""Who can listen to the kernel that `validate` and `check` run a notebook in."""

from __future__ import annotations

import json
import os

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.student.kernel_runner import ExecuteSubmission

ASK = """
import os, stat
from ipykernel import get_connection_file
path = get_connection_file()
print(open(path).read())
print(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode))
"""


@pytest.mark.skipif(os.name == "nt", reason="there, kernels are reached through ports only")
def test_it_is_reached_through_files_of_its_user() -> None:
    """A port tells every user of the machine what is run, without asking for a key."""
    done, _resources = ExecuteSubmission().preprocess(new_notebook(cells=[new_code_cell(ASK)]), {})
    told, mode = done.cells[0].outputs[0].text.strip().rsplit("\n", 1)
    assert json.loads(told)["transport"] == "ipc"
    assert int(mode) & 0o077 == 0
