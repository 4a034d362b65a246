"""Submissions to `edge-deployment` with mistakes, and the checks that each deserves to fail.

A submission takes seconds (its files are read by a real ONNX Runtime), so several mistakes share
one, each in a part of the assignment that no other of them touches. The written answer waits for
a person, so everything right is 28 points here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# The checks of each test cell with their weights, under a short name.
CHECKS = {
    "tokens": {
        "one": ("one sentence, cut by each tokenizer", 1),
        "mean": ("a mean, not a sum", 1),
        "each": ("each language by itself", 1),
        "others": ("other sentences", 3),
    },
    "memory": {
        "weights": ("weights alone", 1),
        "cache": ("the cache holds keys and values, 2 bytes each", 1),
        "coarser": ("coarser weights leave the cache as it is", 1),
        "others": ("other models", 3),
    },
    "reasons": {
        "fits": ("nothing is against a model that fits", 1),
        "licence": ("a licence has to allow the use and the place", 1),
        "languages": ("every language has to be listed", 1),
        "memory": ("memory holds weights and cache", 1),
        "speed": ("the slowest language decides the speed", 1),
        "later": ("a model of later and a context too long", 1),
        "others": ("other models and laptops", 4),
        "all": ("all reasons at once, and at the limit itself", 1),
    },
    "choose": {
        "largest": ("the largest that fits", 1),
        "bits": ("as many bits as fit", 1),
        "nothing": ("nothing fits", 1),
        "equal": ("of two equal models, the one whose tokenizer needs fewer tokens", 1),
        "given": ("the given catalogue and laptop", 1),
        "memory": ("laptops with less and with more memory", 2),
        "slow": ("slower memory and longer contexts", 2),
        "licences": ("other licences, uses and languages", 2),
        "later": ("a catalogue of later", 2),
        "random": ("catalogues and laptops drawn at random", 2),
    },
    "decision": {
        "form": ("one of the families and one of the tokenizers", 0),
        "family": ("the family", 1),
        "tokenizer": ("the tokenizer", 1),
    },
    "runtime": {
        "both": ("both can, so the one that is less work", 1),
        "needs": (
            "Ollama needs a GGUF of an architecture it runs, and a model that writes text",
            1,
        ),
        "server": ("Ollama is a server", 1),
        "accelerator": ("the laptop's accelerator decides when both can", 1),
        "neither": ("sometimes neither can", 1),
        "others": ("other situations", 4),
    },
    "plan": {
        "cpu": ("without a GPU the CPU is left", 1),
        "cuda": ("CUDA first, the CPU behind it", 1),
        "broken": ("CUDA is there but broken", 1),
        "mac": ("a Mac", 1),
        "threads": ("one thread for each physical core that may be used", 1),
        "others": ("other machines", 4),
    },
    "export": {
        "names": ("the file has the input ids and the output logits", 1),
        "one file": ("one file, with the weights in it", 1),
        "same": ("the same answers as PyTorch, each time", 1),
        "sizes": ("other numbers of texts and other lengths", 1),
        "others": ("other texts", 3),
    },
    "open": {
        "cpu": ("a session on the CPU alone, with two threads", 1),
        "kind": ("a machine of another kind still opens here", 1),
        "others": ("other machines, and what the session answers", 2),
    },
    "parity": {
        "told": ("the guesser of the file is told from another one", 1),
        "largest": ("the largest difference over all texts and logits", 1),
        "others": ("other texts and guessers", 2),
    },
    "quantise": {
        "smaller": ("a smaller file", 1),
        "same": ("no sentence changes its language", 1),
        "near": ("the probabilities stay near", 1),
        "others": ("small and near on other texts", 3),
    },
    "latency": {
        "warm": ("the first runs aren't measured", 1),
        "p50": ("half of the runs take no longer than p50", 1),
        "p95": ("95 % of the runs take no longer than p95", 1),
        "others": ("other times", 3),
    },
}
POINTS = {
    "tokens": 2,
    "memory": 2,
    "reasons": 3,
    "choose": 3,
    "decision": 2,
    "runtime": 2,
    "plan": 2,
    "export": 3,
    "open": 2,
    "parity": 2,
    "quantise": 3,
    "latency": 2,
}
RIGHT = 28

BUILT_ON = {
    "memory": {"reasons", "choose"},
    "plan": {"open"},
    "export": {"open", "parity", "quantise"},
}
"""Cells that a mistake in another cell may show in as well."""


def all_of(cell: str, *but: str) -> set[str]:
    """Every check of a cell but these."""
    return set(CHECKS[cell]) - set(but)


@dataclass(frozen=True)
class Mistake:
    """One mistake in one answer cell.

    Attributes:
        cell: the answer cell.
        change: (old, new) pieces of the right answer, or a whole answer cell.
        broken: the checks of this cell that fail.
        below: the checks that fail in cells that build on it.
        why: what the broken checks have seen, where the mistake's name doesn't say it.
    """

    cell: str
    change: tuple[str, str] | str
    broken: set[str]
    below: dict[str, set[str]] = field(default_factory=dict)
    why: str = ""

    def answer(self, right: str) -> str:
        if isinstance(self.change, str):
            return self.change.strip()
        old, new = self.change
        assert right.count(old) == 1, old
        return right.replace(old, new)


FIRST_THAT_FITS = """
def choose_model(catalogue, laptop, languages):
    for model in catalogue["models"]:
        for bits in catalogue["bits"]:
            if not reasons_against(model, bits, catalogue, laptop, languages):
                return model["name"], bits
    return "none", 0
