"""Provide the base class of the lessons' widgets, which have a plain alternative.

A plain function returns everything that a widget shows, and each widget's output includes a plain
version (text and HTML) for front ends that can't render widgets. All controls work by keyboard:
Tab moves between them, arrow keys move a slider or a choice, and a slider's number can be edited.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import ipywidgets


class Plain(Protocol):
    """Anything that can be displayed without widgets."""

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
