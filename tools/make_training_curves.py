"""Train the byte-level language models whose curves lesson 7 shows beside its own.

    python tools/make_training_curves.py            # all missing runs; can be interrupted
    python tools/make_training_curves.py --seeds 2 --models mixture   # only some of them
    python tools/make_training_curves.py --corpus   # collect the three texts from this repository

Every finished run is kept under `.cache/`, and `notebooks/beyond/moe/training_curves.json` is
written from these. Training uses one thread, so that the reported CPU seconds are comparable.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

import nbformat
import torch
from babel.messages.pofile import read_po
from tqdm import tqdm

from beyond.moe.byte_lm import CURVES, FOLDER, SHAPES, WINDOWS, Report, train

ROOT = Path(__file__).parents[1]
STEPS, EVERY, SEEDS = 400, 25, (0, 1, 2, 3, 4)
RUNS = {  # name: the model's shape, and the weight of the balance loss
    "mixture": (SHAPES["mixture"], 0.01),
    "mixture, no balance": (SHAPES["mixture"], 0.0),
    "dense, same active": (SHAPES["dense, same active"], 0.0),
    "dense, same total": (SHAPES["dense, same total"], 0.0),
}


def write(path: Path, text: str) -> None:
    """Write to a temporary file and rename it, so that a reader never sees a partial file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def collect() -> None:
    """Collect the course's prose in two languages and its code, truncated to the same size."""
    catalog = ROOT / "notebooks/beyond/locale/ko/LC_MESSAGES/beyond.po"
    with catalog.open("rb") as file:
        messages = [
            (str(m.id), str(m.string)) for m in read_po(file, locale="ko") if m.id and m.string
        ]
    code = sorted((ROOT / "notebooks/beyond").rglob("*.py")) + sorted(
        (ROOT / "autograder").rglob("*.py")
    )
    found: dict[str, list[str]] = {
        "korean": [*prose("ko"), *(text for _id, text in messages)],
        "english": [*prose("en"), *(text for text, _translation in messages)],
        "python": [path.read_text("utf-8") for path in code],
    }
    joined = {name: "\n\n".join(texts).encode() for name, texts in found.items()}
    size = min(len(text) for text in joined.values())
    for name, text in joined.items():
        # truncate at a line break, so that no character is split
        write(FOLDER / f"{name}.txt", text[: text.rindex(b"\n", 0, size) + 1].decode())
        print(f"{name}: {(FOLDER / f'{name}.txt').stat().st_size:,} bytes")


def prose(language: str) -> list[str]:
    """Return the text cells of all lessons and released assignments in one language."""
    paths = sorted((ROOT / "notebooks" / language).glob("*.ipynb")) + sorted(
        (ROOT / "release" / language).glob("*/*.ipynb")
    )
    cells = [cell for path in paths for cell in nbformat.read(path, as_version=4).cells]
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def run(name: str, seed: int, folder: Path) -> None:
    """Train one model, unless its result exists already."""
    place = folder / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}.json"
    if place.is_file():
        return
    shape, balance = RUNS[name]
    reports: list[Report] = []
    with tqdm(total=STEPS, desc=f"{name}, seed {seed}") as bar:
        for _model, report in train(shape, STEPS, seed, balance, every=EVERY):
            reports.append(report)
            bar.update(report.step - bar.n)
            bar.set_postfix(loss=f"{report.loss:.3f}")
    record = {"name": name, "seed": seed, "balance": balance, "shape": asdict(shape)}
    record["reports"] = [asdict(report) for report in reports]
    write(place, json.dumps(record))


def gather(folder: Path) -> None:
    """Gather all finished runs in one file, with numbers rounded for the lesson's plots."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    about = {
        "made_by": "tools/make_training_curves.py",
        "steps": STEPS,
        "windows_a_step": WINDOWS,
        "seconds": "processor time of one thread",
        "processor": platform.machine(),
        "torch": torch.__version__.split("+")[0],
    }
    lines = [json.dumps(rounded(record), ensure_ascii=False) for record in found]
    body = ",\n".join(lines)
    write(CURVES, f'{{"about": {json.dumps(about)},\n"runs": [\n{body}\n]}}\n')
    print(f"{len(found)} of {len(RUNS) * len(SEEDS)} trainings in {CURVES.relative_to(ROOT)}")


def rounded(value):
    """Return the data with floats rounded to four decimals."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else value


def main() -> None:
    """Train what is missing, keeping each model as it is trained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", action="store_true", help="collect the texts, train nothing")
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS, help="only these seeds")
    parser.add_argument("--models", nargs="*", default=list(RUNS), help="only these, by name")
    options = parser.parse_args()
    if options.corpus:
        collect()
        return
    torch.set_num_threads(1)
    folder = ROOT / ".cache" / "moe_training"
    for seed in options.seeds:
        for name in options.models:
            run(name, seed, folder)
            gather(folder)


if __name__ == "__main__":
    main()
