"""Explore a scene with lesson 8's widget: a question, the answer, attention and occlusion."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
from PIL import Image

from beyond.locale import _, language
from beyond.old_names import handed_on
from beyond.ui.figures import Chart
from beyond.ui.tables import Table
from beyond.ui.widgets import PlainBox, Still
from beyond.vision import drawings, inside
from beyond.vision.asking import ask
from beyond.vision.load import VisionModel
from beyond.vision.questions import thing_words
from beyond.vision.scenes import COLORS, DIGITS, PLACES, SHAPES, Scene, compose, draw

__getattr__ = handed_on(__name__)

SCALE = 4  # scenes are enlarged on screen, because the model's size is too small for people
ALL = -1  # the choice of all heads together; a list shows a choice of None as nothing chosen


@dataclass(frozen=True)
class Explanation:
    """One answer, with the attention and the occlusion map that explain it.

    Attributes:
        answer: what the model said.
        by: the model that answered.
        found: the attention while that answer was generated, with the gates open.
        fall: the occlusion map of that answer.
        image: the image that was shown.
    """

    answer: str
    by: str
    found: inside.Attention
    fall: np.ndarray
    image: Image.Image

    def chart(self, layer: int, head: int | None = None) -> Chart:
        """Draw the picture, one layer's attention, and the occlusion map.

        Args:
            layer: a place in the list of cross-attention layers, from 0.
            head: one head, or the mean of all if None.
        """
        which = _("all heads") if head is None else _("head {number}").format(number=head + 1)
        number = self.found.layers[layer]
        title = _("attention, layer {layer}, {heads}").format(layer=number, heads=which)
        size = (
            max(self.found.size[0], 1) * self.image.width // max(self._used[0], 1),
            max(self.found.size[1], 1) * self.image.height // max(self._used[1], 1),
        )
        maps = {title: self.found.map(layer, head), _("occlusion"): self.fall}
        return drawings.map_chart(self.image, maps, size)

    @property
    def _used(self) -> tuple[int, int]:
        """Width and height of the image on the canvas, as the processor scales it: to fill it."""
        width, height = self.found.size
        scale = min(width / self.image.width, height / self.image.height)
        return max(round(self.image.width * scale), 1), max(round(self.image.height * scale), 1)

    def table(self) -> Table:
        """Tabulate where each layer and head attends most, and its overlap with the occlusion."""
        rows = []
        for place, layer in enumerate(self.found.layers):
            for head in (None, *range(self.found.weights.shape[1])):
                seen = self.found.map(place, head)
                tile = self.found.by_tile(place, head)
                rows.append(
                    (
                        _("layer {layer}, {heads}").format(
                            layer=layer,
                            heads=_("all heads")
                            if head is None
                            else _("head {number}").format(number=head + 1),
                        ),
                        f"{int(tile.argmax()) + 1} ({tile.max():.0%})",
                        drawings.strongest(seen),
                        f"{drawings.overlap(seen, self.fall):.0%}",
                    )
                )
        return Table(
            _("Where each head looks; covering the image counts most {where}").format(
                where=drawings.strongest(self.fall)
            ),
            (_("layer and head"), _("tile seen most"), _("patch seen most"), _("shared")),
            rows,
        )

    def heads_on(self, scene: Scene, what: str) -> tuple[int, int]:
        """Count the heads, of all layers, whose largest weight is on a thing; and all heads.

        Args:
            scene: what the image shows.
            what: the thing's color and name, such as "red circle".
        """
        thing = next(one for one in scene.things if f"{one.color} {one.name}" == what)
        on_it = count = 0
        for layer in range(len(self.found.layers)):
            for head in range(self.found.weights.shape[1]):
                seen = self.found.map(layer, head)
                row, column = np.unravel_index(seen.argmax(), seen.shape)
                # a patch's side and the thing's box, both in pixels of the scene
                down = scene.height * self.found.size[1] / self._used[1] / seen.shape[0]
                across = scene.width * self.found.size[0] / self._used[0] / seen.shape[1]
                top, left = thing.y - thing.size / 2, thing.x - thing.size / 2
                on_it += (
                    top < (row + 1) * down
                    and row * down < top + thing.size
                    and left < (column + 1) * across
                    and column * across < left + thing.size
                )
                count += 1
        return int(on_it), count


def explain(
    vision_model: VisionModel, image: Image.Image, question: str, gate: float = 1.0
) -> Explanation:
    """Ask the model, and record its attention and the occlusion map.

    Args:
        vision_model: a loaded model.
        image: RGB.
        question: in words, without the image token.
        gate: what cross-attention adds is multiplied by this, from 0 (blind) to 1 (as trained).
    """
    with inside.gates(vision_model, gate):
        found = ask(vision_model, image, question)
        said = found.text or " "
        return Explanation(
            found.text,
            found.by,
            inside.attention(vision_model, image, question, said),
            inside.occlusion(vision_model, image, question, said),
            image,
        )


class VisionExplorer(PlainBox):
    """Compose a scene, ask about it, and show the answer with attention and occlusion.

    Args:
        who: the model to ask.
        things: the initial scene, such as {"top left": "red circle"}.
        question: the initial question.

    `controls` are the widgets by name, `now` is the current `Explanation`.
    """

    def __init__(self, vision_model: VisionModel, things: Mapping[str, str], question: str) -> None:
        self.vision_model = vision_model
        self.things = dict(things)
        config: Any = vision_model.model.config
        self.now: Explanation | None = None
        ko = language()
        self.controls: dict[str, ipywidgets.Widget] = {
            "canvas": ipywidgets.Dropdown(
                options=[
                    (_("square: 4 tiles"), (2, 2)),
                    (_("wide: 2 tiles"), (1, 2)),
                    (_("tall: 2 tiles"), (2, 1)),
                    (_("small: 1 tile"), (1, 1)),
                ],
                description=_("image"),
            ),
            "place": ipywidgets.Dropdown(
                options=[(thing_words(name, ko), name) for name in PLACES], description=_("place")
            ),
            "color": ipywidgets.Dropdown(
                options=[(thing_words(name, ko), name) for name in COLORS],
                description=_("color"),
            ),
            "name": ipywidgets.Dropdown(
                options=[(thing_words(name, ko), name) for name in (*SHAPES, *DIGITS)],
                description=_("thing"),
            ),
            "put": ipywidgets.Button(description=_("Put it there")),
            "remove": ipywidgets.Button(description=_("Clear that place")),
            "question": ipywidgets.Text(
                value=question, description=_("question"), continuous_update=False
            ),
            "gate": ipywidgets.FloatSlider(
                value=1, min=0, max=1, step=0.05, description=_("gate ×"), continuous_update=False
            ),
            "layer": ipywidgets.ToggleButtons(
                options=[
                    (str(number), place)
                    for place, number in enumerate(inside.cross_layers(vision_model))
                ],
                value=len(inside.cross_layers(vision_model)) - 1,
                description=_("layer"),
            ),
            "head": ipywidgets.Dropdown(
                options=[(_("all heads"), ALL)]
                + [
                    (_("head {number}").format(number=n + 1), n)
                    for n in range(config.text_config.num_attention_heads)
                ],
                description=_("head"),
            ),
        }
        self.controls["layer"].style.button_width = "4em"
        self.controls["question"].layout.width = "36em"
        self._said, self._figure, self._numbers = (ipywidgets.HTML() for _i in range(3))
        for name in ("canvas", "question", "gate"):
            self.controls[name].observe(self._ask, names="value")
        for name in ("layer", "head"):
            self.controls[name].observe(self._show, names="value")
        self.controls["put"].on_click(self._put)
        self.controls["remove"].on_click(self._remove)
        named = self.controls
        rows = [
            named["canvas"],
            ipywidgets.HBox([named["place"], named["color"], named["name"]]),
            ipywidgets.HBox([named["put"], named["remove"]]),
            named["question"],
            named["gate"],
            ipywidgets.HBox([named["layer"], named["head"]]),
        ]
        for row in rows:
            if isinstance(row, ipywidgets.HBox):
                row.layout.flex_flow = "row wrap"
        super().__init__([*rows, self._said, self._figure, self._numbers], self._still)
        self._ask()

    @property
    def scene(self) -> Scene:
        """The scene that the controls describe, without things whose place doesn't exist."""
        canvas = self.controls["canvas"].value
        there = {}
        for where, what in self.things.items():
            try:
                compose({where: what}, canvas)
            except ValueError:
                continue
            there[where] = what
        return compose(there, canvas)

    def _put(self, _button: object = None) -> None:
        named = self.controls
        self.things[named["place"].value] = f"{named['color'].value} {named['name'].value}"
        self._ask()

    def _remove(self, _button: object = None) -> None:
        self.things.pop(self.controls["place"].value, None)
        self._ask()

    def _ask(self, change: object = None) -> None:
        question = self.controls["question"].value.strip()
        if not question:
            self._said.value = f'<p role="status">{html.escape(_("Write a question."))}</p>'
            return
        # the processor splits a square larger than one tile into four tiles
        scale = 1 if self.controls["canvas"].value == (1, 1) else SCALE
        image = draw(self.scene, scale=scale)
        self.now = explain(self.vision_model, image, question, self.controls["gate"].value)
        self._show()

    def _show(self, change: object = None) -> None:
        if self.now is None:
            return
        answer = html.escape(self.now.answer) or "–"
        self._said.value = (
            f'<p role="status"><b style="font-size:1.2em">{answer}</b> '
            f"({html.escape(_('answered by {name}').format(name=self.now.by))})</p>"
        )
        head = self.controls["head"].value
        chart = self.now.chart(self.controls["layer"].value, None if head == ALL else head)
        self._figure.value = chart.html()
        self._numbers.value = self.now.table()._repr_html_()

    def _still(self) -> Still:
        assert self.now is not None  # the first answer is there before anything is shown
        asked = f"<p>{html.escape(self.controls['question'].value)}</p>"
        shown = self._said.value + self._figure.value + self._numbers.value
        return Still(str(self.now.table()), asked + shown)
