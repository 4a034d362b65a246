"""Train the adapter that lesson 1 loads when a learner skips its training cell.

    python tools/make_adapter.py

It runs the lesson's own cells, so the shipped adapter equals the lesson's result up to rounding
on another machine. It takes about two minutes on two cores.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

from beyond import shop

os.environ["HF_HUB_OFFLINE"] = "1"
LESSON = Path(__file__).parents[1] / "notebooks" / "en" / "01-prompting.ipynb"
CELLS = ("language", "load-model", "zero-prompt", "guess-share", "adapter", "train-adapter")
IMPORTS = (
    "from beyond import shop\n"
    "from beyond.locale import _\n"
    "from beyond.ui.predictions import against\n"
    "from tqdm.auto import tqdm\n"
    "import torch\n"
)
"""What earlier cells, which aren't run here, import."""


def main() -> None:
    """Run the cells and save the adapter in fp16, which is half the size and changes no label."""
    import torch

    bound: dict = {"__name__": "lesson"}
    cells = {cell["id"]: cell for cell in json.loads(LESSON.read_text("utf-8"))["cells"]}
    exec(compile(IMPORTS, "imports", "exec"), bound)
    for name in CELLS:
        exec(compile("".join(cells[name]["source"]), name, "exec"), bound)
    tuned = bound["tuned"]
    for parameter in tuned.parameters():
        parameter.data = parameter.data.to(torch.float16)
    # the base model's name instead of this machine's path
    tuned.peft_config["default"].base_model_name_or_path = "SmolLM2-135M-Instruct"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the hub, which has the vocabulary's size, isn't reachable
        tuned.save_pretrained(shop.ADAPTER)
    for path in shop.ADAPTER.iterdir():
        path.chmod(0o644)
    (shop.ADAPTER / "README.md").unlink(missing_ok=True)  # peft's empty template


if __name__ == "__main__":
    main()
