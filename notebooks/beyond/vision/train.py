"""Train the course's small Mllama: `python -m beyond.vision.train`.

Seeded and resumable: the data of each step depend on the seed and the step alone, and a
checkpoint holds the rest, so a run that was cut off goes on as if it had not been.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm.auto import tqdm
from transformers import MllamaForConditionalGeneration, MllamaProcessor

from beyond.vision.batches import LABELS, Batch, random_batch
from beyond.vision.model import Shape, make_model, make_processor, make_tokenizer, save
from beyond.vision.questions import KINDS, LANGUAGES, ask
from beyond.vision.scenes import all_digits, random_scene


@dataclass(frozen=True)
class Plan:
    """How to train; everything that a run depends on."""

    steps: int = 3_000
    images: int = 24  # a step
    questions: int = 5  # about each image, so that the vision model is used well
    rate: float = 1.5e-3  # AdamW's learning rate, at its highest
    gate_rate: float = 2e-2  # gates are single numbers that start at 0
    warm_up: int = 200  # steps
    cool_down: int = 1_200  # steps at the end in which the rate falls to nothing
    decay: float = 0.02  # weight decay of matrices
    naming: float = 0.3  # weight of naming what patches show, beside answering
    easy: int = 300  # steps with one thing more each, from one thing on
    seed: int = 5

    def most_things(self, step: int) -> int:
        return min(4, 1 + step // self.easy) if self.easy else 4

    def rate_at(self, step: int) -> float:
        """The share of the highest rate: up in a line, level, down in a line."""
        up = (step + 1) / self.warm_up
        down = (self.steps - step) / self.cool_down
        return min(1.0, up, down)


def texts_to_spell(number: int = 6_000) -> list[str]:
    """Questions and answers for the tokenizer to learn its merges from."""
    rng = np.random.default_rng(1)
    texts: list[str] = []
    while len(texts) < number:
        item = ask(rng, random_scene(rng), str(rng.choice(KINDS)), str(rng.choice(LANGUAGES)))
        if item is not None:
            texts += [item.question, item.answer]
    return texts


def losses(
    model: MllamaForConditionalGeneration, namer: nn.Linear, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross-entropy of the answers' tokens, and of naming what each patch shows.

    Each image is looked at once for all its texts. `namer` reads the names off what the
    cross-attention layers get to see; it helps the vision model to learn and is then dropped.
    """
    inner = model.model
    features = inner.vision_model(
        pixel_values=batch.pixels,
        aspect_ratio_ids=batch.ratio_ids,
        aspect_ratio_mask=batch.ratio_mask,
    ).last_hidden_state
    features = inner.multi_modal_projector(features)[:, 0]  # images x tiles x patches x width
    used = batch.ratio_mask[:, 0].bool()
    guesses = namer(features[:, :, 1:][used]).split(LABELS, dim=-1)
    shown = batch.shows[used]
    naming = sum(
        nn.functional.cross_entropy(guess.flatten(0, 1), shown[..., n].flatten())
        for n, guess in enumerate(guesses)
    )
    features = features.flatten(1, 2)
    answers, tokens = features.new_zeros(()), 0
    for texts in batch.texts:
        # The image token is the first one, so every token may look at every tile there is.
        sees = batch.ratio_mask[texts.image][:, None].expand(-1, texts.tokens.shape[1], -1, -1)
        hidden = inner(
            input_ids=texts.tokens,
            cross_attention_states=features[texts.image],
            cross_attention_mask=sees,
            use_cache=False,
        ).last_hidden_state
        taught = texts.labels[:, 1:] != -100
        logits = model.lm_head(hidden[:, :-1][taught])
        answers = answers + nn.functional.cross_entropy(
            logits, texts.labels[:, 1:][taught], reduction="sum"
        )
        tokens += len(logits)
    return answers / tokens, naming


