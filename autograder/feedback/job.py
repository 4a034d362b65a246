"""Say what a page is made from, and make it: complete, or reduced to points and reasons."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from traitlets.config import Config

from autograder import i18n
from autograder.config import FEEDBACK_STEPS
from autograder.core.messages import N_, Note
from autograder.core.notebook_language import shown_language
from autograder.feedback.grades import Grades
from autograder.feedback.page import FeedbackPage, render
from autograder.feedback.plan import PagePlan
from autograder.feedback.preprocessors import (
    ABSENT,
    GRADES,
    PLAN,
    REMARKS,
    ZONE,
    is_over,
    withheld_choices,
)
from autograder.grading.result import graded_cells
from autograder.i18n import speaking

TOO_MUCH = N_(
    "Your notebook isn't shown here because displaying it takes too much time or memory. Your "
    "points and the reasons for them are complete, and your own copy of the notebook is unchanged."
)
NOT_READABLE = N_(
    "Your notebook isn't shown here because the graded copy can't be read. Your points are "
    "complete, and your instructor has been notified."
)


@dataclass(frozen=True)
class PageJob:
    """Everything that a page is made from.

    Attributes:
        path: the graded notebook.
        grades: its grades.
        plans: the plan of its page, by language.
        explain: whether to explain the answers even before the due date.
        choices_shown: whether to show results of choice questions even before the due date.
        texts: whose translations the page is made with.
        namespaces: the keys of the grader's entries in the notebook's metadata.
        zone: the course's time zone; this machine's when None.
        blank: the notebook as it was released, for a student who handed nothing in; there is no
            graded one then.
        remarks: what else is said about the submission.
    """

    student: str
    assignment: str
    notebook: str
    path: Path
    grades: Grades
    plans: dict[str, PagePlan] = field(default_factory=dict)
    explain: bool = False
    choices_shown: bool = False
    texts: tuple[i18n.Domain, ...] = ()
    namespaces: tuple[str, ...] = ()
    zone: tzinfo | None = None
    blank: bytes = b""
    remarks: tuple[Note, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """The names of student, assignment and notebook, as nbgrader's resources have them."""
        return {"student": self.student, "assignment": self.assignment, "notebook": self.notebook}

    def plan(self, language: str) -> PagePlan:
        """Return the plan in a language; a choice question in one language is one in all."""
        own = self.plans.get(language, PagePlan())
        choices = frozenset().union(*(one.choices for one in self.plans.values()))
        return replace(own, choices=choices)


def whole_page(job: PageJob, nb: NotebookNode) -> str:
    """Return the complete page, made by the exporter and preprocessors of nbgrader's command."""
    config = Config()
    config.RevealExplanations.always = job.explain
    # Explanations name the correct choice, so there is nothing left to withhold.
    config.HoldChoices.shown = job.choices_shown or job.explain
    exporter = FeedbackPage(config=config)  # type: ignore[no-untyped-call]  # nbconvert has no annotations
    for step in FEEDBACK_STEPS:
        exporter.register_preprocessor(step, enabled=True)  # type: ignore[no-untyped-call]  # nbconvert has no annotations
    resources = {
        "nbgrader": job.names,
        GRADES: job.grades,
        PLAN: job.plan(shown_language(nb)),
        ZONE: job.zone,
        ABSENT: bool(job.blank),
        REMARKS: job.remarks,
        "metadata": {"name": job.notebook},
    }
    page, _resources = exporter.from_notebook_node(nb, resources)
    return page


def plain_page(job: PageJob, nb: NotebookNode | None, why: str) -> str:
    """Return the page without the notebook: points, reasons, and why the rest is left out.

    Args:
        job: what the page is made from.
        nb: the graded notebook; None if it can't be read, so that there are points only.
        why: a msgid that says why.
    """
    results = {}
    if nb is None:
        nb = new_notebook()
    else:
        with speaking(shown_language(nb)):
            revealed = job.explain or is_over(job.grades.due)
            results = {one.grade_id: one for one in graded_cells(nb, reveal=revealed)}
    plan = job.plan(shown_language(nb))
    held = withheld_choices(nb, job.grades, plan, job.choices_shown or job.explain)
    return render(
        nb,
        job.grades,
        results,
        job.names,
        held,
        why,
        plan=plan,
        zone=job.zone,
        absent=bool(job.blank),
        remarks=job.remarks,
    )
