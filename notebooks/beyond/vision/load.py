"""Load a vision model: the course's own, one in a folder, or, on request, one from the hub.

All are Mllama models in the hub's folder layout, loaded by the same code. The course's is the
small one in `little-mllama/`, which has the architecture of Llama 3.2 Vision but isn't Llama.
The environment variable BEYOND_VISION_MODEL names another: a local folder, or a hub id such as
meta-llama/Llama-3.2-11B-Vision-Instruct. Nothing is downloaded unless a learner names a hub id.
"""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from beyond.lm.hardware import free_memory
from beyond.lm.models import NoModel, memory_needed
from beyond.lm.quiet import quiet
from beyond.locale import _

if TYPE_CHECKING:  # torch and transformers take seconds to import
    from PIL import Image
    from transformers import MllamaForConditionalGeneration, MllamaProcessor

COURSE_MODEL = Path(__file__).parent / "little-mllama"
"""The small model that comes with the course."""

VARIABLE = "BEYOND_VISION_MODEL"
"""The environment variable that names another model."""

FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")
"""Files that a model's folder must contain, besides weights and the processor's configuration."""

SMALL = 100_000_000
"""Models with fewer parameters run in fp32, which is faster on a CPU and precise enough to
compare with results computed by hand."""

MARGIN = 1.15
"""Memory of a loaded model relative to its weights alone, to include activations."""

FOUR_BIT_BYTES = 0.6
"""Bytes per weight in 4 bits, including scales; cross-attention and head stay wider."""


@dataclass(frozen=True)
class VisionModel:
    """A model on this machine that answers questions about an image."""

    model: MllamaForConditionalGeneration
    processor: MllamaProcessor
    name: str
    """The display name of the model."""

    def answer(self, image: Image.Image, prompt: str, max_new_tokens: int = 64) -> str:
        """Generate a greedy continuation of `prompt`.

        Args:
            image: RGB.
            prompt: the whole text, including the image token (see `prompt_for`).
            max_new_tokens: where to stop if the model doesn't.
            most_tokens: where to stop if the model doesn't.
        """
        from beyond.vision.generate import generate

        return generate(self.model, self.processor, [image], [prompt], max_new_tokens)[0]

    def prompt_for(self, question: str) -> str:
        """Return the text that asks `question` about one image, by the model's chat template."""
        from beyond.vision.generate import prompt

        return prompt(self.processor, question)


def load(model: str | Path | None = None, *, four_bit: bool = False) -> VisionModel:
    """Load a vision model, ready for questions.

    Args:
        model: a local folder, or a hub id (downloaded if necessary); None for the one in
            the environment variable BEYOND_VISION_MODEL, else the course's own.
        four_bit: store the weights in 4 bits; needs an NVIDIA GPU and the package bitsandbytes.

    Before a large model is loaded, the memory that it needs and the free memory are printed.

    Raises:
        NoModel: if files are missing, the architecture is a different one, there isn't enough
            memory, or the hub doesn't answer.
    """
    chosen = str(model or os.environ.get(VARIABLE) or COURSE_MODEL)
    folder = Path(chosen).expanduser()
    is_here = folder.is_dir()
    if is_here:
        check_folder(folder)
    elif not _looks_like_hub_id(chosen):
        raise NoModel(
            _("There is no folder {name}; name a model's folder or a hub id.").format(name=chosen)
        )
    if four_bit:
        _require_four_bit()
    where = str(folder) if is_here else chosen
    is_ours = is_here and folder.resolve() == COURSE_MODEL.resolve()
    is_small = is_ours
    if not is_ours:
        print(license_note())
        config = _config(where, is_here)
        parameters = _parameters(folder, config) if is_here else count_parameters(config)
        is_small = parameters < SMALL
        print(memory_note(folder.name if is_here else chosen, parameters, four_bit))
        _check_memory(parameters, four_bit)
    loaded, processor = _load(where, is_here, is_small, four_bit)
    return VisionModel(loaded, processor, _name(where, is_ours))


