"""Render one page in a process of its own, with limits on time and memory.

The process gets plain data and returns HTML. It can't reach the gradebook, and if it was started
as root, it drops its privileges before it parses a student's work. First it sends a reduced page
with points and reasons, then the complete one, so there is a page even if it fails in between.
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

from autograder import i18n
from autograder.config import FEEDBACK_STEPS
from autograder.core.messages import N_
from autograder.core.notebook_language import shown_language
from autograder.feedback import preload  # noqa: F401 - loads all before privileges are dropped
from autograder.feedback.grades import Grades
from autograder.feedback.page import FeedbackPage, render
from autograder.feedback.plan import PagePlan
from autograder.feedback.preprocessors import GRADES, PLAN, withheld_choices
from autograder.grading.result import graded_cells
from autograder.i18n import speaking
from autograder.notebook_metadata import accept
from autograder.sandbox.privileges import become

CPU_SECONDS = 8
"""The most CPU time that one page may take, in seconds."""

WALL_SECONDS = 45.0
"""The most wall-clock time that one page may take, in seconds: the machine may be busy."""

MAX_MEMORY_BYTES = 224 * 1024 * 1024
"""The most memory that one page may take beyond what its process starts with."""

MAX_NOTEBOOK_BYTES = 64 * 1024 * 1024
"""The most bytes of a graded notebook; grading writes smaller ones."""

PLAIN, WHOLE, REASON = b"p", b"w", b"r"
"""The first byte of a message: a reduced page, the complete page, or why it failed."""

TOO_MUCH = N_(
    "Your notebook isn't shown here because displaying it takes too much time or memory. Your "
    "points and the reasons for them are complete, and your own copy of the notebook is unchanged."
)
NOT_READABLE = N_(
    "Your notebook isn't shown here because the graded copy can't be read. Your points are "
    "complete, and your instructor has been notified."
)

_NOBODY = 65534


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

    @property
    def names(self) -> dict[str, str]:
        """The names of student, assignment and notebook, as nbgrader's resources have them."""
        return {"student": self.student, "assignment": self.assignment, "notebook": self.notebook}

    def plan(self, language: str) -> PagePlan:
        """Return the plan in a language; a choice question in one language is one in all."""
        own = self.plans.get(language, PagePlan())
        choices = frozenset().union(*(one.choices for one in self.plans.values()))
        return replace(own, choices=choices)


def run(job: PageJob, answers: Connection) -> None:
    """Render a page and send it: the process's main function."""
    _silence_standard_streams()
    try:
        content = _content(job.path)
        i18n.use(job.texts)
        for one in job.namespaces:
            accept(one)
        _limit_resources()
        _give_up_rights()
        nb = reads(content.decode("utf-8"))
        del content
        answers.send_bytes(PLAIN + plain_page(job, nb, TOO_MUCH).encode("utf-8"))
        answers.send_bytes(WHOLE + whole_page(job, nb).encode("utf-8"))
    except MemoryError:
        os._exit(1)  # no memory is left to send an error
    except Exception as error:  # whatever goes wrong concerns this page only
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        answers.send_bytes(REASON + said[:200].encode("utf-8", "replace"))


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
            results = {one.grade_id: one for one in graded_cells(nb)}
    held = withheld_choices(
        nb, job.grades, job.plan(shown_language(nb)), job.choices_shown or job.explain
    )
    return render(nb, job.grades, results, job.names, held, why)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_NOTEBOOK_BYTES + 1)
    if len(content) > MAX_NOTEBOOK_BYTES:
        raise ValueError(f"the graded notebook has more than {MAX_NOTEBOOK_BYTES:,} bytes")
    return content


def _silence_standard_streams() -> None:
    """Discard what a library prints when it ends the process."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


def _limit_resources() -> None:
    try:
        import resource
    except ImportError:  # Windows; the parent process limits the time
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        most = _private_bytes() + MAX_MEMORY_BYTES
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
