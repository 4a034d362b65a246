"""Record how two designs learn captions: `python tools/make_fusion_curves.py`.

Lesson 8 trains both once; this trains both with five seeds, as the lesson does. A run that was cut
off goes on with the next seed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from beyond.vision.fusion import BUDGET, CROSS, CURVES, TOKENS, captions, train

SEEDS = range(5)


def main(arguments: list[str] | None = None) -> None:
    """Train, and write the curves after each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=CURVES, help="file to write")
    target = parser.parse_args(arguments).to
    torch.set_num_threads(1)
    runs = json.loads(target.read_text(encoding="utf-8"))["runs"] if target.is_file() else []
    done = {(run["design"], run["seed"]) for run in runs}
    data, held_out = captions(2_000, seed=1), captions(300, seed=2)
    for seed in SEEDS:
        for design in (CROSS, TOKENS):
            if (design, seed) in done:
                continue
            _model, run = train(design, data, held_out, BUDGET, seed=seed)
            run.accuracy = [round(value, 4) for value in run.accuracy]
            runs.append(asdict(run))
            text = json.dumps({"budget": BUDGET, "runs": runs}, indent=1)
            target.write_text(text + "\n", encoding="utf-8")
            print(design, seed, run.accuracy, flush=True)


if __name__ == "__main__":
    main()
