"""Export the variants of a model for ONNX Runtime, each on first use, and cache them.

A cached variant is stored under a hash of its inputs: the model's own files and the code that
writes the graph. When either changes, a new one is exported and the old one is removed.
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
from beyond.old_names import handed_on

__getattr__ = handed_on(__name__)

HASH = 12  # hex digits of the hash in a folder's name
_CODE = ("graph.py", "graph_builder.py", "linear.py", "weights.py", "export.py")


@dataclass(frozen=True)
class Variant:
    """One way to store a model.

    Attributes:
        body: how the matrices of the layers are stored, a name in `linear.storage_formats()`.
        ends: how embedding and head are stored.
        from_gguf: whether the blocks of the model's GGUF file are used unchanged.
    """

    body: str
    ends: str
    from_gguf: bool = False


VARIANTS = {
    "fp32": Variant("float", "float"),
    "int8-tensor": Variant("tensor", "8 bits"),
    "int8-blocks": Variant("8 bits", "8 bits"),
    "int4-rounded": Variant("4 bits", "8 bits"),
    "int4-gguf": Variant("4 bits", "8 bits", from_gguf=True),
}
"""The variants that `variant_folder` exports.

- fp32: 4 bytes a weight.
- int8-tensor: 8 bits, one scale per weight matrix, and one for all its input activations: the
  default of onnxruntime's `quantize_dynamic`.
- int8-blocks: 8 bits, one scale per 32 weights.
- int4-rounded: 4 bits, one scale per 32 weights, each weight rounded to the nearest level.
- int4-gguf: the 4-bit blocks of the GGUF file, with a scale and a minimum per 32 weights.
"""

FAST = "int4-gguf"
"""The variant that is small and fast and keeps the model's quality."""


def variant_folder(name: str, model: str | Path = models.SMOLLM2) -> Path:
    """Return the folder of a variant (`model.onnx`, `model.data`), exporting it if necessary.

    Args:
        name: a key of `VARIANTS`.
        model: `models.SMOLLM2`, or a folder in transformers' format.

    fp32 takes about 5 s and 540 MB the first time, the others 5 to 10 s and 100 to 160 MB.

    Raises:
        NoModel: if the model isn't here, or has no GGUF file for a variant that needs one.
        NotALlama: if its architecture isn't a Llama's.
    """
    wanted = VARIANTS[name]
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
    """Return the bytes of a variant's files."""
    return sum(path.stat().st_size for path in folder.iterdir())


def write_variant(folder: Path, weights: Weights, name: str, progress: Callable = iter) -> Path:
    """Write a variant of any Llama's weights into a folder; return the path of its `model.onnx`."""
    from beyond.edge import graph, linear  # needs onnx, which takes half a second to import

    wanted = VARIANTS[name]
    formats = linear.storage_formats()
    return graph.write(folder, weights, formats[wanted.body], formats[wanted.ends], progress)


def _make(wanted: Variant, name: str, model: str | Path, place: Path) -> None:
    from tqdm.auto import tqdm

    weights: Weights = FromFolder(models.folder(model))
    if wanted.from_gguf:
        weights = FromGGUF(models.gguf_file(str(model)), weights.shape)
    title = _("Writing {form}, once").format(form=name)
    write_variant(place, weights, name, lambda layers: tqdm(layers, desc=title))


def _made_from(name: str, model: str | Path) -> str:
    """Hash everything that determines the contents of a variant's files."""
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
