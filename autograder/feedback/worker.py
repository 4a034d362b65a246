"""Make one page in a process of its own, which is bounded in time and memory.

The process gets plain data and gives back HTML. It has no gradebook, and where it was started as
root it gives that up before it looks at a student's work. First it hands over a plain page with
points and reasons, then the whole one: whatever befalls it in between, there is a page.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_notebook, reads
from traitlets.config import Config

from autograder.course import FEEDBACK_STEPS
from autograder.feedback import preload  # noqa: F401 - before rights are given up
from autograder.feedback.grades import Grades
from autograder.feedback.page import FeedbackPage, render
from autograder.feedback.plan import PagePlan
from autograder.feedback.preprocessors import GRADES, PLAN, Held, held_choices
from autograder.notes import N_
from autograder.sandbox.privileges import become
from autograder.speaking import shown_language, speaking
from autograder.verdict import cell_verdicts

CPU_SECONDS = 8
"""The processor time that one page may take."""

WALL_SECONDS = 45.0
"""The longest that one page may take on a machine that is busy with others."""

MEMORY = 224 * 1024 * 1024
"""The bytes that one page may take beyond what its process begins with."""

LARGEST_NOTEBOOK = 64 * 1024 * 1024
"""The most bytes of a graded notebook that are read; grading writes smaller ones."""

PLAIN, WHOLE, REASON = b"p", b"w", b"r"
"""What a message of the process holds, by its first byte."""

TOO_MUCH = N_(
    "Your notebook is not shown here, because showing it takes more time or memory than a page "
    "may. Your points and their reasons are complete; your own copy of the notebook is as it was."
)
NOT_READABLE = N_(
    "Your notebook is not shown here, because the graded copy can't be read. Your points are "
    "complete; your instructor has been told."
)

_NOBODY = 65534


@dataclass(frozen=True)
class PageJob:
    """All that a page is made from.

    Attributes:
        path: the graded notebook.
        plans: by language.
        explain: explain the answers before the due date too.
        choices_shown: show what became of choice questions before the due date too.
    """

    student: str
    assignment: str
    notebook: str
    path: Path
    grades: Grades
    plans: dict[str, PagePlan] = field(default_factory=dict)
    explain: bool = False
    choices_shown: bool = False

    @property
    def names(self) -> dict[str, str]:
        return {
            "student": self.student, "assignment": self.assignment, "notebook": self.notebook
        }

    def plan(self, language: str) -> PagePlan:
        """The plan in a language; a choice question is one in every language."""
        own = self.plans.get(language, PagePlan())
        choices = frozenset().union(*(one.choices for one in self.plans.values()))
        return replace(own, choices=choices)


def run(job: PageJob, answers: Connection) -> None:
    """Make a page and send it: the process's main function."""
    _be_quiet()
    try:
        content = _content(job.path)
        _be_bounded()
        _give_up_rights()
        nb = reads(content.decode("utf-8"))
        del content
        answers.send_bytes(PLAIN + plain_page(job, nb, TOO_MUCH).encode("utf-8"))
        answers.send_bytes(WHOLE + whole_page(job, nb).encode("utf-8"))
    except MemoryError:
        os._exit(1)  # nothing is left to say it with
    except Exception as error:  # whatever a notebook brings about, it is told of this one only
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        answers.send_bytes(REASON + said[:200].encode("utf-8", "replace"))


def whole_page(job: PageJob, nb: NotebookNode) -> str:
    """Return the page, made by the exporter and the steps that nbgrader's command uses."""
    config = Config()
    config.RevealExplanations.always = job.explain
    # Explanations name the right choice, so nothing is left to hold back.
    config.HoldChoices.shown = job.choices_shown or job.explain
    exporter = FeedbackPage(config=config)
    for step in FEEDBACK_STEPS:
        exporter.register_preprocessor(step, enabled=True)
    resources = {
        "nbgrader": job.names, GRADES: job.grades, PLAN: job.plan(shown_language(nb)),
        "metadata": {"name": job.notebook},
    }
    page, _resources = exporter.from_notebook_node(nb, resources)
    return page


def plain_page(job: PageJob, nb: NotebookNode | None, why: str) -> str:
    """Return the page without the notebook: points, reasons, and why the rest is left out.

    Args:
        nb: the graded notebook; None where it can't be read, and there are points only.
        why: a msgid.
    """
    verdicts = {}
    if nb is None:
        nb = new_notebook()
    else:
        with speaking(shown_language(nb)):
            verdicts = {one.grade_id: one for one in cell_verdicts(nb)}
    held = held_choices(
        nb, job.grades, job.plan(shown_language(nb)), job.choices_shown or job.explain
    )
    return render(nb, job.grades, verdicts, job.names, held, why)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LARGEST_NOTEBOOK + 1)
    if len(content) > LARGEST_NOTEBOOK:
        raise ValueError(f"the graded notebook has more than {LARGEST_NOTEBOOK:,} bytes")
    return content


def _be_quiet() -> None:
    """Send to nowhere what a library prints when it ends the process."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


def _be_bounded() -> None:
    try:
        import resource
    except ImportError:  # Windows; the time is bounded from outside
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        most = _private_bytes() + MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _private_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmData in /proc/self/status")


def _give_up_rights() -> None:
    if sys.platform == "linux":
        become(_NOBODY)
    elif hasattr(os, "geteuid") and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
