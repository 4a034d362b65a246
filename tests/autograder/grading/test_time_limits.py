"""Every limit on a submission's time fits into the next larger one."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies

from autograder.core import notebook_io
from autograder.grading.coordinator import longest_submission
from autograder.judge.job import longest_job
from tests.one_job import job_for


@given(strategies.floats(0.5, 3600))
def test_both_runs_and_the_judge_fit_into_a_job(cell_seconds):
    from nbformat.v4 import new_notebook

    job = job_for(new_notebook(), new_notebook(), cell_seconds=cell_seconds)
    runs = job.run_seconds + (job.run_seconds + job.cell_seconds)
    assert cell_seconds <= job.run_seconds
    assert runs < job.seconds == longest_job(cell_seconds)


@pytest.mark.parametrize("asked", [None, 10, 90, 600])
def test_a_job_fits_into_what_a_worker_may_take(course, asked):
    path = course.source("en") / "mini" / "mini.ipynb"
    source_notebook = notebook_io.read(path)
    if asked:
        source_notebook.metadata["beyond"]["cell_seconds"] = asked
    notebook_io.write(path, source_notebook)
    for usual in (1, 30, 300):
        here = replace(course, cell_seconds=usual)
        assert longest_submission(here, "mini") > longest_job(
            notebook_io.cell_seconds(source_notebook, usual)
        )
