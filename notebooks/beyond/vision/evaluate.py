"""Measure the exact-match accuracy of a model, and that of the best blind guess.

`python -m beyond.vision.evaluate FOLDER` prints the tables of the model card for a model folder.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from tqdm.auto import tqdm
from transformers import MllamaForConditionalGeneration, MllamaProcessor

from beyond.vision.generate import generate, prompt
from beyond.vision.load import COURSE_MODEL, load
from beyond.vision.questions import KINDS, LANGUAGES, Item, ask, held_out_items
from beyond.vision.scenes import draw, random_scene


@dataclass(frozen=True)
class Result:
    """The model's answer to each item."""

    items: Sequence[Item]
    answers: Sequence[str]

    @property
    def exact(self) -> float:
        """The fraction of answers that match exactly."""
        return float(np.mean(self._right()))

    def by(self, field: str) -> dict[str, float]:
        """Return the fraction of exact answers for each value of an `Item` field.

        The field is "kind" or "language".
        """
        right: dict[str, list[bool]] = {}
        for item, ok in zip(self.items, self._right(), strict=True):
            right.setdefault(getattr(item, field), []).append(ok)
        return {value: float(np.mean(oks)) for value, oks in right.items()}

    def wrong(self) -> list[tuple[Item, str]]:
        """Return each item that was answered incorrectly, with the answer."""
        return [
            pair for pair in zip(self.items, self.answers, strict=True) if pair[0].answer != pair[1]
        ]

    def _right(self) -> list[bool]:
        return [i.answer == a for i, a in zip(self.items, self.answers, strict=True)]


def evaluate(
    model: MllamaForConditionalGeneration,
    processor: MllamaProcessor,
    items: Sequence[Item],
    images: Sequence[Image.Image] | None = None,
    at_once: int = 40,
    label: str = "",
) -> Result:
    """Ask the model every item's question, through transformers' own processor and `generate`.

    Args:
        model: an Mllama.
        processor: the model's own.
        items: the questions.
        images: the image for each question; the items' own scenes if None.
        at_once: the batch size.
        label: of the progress bar.
    """
    images = [draw(item.scene) for item in items] if images is None else list(images)
    # Questions of the same length need no padding, and batches of like answers end together.
    order = sorted(range(len(items)), key=lambda n: (items[n].kind, len(items[n].question)))
    answers = [""] * len(items)
    for start in tqdm(range(0, len(order), at_once), desc=label, leave=False):
        chosen = order[start : start + at_once]
        texts = [prompt(processor, items[n].question) for n in chosen]
        told = generate(model, processor, [images[n] for n in chosen], texts)
        for n, answer in zip(chosen, told, strict=True):
            answers[n] = answer
    return Result(items, answers)


def guessing(items: Sequence[Item], practice: int = 20_000, seed: int = 3) -> float:
    """Compute the accuracy of the best guess from the question alone.

    For each question the guess is the most frequent answer to that very question among
    `practice` training items, or to its kind and language where the question isn't among them.
    """
    rng = np.random.default_rng(seed)
    by_question: dict[str, Counter[str]] = {}
    by_kind: dict[tuple[str, str], Counter[str]] = {}
    made = 0
    while made < practice:
        kind, language = str(rng.choice(KINDS)), str(rng.choice(LANGUAGES))
        item = ask(rng, random_scene(rng, needs_digit=kind == "digit"), kind, language)
        if item is None:
            continue
        made += 1
        by_question.setdefault(item.question, Counter())[item.answer] += 1
        by_kind.setdefault((kind, language), Counter())[item.answer] += 1
    right = 0
    for item in items:
        seen = by_question.get(item.question) or by_kind[item.kind, item.language]
        right += seen.most_common(1)[0][0] == item.answer
    return right / len(items)


ITEMS = 1_000
"""The number of held-out items in the model card."""


def other_pictures(items: Sequence[Item]) -> list[Image.Image]:
    """Draw for each item the picture of another item."""
    pictures = [draw(item.scene) for item in items]
    return pictures[8:] + pictures[:8]


def blank_pictures(items: Sequence[Item]) -> list[Image.Image]:
    """Return for each item a gray picture of the same size."""
    sizes = [(item.scene.width, item.scene.height) for item in items]
    return [Image.new("RGB", size, (128, 128, 128)) for size in sizes]


def report(model: MllamaForConditionalGeneration, processor: MllamaProcessor) -> str:
    """Format the model card's tables in Markdown: accuracy by kind, and the mistakes."""
    items = held_out_items(ITEMS)
    right = evaluate(model, processor, items, label="right picture")
    blank = evaluate(model, processor, items, blank_pictures(items), label="blank")
    other = evaluate(model, processor, items, other_pictures(items), label="another")
    lines = [
        "| kind | items | right picture | blank picture | another picture | best guess |",
        "|---|---|---|---|---|---|",
    ]
    for kind in (*KINDS, "all"):
        some = [item for item in items if kind in (item.kind, "all")]
        shares = [
            result.exact if kind == "all" else result.by("kind")[kind]
            for result in (right, blank, other)
        ]
        cells = " | ".join(f"{share:.1%}" for share in (*shares, guessing(some)))
        lines.append(f"| {kind} | {len(some)} | {cells} |")
    by_language = right.by("language")
    lines.append("")
    lines.append(", ".join(f"{name}: {share:.1%}" for name, share in by_language.items()))
    lines += ["", "| kind | wrong | right answer → given answer |", "|---|---|---|"]
    for kind in KINDS:
        wrong = Counter((i.answer, answer) for i, answer in right.wrong() if i.kind == kind)
        shown = "; ".join(
            f"{wanted} → {answer}" + f" ({times} times)" * (times > 1)
            for (wanted, answer), times in wrong.most_common(6)
        )
        lines.append(f"| {kind} | {wrong.total()} | {shown} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Print the model card's tables."""
    parser = argparse.ArgumentParser(prog="python -m beyond.vision.evaluate", description=__doc__)
    parser.add_argument("folder", nargs="?", default=COURSE_MODEL, help="the model's folder")
    vision_model = load(parser.parse_args(arguments).folder)
    print(report(vision_model.model, vision_model.processor))


if __name__ == "__main__":
    main()
