"""Give sounds to the small reader: spectrograms, cut into patches as pictures are.

The spoken digits are synthesized by espeak-ng (`tools/make_spoken_digits.py`), the tones are
computed. Nobody's voice is in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from tqdm.auto import tqdm

from beyond.locale import _
from beyond.ui.figures import Chart, use_style
from beyond.vision.fusion import CROSS, IGNORED, Reader, make_optimizer

SPOKEN = Path(__file__).parent / "spoken-digits.npz"
"""The spoken digits: 8-bit samples by voice and digit."""

RATE = 8_000
"""Samples per second."""

SECONDS = 0.8
"""The length of every sound; a shorter one is followed by silence."""

HELD_OUT_VOICES = ("en-gb-x-gbclan", "en-us+f3", "en-gb+m4", "en-029+f1")
"""Voices that training never hears."""

HOP, WINDOW, BANDS, FRAMES = 80, 256, 24, 5
"""Samples from one frame to the next and in a window; mel bands; frames in a patch."""

PATCHES = int(SECONDS * RATE) // HOP // FRAMES

DIGIT, COUNT, PITCH = "which digit?", "how many tones?", "rising or falling?"
"""The questions."""

WORDS = (
    "<audio>",
    "<end>",
    DIGIT,
    COUNT,
    PITCH,
    *"0123456789",
    "rising",
    "falling",
)


@dataclass(frozen=True)
class Sound:
    """A sound, a question about it, and the answer.

    Attributes:
        samples: RATE per second, from -1 to 1, at most SECONDS long.
        question: DIGIT, COUNT or PITCH.
        answer: one word of WORDS.
        voice: of a digit.
    """

    samples: np.ndarray
    question: str
    answer: str
    voice: str = ""


@cache
def _file() -> dict[str, np.ndarray]:
    with np.load(SPOKEN) as found:
        return {name: found[name].astype(np.float32) / 127 for name in found.files}


def voices() -> list[str]:
    """Return the names of the voices, as espeak-ng names them."""
    return list(dict.fromkeys(name.rpartition(" ")[0] for name in _file()))


def digit(voice: str, number: int) -> Sound:
    """Return a spoken digit."""
    return Sound(_file()[f"{voice} {number}"], DIGIT, str(number), voice)


def tones(rng: np.random.Generator, question: str) -> Sound:
    """Compute tones: one to four short ones to count, or one that rises or falls."""
    if question == COUNT:
        number = int(rng.integers(1, 5))
        length, pause = int(0.1 * RATE), int(rng.uniform(0.05, 0.09) * RATE)
        note = np.sin(2 * np.pi * rng.uniform(300, 1500) * np.arange(length) / RATE)
        note *= np.hanning(length) ** 0.3
        one = np.concatenate([note, np.zeros(pause)])
        return Sound(np.tile(one, number).astype(np.float32), COUNT, str(number))
    low = rng.uniform(250, 900)
    high = low * rng.uniform(1.4, 2.5)
    pitch = np.linspace(low, high, int(rng.uniform(0.4, 0.75) * RATE))
    answer = str(rng.choice(("rising", "falling")))
    if answer == "falling":
        pitch = pitch[::-1]
    return Sound(np.sin(2 * np.pi * np.cumsum(pitch) / RATE).astype(np.float32), PITCH, answer)


def varied(sound: Sound, rng: np.random.Generator) -> Sound:
    """Return the sound faster or slower, louder or softer, and with noise."""
    samples, speed = sound.samples, rng.uniform(0.85, 1.15)
    places = np.arange(0, len(samples) - 1, speed)
    samples = np.interp(places, np.arange(len(samples)), samples) * rng.uniform(0.5, 1)
    samples = samples + rng.normal(0, rng.uniform(0, 0.02), len(samples))
    start = int(rng.integers(0, max(1, int(SECONDS * RATE) - len(samples))) * 0.4)
    samples = np.concatenate([np.zeros(start), samples]).astype(np.float32)
    return Sound(samples, sound.question, sound.answer, sound.voice)


@cache
def mel_filters() -> Tensor:
    """Return what each mel band takes of each frequency: BANDS x (WINDOW / 2 + 1).

    The mel scale is that of O'Shaughnessy (1987), 2595 log10(1 + f / 700).
    """
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    frequencies = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    rise = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    return torch.from_numpy(np.clip(np.minimum(rise, fall), 0, None)).float()


def spectrogram(samples: np.ndarray) -> Tensor:
    """Compute the log-mel spectrogram of a sound: BANDS x frames."""
    padded = np.zeros(int(SECONDS * RATE), np.float32)
    padded[: len(samples)] = samples[: len(padded)]
    spectrum = torch.stft(
        torch.from_numpy(padded),
        WINDOW,
        HOP,
        window=torch.hann_window(WINDOW),
        return_complex=True,
    )
    power = spectrum.abs()[:, : len(padded) // HOP] ** 2
    return (mel_filters() @ power).clamp(min=1e-3).log10()


def patches(pictures: Tensor) -> Tensor:
    """Cut spectrograms into patches: sounds x PATCHES x (BANDS · FRAMES)."""
    return pictures.unflatten(-1, (PATCHES, FRAMES)).transpose(-3, -2).flatten(-2)


@dataclass(frozen=True)
class Batch:
    """Sounds with their questions and answers, as tensors; see `fusion.Captions`."""

    patches: Tensor
    tokens: Tensor
    labels: Tensor


def question_name(question: str) -> str:
    """Return a question in the reader's language."""
    return {
        DIGIT: _("which digit?"),
        COUNT: _("how many tones?"),
        PITCH: _("rising or falling?"),
    }[question]


