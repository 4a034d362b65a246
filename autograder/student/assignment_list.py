"""Let JupyterLab's Assignment List say in a sentence why nothing was handed in.

A Jupyter server extension that takes the place of nbgrader's `assignment_list`, whose labextension
stays: nbgrader's own shows students a traceback.

    "jpserver_extensions": {
        "nbgrader.server_extensions.assignment_list": false,
        "autograder.student.assignment_list": true
    }
"""

from __future__ import annotations

import re
from typing import Any

from jupyter_server.serverapp import ServerApp
from nbgrader.server_extensions.assignment_list.handlers import (
    AssignmentList,
    load_jupyter_server_extension,
)

from autograder.i18n import _

_SAID = re.compile(r"^[\w.]*\b(?:ExchangeError|NotHandedIn): (.+)\Z", re.MULTILINE | re.DOTALL)


class PlainAssignmentList(AssignmentList):
    """Submit as nbgrader does, and say plainly what failed."""

    def submit_assignment(self, course_id: str, assignment_id: str) -> dict[str, Any]:
        """Hand in an assignment; return whether that succeeded, and if not, why."""
        return in_plain_words(super().submit_assignment(course_id, assignment_id))


def in_plain_words(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer of nbgrader's with a sentence for the traceback that may be in it."""
    value = answer.get("value")
    if answer.get("success") or not isinstance(value, str) or "Traceback (" not in value:
        return answer
    if said := _SAID.search(value):
        return {**answer, "value": said[1].strip()}
    text = _(
        "It was not handed in, through no fault of yours, and none of your work is lost; try "
        "again, and tell your instructor if that doesn't help."
    )
    return {**answer, "value": text}


def _load_jupyter_server_extension(app: ServerApp) -> None:
    """Put the list's addresses into a Jupyter server."""
    load_jupyter_server_extension(app)
    manager = PlainAssignmentList(parent=app)
    manager.root_dir = app.root_dir
    web_app: Any = app.web_app  # tornado's methods have no types
    web_app.settings["assignment_list_manager"] = manager


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Name this module to Jupyter as the extension."""
    return [{"module": "autograder.student.assignment_list"}]
