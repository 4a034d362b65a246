"""Ask a local model or an endpoint one question about one picture."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beyond.locale import _
from beyond.vision.endpoint import Endpoint
from beyond.vision.load import VisionModel
from beyond.vision.pictures import Picture, open_picture

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

IMAGE_TOKEN = "<|image|>"


class BadPrompt(ValueError):
    """This text can't be sent to the model; the message says why and what to do."""

    def _render_traceback_(self) -> list[str]:
        # A notebook shows this instead of a long traceback.
        return [str(self)]


@dataclass(frozen=True)
class Answer:
    """An answer, the model that gave it, and how the picture was converted."""

    text: str
    by: str
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        line = _("{text}   [answered by {name}]").format(text=self.text, name=self.by)
        return "\n".join([line, *self.notes])

    __repr__ = __str__


def ask(
    vision_model: VisionModel | Endpoint,
    picture: str | os.PathLike | bytes | Image.Image | np.ndarray,
    question: str,
) -> Answer:
    """Ask one question about one picture.

    Args:
        vision_model: a loaded model (`load`), or an `Endpoint`.
        picture: anything that `open_picture` takes.
        question: the text; the image token is added.

    Raises:
        BadPicture, BadPrompt: if the picture or the question can't be used.
        NoAnswer: if an endpoint gives none.
    """
    shown = _opened(picture)
    if not question.strip():
        raise BadPrompt(_("The question is empty; write what you want to know."))
    if IMAGE_TOKEN in question:
        raise BadPrompt(
            _("Leave {token} out of the question: it is put in for you.").format(token=IMAGE_TOKEN)
        )
    if isinstance(vision_model, Endpoint):
        return Answer(vision_model.ask(shown.image, question), vision_model.name, shown.notes)
    return Answer(
        vision_model.answer(shown.image, vision_model.prompt_for(question)),
        vision_model.name,
        shown.notes,
    )


def complete(
    vision_model: VisionModel,
    picture: str | os.PathLike | bytes | Image.Image | np.ndarray,
    prompt: str,
) -> Answer:
    """Let a loaded model continue your own prompt, which must contain the image token.

    Raises:
        BadPrompt: if the image token isn't there exactly once.
    """
    check_prompt(prompt)
    shown = _opened(picture)
    return Answer(vision_model.answer(shown.image, prompt), vision_model.name, shown.notes)


def check_prompt(prompt: str) -> None:
    """Check that there is one image token: without one the model doesn't see the picture.

    Raises:
        BadPrompt: if there is none, or more than one.
    """
    number = prompt.count(IMAGE_TOKEN)
    if number == 0:
        raise BadPrompt(
            _(
                "The prompt has no {token}, so the model would not look at the image; put it "
                "at the very beginning."
            ).format(token=IMAGE_TOKEN)
        )
    if number > 1:
        raise BadPrompt(
            _("The prompt has {number} times {token}, but there is one image.").format(
                number=number, token=IMAGE_TOKEN
            )
        )


def _opened(
    picture: Picture | str | os.PathLike | bytes | Image.Image | np.ndarray,
) -> Picture:
    return picture if isinstance(picture, Picture) else open_picture(picture)