def word_name(word: str) -> str:
    """Return an answer in the reader's language."""
    return {"rising": _("rising"), "falling": _("falling")}.get(word, word)


def best_constant(sounds: Sequence[Sound]) -> dict[str, float]:
    """Return for each question the accuracy of always giving its most frequent answer."""
    answers: dict[str, Counter[str]] = {}
    for sound in sounds:
        answers.setdefault(sound.question, Counter())[sound.answer] += 1
    return {question: max(count.values()) / count.total() for question, count in answers.items()}


def as_tensors(sounds: Sequence[Sound]) -> Batch:
    """Turn sounds into the reader's input: the spectrogram's patches, and the text."""
    cut = patches(torch.stack([spectrogram(sound.samples) for sound in sounds]))
    number = {word: place for place, word in enumerate(WORDS)}
    tokens = torch.tensor(
        [[number[w] for w in ("<audio>", s.question, s.answer, "<end>")] for s in sounds]
    )
    labels = tokens.clone()
    labels[:, :2] = IGNORED
    return Batch(cut / 2, tokens, labels)


def training_sounds(number: int, seed: int = 0) -> list[Sound]:
    """Return varied sounds to train on: half of them digits, by the training voices only."""
    rng = np.random.default_rng(seed)
    known = [voice for voice in voices() if voice not in HELD_OUT_VOICES]
    return [
        varied(
            digit(str(rng.choice(known)), int(rng.integers(10)))
            if place % 2
            else tones(rng, (COUNT, PITCH)[place // 2 % 2]),
            rng,
        )
        for place in range(number)
    ]


def held_out_sounds(seed: int = 1) -> list[Sound]:
    """Return every digit by every held-out voice, and 40 tones of each kind."""
    rng = np.random.default_rng([seed, 1])
    spoken = [digit(voice, number) for voice in HELD_OUT_VOICES for number in range(10)]
    return spoken + [tones(rng, kind) for kind in (COUNT, PITCH) for _tone in range(40)]


def train(
    sounds: Sequence[Sound],
    steps: int,
    *,
    design: str = CROSS,
    seed: int = 0,
    at_once: int = 32,
    rate: float = 3e-3,
) -> Reader:
    """Train a reader on sounds, with the designs' code for pictures."""
    torch.manual_seed(seed)
    data = as_tensors(sounds)
    model = Reader(
        design, patches=(PATCHES, BANDS * FRAMES), text=(len(WORDS), data.tokens.shape[1])
    )
    optimizer = make_optimizer(model, rate)
    peaks = [group["lr"] for group in optimizer.param_groups]
    order = torch.Generator().manual_seed(seed)
    for step in tqdm(range(steps), leave=False):
        share = min((step + 1) / 30, 1.0) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * share
        chosen = torch.randint(len(sounds), (at_once,), generator=order)
        loss = model.loss(data.tokens[chosen], data.labels[chosen], data.patches[chosen])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


def answers(model: Reader, sounds: Sequence[Sound], *, silent: bool = False) -> list[str]:
    """Return the model's answer to each sound's question.

    Args:
        model: a trained reader.
        sounds: with their questions.
        silent: whether to replace every sound by silence.
    """
    heard = as_tensors(
        [Sound(0 * s.samples, s.question, s.answer) for s in sounds] if silent else sounds
    )
    with torch.inference_mode():
        scores = model(heard.tokens[:, :2], heard.patches)[:, -1]
    return [WORDS[place] for place in F.log_softmax(scores, -1).argmax(-1).tolist()]


def spectrogram_chart(sounds: Mapping[str, Sound]) -> Chart:
    """Draw the spectrograms of sounds, with a line at the border of each patch."""
    use_style()
    figure = Figure(figsize=(2.9 * len(sounds), 2.9))
    row = figure.subplots(1, len(sounds), sharey=True, squeeze=False)[0]
    top = RATE / 2 / 1000
    for axes, (title, sound) in zip(row, sounds.items(), strict=True):
        shown = spectrogram(sound.samples).numpy()
        axes.imshow(
            shown, origin="lower", aspect="auto", cmap="magma", extent=(0, SECONDS, 0, BANDS)
        )
        for edge in range(1, PATCHES):
            axes.axvline(edge * SECONDS / PATCHES, color="white", linewidth=0.5, alpha=0.6)
        axes.grid(visible=False)
        axes.set_title(_(title), fontsize=10)
        axes.set_xlabel(_("time, seconds"))
    row[0].set_ylabel(_("mel band, 0 to {top:.0f} kHz").format(top=top))
    alt = _("Spectrograms, brighter where a frequency is stronger; {n} patches each: ")
    names = ", ".join(_(title) for title in sounds)
    return Chart(figure, alt.format(n=PATCHES) + names + ".")
