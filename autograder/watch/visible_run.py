"""Make the jobs that run a submission with the tests as students have them, and nothing else.

Grading runs hidden tests too, and how long that takes depends on them: a submission can sleep
where a hidden input tells it to. So what students are told before the due date comes from a run
of its own, which knows no hidden line.
"""

from __future__ import annotations

from dataclasses import replace

from autograder.judge.job import Job


def visible_job(content: bytes) -> bytes:
    """Return a job with the tests as they were released.

    Args:
        content: `Job.to_bytes` of the job with whole tests.
    """
    job = Job.from_bytes(content)
    return replace(job, cells=tuple(cell.released() for cell in job.cells)).to_bytes()
