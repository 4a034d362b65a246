"""Let JupyterLab's Validate button say what `autograder validate` says.

A Jupyter server extension that takes the place of nbgrader's `validate_assignment`, whose
labextension stays: nbgrader's own reads a notebook more strictly than it is graded, runs the tests
as the student has them and needs the kernel that the notebook names.

    "jpserver_extensions": {
        "nbgrader.server_extensions.validate_assignment": false,
        "autograder.student.validate_button": true
    }
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from nbgrader.server_extensions.validate_assignment.handlers import (
    NbGraderVersionHandler,
    ValidateAssignmentHandler,
)
from tornado.web import HTTPError, authenticated

from autograder.config import Course
from autograder.core.messages import texts
from autograder.errors import EnvironmentFault, UserError
from autograder.i18n import _, speaking
from autograder.student.validate import (
    FAILED,
    NOT_RUN,
    PASSED,
    WRITTEN,
    ValidationResult,
    validate,
)

_UNDEFINED = re.compile(r"NameError: name '(\w+)' is not defined\.?")


class ValidateHandler(ValidateAssignmentHandler):
    """Answer the button's request."""

    def show(self, result: ValidationResult) -> dict[str, Any]:
        """Return a result as the labextension that asks takes it."""
        return shown(result)

    def validate_notebook(self, path: str) -> dict[str, Any]:
        """Validate a notebook.

        Args:
            path: below the folder that the server shows.

        Returns:
            What the labextension takes: whether there is a result, and that or a sentence.
        """
        root = Path(self.root_dir).resolve()
        target = (root / path.lstrip("/")).resolve()
        if not target.is_relative_to(root):
            raise HTTPError(403, "That notebook isn't in the folder that this server shows.")
        try:
            return {"success": True, "value": self.show(validate(target, Course.here()))}
        except (UserError, EnvironmentFault) as error:
            return {"success": False, "value": str(error)}
        except Exception:
            self.log.exception("validating %s", target)
            text = (
                f"{target.name} could not be validated, through no fault of yours; restart "
                "JupyterLab and try again, and tell your instructor if that doesn't help."
            )
            return {"success": False, "value": text}


def shown(result: ValidationResult) -> dict[str, list[dict[str, str]]]:
    """Return a result as nbgrader's labextension shows it; empty if all is well."""
    if result.ok:
        return {}
    if result.assignment is None and result.changed:
        return {"changed": [{"source": name} for name in result.changed]}
    with speaking(result.language):
        failed = [_entry(title, lines) for title, lines in result.told_cells()]
        if notes := texts(list(result.notes)):
            failed.append(_entry(_("What was decided about your cells"), notes))
    return {"failed": failed}


class DialogHandler(ValidateHandler):
    """Answer the course's own labextension, whose window speaks the student's language."""

    def show(self, result: ValidationResult) -> dict[str, Any]:
        """Return a result as the course's window takes it."""
        return in_words(result)

    @authenticated
    def post(self) -> None:
        """Validate the notebook that the request's JSON names by its `path`."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(self.validate_notebook(str(self.get_json_body()["path"]))))


def in_words(result: ValidationResult) -> dict[str, Any]:
    """Return what a window says of a result, in the notebook's language and without code.

    Returns:
        `title`, the word on its `button`, its `language`, `sentences`, and for each question that
        isn't well its `title` and `lines`.
    """
    with speaking(result.language):
        questions: dict[str, list[str]] = {}

        def tell(cell: str, *lines: str) -> None:
            said = questions.setdefault(result.titles.get(cell, cell), [])
            said += [one for one in map(_without_code, lines) if one not in said]

        for error in result.errors:
            tell(error.cell, error.message)
        open_cells = dict.fromkeys(result.unanswered)
        for cell in result.cells:
            if cell.state == FAILED:
                failed = [check for check in cell.checks if not check.passed]
                told = [f"{check.name}: {check.message}".rstrip(": ") for check in failed]
                tell(cell.grade_id, *filter(None, [cell.message]), *told)
            elif cell.state == NOT_RUN:
                tell(cell.grade_id, cell.message)
            elif cell.state not in (PASSED, WRITTEN):
                open_cells[cell.grade_id] = None
        waiting = dict.fromkeys(result.titles.get(cell, cell) for cell in open_cells)
        sentences = texts(list(result.notes))
        if result.assignment is None and result.changed:
            text = _("These test cells were changed, so their outcome says nothing: {cells}")
            sentences.append(text.format(cells=", ".join(result.changed)))
        if missing := [title for title in waiting if title not in questions]:
            text = _("Not answered yet: {names}")
            sentences.append(text.format(names=", ".join(missing)))
        if result.ok:
            sentences.append(_("Every visible check passed."))
        sentences += result.told_limits(result.titles)
        return {
            "title": _("Validation results"),
            "button": _("Close"),
            "language": result.language,
            "sentences": sentences,
            "questions": [
                {"title": title, "lines": lines or [_("not passed")]}
                for title, lines in questions.items()
            ],
        }


def _without_code(message: str) -> str:
    """Return a message with Python's words for a missing name said in the reader's."""

    def said(found: re.Match[str]) -> str:
        text = _("{name} has no value: no cell sets it, so write it into the answer cell.")
        return text.format(name=found[1])

    return _UNDEFINED.sub(said, message)


def _entry(title: str, lines: list[str]) -> dict[str, str]:
    text = "\n".join(lines)
    return {"source": title, "error": html.escape(text), "raw_error": text}


def _load_jupyter_server_extension(app: ServerApp) -> None:
    """Put the button's addresses into a Jupyter server."""
    web_app: Any = app.web_app  # tornado's methods have no types
    web_app.settings["root_dir"] = app.root_dir
    base = web_app.settings["base_url"]
    web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "/assignments/validate"), ValidateHandler),
            (url_path_join(base, "/autograder/validate"), DialogHandler),
            (url_path_join(base, "/nbgrader_version"), NbGraderVersionHandler),
        ],
    )


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Name this module to Jupyter as the extension."""
    return [{"module": "autograder.student.validate_button"}]
