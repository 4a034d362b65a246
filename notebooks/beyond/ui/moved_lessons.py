"""Open a lesson's present notebook for the address that it had before the lessons were renumbered.

A Jupyter server extension: it answers JupyterLab's addresses of notebooks that are gone by
sending the browser on. No file stands under an old name, so unpacking a new edition over an old
one leaves a notebook that a learner has worked in as it is, and such a notebook still opens.

    "jpserver_extensions": {"beyond.ui.moved_lessons": true}
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches
from tornado.web import authenticated

MOVED = {
    "01-prompting-and-when-it-stops": "01-prompting",
    "02-the-cost-formula": "04-the-cost-formula",
    "03-small-language-models": "05-small-language-models",
    "04-mixture-of-experts": "06-mixture-of-experts-the-layer",
    "05-seeing-with-llama-3-2": "08-multimodal-llama-3-2",
    "06-edge-deployment": "09-edge-deployment",
}
"""Old names of lessons' notebooks, and the one that the lesson, or its first part, has now."""

_PAGES = r"(?:lab|doc|notebooks)(?:/workspaces/[^/]+)?(?:/tree)?"
_ADDRESS = re.compile(rf"(/{_PAGES}/(?:.*/)?)({'|'.join(map(re.escape, MOVED))})(\.ipynb)")


def present_address(path: str) -> str | None:
    """Return the address that a lesson's old one stands for; None for any other.

    Args:
        path: of the request, below the server's base address.
    """
    found = _ADDRESS.fullmatch(path)
    return found and f"{found[1]}{MOVED[found[2]]}{found[3]}"


class _Moved(PathMatches):
    """Match requests for notebooks that are gone and whose successor is there."""

    def __init__(self, base: str, root: Path) -> None:
        super().__init__(rf"{re.escape(base.rstrip('/'))}(/.*)")
        self._base = base.rstrip("/")
        self._root = root.resolve()

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return the handler's argument, or None to leave the request to the others."""
        if not super().match(request):
            return None
        old = request.path.removeprefix(self._base)
        new = present_address(old)
        if new is None or self._is_file(old) or not self._is_file(new):
            return None
        return {"path_args": [f"{self._base}{new}".encode()], "path_kwargs": {}}

    def _is_file(self, address: str) -> bool:
        place = re.sub(rf"^/{_PAGES}/", "", address)
        target = (self._root / place).resolve()
        return target.is_relative_to(self._root) and target.is_file()


class _MovedHandler(JupyterHandler):
    """Send the browser on."""

    @authenticated
    def get(self, address: str) -> None:
        """Redirect, with the query (a token, say) as it was."""
        query = self.request.query
        self.redirect(f"{address}?{query}" if query else address)


def _load_jupyter_server_extension(app: ServerApp) -> None:
    """Put the old addresses into a Jupyter server, before JupyterLab adds its own."""
    web_app: Any = app.web_app  # tornado's methods have no types
    matcher = _Moved(web_app.settings["base_url"], Path(app.root_dir))
    web_app.add_handlers(".*$", [(matcher, _MovedHandler)])


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Name this module to Jupyter as the extension."""
    return [{"module": "beyond.ui.moved_lessons"}]
