"""Measure a model's prefill and decode throughput and its memory, in a process of its own.

    python -m beyond.lm.benchmark torch SmolLM2-135M-Instruct --dtype bfloat16
    python -m beyond.lm.benchmark onnx FOLDER
    python -m beyond.lm.benchmark llama FILE.gguf        (if llama-cpp-python is installed)
    python -m beyond.lm.benchmark genai FOLDER           (if onnxruntime-genai is installed)

It uses a new process because memory allocated for an earlier model would be counted, too, and
because a process frees all its memory when it ends. It prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median, quantiles

from beyond.lm.models import SMOLLM2, NoModel
from beyond.old_names import keep_old_attributes

PROMPT_TOKENS = 128
NEW_TOKENS = 64
WARM_UP = 4  # tokens generated before anything is timed
ORDINARY_IDS = (100, 40_000)  # from, to: no special tokens, in any vocabulary used here

Forward = Callable[[Sequence[int]], int]
"""Append tokens to the sequence so far and return the id of the most likely next token."""


@dataclass(frozen=True)
class Engine:
    """A loaded model, ready to be timed."""

    start: Callable[[], Forward]
    """Start an empty sequence."""
    vocabulary: int
    """The number of token ids."""
    before_mb: float
    """Resident memory before the model was loaded, in 10^6 bytes."""


@keep_old_attributes("beyond.lm.benchmark.BenchmarkResult")
@dataclass(frozen=True)
class BenchmarkResult:
    """One measurement of one model. Memory is resident memory (RSS), in 10^6 bytes."""

    prompt_tokens: int
    first_token_seconds: float
    """Time to first token: seconds from the prompt to the first new token (the prefill)."""
    step_seconds: tuple[float, ...]
    """Seconds for each further token (a decode step)."""
    threads: int
    """Threads that the engine computed with."""
    before_mb: float
    """Memory of Python and its libraries, before the model was loaded."""
    resident_mb: float
    """Memory of the whole process after the last token."""

    @property
    def new_tokens(self) -> int:
        """The number of generated tokens, including the first one."""
        return 1 + len(self.step_seconds)

    @property
    def prefill_tokens_per_second(self) -> float:
        """Prompt tokens per second during prefill."""
        return self.prompt_tokens / self.first_token_seconds

    @property
    def seconds_per_token(self) -> float:
        """Mean seconds per decode step."""
        return mean(self.step_seconds)

    @property
    def decode_tokens_per_second(self) -> float:
        """New tokens per second during decoding, not counting the prompt."""
        return 1 / self.seconds_per_token

    @property
    def p50_seconds(self) -> float:
        """Median seconds of a decode step."""
        return median(self.step_seconds)

    @property
    def p95_seconds(self) -> float:
        """95th percentile of a decode step's seconds: the pauses that a reader notices."""
        return quantiles(self.step_seconds, n=20, method="inclusive")[-1]

    @property
    def model_mb(self) -> float:
        """Memory that the model added: weights, cache, and activations."""
        return self.resident_mb - self.before_mb


def measure(
    engine: str,
    model: str | Path = SMOLLM2,
    *,
    dtype: str = "float32",
    prompt_tokens: int = PROMPT_TOKENS,
    new_tokens: int = NEW_TOKENS,
    threads: int | None = None,
    python: str = sys.executable,
) -> BenchmarkResult:
    """Load a model in a new process, decode greedily, and measure both.

    Takes about 10 seconds for SmolLM2 in PyTorch on two cores, half of it startup.

    Args:
        engine: "torch", "onnx", "llama" or "genai".
        model: for "torch", what `beyond.lm.models.load` takes; for "onnx" and "genai", the folder
            of an exported model; for "llama", a GGUF file.
        dtype: of the weights, "float32" or "bfloat16"; for "torch" only.
        prompt_tokens: length of the prompt, which consists of random tokens.
        new_tokens: how many tokens are generated; at least 3.
        threads: threads to compute with; one for each usable core if not given.
        python: the interpreter, where an engine is installed in another environment.

    Raises:
        NoModel: if the process fails; the message is the last line that it wrote.
    """
    options = ["--dtype", dtype, "--prompt-tokens", str(prompt_tokens)]
    options += ["--new-tokens", str(new_tokens)]
    if threads:
        options += ["--threads", str(threads)]
    found = _run_in_new_process([engine, str(model), *options], python)
    return BenchmarkResult(**found | {"step_seconds": tuple(found["step_seconds"])})


