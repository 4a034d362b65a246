"""Show the lesson clock: a lesson's planned time, and the time spent so far."""

from __future__ import annotations

import html

import ipywidgets

from beyond.locale import _
from beyond.ui.widgets import PlainBox


class Clock(PlainBox):
    """The lesson clock: starts at 00:00 when its button is pressed, and can be paused.

    Args:
        minutes: how long the lesson takes, as stated at its start.

    It counts in the browser, so it keeps running while a cell runs.
    """

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self._play = _("Lesson clock: start or pause")
        self._stop = _("Lesson clock: back to 00:00")
        self.play = ipywidgets.Play(
            interval=1_000, min=0, max=24 * 3_600, value=0, show_repeat=False
        )
        self.play.tooltip = _("Lesson clock: start, pause, reset")
        self.bar = ipywidgets.IntProgress(
            min=0, max=minutes * 60, description="", layout=ipywidgets.Layout(width="12em")
        )
        self.face = ipywidgets.HTML()
        ipywidgets.jslink((self.play, "value"), (self.bar, "value"))
        self.play.observe(self._tick, names="value")
        self._tick()
        super().__init__(
            [ipywidgets.HBox([self.play, self.face, self.bar])], lambda: _Text(self.text)
        )

    @property
    def text(self) -> str:
        """Minutes and seconds, and the planned minutes."""
        minutes, seconds = divmod(int(self.play.value), 60)
        return _("{minutes:02d}:{seconds:02d} of about {planned} minutes").format(
            minutes=minutes, seconds=seconds, planned=self.minutes
        )

    def _tick(self, change: object = None) -> None:
        # screen readers don't announce role=timer every second
        # the course's JupyterLab extension names the buttons so; ipywidgets leaves them nameless
        names = f'data-play="{html.escape(self._play)}" data-stop="{html.escape(self._stop)}"'
        self.face.value = f'<span role="timer" {names}>{html.escape(self.text)}</span>'


class _Text(str):
    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self)}</p>"