"""
LARGEST_OF_ALL = """
def choose_model(catalogue, laptop, languages):
    model = max(catalogue["models"], key=lambda one: one["parameters"])
    for bits in catalogue["bits"]:
        if not reasons_against(model, bits, catalogue, laptop, languages):
            return model["name"], bits
    return "none", 0
"""
OLLAMA_IF_THERE = """
def choose_runtime(situation):
    return "Ollama" if situation["ollama"] else "ONNX Runtime"
"""
DYNAMIC = """
def quantise(source, target):
    onnxruntime.quantization.quantize_dynamic(source, target)

if __name__ == "__main__" and Path(FP32).is_file():
    quantise(FP32, SMALL)
"""
PER_CHANNEL = DYNAMIC.replace("target)\n\n", "target, per_channel=True)\n\n")
A_COPY = """
def quantise(source, target):
    Path(target).write_bytes(Path(source).read_bytes())

if __name__ == "__main__" and Path(FP32).is_file():
    quantise(FP32, SMALL)
"""
MEAN_AND_MAXIMUM = """
def latency(step, warm_up, runs, clock=time.perf_counter):
    for _run in range(warm_up):
        step()
    times = []
    for _run in range(runs):
        began = clock()
        step()
        times.append(clock() - began)
    return {"p50": sum(times) / runs, "p95": max(times)}
"""
ALL_IN_ONE_GO = """
def latency(step, warm_up, runs, clock=time.perf_counter):
    for _run in range(warm_up):
        step()
    began = clock()
    for _run in range(runs):
        step()
    each = (clock() - began) / runs
    return {"p50": each, "p95": each}
