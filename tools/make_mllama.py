"""Train the course's small Mllama: `python tools/make_mllama.py`.

Seeded and resumable: the data of each step depend only on the seed and the step, and a
checkpoint stores the rest, so an interrupted run continues as if it hadn't stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm.auto import tqdm
from transformers import (
    DynamicCache,
    MllamaForConditionalGeneration,
    MllamaModel,
    MllamaProcessor,
)

from beyond.vision.batches import LABELS, Batch, random_batch
from beyond.vision.model import MllamaShape, make_model, make_processor, make_tokenizer, save
from beyond.vision.questions import KINDS, LANGUAGES, ask
from beyond.vision.scenes import all_digits, random_scene, varied


@dataclass(frozen=True)
class Plan:
    """The hyperparameters of a run."""

    steps: int = 8_600
    images: int = 24  # per step; an even number
    questions: int = 5  # about each image, to amortize the vision model
    often: tuple[str, ...] = ("exists",)  # kinds of questions asked twice as often
    naming: float = 0.3  # weight of the auxiliary loss, labeling what patches show
    rate: float = 1.5e-3  # AdamW's peak learning rate
    gate_rate: float = 2e-2  # gates are single numbers that start at 0
    warm_up: int = 200  # steps
    cool_down: int = 4_300  # steps
    decay: float = 0.02  # weight decay of matrices
    easy: int = 300  # steps until the scenes get one more thing, starting from one
    seed: int = 5

    def rate_at(self, step: int) -> float:
        """Return the fraction of the peak learning rate at a step: warm-up, plateau, cool-down."""
        return min(1.0, (step + 1) / self.warm_up, (self.steps - step) / self.cool_down)

    def most_things(self, step: int) -> int:
        """Return the most things in a scene at a step: few at first."""
        return min(4, 1 + step // self.easy) if self.easy else 4


def texts_to_spell(number: int = 6_000) -> list[str]:
    """Return questions and answers for the tokenizer to learn its merges from."""
    rng = np.random.default_rng(1)
    texts: list[str] = []
    while len(texts) < number:
        item = ask(rng, random_scene(rng), str(rng.choice(KINDS)), str(rng.choice(LANGUAGES)))
        if item is not None:
            texts += [item.question, item.answer]
    return texts


@cache
def handwriting(seed: int) -> tuple[np.ndarray, ...]:
    """Return the training digits with variations: for each digit images x 8 x 8, 0 to 1."""
    return varied(all_digits()[0], np.random.default_rng(seed))


def losses(
    model: MllamaForConditionalGeneration, namer: nn.Linear, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the mean cross-entropy of the answers' tokens, and of naming each patch.

    A token of an answer with n tokens has weight 1 / sqrt(n): a description has fifteen times as
    many tokens as a yes, and would otherwise count fifteen times as much.

    Each image is encoded once for all its texts. `namer` predicts labels from the inputs of the
    cross-attention layers; it helps to train the vision model and isn't saved.
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
    seen = _keys_and_values(inner, features.flatten(1, 2))
    answers, weight = features.new_zeros(()), features.new_zeros(())
    for texts in batch.texts:
        cache = DynamicCache()
        for layer, (keys, values) in seen.items():
            cache.update(keys[texts.image], values[texts.image], layer)
        # The image token comes first, so every token may attend to every tile.
        sees = batch.ratio_mask[texts.image][:, None].expand(-1, texts.tokens.shape[1], -1, -1)
        hidden = inner(
            input_ids=texts.tokens,
            past_key_values=cache,
            cross_attention_mask=sees,
            use_cache=True,
        ).last_hidden_state
        taught = texts.labels[:, 1:] != -100
        logits = model.lm_head(hidden[:, :-1][taught])
        each = nn.functional.cross_entropy(logits, texts.labels[:, 1:][taught], reduction="none")
        counts = taught.sum(dim=1, keepdim=True).expand_as(taught)[taught]
        weights = counts**-0.5
        answers, weight = answers + weights @ each, weight + weights.sum()
    assert isinstance(naming, torch.Tensor)  # a batch shows something
    return answers / weight, naming


def _keys_and_values(
    inner: MllamaModel, features: torch.Tensor
) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """Compute each cross-attention layer's keys and values, [images, heads, vectors, width].

    The layers would compute them again for every text about an image.
    """
    found = {}
    config: Any = inner.config
    for number in config.text_config.cross_attention_layers:
        attention = inner.language_model.layers[number].cross_attn
        shape = (*features.shape[:2], attention.num_key_value_heads, attention.head_dim)
        keys = attention.k_norm(attention.k_proj(features).view(shape).transpose(1, 2))
        found[number] = keys, attention.v_proj(features).view(shape).transpose(1, 2)
    return found


def make_optimizer(model: nn.Module, namer: nn.Module, plan: Plan) -> torch.optim.AdamW:
    """Make AdamW with three groups: matrices decay, vectors don't, and gates move faster."""
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


