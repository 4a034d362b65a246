"""Provide the base class of the lessons' widgets, which have a plain alternative.

A plain function returns everything that a widget shows, and each widget's output includes a plain
version (text and HTML) for front ends that can't render widgets. The HTML is also the widget's
still form: it stays in the notebook, and the course's JupyterLab extension shows it when the
kernel that the widget needs is gone. All controls work by keyboard: Tab moves between them, arrow
keys move a slider or a choice, and a slider's number can be edited.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import ipywidgets

from beyond.locale import _

_STYLE = """<style>
.beyond-widget { container-type: inline-size; }
.beyond-widget .jupyter-widgets { max-width: 100%; box-sizing: border-box; }
.beyond-widget .widget-html-content { overflow-x: auto; }
.beyond-widget .widget-hbox { flex-wrap: wrap; }
.beyond-widget .widget-radio-box label { display: flex; flex-direction: row-reverse;
  justify-content: flex-end; align-items: baseline; height: auto; padding: 2px 0;
  line-height: 1.4; white-space: normal; }
.beyond-widget .widget-radio-box input { flex: none; float: none; height: auto; }
@container (max-width: 32em) {
  .beyond-widget .widget-inline-hbox:not(.widget-hprogress) { flex-wrap: wrap; height: auto; }
  .beyond-widget select { min-height: 28px; }
  .beyond-widget .widget-label { width: 100% !important; height: auto; text-align: left; }
  .beyond-widget .widget-hslider .slider-container { flex: 1 1 50%; }
  .beyond-widget .widget-readout { flex: none; }
  .beyond-widget textarea { width: 100%; }
}
</style>"""
"""Long choices wrap, and in a narrow column a label stands above its control."""


class Plain(Protocol):
    """Anything that can be displayed without widgets."""

    def __str__(self) -> str: ...

    def _repr_html_(self) -> str: ...


@dataclass(frozen=True)
class Still:
    """What a widget shows, as text and as HTML."""

    text: str
    html: str

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


class PlainBox(ipywidgets.VBox):
    """A column of widgets that a front end without widgets shows as text or HTML."""

    def __init__(self, children: Sequence[ipywidgets.Widget], plain: Callable[[], Plain]) -> None:
        self._plain = plain
        style = ipywidgets.HTML(_STYLE, layout=ipywidgets.Layout(display="none"))
        super().__init__([*children, style])
        self.add_class("beyond-widget")

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = dict(super()._repr_mimebundle_(**options) or {})
        plain = self._plain()
        again = _("To use these controls, run this cell again, after the cells above it.")
        still = f"{plain._repr_html_()}<p><em>{html.escape(again)}</em></p>"
        return bundle | {"text/plain": str(plain), "text/html": still}