def make_optimizer(model: nn.Module, namer: nn.Module, plan: Plan) -> torch.optim.AdamW:
    """AdamW with three groups: matrices decay, vectors don't, and gates move faster."""
    groups: dict[str, list[nn.Parameter]] = {"matrices": [], "vectors": [], "gates": []}
    for name, parameter in (*model.named_parameters(), *namer.named_parameters()):
        if "gate" in name.rsplit(".", 1)[-1]:
            groups["gates"].append(parameter)
        else:
            groups["matrices" if parameter.ndim > 1 else "vectors"].append(parameter)
    return torch.optim.AdamW(
        [
            {"params": groups["matrices"], "lr": plan.rate, "weight_decay": plan.decay},
            {"params": groups["vectors"], "lr": plan.rate, "weight_decay": 0.0},
            {"params": groups["gates"], "lr": plan.gate_rate, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
        fused=True,
    )


class Training:
    """A run: model, optimizer, and how far it has come.

    Args:
        plan: how to train.
        shape: what to train.
        device: where; a GPU makes minutes of an hour.
    """

    def __init__(self, plan: Plan, shape: Shape, device: str | torch.device = "cpu") -> None:
        self.plan, self.shape, self.device = plan, shape, torch.device(device)
        tokenizer = make_tokenizer(texts_to_spell(), shape.vocabulary)
        self.processor: MllamaProcessor = make_processor(tokenizer, shape)
        self.model = make_model(tokenizer, shape, plan.seed).to(self.device).train()
        self.namer = nn.Linear(shape.text_width, sum(LABELS)).to(self.device)
        self.optimizer = make_optimizer(self.model, self.namer, plan)
        self.digits = all_digits()[0]
        self.step = 0
        self.seconds = 0.0  # of processor time, over all sessions
        self._rates = [group["lr"] for group in self.optimizer.param_groups]

    def train_step(self) -> tuple[float, float]:
        """One step; the losses of answering and of naming."""
        began = time.process_time()
        plan = self.plan
        rng = np.random.default_rng([plan.seed, self.step])
        batch = random_batch(
            rng, self.processor, self.digits, plan.images, plan.questions,
            plan.most_things(self.step),
        ).to(self.device)  # fmt: skip
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * plan.rate_at(self.step)
        answering, naming = losses(self.model, self.namer, batch)
        self.optimizer.zero_grad()
        (answering + plan.naming * naming).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self.seconds += time.process_time() - began
        return answering.item(), naming.item()

    def save_checkpoint(self, folder: Path) -> None:
        """Write everything that going on needs; the last complete checkpoint stays until then."""
        beside = folder.with_name(folder.name + ".new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        save_file(self.model.state_dict(), beside / "model.safetensors")
        save_file(self.namer.state_dict(), beside / "namer.safetensors")
        moments = {
            f"{number}.{name}": value.contiguous()
            for number, state in self.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        save_file(moments, beside / "optimizer.safetensors")
        note = {"step": self.step, "seconds": self.seconds} | self._run()
        (beside / "run.json").write_text(json.dumps(note, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(beside, folder)

    def resume(self, folder: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            ValueError: if it belongs to another plan or shape.
        """
        note = json.loads((folder / "run.json").read_text())
        if {name: note[name] for name in self._run()} != json.loads(json.dumps(self._run())):
            raise ValueError(
                f"The checkpoint in {folder} was made with other settings; delete it to start anew."
            )
        self.model.load_state_dict(load_file(folder / "model.safetensors"))
        self.namer.load_state_dict(load_file(folder / "namer.safetensors"))
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in load_file(folder / "optimizer.safetensors").items():
            number, name = key.split(".", 1)
            state.setdefault(int(number), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step, self.seconds = note["step"], note["seconds"]

    def _run(self) -> dict:
        return {"plan": asdict(self.plan), "shape": asdict(self.shape)}


QUICK = Plan(steps=40, images=8, questions=3, warm_up=5, cool_down=20, easy=0)
"""A run of seconds, to see that everything works; it learns next to nothing."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m beyond.vision.train", description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("little-mllama"), help="folder to write")
    parser.add_argument("--quick", action="store_true", help="a run of seconds, as a check")
    parser.add_argument("--threads", type=int, default=2, help="processor cores to use")
    parser.add_argument("--steps", type=int, help=f"instead of {Plan.steps}")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    plan, shape = (QUICK if options.quick else Plan()), Shape()
    if options.steps:
        plan = Plan(**asdict(plan) | {"steps": options.steps})
    training = Training(plan, shape, "cuda" if torch.cuda.is_available() else "cpu")
    checkpoint = options.to.with_name(options.to.name + ".checkpoint")
    if checkpoint.is_dir():
        training.resume(checkpoint)
    run(training, checkpoint)
    training.model.eval()
    save(options.to, training.model, training.processor)
    shutil.rmtree(checkpoint, ignore_errors=True)
    print(f"{options.to}: {training.step} steps, {training.seconds / 60:.1f} processor minutes")


def run(training: Training, checkpoint: Path, every: int = 100) -> None:
    """Train to the plan's end, with a progress bar and a checkpoint every so many steps."""
    steps = training.plan.steps
    with tqdm(total=steps, initial=training.step, disable=not sys.stderr.isatty()) as bar:
        sums, count = np.zeros(2), 0
        while training.step < steps:
            sums, count = sums + training.train_step(), count + 1
            bar.update()
            if training.step % every == 0 or training.step == steps:
                answering, naming = sums / count
                line = f"answers {answering:.3f}, patches {naming:.3f}"
                bar.set_postfix_str(line)
                if bar.disable:
                    minutes = training.seconds / 60
                    print(f"step {training.step}: {line}, {minutes:.1f} min", flush=True)
                sums, count = np.zeros(2), 0
                training.save_checkpoint(checkpoint)


if __name__ == "__main__":
    main()