HALVES = 2
"""Each step's data are split into two halves, computed in parallel: the model is so small that two
cores working on the same half mostly wait for each other."""


@dataclass(frozen=True)
class Parts:
    """The trained modules, and what generates their data."""

    plan: Plan
    model: MllamaForConditionalGeneration
    namer: nn.Linear
    processor: MllamaProcessor
    device: torch.device

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All parameters that are trained."""
        return [*self.model.parameters(), *self.namer.parameters()]

    def gradients(self, step: int, half: int) -> tuple[float, float, tuple[torch.Tensor, ...]]:
        """Compute both losses and the gradients for one half of a step's data."""
        plan = self.plan
        batch = random_batch(
            np.random.default_rng([plan.seed, step, half]),
            self.processor,
            handwriting(plan.seed),
            plan.images // HALVES,
            plan.questions,
            plan.most_things(step),
            plan.often,
        ).to(self.device)
        # With the cache, gradients of two groups of texts would be summed in bfloat16.
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):
            answering, naming = losses(self.model, self.namer, batch)
        loss = answering + plan.naming * naming
        return answering.item(), naming.item(), torch.autograd.grad(loss, self.parameters)


class Partner:
    """A process that computes the second half of each step, on the same parameters in memory.

    Two threads would contend for the GIL, which costs a quarter of a step with such a small model.
    """

    def __init__(self, parts: Parts, threads: int) -> None:
        context = torch.multiprocessing.get_context("spawn")
        parts.model.share_memory()
        parts.namer.share_memory()
        self._gradients = [torch.zeros_like(p).share_memory_() for p in parts.parameters]
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_second_halves, args=(theirs, parts, self._gradients, threads), daemon=True
        )
        self._process.start()
        theirs.close()

    def begin(self, step: int) -> None:
        """Start computing the second half of a step."""
        with suppress(BrokenPipeError):  # finish says it
            self._pipe.send(step)

    def finish(self) -> tuple[float, float, list[torch.Tensor]]:
        """Return what `Parts.gradients` returns for the step begun.

        Raises:
            RuntimeError: the process has ended.
        """
        try:
            return *self._pipe.recv(), self._gradients
        except (EOFError, ConnectionResetError):
            raise RuntimeError(
                "The second process ended, perhaps because memory ran out; run the "
                "command again to continue from the last checkpoint."
            ) from None

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()