def check_folder(folder: Path) -> None:
    """Check that a model's folder is complete, and that the model is an Mllama.

    Raises:
        NoModel: if something is missing or wrong.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    processors = ("processor_config.json", "preprocessor_config.json")
    if not any((folder / name).is_file() for name in processors):
        missing.append(processors[1])
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        wanted = sorted(set(_read_json(index).get("weight_map", {}).values()))
    else:
        wanted = ["model.safetensors"]
    missing += [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise NoModel(
            _("The folder {folder} lacks {files}; fetch the whole model again.").format(
                folder=folder.name, files=", ".join(missing)
            )
        )
    kind = _read_json(folder / "config.json").get("model_type", "?")
    if kind != "mllama":
        raise NoModel(
            _("The model in {folder} is of the kind “{kind}”; this lesson runs Mllama.").format(
                folder=folder.name, kind=kind
            )
        )


def license_note() -> str:
    """Return what to know before deciding to use Llama 3.2 Vision.

    Sources: the Llama 3.2 Community License and Acceptable Use Policy
    (https://www.llama.com/llama3_2/use-policy/), the model card.
    """
    return _(
        "Llama 3.2 Vision is not free of conditions: the Llama 3.2 Community License and its "
        "acceptable-use policy apply; the multimodal models are not licensed to people and "
        "companies in the EU; with images, English is the only language officially supported."
    )


def memory_note(name: str, parameters: int, four_bit: bool = False) -> str:
    """Describe in a sentence the memory that the model needs and the free memory."""
    each = FOUR_BIT_BYTES if four_bit else 2
    return _(
        "{name}: {parameters:.2f} billion parameters; needs about {needed:.1f} GB in {form}, "
        "{free:.1f} GB are free."
    ).format(
        name=name,
        parameters=parameters / 1e9,
        needed=parameters * each * MARGIN / 1e9,
        form=_("4 bits") if four_bit else "bf16",
        free=_free_memory() / 1e9,
    )


def count_parameters(config) -> int:
    """Count the parameters of a model of this configuration; without creating weights."""
    import torch
    from transformers import MllamaForConditionalGeneration

    with torch.device("meta"):
        model = MllamaForConditionalGeneration(config)
    return sum(parameter.numel() for parameter in model.parameters())


def _load(
    where: str, is_here: bool, is_small: bool, four_bit: bool
) -> tuple[MllamaForConditionalGeneration, MllamaProcessor]:
    import torch
    from transformers import AutoProcessor, MllamaForConditionalGeneration

    options: dict = {"dtype": torch.float32 if is_small else torch.bfloat16}
    if four_bit:
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16
        )
    elif torch.cuda.is_available() and not is_small:
        options["device_map"] = "auto"
    try:
        with quiet():
            processor = AutoProcessor.from_pretrained(where, local_files_only=is_here)
            model = MllamaForConditionalGeneration.from_pretrained(
                where, local_files_only=is_here, **options
            )
    except (OSError, ValueError) as problem:
        raise _not_loaded(where, problem) from problem
    return model.eval(), processor


def _config(where: str, is_here: bool):
    from transformers import AutoConfig

    try:
        with quiet():
            config = AutoConfig.from_pretrained(where, local_files_only=is_here)
    except (OSError, ValueError) as problem:
        raise _not_loaded(where, problem) from problem
    if config.model_type != "mllama":
        raise NoModel(
            _("The model in {folder} is of the kind “{kind}”; this lesson runs Mllama.").format(
                folder=where, kind=config.model_type
            )
        )
    return config


def _not_loaded(where: str, problem: Exception) -> NoModel:
    return NoModel(
        _(
            "{name} can't be loaded ({problem}); check its name, the connection, and that your "
            "account has accepted the license."
        ).format(name=where, problem=str(problem).strip().splitlines()[0])
    )


def _parameters(folder: Path, config) -> int:
    """Count parameters by the shapes of the stored weights, which are what will be loaded."""
    return memory_needed(folder, "int8") or count_parameters(config)


def _check_memory(parameters: int, four_bit: bool) -> None:
    needed = parameters * (FOUR_BIT_BYTES if four_bit else 2) * MARGIN
    if needed <= _free_memory():
        return
    if not four_bit and parameters * FOUR_BIT_BYTES * MARGIN <= _free_memory():
        advice = _("load(…, four_bit=True) may fit, with an NVIDIA GPU and bitsandbytes.")
    else:
        advice = _("Ask it through an endpoint instead (Endpoint), or use the course's model.")
    raise NoModel(_("That does not fit into memory here. {advice}").format(advice=advice))


def _free_memory() -> int:
    """Return the free bytes on the GPU if there is one, else in main memory."""
    if importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            return torch.cuda.mem_get_info()[0]
    return free_memory()


def _require_four_bit() -> None:
    import torch

    if importlib.util.find_spec("bitsandbytes") is None or not torch.cuda.is_available():
        raise NoModel(
            _(
                "Loading in 4 bits needs an NVIDIA GPU and the package bitsandbytes, and one of "
                "them is missing here; load without four_bit, or ask an endpoint."
            )
        )


def _looks_like_hub_id(name: str) -> bool:
    owner, slash, rest = name.partition("/")
    return bool(slash and owner and rest) and "/" not in rest and owner[0] not in "./~\\"


def _name(where: str, is_ours: bool) -> str:
    if is_ours:
        return _("little-mllama (the same architecture, not Llama)")
    return where if _looks_like_hub_id(where) else Path(where).name


def _read_json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise NoModel(
            _("The file {name} in the model's folder can't be read; fetch it again.").format(
                name=path.name
            )
        )
    return found