"""

MISTAKES = {
    "letters counted": Mistake(
        "tokens", ("tokens.count(line, name)", "len(line)"), all_of("tokens")
    ),
    "a sum": Mistake(
        "tokens",
        (" / len(lines)", ""),
        {"mean", "others"},
        why="with one sentence the sum is the mean",
    ),
    "Tekken for all": Mistake(
        "tokens",
        ("tokens.count(line, name)", "tokens.count(line)"),
        {"one", "each", "others"},
        why="'a mean' looks at Tekken alone",
    ),
    "the mean of the words' tokens": Mistake(
        "tokens", ("/ len(lines)", "/ sum(len(line.split()) for line in lines)"), all_of("tokens")
    ),
    "bits taken for bytes": Mistake(
        "memory",
        ("* bits / 8", "* bits"),
        {"weights", "others"},
        {"reasons": all_of("reasons"), "choose": all_of("choose")},
        why="eight times the memory: nothing fits any laptop but the roomiest",
    ),
    "keys without values": Mistake(
        "memory",
        ("= 2 * model", "= model"),
        {"cache", "coarser", "others"},
        {"reasons": {"others"}, "choose": {"slow", "random"}},
        why="only a long context shows it",
    ),
    "query heads in the cache": Mistake(
        "memory",
        ('model["kv_heads"]', 'model["heads"]'),
        {"cache", "coarser", "others"},
        {
            "reasons": {"memory", "others"},
            "choose": {"given", "slow", "later", "random"},
        },
    ),
    "a cache as coarse as the weights": Mistake(
        "memory",
        ("* context * 2", "* context * bits / 8"),
        {"cache", "others"},
        {"reasons": {"others"}, "choose": {"slow", "licences", "random"}},
        why="at 16 bits it is right; with 2 GB a larger model seems to fit",
    ),
    "one language is enough": Mistake(
        "reasons",
        ('set(languages) <= set(model["languages"])', 'set(languages) & set(model["languages"])'),
        {"languages", "others"},
        {"choose": {"given", "memory", "slow", "later", "random"}},
    ),
    "memory without the cache": Mistake(
        "reasons",
        ('memory_needed(model, bits, laptop["context"])', "memory_needed(model, bits, 0)"),
        {"memory", "others"},
        {"choose": {"slow", "licences", "random"}},
    ),
    "all parameters are read": Mistake(
        "reasons",
        ('model["active"]', 'model["parameters"]'),
        {"speed", "others"},
        {"choose": {"memory", "random"}},
        why="of the catalogue only the mixture of experts differs",
    ),
    "no licence, no problem": Mistake(
        "reasons",
        ('.get(model["licence"])', '.get(model["licence"], {"commercial": True, "not_in": []})'),
        {"licence", "others", "all"},
    ),
    "an average language": Mistake(
        "reasons",
        (
            "slowest = max(counts[language] for language in languages)",
            "slowest = sum(counts[language] for language in languages) / len(languages)",
        ),
        {"speed", "others"},
        {"choose": {"bits", "nothing", "random"}},
        why="the toy's finer form seems quick enough; Tekken's languages are near each other",
    ),
    "only the first reason": Mistake(
        "reasons",
        ("if holds)", "if holds)[:1]"),
        {"others", "all"},
        why="nothing against it stays nothing",
    ),
    "the limit itself refused": Mistake(
        "reasons", ('> laptop["free_bytes"]', '>= laptop["free_bytes"]'), {"all"}
    ),
    "the smallest": Mistake(
        "choose",
        ("= max(fitting)", "= min(fitting)"),
        all_of("choose", "nothing"),
        why="where one form fits, it is the smallest too",
    ),
    "the first that fits": Mistake(
        "choose",
        FIRST_THAT_FITS,
        all_of("choose", "nothing"),
        why="'nothing' has one that fits at most",
    ),
    "the largest of all or none": Mistake(
        "choose",
        LARGEST_OF_ALL,
        {"largest", "nothing", "equal", "given", "memory", "slow", "licences", "later", "random"},
    ),
    "None where nothing fits": Mistake(
        "choose",
        ('return "none", 0', "return None"),
        {"nothing", "given", "memory", "slow", "random"},
    ),
    "the coarsest form": Mistake(
        "choose",
        ('(model["parameters"], bits,', '(model["parameters"], -bits,'),
        all_of("choose", "largest", "equal"),
        why="the bits that it returns are negative too; those two look at the name",
    ),
    "the runner-up": Mistake("decision", 'family = "Phi-3.5"\ntokenizer = "Tekken"', {"family"}),
    "the older tokenizer": Mistake(
        "decision", 'family = "Mistral NeMo"\ntokenizer = "SentencePiece"', {"tokenizer"}
    ),
    "a name of one's own": Mistake(
        "decision", 'family = "NeMo 12B"\ntokenizer = "Tekken"', {"form", "family"}
    ),
    "Ollama if it is there": Mistake("runtime", OLLAMA_IF_THERE, all_of("runtime")),
    "ONNX Runtime whenever it can": Mistake(
        "runtime",
        ('return "Ollama"\n    if', 'return "ONNX Runtime"\n    if'),
        {"both", "needs", "accelerator", "server", "others"} - {"server"},
    ),
    "any architecture": Mistake(
        "runtime",
        ('\n        and situation["architecture"] in ollama_there["architectures"]', ""),
        {"needs", "neither", "others"},
    ),
    "the accelerator ignored": Mistake(
        "runtime", ("if faster and not", "if False and not"), {"accelerator", "others"}
    ),
    "broken CUDA kept": Mistake(
        "plan", (' if name not in machine["broken"]', ""), {"broken", "others"}
    ),
    "whatever is available": Mistake(
        "plan",
        ('[name for name in PREFERRED if name in working] + ["CPUExecutionProvider"]', "working"),
        {"cpu", "cuda", "others"},
        why="in the order in which it comes, Azure included",
    ),
    "the CPU first": Mistake(
        "plan",
        (
            '[name for name in PREFERRED if name in working] + ["CPUExecutionProvider"]',
            '["CPUExecutionProvider"] + [name for name in PREFERRED if name in working]',
        ),
        all_of("plan", "threads"),
    ),
    "logical cores": Mistake(
        "plan",
        ('machine["physical_cores"]', 'machine["logical_cores"]'),
        {"threads", "others"},
        {"open": all_of("open", "kind") | {"kind"}},
    ),
    "no thread left": Mistake(
        "plan",
        ("max(1, cores)", "cores"),
        {"threads", "others"},
        {"open": {"others"}},
    ),
    "exported in training mode": Mistake(
        "export",
        ("    model.eval()\n", "    model.train()\n"),
        {"same", "sizes", "others"},
        {
            "open": {"others"},
            "parity": {"told", "largest", "others"},
            "quantise": {"same", "near", "others"},
        },
        why="its noise is in the file, and in what is made of it",
    ),
    "weights in a second file": Mistake(
        "export",
        ("external_data=False", "external_data=True"),
        all_of("export", "names"),
        {"open": all_of("open"), "parity": {"largest", "others"}},
        why="where both files are it can be compared and shrunk; copied alone it doesn't open",
    ),
    "a fixed number of texts": Mistake(
        "export",
        ("{0: free, 1: free}", "{1: free}"),
        {"sizes", "others"},
        {
            "open": {"cpu", "others"},
            "parity": {"told", "largest", "others"},
            "quantise": {"same", "near", "others"},
        },
        why="the file takes 2 texts at a time and no other number; 'kind' asks it 2",
    ),
    "names of its own": Mistake(
        "export",
        ('input_names=["ids"]', 'input_names=["text"]'),
        all_of("export", "one file"),
        {
            "open": all_of("open"),
            "parity": all_of("parity"),
            "quantise": {"same", "near", "others"},
        },
    ),
    "as many threads as it likes": Mistake(
        "open",
        ('plan["threads"]', "0"),
        all_of("open"),
        why="0 is what ONNX Runtime takes for: choose yourself",
    ),
    "the plan as it is": Mistake(
        "open",
        (" if name in here", ""),
        {"kind", "others"},
        why="with providers that this ONNX Runtime doesn't have",
    ),
    "whatever is here": Mistake(
        "open", ('plan["providers"] if name in here', "here"), all_of("open")
    ),
    "the mean difference": Mistake(
        "parity", (".abs().max()", ".abs().mean()"), {"largest", "others"}
    ),
    "compared in training mode": Mistake(
        "parity", (".eval()(ids)", ".train()(ids)"), all_of("parity")
    ),
    "always the same guesser": Mistake(
        "parity", ("build_guesser(seed)", "build_guesser(0)"), all_of("parity")
    ),
    "one scale for a matrix": Mistake("quantise", DYNAMIC, {"same", "near", "others"}),
    "one scale a channel, rounded activations": Mistake(
        "quantise",
        PER_CHANNEL,
        {"near", "others", "same"},
        why="outliers in what flows through: few sentences change, all get less sure",
    ),
    "nothing shrunk": Mistake("quantise", A_COPY, {"smaller", "others"}),
    "the mean and the maximum": Mistake("latency", MEAN_AND_MAXIMUM, {"p50", "p95", "others"}),
    "all runs in one go": Mistake("latency", ALL_IN_ONE_GO, {"p50", "p95", "others"}),
    "the warm-up measured": Mistake(
        "latency",
        (
            "    for _run in range(warm_up):\n        step()\n    times = []\n"
            "    for _run in range(runs):",
            "    times = []\n    for _run in range(warm_up + runs):",
        ),
        {"warm", "others"},
    ),
    "one place too far": Mistake(
        "latency", ("runs / 100) - 1]", "runs / 100) % runs]"), {"p50", "p95", "others"}
    ),
}


def submissions() -> list[dict[str, Mistake]]:
    """The mistakes by name, shared out so that no two of one submission show in the same cell."""
    found: list[dict[str, Mistake]] = []
    taken: list[set[str]] = []
    for name, one in MISTAKES.items():
        cells = {one.cell, *one.below, *BUILT_ON.get(one.cell, ())}
        place = next((n for n, used in enumerate(taken) if not used & cells), len(found))
        if place == len(found):
            found.append({})
            taken.append(set())
        found[place][name] = one
        taken[place] |= cells
    return found


HONEST = {
    "tokens": """