def _second_halves(pipe, parts: Parts, gradients: list[torch.Tensor], threads: int) -> None:
    torch.set_num_threads(threads)
    with suppress(EOFError, KeyboardInterrupt):  # the other side has closed or was stopped
        while True:
            *told, found = parts.gradients(pipe.recv(), half=1)
            for into, one in zip(gradients, found, strict=True):
                into.copy_(one)
            pipe.send(told)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Training:
    """A run: model, optimizer, and how far it has come.

    Args:
        plan: how to train.
        shape: what to train.
        device: where to train; a GPU takes minutes instead of an hour.
        threads: CPU cores to use; the data of a step don't depend on it.
    """

    def __init__(
        self, plan: Plan, shape: MllamaShape, device: str | torch.device = "cpu", threads: int = 2
    ) -> None:
        self.plan, self.shape = plan, shape
        device = torch.device(device)
        tokenizer = make_tokenizer(texts_to_spell(), shape.vocabulary)
        self.processor: MllamaProcessor = make_processor(tokenizer, shape)
        self.model = make_model(tokenizer, shape, plan.seed)
        nn.Module.to(self.model, device).train()
        self.namer = nn.Linear(shape.text_width, sum(LABELS)).to(device)
        self._parts = Parts(plan, self.model, self.namer, self.processor, device)
        self._partner: Partner | None = None
        self._threads = max(1, threads // HALVES)
        if device.type == "cpu":
            # In bfloat16 the fused attention's backward pass takes twice as long there.
            self.model.set_attn_implementation("eager")
            if threads >= HALVES:
                self._partner = Partner(self._parts, self._threads)
        self.optimizer = make_optimizer(self.model, self.namer, plan)
        self.step = 0
        self.seconds = 0.0  # by the clock, over all sessions
        self._rates = [group["lr"] for group in self.optimizer.param_groups]

    def train_step(self) -> tuple[float, float]:
        """Train for one step; return the losses of answering and of naming."""
        began = time.perf_counter()
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * self.plan.rate_at(self.step)
        with _threads(self._threads):
            if self._partner:
                self._partner.begin(self.step)
                halves = [self._parts.gradients(self.step, half=0), self._partner.finish()]
            else:
                halves = [self._parts.gradients(self.step, half) for half in range(HALVES)]
        for parameter, *gradients in zip(
            self._parts.parameters, *(gradients for *_losses, gradients in halves), strict=True
        ):
            parameter.grad = sum(gradients) / HALVES
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self.seconds += time.perf_counter() - began
        return tuple(np.mean([found[:2] for found in halves], axis=0))

    def close(self) -> None:
        """End the second process."""
        if self._partner:
            self._partner.close()
            self._partner = None

    def save_checkpoint(self, folder: Path) -> None:
        """Save everything needed to resume, keeping the last checkpoint until it is complete."""
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
        """Resume from a checkpoint.

        Raises:
            ValueError: if it belongs to another plan or shape.
        """
        note = json.loads((folder / "run.json").read_text())
        if {name: note[name] for name in self._run()} != json.loads(json.dumps(self._run())):
            raise ValueError(
                f"The checkpoint in {folder} was made with other settings; delete it to start over."
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


QUICK = Plan(40, images=8, questions=3, warm_up=5, cool_down=20, easy=0)
"""A run of seconds to check that everything works; the model learns almost nothing."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command: train, and save the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("little-mllama"), help="folder to write")
    parser.add_argument("--quick", action="store_true", help="run for seconds, as a check")
    parser.add_argument("--threads", type=int, default=2, help="processor cores to use")
    options = parser.parse_args(arguments)
    plan, shape = (QUICK if options.quick else Plan()), MllamaShape()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    training = Training(plan, shape, device, options.threads)
    checkpoint = options.to.with_name(options.to.name + ".checkpoint")
    if checkpoint.is_dir():
        training.resume(checkpoint)
    run(training, checkpoint)
    training.close()
    training.model.eval()
    save(options.to, training.model, training.processor)
    shutil.rmtree(checkpoint, ignore_errors=True)
    print(f"{options.to}: {training.step} steps, {training.seconds / 60:.1f} minutes")


def run(training: Training, checkpoint: Path, every: int = 100) -> None:
    """Train to the plan's end, with a progress bar and a checkpoint every `every` steps."""
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
