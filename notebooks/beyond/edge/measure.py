"""How fast a form reads and writes, and what memory it takes: each in a process of its own.

    python -m beyond.edge.measure onnx FOLDER
    python -m beyond.edge.measure torch float32
    python -m beyond.edge.measure llama FILE.gguf        (if llama-cpp-python is installed)
    python -m beyond.edge.measure genai FOLDER           (if onnxruntime-genai is installed)

A process of its own, because memory that another model took earlier would be counted too. The
process prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median, quantiles

from beyond.lm.own_process import run_module

PROMPT_TOKENS = 128
NEW_TOKENS = 64
WARM_UP = 4  # tokens written before anything is timed
ORDINARY_IDS = range(100, 40_000)  # no special tokens, in any vocabulary used here

Reader = Callable[[Sequence[int]], int]
"""Reads tokens after those that it was given before, and says which token is likeliest next."""


@dataclass(frozen=True)
class Speed:
    """One measurement of one form."""

    prompt_tokens: int
    first_token: float
    """Seconds from the prompt to the first new token: the whole prompt is read in that time."""
    steps: tuple[float, ...]
    """Seconds for each further token."""
    resident_mb: float
    """Resident memory of the process after it has written, in 10^6 bytes."""
    before_mb: float
    """The same before there was a model: Python and its libraries."""

    @property
    def reading(self) -> float:
        """Tokens a second while the prompt is read (prefill)."""
        return self.prompt_tokens / self.first_token

    @property
    def writing(self) -> float:
        """Tokens a second while tokens are written (decode)."""
        return 1 / mean(self.steps)

    @property
    def p50(self) -> float:
        """Seconds that half of the tokens take at most."""
        return median(self.steps)

    @property
    def p95(self) -> float:
        """Seconds that 95 % of the tokens take at most: the pauses that a reader notices."""
        return quantiles(self.steps, n=20, method="inclusive")[-1]


def measure(
    engine: str,
    model: str | Path,
    *,
    prompt_tokens: int = PROMPT_TOKENS,
    new_tokens: int = NEW_TOKENS,
    threads: int | None = None,
    python: str = sys.executable,
) -> Speed:
    """Measure a form in a new process.

    Args:
        engine: "onnx", "torch", "llama" or "genai".
        model: the folder of a form, a dtype, or a GGUF file.
        prompt_tokens, new_tokens: how much is read and then written.
        threads: as many as there are cores if not given.
        python: the interpreter, where an engine is installed in another environment.

    Raises:
        RuntimeError: with the last line that the process wrote, if it fails.
    """
    options = ["--prompt-tokens", str(prompt_tokens), "--new-tokens", str(new_tokens)]
    if threads:
        options += ["--threads", str(threads)]
    found = run_module("beyond.edge.measure", engine, str(model), *options, python=python)
    return Speed(**found | {"steps": tuple(found["steps"])})


def measure_here(
    engine: str, model: str, prompt_tokens: int, new_tokens: int, threads: int | None
) -> Speed:
    """The same in this process; its memory includes whatever else the process holds."""
    start, before = _ENGINES[engine](model, threads or _cores(), prompt_tokens + new_tokens)
    chance = random.Random(0)
    prompt = chance.choices(ORDINARY_IDS, k=prompt_tokens)
    for tokens in (WARM_UP, new_tokens):  # what the first pass prepares, the second one reuses
        read = start()
        began = time.perf_counter()
        token = read(prompt)
        first = time.perf_counter() - began
        steps = []
        for _step in range(tokens - 1):
            began = time.perf_counter()
            token = read([token])
            steps.append(time.perf_counter() - began)
    return Speed(prompt_tokens, first, tuple(steps), _resident_mb(), before)


def _onnx(folder: str, threads: int, room: int) -> tuple[Callable[[], Reader], float]:
    from beyond.edge.session import OnnxModel, Writer

    before = _resident_mb()
    writer = Writer(OnnxModel(Path(folder), threads=threads), room)

    def start() -> Reader:
        writer.forget()
        return lambda ids: int(writer.read(ids).argmax())

    return start, before


def _torch(dtype: str, threads: int, _room: int) -> tuple[Callable[[], Reader], float]:
    import torch
    import transformers.models.llama.modeling_llama  # noqa: F401 - counted before, not as model

    from beyond.lm.models import load

    torch.set_num_threads(threads)
    before = _resident_mb()
    model, _tokenizer = load(dtype=dtype)

    def start() -> Reader:
        past = None

        def read(ids: Sequence[int]) -> int:
            nonlocal past
            with torch.inference_mode():
                answer = model(torch.tensor([ids]), past_key_values=past, logits_to_keep=1)
            past = answer.past_key_values
            return int(answer.logits[0, -1].argmax())

        return read

    return start, before


def _llama(file: str, threads: int, room: int) -> tuple[Callable[[], Reader], float]:
    import numpy as np
    from llama_cpp import Llama

    before = _resident_mb()
    model = Llama(
        file, n_ctx=room, n_batch=room, n_threads=threads, n_threads_batch=threads, verbose=False
    )

    def start() -> Reader:
        model.reset()

        def read(ids: Sequence[int]) -> int:
            model.eval(ids)
            logits = np.ctypeslib.as_array(model._ctx.get_logits(), shape=(model.n_vocab(),))
            return int(logits.argmax())

        return read

    return start, before


def _genai(folder: str, threads: int, room: int) -> tuple[Callable[[], Reader], float]:
    import onnxruntime_genai as genai

    before = _resident_mb()
    config = genai.Config(folder)
    config.overlay(
        json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}})
    )
    model = genai.Model(config)

    def start() -> Reader:
        options = genai.GeneratorParams(model)
        options.set_search_options(max_length=room, do_sample=False)
        generator = genai.Generator(model, options)

        def read(ids: Sequence[int]) -> int:
            # It feeds its own last token back, so only a prompt has to be handed over.
            if len(ids) > 1:
                generator.append_tokens(ids)
            generator.generate_next_token()
            return int(generator.get_sequence(0)[-1])

        return read

    return start, before


_ENGINES = {"onnx": _onnx, "torch": _torch, "llama": _llama, "genai": _genai}


def _resident_mb() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main() -> int:
    """The command: one line of JSON."""
    parser = argparse.ArgumentParser(prog="beyond.edge.measure", description="Measure a form.")
    parser.add_argument("engine", choices=sorted(_ENGINES))
    parser.add_argument("model")
    parser.add_argument("--prompt-tokens", type=int, default=PROMPT_TOKENS)
    parser.add_argument("--new-tokens", type=int, default=NEW_TOKENS)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    found = measure_here(
        given.engine, given.model, given.prompt_tokens, given.new_tokens, given.threads
    )
    print(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
