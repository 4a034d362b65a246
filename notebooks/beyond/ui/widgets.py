"""A column of widgets with a plain version of itself: what the widgets of the lessons are built on.

Everything a widget shows also comes from a plain function, and each widget carries a plain
version of itself (text and HTML) in its output: a front end that can't render widgets shows
that one instead, and nothing depends on it. All controls work by keyboard: Tab moves between
them, arrow keys move a slider or a choice, and a slider's number can be typed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import ipywidgets


class Plain(Protocol):
    """Something that reads well without widgets."""

    def __str__(self) -> str: ...

    def _repr_html_(self) -> str: ...


class PlainBox(ipywidgets.VBox):
    """A column of widgets that a front end without widgets shows as text or HTML."""

    def __init__(self, children: Sequence[ipywidgets.Widget], plain: Callable[[], Plain]) -> None:
        self._plain = plain
        super().__init__(children)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = dict(super()._repr_mimebundle_(**options) or {})
        plain = self._plain()
        return bundle | {"text/plain": str(plain), "text/html": plain._repr_html_()}