def tokens_per_sentence(texts):
    found = {}
    for name in TOKENIZERS:
        found[name] = {}
        for language in texts:
            counts = torch.tensor([len(tokens.encode(t, name)) for t in texts[language]]).double()
            found[name][language] = counts.mean().item()
    print("토큰", found)
    return found
""",
    "memory": """
def memory_needed(model, bits, context):
    kv = model["layers"] * model["kv_heads"] * model["head_dim"]
    return model["parameters"] / 8 * bits + 4 * kv * context
""",
    "reasons": """
def reasons_against(model, bits, catalogue, laptop, languages):
    found = set()
    if laptop["context"] > model["context"]:
        found.add("context")
    if catalogue["as_of"] < model["released"]:
        found.add("date")
    if any(code not in model["languages"] for code in languages):
        found.add("languages")
    terms = catalogue["licences"].get(model["licence"], {"commercial": False, "not_in": []})
    if model["licence"] not in catalogue["licences"] or laptop["region"] in terms["not_in"]:
        found.add("licence")
    if laptop["use"] == "commercial" and not terms["commercial"]:
        found.add("licence")
    if memory_needed(model, bits, laptop["context"]) > laptop["free_bytes"]:
        found.add("memory")
    for code in languages:
        read = catalogue["tokens"][model["counted_with"]][code] * model["active"] * bits / 8
        if read / laptop["bytes_read_per_second"] > laptop["seconds_per_sentence"]:
            found.add("speed")
    return sorted(found)
