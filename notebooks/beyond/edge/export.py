"""The forms of a model for ONNX Runtime, each made on first use and kept in the cache.

A kept form lies under the hash of all that it was made from: the model's own files and the code
that writes the graph. A change in either makes a new one, and the old one is removed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from beyond.edge.weights import FromFolder, FromGGUF, Weights
from beyond.lm import models
from beyond.locale import _

HASH = 12  # hex digits of the hash in a folder's name
_CODE = ("graph.py", "linear.py", "weights.py", "export.py")


@dataclass(frozen=True)
class Form:
    """One way to store a model.

    Attributes:
        body: how the matrices of the layers are stored, a name in `linear.ways()`.
        ends: how embedding and head are stored.
        from_gguf: whether the blocks of the model's GGUF file are taken over as they are.
    """

    body: str
    ends: str
    from_gguf: bool = False


FORMS = {
    "fp32": Form("float", "float"),
    "int8-tensor": Form("tensor", "8 bits"),
    "int8-blocks": Form("8 bits", "8 bits"),
    "int4-rounded": Form("4 bits", "8 bits"),
    "int4-gguf": Form("4 bits", "8 bits", from_gguf=True),
}
"""What `form` makes.

- fp32: 4 bytes a weight.
- int8-tensor: 8 bits, one scale for a whole matrix, and one for all that meets it: what
  onnxruntime's `quantize_dynamic` does when nothing else is asked of it.
- int8-blocks: 8 bits, one scale for 32 weights.
- int4-rounded: 4 bits, one scale for 32 weights, each weight simply rounded to the nearest level.
- int4-gguf: the 4-bit blocks that the GGUF file came with, scale and offset for 32 weights.
"""

FAST = "int4-gguf"
"""The form that is small, fast and still the model."""


def form(name: str, model: str | Path = models.SMOLLM2) -> Path:
    """The folder with `model.onnx` and `model.data` of a form; made first if need be.

    Args:
        name: a key of `FORMS`.
        model: `models.SMOLLM2`, or a folder in transformers' format.

    fp32 takes about 5 s and 540 MB the first time, the others 5 to 10 s and 100 to 160 MB.

    Raises:
        NoModel: if the model isn't here, or has no GGUF file for a form that needs one.
        NotALlama: if it is built otherwise than a Llama.
    """
    wanted = FORMS[name]
    if wanted.from_gguf and model not in models.PINNED:
        raise models.NoModel(
            _("{form} takes over a GGUF file's blocks, and {model} has none.").format(
                form=name, model=model
            )
        )
    title = f"{Path(model).name}-{name}"
    kept = f"onnx/{title}-{_made_from(name, model)}"
    if not (models.cache_folder() / kept).is_dir():
        for old in (models.cache_folder() / "onnx").glob(f"{title}-{'[0-9a-f]' * HASH}"):
            shutil.rmtree(old, ignore_errors=True)
    return models.kept_folder(kept, lambda place: _make(wanted, name, model, place))


def size(folder: Path) -> int:
    """Bytes of a form's files."""
    return sum(path.stat().st_size for path in folder.iterdir())


def write_form(folder: Path, weights: Weights, name: str, progress: Callable = iter) -> Path:
    """Write a form of any Llama's weights into a folder; the path of its `model.onnx`."""
    from beyond.edge import graph, linear  # needs onnx, which takes half a second to import

    wanted = FORMS[name]
    ways = linear.ways()
    return graph.write(folder, weights, ways[wanted.body], ways[wanted.ends], progress)


def _make(wanted: Form, name: str, model: str | Path, place: Path) -> None:
    from tqdm.auto import tqdm

    weights: Weights = FromFolder(models.folder(model))
    if wanted.from_gguf:
        weights = FromGGUF(models.gguf_file(str(model)), weights.shape)
    title = _("Writing {form}, once").format(form=name)
    write_form(place, weights, name, lambda layers: tqdm(layers, desc=title))


def _made_from(name: str, model: str | Path) -> str:
    """Hash of everything that decides what is in the form's files."""
    seen = hashlib.sha256(name.encode())
    for file in _CODE:
        seen.update((Path(__file__).parent / file).read_bytes())
    if model in models.PINNED:  # its file's checksum is verified when it is read
        seen.update(f"{models.PINNED[str(model)].sha256} {models.FORMAT}".encode())
    else:
        place = models.folder(model)
        for path in (place / "config.json", *sorted(place.glob("*.safetensors"))):
            with path.open("rb") as stream:
                seen.update(hashlib.file_digest(stream, "sha256").digest())
    return seen.hexdigest()[:HASH]
