"""Hand the grader's checks on, under the name that the course's notebooks import them by."""

from autograder.checks import (
    CheckFailed,
    NotAnswered,
    Unexpected,
    check,
    choice,
    given,
    probe,
    report,
    seeded,
    show_options,
)
from autograder.expectations import expect, is_stub
from autograder.provenance import written_here
from autograder.student_values import own_values

__all__ = [
    "CheckFailed",
    "NotAnswered",
    "Unexpected",
    "check",
    "choice",
    "expect",
    "given",
    "is_stub",
    "own_values",
    "probe",
    "report",
    "seeded",
    "show_options",
    "written_here",
]