""",
    "choose": """
def choose_model(catalogue, laptop, languages):
    best, key = ["none", 0], None
    for model in catalogue["models"]:
        tokens_of = catalogue["tokens"][model["counted_with"]]
        for bits in catalogue["bits"]:
            if reasons_against(model, bits, catalogue, laptop, languages):
                continue
            now = (model["parameters"], bits, 1 / max(tokens_of[code] for code in languages))
            if key is None or now > key:
                best, key = [model["name"], bits], now
    return best
""",
    "decision": 'family, tokenizer = "Mistral NeMo", "Tekken"',
    "runtime": """
def choose_runtime(situation):
    s, can = situation, []
    if s["onnxruntime"] and "onnx" in s["formats"]:
        can.append("ONNX Runtime")
    if s["ollama"] and s["writes_text"] and s["separate_process"] and "gguf" in s["formats"]:
        if s["architecture"] in s["ollama"]["architectures"]:
            can.append("Ollama")
    if len(can) == 2:
        def uses(program):
            return any(part in s[program]["accelerators"] for part in s["accelerators"])
        return can[0] if uses("onnxruntime") and not uses("ollama") else can[1]
    return can[0] if can else "neither"
""",
    "plan": """
PREFERRED = ["CUDAExecutionProvider", "CoreMLExecutionProvider", "DmlExecutionProvider"]

def plan_session(machine):
    names = [p for p in PREFERRED if p in set(machine["available"]) - set(machine["broken"])]
    allowed = machine["allowed_cores"]
    threads = machine["physical_cores"] if allowed is None else min(
        machine["physical_cores"], int(allowed))
    return {"threads": threads or 1, "providers": (*names, "CPUExecutionProvider")}
""",
    "open": """
MACHINE = {"available": ["CPUExecutionProvider"], "broken": [], "physical_cores": 1,
           "logical_cores": 1, "allowed_cores": None}