def measure_here(
    engine: str,
    model: str,
    dtype: str = "float32",
    prompt_tokens: int = PROMPT_TOKENS,
    new_tokens: int = NEW_TOKENS,
    threads: int | None = None,
) -> BenchmarkResult:
    """Measure in this process, whose memory includes everything else in it.

    Args: as for `measure`.
    """
    threads = threads or _usable_cores()
    loaded = _ENGINES[engine](model, dtype, threads, prompt_tokens + new_tokens)
    first_id, end = (min(bound, loaded.vocabulary) for bound in ORDINARY_IDS)
    ids = range(first_id, end) if first_id < end else range(end)
    prompt = random.Random(0).choices(ids, k=prompt_tokens)
    for tokens in (
        WARM_UP,
        new_tokens,
    ):  # a warm-up pass: the second one reuses what the first one prepares
        forward = loaded.start()
        began = time.perf_counter()
        token = forward(prompt)
        first = time.perf_counter() - began
        steps = []
        for _step in range(tokens - 1):
            began = time.perf_counter()
            token = forward([token])
            steps.append(time.perf_counter() - began)
    return BenchmarkResult(
        prompt_tokens, first, tuple(steps), threads, loaded.before_mb, _resident_mb()
    )


def _torch(name: str, dtype: str, threads: int, _context: int) -> Engine:
    import torch
    import transformers.models.llama.modeling_llama  # noqa: F401 - its memory isn't the model's

    from beyond.lm.models import load

    torch.set_num_threads(threads)
    before = _resident_mb()
    model, _tokenizer = load(name, dtype)

    def start() -> Forward:
        past = None

        def forward(ids: Sequence[int]) -> int:
            nonlocal past
            with torch.inference_mode():
                output = model(torch.tensor([ids]), past_key_values=past, logits_to_keep=1)
            past = output.past_key_values
            return int(output.logits[0, -1].argmax())

        return forward

    return Engine(start, model.config.vocab_size, before)


def _onnx(folder: str, _dtype: str, threads: int, context: int) -> Engine:
    from beyond.edge.session import CachedModel, OnnxModel

    before = _resident_mb()
    model = CachedModel(OnnxModel(Path(folder), threads=threads), context)

    def start() -> Forward:
        model.reset_cache()
        return lambda ids: int(model.forward(ids).argmax())

    return Engine(start, model.model.vocabulary, before)


def _llama(file: str, _dtype: str, threads: int, context: int) -> Engine:
    import numpy as np
    from llama_cpp import Llama

    before = _resident_mb()
    model = Llama(
        file,
        n_ctx=context,
        n_batch=context,
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )

    def start() -> Forward:
        model.reset()

        def forward(ids: Sequence[int]) -> int:
            model.eval(ids)
            logits = np.ctypeslib.as_array(model._ctx.get_logits(), shape=(model.n_vocab(),))
            return int(logits.argmax())

        return forward

    return Engine(start, model.n_vocab(), before)


def _genai(folder: str, _dtype: str, threads: int, context: int) -> Engine:
    import onnxruntime_genai as genai

    before = _resident_mb()
    config = genai.Config(folder)
    config.overlay(
        json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}})
    )
    model = genai.Model(config)

    def start() -> Forward:
        options = genai.GeneratorParams(model)
        options.set_search_options(max_length=context, do_sample=False)
        generator = genai.Generator(model, options)

        def forward(ids: Sequence[int]) -> int:
            # It feeds its own last token back, so only a prompt has to be appended.
            if len(ids) > 1:
                generator.append_tokens(ids)
            generator.generate_next_token()
            return int(generator.get_sequence(0)[-1])

        return forward

    return Engine(start, ORDINARY_IDS[1], before)


_ENGINES = {"torch": _torch, "onnx": _onnx, "llama": _llama, "genai": _genai}


def _resident_mb() -> float:
    if sys.platform == "linux":  # llama.cpp's environment has no psutil
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run_in_new_process(arguments: Sequence[str], python: str) -> dict:
    """Run this module as a command, and return the JSON that it prints in its last line."""
    # The child finds this package where this process found it, installed or not.
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [python, "-m", "beyond.lm.benchmark", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise NoModel(lines[-1] if lines else f"exit code {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> int:
    """Run the command: measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="beyond.lm.benchmark", description="Measure a model's throughput and memory."
    )
    parser.add_argument("engine", choices=sorted(_ENGINES))
    parser.add_argument("model")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--prompt-tokens", type=int, default=PROMPT_TOKENS)
    parser.add_argument("--new-tokens", type=int, default=NEW_TOKENS)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    try:
        found = measure_here(**vars(given))
    except NoModel as problem:
        print(problem, file=sys.stderr)
        return 1
    print(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
