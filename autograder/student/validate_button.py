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
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from nbgrader.server_extensions.validate_assignment.handlers import (
    NbGraderVersionHandler,
    ValidateAssignmentHandler,
)
from tornado.web import HTTPError

from autograder.config import Course
from autograder.core.messages import texts
from autograder.errors import EnvironmentFault, UserError
from autograder.i18n import _, speaking
from autograder.student.validate import ValidationResult, validate


class ValidateHandler(ValidateAssignmentHandler):
    """Answer the button's request."""

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
            return {"success": True, "value": shown(validate(target, Course.here()))}
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
            (url_path_join(base, "/nbgrader_version"), NbGraderVersionHandler),
        ],
    )


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Name this module to Jupyter as the extension."""
    return [{"module": "autograder.student.validate_button"}]