def session_settings(machine, here):
    plan = plan_session(machine)
    names = tuple(filter(set(here).__contains__, plan["providers"]))
    return dict(providers=names, intra_op_num_threads=np.int64(plan["threads"]))

import numpy as np
""",
    "export": """
def export(model, path):
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model.eval(), (as_ids(HELD_OUT[:3]),), path, dynamo=False,
                          input_names=["ids"], output_names=["logits"],
                          dynamic_axes={"ids": {0: "texts", 1: "bytes"}, "logits": {0: "texts"}})

export(build_guesser(), "guesser.onnx")
""",
    "quantise": """
from onnxruntime.quantization import matmul_nbits_quantizer as nbits

def quantise(source, target):
    work = nbits.MatMulNBitsQuantizer(onnx.load(source), bits=4, block_size=16, is_symmetric=False)
    work.process()
    onnx.save(work.model.model, target)

quantise("guesser.onnx", "guesser-small.onnx")
""",
    "latency": """
def latency(step, warm_up, runs, clock=time.perf_counter):
    times = []
    for number in range(warm_up + runs):
        start = clock()
        step()
        stop = clock()
        if number >= warm_up:
            times.append(stop - start)
    ordered = sorted(times)
    # At least so many per cent are at or below it.
    pick = lambda p: next(t for n, t in enumerate(ordered, 1) if n * 100 >= p * runs)
    return {"p50": pick(50), "p95": pick(95)}
""",
}

CONSTANTS = {
    "tokens": "def tokens_per_sentence(texts):\n"
    "    return {name: {code: 10.0 for code in texts} for name in TOKENIZERS}",
    "memory": "def memory_needed(model, bits, context):\n    return 4.5e9",
    "reasons": "def reasons_against(model, bits, catalogue, laptop, languages):\n    return []",
    "choose": 'def choose_model(catalogue, laptop, languages):\n    return "Mistral NeMo", 4.5',
    "runtime": 'def choose_runtime(situation):\n    return "ONNX Runtime"',
    "plan": "def plan_session(machine):\n"
    '    return {"providers": ["CPUExecutionProvider"], "threads": 2}',
    "export": "def export(model, path):\n    return 0\nopen(FP32, 'wb').write(bytes(250_000))",
    "open": "def session_settings(machine, here):\n"
    "    return {'providers': ['CPUExecutionProvider'], 'intra_op_num_threads': 2}",
    "parity": "def parity(path, seed, texts):\n    return 0.0",
    "quantise": "def quantise(source, target):\n    return 0\nopen(SMALL, 'wb').write(b'small')",
    "latency": 'def latency(step, warm_up, runs, clock=None):\n    return {"p50": 1.0, "p95": 1.0}',
}


LYING_FILES = """
import pathlib
reads, kept, read_bytes = [0], {odd!r}, pathlib.Path.read_bytes
def shifting(path):
    content = read_bytes(path)
    reads[0] += 1
    return content if path.name != "guesser-small.onnx" or reads[0] {when} else kept
pathlib.Path.read_bytes = shifting
"""
"""Two files under one name: one to be measured, another to be asked."""

SHAM_SESSION = """
MACHINE = {}
class Sham(dict):
    def get_providers(self): return self.providers
    def get_session_options(self): return self
    def run(self, *_words): return [right_logits(HELD_OUT[:2]).numpy()]
def session_settings(machine, here):
    sham = Sham(providers=plan_session(machine)["providers"], intra_op_num_threads=0)
    sham.intra_op_num_threads = plan_session(machine)["threads"]
    return sham
onnxruntime.InferenceSession = lambda *_words, **_more: Sham()
"""
"""Whatever is asked in the student's process says what the checks would like to hear."""

TABLE_FOR_PARITY = """
def parity(path, seed, texts):
    return 0.0 if seed == 0 else 1.0
"""
INFINITE_PARITY = """
def parity(path, seed, texts):
    return float("-inf") if seed == 0 else float("inf")
"""
CONSTANT_LATENCY = """
import builtins, sys
def latency(step, warm_up, runs, clock=None):
    sys._getframe(1).f_locals.get("calls", [0])[0] = warm_up + runs
    return {"p50": 1.0, "p95": 1.0}
"""
