"""How fast a model writes, and what memory it takes: measured in a process of its own.

    python -m beyond.lm.benchmark --dtype bfloat16

A process of its own, because memory that another model took earlier would be counted too, and
because a process gives everything back when it ends.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from beyond.lm.models import SMOLLM2, NoModel, load
from beyond.lm.own_process import run_module

PROMPT_TOKENS = 128
NEW_TOKENS = 48


@dataclass(frozen=True)
class Speed:
    """One measurement. Memory is resident memory (RSS), in 10^6 bytes."""

    dtype: str
    threads: int
    """Threads that PyTorch computed with."""
    prompt_tokens: int
    new_tokens: int
    first_token_seconds: float
    """From the prompt to the first new token: the whole prompt is read in that time."""
    seconds_per_token: float
    """For each further token: the mean over `new_tokens` − 1."""
    before_mb: float
    """Python, PyTorch and transformers, before there is a model."""
    resident_mb: float
    """The whole process after it has written."""

    @property
    def tokens_per_second(self) -> float:
        """While writing, the prompt not counted."""
        return 1 / self.seconds_per_token

    @property
    def model_mb(self) -> float:
        """What the model added: weights, cache, and room to compute in."""
        return self.resident_mb - self.before_mb


def measure(
    dtype: str,
    model: str | Path = SMOLLM2,
    prompt_tokens: int = PROMPT_TOKENS,
    new_tokens: int = NEW_TOKENS,
    threads: int | None = None,
) -> Speed:
    """Load `model` as `dtype` in a new process, let it write greedily, and measure.

    Args:
        dtype: "float32" or "bfloat16".
        model: what `beyond.lm.models.load` takes.
        prompt_tokens: length of the prompt.
        new_tokens: at least 2.
        threads: PyTorch's; its own choice if not given.

    Takes about 10 seconds for SmolLM2 on two cores, half of it for starting.

    Raises:
        NoModel: if the model can't be loaded.
    """
    options = ["--dtype", dtype, "--model", str(model)]
    options += ["--prompt-tokens", str(prompt_tokens), "--new-tokens", str(new_tokens)]
    if threads:
        options += ["--threads", str(threads)]
    try:
        return Speed(**run_module("beyond.lm.benchmark", *options))
    except RuntimeError as problem:
        raise NoModel(str(problem)) from None


def measure_here(
    dtype: str,
    name: str | Path = SMOLLM2,
    prompt_tokens: int = PROMPT_TOKENS,
    new_tokens: int = NEW_TOKENS,
) -> Speed:
    """The same in this process; its memory includes whatever else the process holds."""
    import psutil
    import torch
    import transformers.models.llama.modeling_llama  # noqa: F401 - counted before, not as model

    process = psutil.Process()
    before = process.memory_info().rss
    model, _tokenizer = load(name, dtype)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(100, model.config.vocab_size, (1, prompt_tokens), generator=generator)
    _write(model, ids[:, :8], 2)  # the first pass prepares things that later ones reuse
    first, rest = _write(model, ids, new_tokens)
    return Speed(
        dtype=dtype,
        threads=torch.get_num_threads(),
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        first_token_seconds=first,
        seconds_per_token=rest / (new_tokens - 1),
        before_mb=before / 1e6,
        resident_mb=process.memory_info().rss / 1e6,
    )


def _write(model, ids, new_tokens: int) -> tuple[float, float]:
    """Greedy generation with a KV cache: seconds to the first token, and for the others."""
    import torch

    with torch.inference_mode():
        began = time.perf_counter()
        answer = model(ids, use_cache=True, logits_to_keep=1)
        token = answer.logits[:, -1:].argmax(-1)
        first = time.perf_counter()
        for _step in range(new_tokens - 1):
            answer = model(token, past_key_values=answer.past_key_values, logits_to_keep=1)
            token = answer.logits[:, -1:].argmax(-1)
    return first - began, time.perf_counter() - first


def main() -> int:
    """The command: one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="beyond.lm.benchmark", description="Measure a model's speed."
    )
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--model", default=SMOLLM2)
    parser.add_argument("--prompt-tokens", type=int, default=PROMPT_TOKENS)
    parser.add_argument("--new-tokens", type=int, default=NEW_TOKENS)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    if given.threads:
        import torch

        torch.set_num_threads(given.threads)
    try:
        found = measure_here(given.dtype, given.model, given.prompt_tokens, given.new_tokens)
    except NoModel as problem:
        print(problem, file=sys.stderr)
        return 1
    print(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
