"""Compare SmolLM2-135M in every variant of the course: speed, memory, size and quality.

    python benchmarks/edge.py
    python benchmarks/edge.py --llama-python /path/to/an/environment/bin/python

All variants are measured in turn, each in its own process, and the medians over the rounds are
printed with the key ratios. "fp32" means the dequantized weights of the GGUF file, so quality is
relative to the file's original quantization.

llama-cpp-python and onnxruntime-genai are measured if they are installed, here or (the first) in
the environment that --llama-python names; neither is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from needs import missing, require

from beyond import shop
from beyond.edge import agreement, export
from beyond.edge.agreement import Agreement, Reference, TeamPrompts
from beyond.edge.session import OnnxModel, open_session
from beyond.lm import benchmark, models
from beyond.lm.benchmark import BenchmarkResult
from beyond.lm.hardware import measure as measure_machine
from beyond.lm.perplexity import prose

RESULTS = Path(__file__).parents[1] / ".cache" / "edge_benchmark.jsonl"
LOST = 1.10  # a perplexity above 1.1 times that of fp32 makes a variant unusable
CLOSE = 1.01


@dataclass
class Entry:
    """A variant to measure: how to run it, its size on disk, and how to measure its quality."""

    name: str
    engine: str
    model: str
    disk: int
    quality: Callable[[Reference, TeamPrompts], tuple[Agreement, int]]
    python: str = sys.executable
    dtype: str = "float32"


def onnx(name: str) -> Entry:
    """Return one of our ONNX variants."""
    folder = export.variant_folder(name)

    def judge(reference: Reference, prompts: TeamPrompts) -> tuple[Agreement, int]:
        model = OnnxModel(folder)
        return reference.of(model), agreement.count_right_teams(model, prompts)

    return Entry(f"ONNX {name}", "onnx", str(folder), export.size(folder), judge)


def torch(dtype: str) -> Entry:
    """Return the model in PyTorch, in this precision."""

    def judge(reference: Reference, _prompts: TeamPrompts) -> tuple[Agreement, int]:
        model, tokenizer = models.load(dtype=dtype)
        return reference.of(model), shop.accuracy(model, tokenizer, rules=True).right

    disk = models.memory_needed(models.folder(), dtype)
    return Entry(f"PyTorch {dtype}", "torch", models.SMOLLM2, disk, judge, dtype=dtype)


def llama(python: str) -> Entry:
    """Return the GGUF file in llama.cpp, run by the Python that has it."""
    file = models.gguf_file()

    def judge(reference: Reference, prompts: TeamPrompts) -> tuple[Agreement, int]:
        with tempfile.TemporaryDirectory() as place:
            task = Path(place) / "task.json"
            pieces = [piece[0].tolist() for piece in reference.pieces]
            task.write_text(json.dumps({"file": str(file), "pieces": pieces} | vars(prompts)))
            subprocess.run([python, "-c", LLAMA_TASK, str(task)], check=True, capture_output=True)
            answers = iter(range(len(pieces)))
            found = reference.of(lambda _ids: tensor(np.load(f"{task}.{next(answers)}.npy"))[None])
            return found, json.loads(Path(f"{task}.right").read_text())

    return Entry("llama.cpp Q4_1", "llama", str(file), file.stat().st_size, judge, python)


# Runs where llama-cpp-python is installed, which needn't be an environment with this course.
LLAMA_TASK = """
import json, sys
import numpy as np
from llama_cpp import Llama

task = json.load(open(sys.argv[1]))
model = Llama(task["file"], n_ctx=1024, n_batch=1024, logits_all=True, verbose=False)
for i, piece in enumerate(task["pieces"]):
    model.reset()
    model.eval(piece)
    np.save(f"{sys.argv[1]}.{i}.npy", model.scores[: len(piece)])
model.reset()
model.eval(task["shared"])
right = 0
for message, team in zip(task["messages"], task["expected"]):
    model.n_tokens = len(task["shared"])  # truncate the cache
    model.eval(message)
    right += int(model.scores[model.n_tokens - 1][task["labels"]].argmax()) == team
open(f"{sys.argv[1]}.right", "w").write(str(right))
"""


def genai(precision: str) -> Entry:
    """Return a model from onnxruntime-genai's builder, which takes some seconds the first time."""
    from importlib.metadata import version

    def build(place: Path) -> None:
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder"]
        options = ["-i", str(models.folder()), "-o", str(place), "-p", precision, "-e", "cpu"]
        subprocess.run([*command, *options], check=True, capture_output=True)

    kept = f"onnx/genai-{precision}-{version('onnxruntime-genai')}"
    folder = models.kept_folder(kept, build)

    def judge(reference: Reference, prompts: TeamPrompts) -> tuple[Agreement, int]:
        model = GenaiModel(folder)
        return reference.of(model), agreement.count_right_teams(model, prompts)

    return Entry(f"GenAI {precision}", "genai", str(folder), export.size(folder), judge)


class GenaiModel(OnnxModel):
    """A graph of the GenAI builder, run by ONNX Runtime, with its different input names."""

    def __init__(self, folder: Path) -> None:
        self.session = open_session(folder)
        inputs = {each.name: each for each in self.session.get_inputs()}
        self.past_names = [name for name in inputs if name.startswith("past_key_values.")]
        self.present_names = [
            name.replace("past_key_values", "present") for name in self.past_names
        ]
        decoder = json.loads((folder / "genai_config.json").read_text())["model"]["decoder"]
        self.kv_heads, self.head_size = decoder["num_key_value_heads"], decoder["head_size"]

    def run(self, ids, past=None, wanted=None):
        """Return the logits at `wanted` positions (all if None) and the cache after `ids`."""
        past = past or self.empty_cache()
        seen = past[self.past_names[0]].shape[2]
        feed = {
            "input_ids": np.asarray(ids, np.int64)[None],
            "attention_mask": np.ones((1, seen + len(ids)), np.int64),
        }
        logits, *present = self.session.run(["logits", *self.present_names], feed | past)
        rows = [len(ids) - 1] if wanted is None else list(wanted)
        return logits[0, rows], dict(zip(self.past_names, present, strict=True))


def tensor(values: np.ndarray):
    """Return an array as a tensor that shares its memory."""
    import torch

    return torch.from_numpy(values)


HERE = ("torch", "transformers", "gguf", "onnx", "onnxruntime", "onnxscript", "psutil", "numpy")
LLAMA = ("llama_cpp", "numpy", *(() if sys.platform == "linux" else ("psutil",)))
"""What `LLAMA_TASK` and `beyond.lm.benchmark` import where llama-cpp-python is installed."""


def check_environments(llama_python: str, given: bool) -> None:
    """Report what is skipped, and stop if a named environment lacks a package."""
    needs = {sys.executable: list(HERE)}
    if given:
        needs[llama_python] = [*needs.get(llama_python, []), *LLAMA]
    require(needs)
    if not given and missing(llama_python, LLAMA):
        print("Without llama.cpp: name its environment with --llama-python.", file=sys.stderr)
    if missing(sys.executable, ["onnxruntime_genai"]):
        print("Without GenAI: onnxruntime-genai is not installed here.", file=sys.stderr)


def entries(llama_python: str) -> list[Entry]:
    """Return every variant that can be measured here."""
    found = [torch("float32"), torch("bfloat16"), *map(onnx, export.VARIANTS)]
    if not missing(sys.executable, ["onnxruntime_genai"]):
        found.append(genai("int4"))
    if not missing(llama_python, LLAMA):
        found.append(llama(llama_python))
    return found


QUALITY = f"{'perplexity':>11}{'ratio':>7}{'top-1':>7}{'KL, nats':>9}{'teams':>7}"
SPEED = (
    f"{'pre t/s':>9}{'dec t/s':>10}{'first ms':>9}{'p50 ms':>7}{'p95 ms':>7}{'RSS MB':>7}"
    f"{'of limit':>9}"
)


def quality_columns(near: Agreement, right: int, base: float) -> str:
    """Return the columns of `QUALITY`."""
    return (
        f"{near.perplexity:11.2f}{near.perplexity / base:7.3f}{near.top1_agreement:7.3f}"
        f"{near.divergence:9.4f}{right:5d} %"
    )


def speed_columns(runs: list[BenchmarkResult], disk: int, gb: float) -> str:
    """Return the columns of `SPEED`: medians over the rounds."""

    def middle(what: Callable[[BenchmarkResult], float]) -> float:
        return median(map(what, runs))

    prefill = middle(lambda s: s.prefill_tokens_per_second)
    decode = middle(lambda s: s.decode_tokens_per_second)
    share = decode / (gb * 1e9 / disk)
    first, p50, p95 = (
        1e3 * middle(what)
        for what in (
            lambda s: s.first_token_seconds,
            lambda s: s.p50_seconds,
            lambda s: s.p95_seconds,
        )
    )
    resident = middle(lambda s: s.resident_mb)
    return (
        f"{prefill:9.0f}{decode:10.1f}{first:9.0f}{p50:7.1f}{p95:7.1f}{resident:7.0f}{share:9.0%}"
    )


def warning(ratio: float) -> str:
    """Return a remark on a perplexity, given as a multiple of that of fp32."""
    return "  ! LOST THE MODEL" if ratio > LOST else "" if ratio <= CLOSE else "  ! worse"


def keep(results: Path, name: str, **measured: float) -> None:
    """Append one result to the file, so that an interrupted run keeps its results."""
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"form": name, **measured}) + "\n")


def print_table(
    forms: list[Entry],
    found: dict[str, tuple[Agreement, int]],
    runs: dict[str, list[BenchmarkResult]],
    gb: float,
) -> None:
    """Print a line per variant; unmeasured columns are empty."""
    base = found["PyTorch float32"][0].perplexity if found else 1.0
    print(f"\n{'variant':18}{'disk MB':>8}" + (QUALITY if found else "") + (SPEED if runs else ""))
    for form in forms:
        line = f"{form.name:18}{form.disk / 1e6:8.1f}"
        if found:
            line += quality_columns(*found[form.name], base)
        if runs:
            line += speed_columns(runs[form.name], form.disk, gb)
        if found:
            line += warning(found[form.name][0].perplexity / base)
        print(line)


def print_ratios(runs: dict[str, list[BenchmarkResult]]) -> None:
    """Print the median of the ratios within each round, because load affects both alike."""
    ours = f"ONNX {export.FAST}"
    print()
    for other in ("PyTorch float32", "llama.cpp Q4_1", "ONNX fp32"):
        if other not in runs:
            continue
        pairs = list(zip(runs[ours], runs[other], strict=True))
        writing = [
            mine.decode_tokens_per_second / theirs.decode_tokens_per_second
            for mine, theirs in pairs
        ]
        reading = [
            mine.prefill_tokens_per_second / theirs.prefill_tokens_per_second
            for mine, theirs in pairs
        ]
        print(
            f"{ours} against {other}: decodes {median(writing):.2f} times as fast "
            f"({min(writing):.2f}-{max(writing):.2f}), prefills {median(reading):.2f} times "
            f"({min(reading):.2f}-{max(reading):.2f})"
        )


def main() -> None:
    """Measure, writing each result to the file as it comes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--llama-python", help="the Python that has llama-cpp-python")
    parser.add_argument("--results", type=Path, default=RESULTS, help="one line of JSON per result")
    parser.add_argument("--only", choices=("speed", "quality"), help="measure only this")
    parser.add_argument("--threads", type=int, default=benchmark._usable_cores())
    given = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.simplefilter("ignore")
    llama_python = given.llama_python or sys.executable
    check_environments(llama_python, given.llama_python is not None)
    forms = entries(llama_python)
    given.results.parent.mkdir(parents=True, exist_ok=True)
    print(f"Each result goes to {given.results} as it comes.", file=sys.stderr)

    found: dict[str, tuple[Agreement, int]] = {}
    runs: dict[str, list[BenchmarkResult]] = {}
    gb = [0.0]
    if given.only != "speed":
        model, tokenizer = models.load()
        reference = Reference(model, tokenizer, prose())
        prompts = TeamPrompts.of(tokenizer)
        del model
        for entry in forms:
            print(f"quality: {entry.name} …", file=sys.stderr, flush=True)
            found[entry.name] = near, right = entry.quality(reference, prompts)
            keep(given.results, entry.name, perplexity=near.perplexity, right=right)
        count = sum(piece.shape[1] for piece in reference.pieces)
        print(
            f"Quality over {count:,} tokens of the course's prose, and of lesson 1's 100 "
            "messages, each with its rule, those that go to the right team"
        )
        del reference

    if given.only != "quality":
        runs = {entry.name: [] for entry in forms}
        gb = []
        for round_ in range(given.rounds):
            gb.append(measure_machine().read_gb_s)
            for entry in forms:
                print(f"round {round_ + 1}: {entry.name} …", file=sys.stderr, flush=True)
                speed = benchmark.measure(
                    entry.engine,
                    entry.model,
                    dtype=entry.dtype,
                    threads=given.threads,
                    python=entry.python,
                )
                runs[entry.name].append(speed)
                keep(
                    given.results,
                    entry.name,
                    round=round_,
                    prefill=speed.prefill_tokens_per_second,
                    decode=speed.decode_tokens_per_second,
                )
        print(
            f"Speed: {given.threads} threads, {benchmark.PROMPT_TOKENS} tokens read, "
            f"{benchmark.NEW_TOKENS} written, medians of {given.rounds} rounds in turns; memory "
            f"read at {median(gb):.0f} GB/s"
        )

    print_table(forms, found, runs, median(gb))
    if runs:
        print_ratios(runs)


if __name__ == "__main__":
    main()
