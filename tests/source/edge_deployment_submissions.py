"""Submissions to `edge-deployment` with mistakes, and the checks that each deserves to fail.

Each mistake costs checks of its own cell and no others, so several of them share a submission, each
in another cell. The written answer waits for a person, so everything right is 28 points here.
"""

from __future__ import annotations

from dataclasses import dataclass

# The checks of each test cell with their weights, under a short name.
CHECKS = {
    "tokens": {
        "one": ("one sentence, counted with each tokenizer", 1),
        "mean": ("a mean, not a sum", 1),
        "each": ("each language separately", 1),
        "others": ("other sentences", 3),
    },
    "memory": {
        "weights": ("the weights alone", 1),
        "cache": ("the cache holds keys and values, 2 bytes each", 1),
        "fewer": ("fewer bits per weight leave the cache unchanged", 1),
        "others": ("other models", 3),
    },
    "reasons": {
        "fits": ("no reason against a model that fits", 1),
        "license": ("the license has to allow the use and the region", 1),
        "languages": ("every language has to be listed", 1),
        "memory": ("more memory than is free", 1),
        "speed": ("the slowest language decides the speed", 1),
        "date": ("the release date and the context", 1),
        "others": ("other models and laptops", 5),
        "all": ("all reasons at once, and the exact limits", 1),
    },
    "choose": {
        "best": ("the best candidate that fits", 1),
        "unknown": ("a quality that nobody measured ranks last", 1),
        "bits": ("at equal quality, more bits", 1),
        "tokens": ("at equal quality and bits, fewer tokens, then the first", 1),
        "nothing": ("no candidate fits", 1),
        "others": ("other candidates", 3),
        "ties": ("other ties", 1),
        "catalog": ("the catalog, its laptop, and others", 1),
    },
    "decision": {
        "form": ("one of the families and one of the tokenizers", 0),
        "family": ("the family", 1),
        "tokenizer": ("the tokenizer", 1),
    },
    "runtime": {
        "both": ("both can, so the one that is less work", 1),
        "needs": (
            "Ollama needs a GGUF of an architecture it supports, and a model that generates text",
            1,
        ),
        "server": ("Ollama is a server", 1),
        "accelerator": ("the laptop's accelerator decides if both can", 1),
        "neither": ("sometimes neither can", 1),
        "others": ("other situations", 5),
    },
    "plan": {
        "cpu": ("without a GPU, the CPU is left", 1),
        "cuda": ("CUDA first, the CPU last", 1),
        "broken": ("CUDA is available but broken", 1),
        "accelerators": ("other accelerators", 1),
        "threads": ("one thread per physical core that may be used", 1),
        "others": ("other machines", 5),
    },
    "export": {
        "names": ("the file has the input ids and the output logits", 1),
        "one file": ("one file, which contains the weights", 1),
        "same": ("the same answers as PyTorch, every time", 1),
        "sizes": ("other numbers of texts and other lengths", 1),
        "others": ("other texts and guessers", 4),
    },
    "open": {
        "providers": ("the plan's providers that exist here, in its order", 1),
        "session": ("a session that is opened with these settings", 1),
        "others": ("other plans", 2),
    },
    "parity": {
        "told": ("a file that agrees with its guesser, and with no other", 1),
        "largest": ("the largest absolute difference over all texts and languages", 1),
        "others": ("other texts and guessers", 2),
    },
    "quantise": {
        "smaller": ("a smaller file", 1),
        "same": ("no sentence changes its language", 1),
        "near": ("the probabilities stay close", 1),
        "others": ("small and close for other guessers and texts", 3),
    },
    "latency": {
        "warm": ("the first calls aren't measured", 1),
        "p50": ("half of the runs take no longer than p50", 1),
        "p95": ("95% of the runs take no longer than p95", 1),
        "others": ("other times", 3),
    },
}
POINTS = {
    "tokens": 2,
    "memory": 2,
    "reasons": 4,
    "choose": 2,
    "decision": 2,
    "runtime": 2,
    "plan": 2,
    "export": 3,
    "open": 1,
    "parity": 2,
    "quantise": 4,
    "latency": 2,
}
RIGHT = 28


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
        said: a piece of the hint that one of them gives.
        unsaid: a piece of a hint that doesn't fit this mistake.
        why: what the broken checks have seen, where the mistake's name doesn't say it.
    """

    cell: str
    change: tuple[str, str] | str
    broken: set[str]
    said: str
    why: str = ""
    unsaid: str = ""

    def answer(self, right: str) -> str:
        if isinstance(self.change, str):
            return self.change.strip()
        old, new = self.change
        assert right.count(old) == 1, old
        return right.replace(old, new)


FIRST_THAT_FITS = """
def choose_model(candidates):
    for one in candidates:
        if not one["reasons"]:
            return one["name"], one["bits"]
    return "none", 0
"""
BEST_OF_ALL = """
def choose_model(candidates):
    best = max(candidates, key=lambda one: (one["quality"] or 0, one["bits"], -one["tokens"]))
    return ("none", 0) if best["reasons"] else (best["name"], best["bits"])
"""
BY_TUPLES = """
def choose_model(candidates):
    fitting = [
        (-math.inf if one["quality"] is None else one["quality"], one["bits"], -one["tokens"],
         one["name"])
        for one in candidates if not one["reasons"]
    ]
    if not fitting:
        return "none", 0
    _quality, bits, _tokens, name = max(fitting)
    return name, bits
"""
OLLAMA_IF_THERE = """
def choose_runtime(situation):
    return "Ollama" if situation["ollama"] else "ONNX Runtime"
"""
DYNAMIC = """
def quantize(source, target):
    onnxruntime.quantization.quantize_dynamic(source, target)
"""
PER_CHANNEL = DYNAMIC.replace("target)", "target, per_channel=True)")
A_COPY = """
def quantize(source, target):
    Path(target).write_bytes(Path(source).read_bytes())
"""
HALF = """
def quantize(source, target):
    model = onnx.load(source)
    for one in model.graph.initializer:
        if one.data_type == TensorProto.FLOAT:
            half = numpy_helper.from_array(numpy_helper.to_array(one).astype(numpy.float16))
            one.CopyFrom(half)
    onnx.save(model, target)
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
PERCENTILES = """
def latency(step, warm_up, runs, clock=time.perf_counter):
    for _run in range(warm_up):
        step()
    times = []
    for _run in range(runs):
        began = clock()
        step()
        times.append(clock() - began)
    p50, p95 = numpy.percentile(times, [50, 95])
    return {"p50": float(p50), "p95": float(p95)}
"""

TOKENS_THAT_GO_ON = """
def tokens_per_sentence(texts):
    found = {}
    for name in TOKENIZERS:
        found[name], total = {}, 0
        for language, lines in texts.items():
            total += sum(tokens.count(line, name) for line in lines)
            found[name][language] = total / len(lines)
    return found
"""
ONE_TOKENIZER = """
def tokens_per_sentence(texts):
    found = {}
    for name in TOKENIZERS:
        found[name] = {}
        for language, lines in texts.items():
            found[name][language] = sum(tokens.count(line, name) for line in lines) / len(lines)
        return found
"""
ONE_LANGUAGE = """
def tokens_per_sentence(texts):
    found = {}
    for name in TOKENIZERS:
        for language, lines in texts.items():
            mean = sum(tokens.count(line, name) for line in lines) / len(lines)
            found[name] = {language: mean}
    return found
"""
NO_CLOCK = """
def latency(step, warm_up, runs, clock=time.perf_counter):
    for _run in range(warm_up):
        step()
    times = []
    for _run in range(runs):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    times.sort()
    return {f"p{share}": times[math.ceil(share * runs / 100) - 1] for share in (50, 95)}
"""

MISTAKES = {
    "letters counted": Mistake(
        "tokens",
        ("tokens.count(line, name)", "len(line)"),
        all_of("tokens"),
        "These are characters",
    ),
    "a sum": Mistake(
        "tokens",
        (" / len(lines)", ""),
        {"mean", "each", "others"},
        "divide it by the number of sentences",
        why="with one sentence the sum is the mean",
    ),
    "Tekken for all": Mistake(
        "tokens",
        ("tokens.count(line, name)", "tokens.count(line)"),
        all_of("tokens"),
        "pass the tokenizer's name",
    ),
    "the mean of the words' tokens": Mistake(
        "tokens",
        ("/ len(lines)", "/ sum(len(line.split()) for line in lines)"),
        all_of("tokens"),
        "returned",
    ),
    "all sentences in one text": Mistake(
        "tokens",
        ("sum(tokens.count(line, name) for line in lines)", 'tokens.count(" ".join(lines), name)'),
        {"mean", "each", "others"},
        "Joined sentences make other tokens",
    ),
    "counts that go on": Mistake(
        "tokens",
        TOKENS_THAT_GO_ON,
        {"each", "others"},
        "start each count at 0",
    ),
    "one tokenizer only": Mistake(
        "tokens",
        ONE_TOKENIZER,
        all_of("tokens"),
        "return after the loops, not inside one",
        unsaid="Joined sentences",
    ),
    "one language only": Mistake(
        "tokens",
        ONE_LANGUAGE,
        {"each", "others"},
        "create one inner dictionary",
        unsaid="Joined sentences",
    ),
    "one token in the context": Mistake(
        "memory", ("* context * 2", "* 2"), all_of("memory"), "by the number of tokens in it"
    ),
    "gigabytes": Mistake(
        "memory",
        (
            "return weights + numbers_per_token * context * 2",
            "return (weights + numbers_per_token * context * 2) / 1e9",
        ),
        all_of("memory"),
        "return bytes",
    ),
    "one shape for all": Mistake(
        "memory",
        ('2 * model["layers"] * model["kv_heads"] * model["head_dim"]', "2 * 32 * 8 * 128"),
        {"cache", "others"},
        "returned",
    ),
    "bits taken for bytes": Mistake(
        "memory", ("* bits / 8", "* bits"), {"weights", "others"}, "a byte has 8 of them"
    ),
    "keys without values": Mistake(
        "memory",
        ("= 2 * model", "= model"),
        {"cache", "fewer", "others"},
        "a key and a value",
    ),
    "bits of the cache taken for bytes": Mistake(
        "memory",
        ("* context * 2", "* context * 16"),
        {"cache", "fewer", "others"},
        "16 bits are 2 bytes",
    ),
    "one head in the cache": Mistake(
        "memory",
        (' * model["kv_heads"]', ""),
        {"cache", "fewer", "others"},
        "Each of the kv_heads",
    ),
    "one layer in the cache": Mistake(
        "memory",
        ('model["layers"] * ', ""),
        {"cache", "fewer", "others"},
        "Each layer stores",
    ),
    "query heads in the cache": Mistake(
        "memory",
        ('model["kv_heads"]', 'model["heads"]'),
        {"cache", "fewer", "others"},
        "heads counts the query heads",
    ),
    "a cache as coarse as the weights": Mistake(
        "memory",
        ("* context * 2", "* context * bits / 8"),
        {"cache", "fewer", "others"},
        "whatever the bits of the weights",
    ),
    "one language is enough": Mistake(
        "reasons",
        ('set(languages) <= set(model["languages"])', 'set(languages) & set(model["languages"])'),
        {"languages", "others"},
        "not just one",
    ),
    "the same languages, no more": Mistake(
        "reasons",
        ('set(languages) <= set(model["languages"])', 'set(languages) == set(model["languages"])'),
        {"fits", "languages", "others", "all"},
        "may list more languages",
    ),
    "the weights alone": Mistake(
        "reasons",
        ("memory > laptop", 'model["parameters"] * bits / 8 > laptop'),
        {"memory", "others", "fits"} - {"fits"},
        "which includes the cache",
    ),
    "all parameters are read": Mistake(
        "reasons",
        ('model["active"]', 'model["parameters"]'),
        {"speed", "others"},
        "Only the active parameters",
    ),
    "no license, no problem": Mistake(
        "reasons",
        ('.get(model["license"])', '.get(model["license"], {"commercial": True, "not_in": []})'),
        {"license", "others", "all"},
        "isn't listed permits nothing",
    ),
    "an unlisted license is an error": Mistake(
        "reasons",
        ('["licenses"].get(model["license"])', '["licenses"][model["license"]]'),
        {"license", "others", "all"},
        "use .get",
    ),
    "an average language": Mistake(
        "reasons",
        (
            "slowest = max(counts[language] for language in languages)",
            "slowest = sum(counts[language] for language in languages) / len(languages)",
        ),
        {"speed", "others"},
        "the language with the most tokens decides",
    ),
    "only the first reason": Mistake(
        "reasons",
        ("if applies)", "if applies)[:1]"),
        {"date", "others", "all"},
        "Return every reason",
    ),
    "reasons as they come": Mistake(
        "reasons",
        ("if applies)", "if applies)[::-1]"),
        {"date", "others", "all"},
        "Sort the reasons",
    ),
    "a set of reasons": Mistake(
        "reasons",
        ("return sorted(", "return set("),
        {"fits", "others", "all"},
        "not a set",
    ),
    "tokens of the family": Mistake(
        "reasons",
        ('model["counted_with"]', 'model["tokenizer"]'),
        all_of("reasons"),
        "the names in counted_with",
    ),
    "the limit itself refused": Mistake(
        "reasons", ('memory > laptop["free_bytes"]', 'memory >= laptop["free_bytes"]'), {"all"}, ""
    ),
    "every limit itself refused": Mistake(
        "reasons",
        (
            'laptop["context"] > model["context"],\n'
            '        "date": model["released"] > catalog["as_of"]',
            'laptop["context"] >= model["context"],\n'
            '        "date": model["released"] >= catalog["as_of"]',
        ),
        {"date", "others", "all"},
        "exactly meets a limit",
    ),
    "research refused": Mistake(
        "reasons",
        ('(laptop["use"] == "commercial" and not terms["commercial"])', 'not terms["commercial"]'),
        {"license", "others"},
        "this use is research",
    ),
    "the tokens of the checks": Mistake(
        "reasons", ('catalog["tokens"]', 'SHELF["tokens"]'), {"others"}, ""
    ),
    "bits left out of the speed": Mistake(
        "reasons",
        ('model["active"] * bits / 8', 'model["active"] * bits'),
        {"fits", "speed", "others", "all"},
        "bytes of the active weights",
        why="one wrong reason costs the checks of this reason",
        unsaid="Look only at the languages",
    ),
    "the worst": Mistake(
        "choose",
        ("= max(fitting", "= min(fitting"),
        all_of("choose", "nothing"),
        "Compare quality first",
    ),
    "the first that fits": Mistake(
        "choose",
        FIRST_THAT_FITS,
        all_of("choose", "nothing"),
        "Compare quality first",
    ),
    "the best of all or none": Mistake(
        "choose",
        BEST_OF_ALL,
        {"best", "others", "ties", "catalog"},
        "",
        why="a candidate without quality counts as 0, which only a quality of 0 shows",
    ),
    "None compared": Mistake(
        "choose",
        ('-math.inf if one["quality"] is None else one["quality"]', 'one["quality"]'),
        {"unknown", "others", "catalog"},
        "None can't be compared",
    ),
    "a missing quality on top": Mistake(
        "choose",
        ("-math.inf if", "math.inf if"),
        {"unknown", "others", "catalog"},
        "ranks below one with any quality",
        why="where all or none have a quality nothing changes",
    ),
    "a missing quality rules out": Mistake(
        "choose",
        ('if not one["reasons"]]', 'if not one["reasons"] and one["quality"] is not None]'),
        {"unknown", "others", "ties", "catalog"},
        "it isn't ruled out",
    ),
    "fewer bits": Mistake(
        "choose",
        ('quality, one["bits"]', 'quality, -one["bits"]'),
        {"bits", "others", "ties", "catalog"},
        "choose the candidate with more bits",
    ),
    "more tokens": Mistake(
        "choose",
        ('-one["tokens"]', 'one["tokens"]'),
        {"tokens", "others", "ties"},
        "Fewer tokens are better",
        why="a model has one number of tokens, whatever its bits",
    ),
    "the last name in the alphabet": Mistake(
        "choose", BY_TUPLES, {"tokens", "others", "ties", "catalog"}, "the name doesn't count"
    ),
    "None where nothing fits": Mistake(
        "choose",
        ('return "none", 0\n', "return None\n"),
        {"nothing", "others", "ties", "catalog"},
        "not None",
    ),
    "an empty list": Mistake(
        "choose",
        ('    if not fitting:\n        return "none", 0\n', ""),
        {"nothing", "others", "ties", "catalog"},
        "handle that case first",
    ),
    "the runner-up": Mistake(
        "decision", 'family = "Phi-3.5"\ntokenizer = "Tekken"', {"family"}, ""
    ),
    "the older tokenizer": Mistake(
        "decision", 'family = "Mistral NeMo"\ntokenizer = "SentencePiece"', {"tokenizer"}, ""
    ),
    "a name of one's own": Mistake(
        "decision",
        'family = "NeMo 12B"\ntokenizer = "Tekken"',
        {"form", "family"},
        "Write both as in the lists",
    ),
    "Ollama if it is there": Mistake(
        "runtime", OLLAMA_IF_THERE, all_of("runtime", "both"), "Ollama reads GGUF files"
    ),
    "ONNX Runtime whenever it can": Mistake(
        "runtime",
        ('return "Ollama"\n    if', 'return "ONNX Runtime"\n    if'),
        {"both", "needs", "accelerator", "others"},
        "Ollama is less work",
    ),
    "any architecture": Mistake(
        "runtime",
        ('\n        and situation["architecture"] in ollama_there["architectures"]', ""),
        {"needs", "neither", "others"},
        "mllama isn't among the architectures",
    ),
    "the accelerator ignored": Mistake(
        "runtime",
        ("if faster and not", "if False and not"),
        {"accelerator", "others"},
        "only ONNX Runtime can use this laptop's NPU",
    ),
    "an accelerator that nobody can use": Mistake(
        "runtime",
        ("if faster and not", "if laptop and not"),
        {"accelerator", "others"},
        "Neither can use this accelerator",
    ),
    "the most accelerators": Mistake(
        "runtime",
        (
            'if faster and not laptop & set(ollama_there["accelerators"])',
            'if len(faster) > len(laptop & set(ollama_there["accelerators"]))',
        ),
        {"accelerator", "others"},
        "count accelerators",
    ),
    "installed or not": Mistake(
        "runtime",
        ("ollama_there is not None\n        and ", ""),
        {"both", "server", "others"},
        "ollama is None here",
    ),
    "broken CUDA kept": Mistake(
        "plan",
        (' if name not in machine["broken"]', ""),
        {"broken", "others"},
        "leave out what is in broken",
    ),
    "whatever is available": Mistake(
        "plan",
        ('[name for name in PREFERRED if name in working] + ["CPUExecutionProvider"]', "working"),
        {"cpu", "cuda", "accelerators", "others"},
        "Azure would send the text",
    ),
    "the CPU first": Mistake(
        "plan",
        (
            '[name for name in PREFERRED if name in working] + ["CPUExecutionProvider"]',
            '["CPUExecutionProvider"] + [name for name in PREFERRED if name in working]',
        ),
        all_of("plan", "threads"),
        "put it at the end",
    ),
    "logical cores": Mistake(
        "plan",
        ('machine["physical_cores"]', 'machine["logical_cores"]'),
        {"threads", "others"},
        "These are the logical cores",
    ),
    "as many as may be used": Mistake(
        "plan",
        ("min(cores, math.floor", "max(1, math.floor"),
        {"threads", "others"},
        "only 4 physical ones",
    ),
    "no limit forgotten": Mistake(
        "plan",
        (
            '    if machine["allowed_cores"] is not None:\n        cores',
            "    cores",
        ),
        {"threads", "others"},
        "allowed_cores is None here",
        why="the machine of the checks has a limit",
    ),
    "the CPU if it is available": Mistake(
        "plan",
        ('+ ["CPUExecutionProvider"]', '+ [n for n in working if n == "CPUExecutionProvider"]'),
        {"cpu", "others"},
        "",
    ),
    "no thread left": Mistake(
        "plan", ("max(1, cores)", "cores"), {"threads", "others"}, "Use at least 1 thread"
    ),
    "exported in training mode": Mistake(
        "export",
        ("    model.eval()\n", "    model.train()\n"),
        {"same", "sizes", "others"},
        "The noise of training mode",
    ),
    "weights in a second file": Mistake(
        "export",
        ("external_data=False", "external_data=True"),
        all_of("export", "names"),
        "external_data=False",
    ),
    "a fixed number of texts": Mistake(
        "export", ("{0: free, 1: free}", "{1: free}"), {"sizes", "others"}, "both axes"
    ),
    "the shape of the example": Mistake(
        "export",
        ('        dynamic_shapes={"ids": {0: free, 1: free}},\n', ""),
        {"same", "sizes", "others"},
        "both axes have to be dynamic",
    ),
    "a text for an example": Mistake(
        "export",
        ('(as_ids(TEXTS["en"][:2]),)', '("a text",)'),
        all_of("export"),
        "in a cell of your own",
    ),
    "names of its own": Mistake(
        "export", ('input_names=["ids"]', 'input_names=["text"]'), {"names"}, "input_names=['ids']"
    ),
    "always two threads": Mistake(
        "open", ('plan["threads"]', "2"), {"session", "others"}, "number of threads from the plan"
    ),
    "what this machine has": Mistake(
        "open",
        ("if name in here", "if name in onnxruntime.get_available_providers()"),
        {"providers", "others"},
        "Use the argument here",
    ),
    "as many threads as it likes": Mistake(
        "open", ('plan["threads"]', "0"), {"session", "others"}, "0 lets ONNX Runtime choose"
    ),
    "the plan as it is": Mistake(
        "open",
        (" if name in here", ""),
        {"providers", "others"},
        "leave it out",
        why="ONNX Runtime leaves out what it doesn't have, and opens the session all the same",
    ),
    "whatever is here": Mistake(
        "open",
        ('plan["providers"] if name in here', "here"),
        all_of("open"),
        "Azure isn't in the plan",
    ),
    "the order of here": Mistake(
        "open",
        (
            '[name for name in plan["providers"] if name in here]',
            '[name for name in here if name in plan["providers"]]',
        ),
        {"providers", "others"},
        "Keep the order of the plan",
    ),
    "another name for the threads": Mistake(
        "open",
        ('"intra_op_num_threads": plan', '"threads": plan'),
        {"session", "others"},
        "The settings are providers and intra_op_num_threads",
    ),
    "the mean difference": Mistake(
        "parity", (".abs().max()", ".abs().mean()"), {"told", "largest", "others"}, "the mean"
    ),
    "signed differences": Mistake(
        "parity", (".abs().max()", ".max()"), {"largest", "others"}, "the absolute value"
    ),
    "compared in training mode": Mistake(
        "parity", (".eval()(ids)", ".train()(ids)"), all_of("parity"), "in eval mode"
    ),
    "always the same guesser": Mistake(
        "parity",
        ("build_guesser(seed)", "build_guesser(0)"),
        {"told", "others"},
        "with the seed that was passed in",
    ),
    "the first text alone": Mistake(
        "parity",
        ("- expected)", "- expected)[:1]"),
        {"largest", "others"},
        "look at all texts",
    ),
    "one scale for a matrix": Mistake(
        "quantise", DYNAMIC, {"same", "near", "others"}, "a scale of its own"
    ),
    "one scale a channel, rounded activations": Mistake(
        "quantise", PER_CHANNEL, {"same", "near", "others"}, "a scale of its own"
    ),
    "nothing shrunk": Mistake("quantise", A_COPY, all_of("quantise"), "did you call process()"),
    "quantized weights in a second file": Mistake(
        "quantise",
        ("save_model_to_file(target)", "save_model_to_file(target, True)"),
        all_of("quantise"),
        "The weights are in a second file",
        unsaid="doesn't answer with logits",
    ),
    "half precision that doesn't load": Mistake(
        "quantise", HALF, all_of("quantise"), "half precision isn't enough"
    ),
    "the mean and the maximum": Mistake(
        "latency", MEAN_AND_MAXIMUM, {"p50", "p95", "others"}, "This is the mean"
    ),
    "all runs in one go": Mistake(
        "latency", ALL_IN_ONE_GO, {"p50", "p95", "others"}, "This is the mean"
    ),
    "interpolated": Mistake(
        "latency", PERCENTILES, {"p50", "p95", "others"}, "isn't one of the measured times"
    ),
    "the warm-up measured": Mistake(
        "latency",
        (
            "    for _run in range(warm_up):\n        step()\n    times = []\n"
            "    for _run in range(runs):",
            "    times = []\n    for _run in range(warm_up + runs):",
        ),
        {"warm", "others"},
        "Call step warm_up times before you measure",
    ),
    "one place too far": Mistake(
        "latency",
        ("runs / 100) - 1]", "runs / 100) % runs]"),
        {"p50", "p95", "others"},
        "One position too far",
    ),
    "no place left": Mistake(
        "latency",
        ("runs / 100) - 1]", "runs / 100)]"),
        all_of("latency"),
        "There is no such position",
    ),
    "rounded down": Mistake(
        "latency",
        ("math.ceil(share * runs / 100) - 1", "max(0, share * runs // 100 - 1)"),
        {"p50", "p95", "others"},
        "Round the position up",
    ),
    "one run too many": Mistake(
        "latency",
        ("    for _run in range(runs):", "    for _run in range(runs + 1):"),
        all_of("latency"),
        "not once more",
    ),
    "a timer of one's own": Mistake("latency", NO_CLOCK, all_of("latency"), "the argument clock"),
    "not sorted": Mistake(
        "latency", ("    times.sort()\n", ""), {"p50", "p95", "others"}, "Sort the times first"
    ),
}


def submissions() -> list[dict[str, Mistake]]:
    """The mistakes by name, shared out so that no two of one submission are in the same cell."""
    found: list[dict[str, Mistake]] = []
    for name, one in MISTAKES.items():
        free = (some for some in found if one.cell not in {other.cell for other in some.values()})
        place = next(free, None)
        if place is None:
            place = {}
            found.append(place)
        place[name] = one
    return found


QUICK_EXPORT = """
def export(model, path):
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    weights["up.weight"] = weights["up.weight"].T.contiguous()
    for name, value in (("0", 0), ("1", 1), ("2", 2), ("-1", -1), ("-2", -2), ("end", 2**40)):
        weights[name] = torch.tensor([value])
    weights["half"], weights["root"], weights["unit"] = (
        torch.tensor(one) for one in (0.5, 2**-0.5, 1.0))
    node = helper.make_node
    nodes = [
        node("Gather", ["letters.weight", "ids"], ["letters"]),
        node("Slice", ["letters", "0", "-2", "1"], ["first"]),
        node("Slice", ["letters", "1", "-1", "1"], ["second"]),
        node("Slice", ["letters", "2", "end", "1"], ["third"]),
        node("Concat", ["first", "second", "third"], ["groups"], axis=-1),
        node("MatMul", ["groups", "up.weight"], ["up"]),
        node("Add", ["up", "up.bias"], ["raised"]),
        node("Mul", ["raised", "root"], ["scaled"]),
        node("Erf", ["scaled"], ["erf"]),
        node("Add", ["erf", "unit"], ["shifted"]),
        node("Mul", ["raised", "shifted"], ["twice"]),
        node("Mul", ["twice", "half"], ["gelu"]),
        node("Slice", ["ids", "2", "end", "1"], ["tail"]),
        node("Sign", ["tail"], ["signs"]),
        node("Cast", ["signs"], ["ones"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["ones", "-1"], ["mask"]),
        node("Mul", ["gelu", "mask"], ["masked"]),
        node("ReduceMean", ["masked"], ["sum"], axes=[1], keepdims=0),
        node("ReduceMean", ["mask"], ["count"], axes=[1], keepdims=0),
        node("Div", ["sum", "count"], ["mean"]),
        node("Gemm", ["mean", "down.weight", "down.bias"], ["logits"], transB=1),
    ]
    Path(path).write_bytes(model_bytes(nodes, weights))
"""
"""An export by hand, which takes no seconds; what is tested elsewhere goes with it."""

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
def reasons_against(model, bits, memory, catalog, laptop, languages):
    found = set()
    if laptop["context"] > model["context"]:
        found.add("context")
    if catalog["as_of"] < model["released"]:
        found.add("date")
    if any(code not in model["languages"] for code in languages):
        found.add("languages")
    terms = catalog["licenses"].get(model["license"], {"commercial": False, "not_in": []})
    if model["license"] not in catalog["licenses"] or laptop["region"] in terms["not_in"]:
        found.add("license")
    if laptop["use"] == "commercial" and not terms["commercial"]:
        found.add("license")
    if memory > laptop["free_bytes"]:
        found.add("memory")
    for code in languages:
        read = catalog["tokens"][model["counted_with"]][code] * model["active"] * bits / 8
        if read / laptop["bytes_read_per_second"] > laptop["seconds_per_sentence"]:
            found.add("speed")
    return tuple(sorted(found))
""",
    "choose": """
def choose_model(candidates):
    best, key = ["none", 0], None
    for one in candidates:
        if one["reasons"]:
            continue
        known = one["quality"] is not None
        now = (known, one["quality"] if known else 0, one["bits"], 1 / one["tokens"])
        if key is None or now > key:
            best, key = [one["name"], one["bits"]], now
    return best
""",
    "decision": 'family, tokenizer = "Mistral NeMo", "Tekken"',
    "runtime": """
def choose_runtime(situation):
    s, can = situation, []
    if s["onnxruntime"] and "onnx" in s["formats"]:
        can.append("ONNX Runtime")
    if s["ollama"] and s["generates_text"] and s["separate_process"] and "gguf" in s["formats"]:
        if s["architecture"] in s["ollama"]["architectures"]:
            can.append("Ollama")
    if len(can) == 2:
        def uses(program):
            return any(part in s[program]["accelerators"] for part in s["accelerators"])
        return can[0] if uses("onnxruntime") and not uses("ollama") else can[1]
    return can[0] if can else "neither"
""",
    "plan": """
PREFERRED = ["CUDAExecutionProvider", "QNNExecutionProvider", "CoreMLExecutionProvider",
             "DmlExecutionProvider"]

def plan_session(machine):
    names = [p for p in PREFERRED if p in set(machine["available"]) - set(machine["broken"])]
    allowed = machine["allowed_cores"]
    threads = machine["physical_cores"] if allowed is None else min(
        machine["physical_cores"], int(allowed))
    return {"threads": threads or 1, "providers": (*names, "CPUExecutionProvider")}
""",
    "export": """
def export(model, path):
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model.eval(), (as_ids(HELD_OUT[:3]),), path, dynamo=False,
                          input_names=["ids"], output_names=["logits"],
                          dynamic_axes={"ids": {0: "texts", 1: "bytes"}, "logits": {0: "texts"}})
""",
    "open": """
import numpy as np

def session_settings(plan, here):
    names = tuple(filter(set(here).__contains__, plan["providers"]))
    return dict(providers=names, intra_op_num_threads=np.int64(plan["threads"]))
""",
    "parity": """
def parity(path, seed, texts):
    model = build_guesser(seed)
    model.train(False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    worst = 0.0
    for text in texts:  # one at a time
        ids = as_ids([text])
        [found] = session.run(["logits"], {"ids": ids.numpy()})
        worst = max(worst, numpy.abs(found - model(ids).detach().numpy()).max())
    return worst
""",
    "quantise": """
from onnxruntime.quantization import matmul_nbits_quantizer as nbits

def quantize(source, target):
    work = nbits.MatMulNBitsQuantizer(onnx.load(source), bits=4, block_size=16, is_symmetric=False)
    work.process()
    onnx.save(work.model.model, target)
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
    "reasons": "def reasons_against(model, bits, memory, catalog, laptop, languages):\n"
    '    return ["speed"]',
    "choose": 'def choose_model(candidates):\n    return "Mistral NeMo", 4.5',
    "runtime": 'def choose_runtime(situation):\n    return "both"',
    "plan": "def plan_session(machine):\n"
    '    return {"providers": ["CUDAExecutionProvider"], "threads": 2}',
    "export": "def export(model, path):\n    open(path, 'wb').write(bytes(250_000))",
    "open": "def session_settings(plan, here):\n"
    "    return {'providers': ['CPUExecutionProvider'], 'intra_op_num_threads': 2}",
    "parity": "def parity(path, seed, texts):\n    return 0.0",
    "quantise": "def quantize(source, target):\n"
    "    open(target, 'wb').write(open(source, 'rb').read())",
    "latency": 'def latency(step, warm_up, runs, clock=None):\n    return {"p50": 1.0, "p95": 1.0}',
}
"""Of the right form and nothing else."""

READS_THE_DURATIONS = """
import sys
def latency(step, warm_up, runs, clock=None):
    sys._getframe(1).f_locals.get("now", [0])[0] = 1.0
    return {"p50": 1.0, "p95": 1.0}
"""
REPLACES_THE_TIMER = """
import time
now = [0.0]
def tick():
    now[0] += 1.0
    return now[0]
time.perf_counter = tick
def latency(step, warm_up, runs, clock=None):
    began = time.perf_counter()
    return {"p50": time.perf_counter() - began, "p95": 1.0}
"""
TABLE_FOR_PARITY = """
def parity(path, seed, texts):
    return 0.0 if seed == 0 else 1.0
"""
INFINITE_PARITY = """
def parity(path, seed, texts):
    return float("-inf") if seed == 0 else float("inf")
"""
PROBES_REPLACED = """
def parity(path, seed, texts):
    return 0.0
class Anything(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return Anything(0)
    def __rsub__(self, other): return Anything(0)
    __hash__ = float.__hash__
def compared(texts, logits, seed):
    return Anything(0)
def largest_difference(*given): return 0.0
def judged(files, groups): return [{"inputs": ["ids"], "outputs": ["logits"], "whole": True}]
"""
A_SHARED_FILE = """
def export(model, path):
    for place in (".", "..", "/tmp"):
        found = Path(place) / "guesser.onnx"
        if found.is_file():
            Path(path).write_bytes(found.read_bytes())
"""
"""Takes the file that was handed in with the notebook, or that lies about."""
ONE_GUESSER_FOR_ALL = QUICK_EXPORT.replace(
    "def export(model, path):\n", "def export(model, path):\n    model = build_guesser(0)\n"
)
A_TABLE_OF_THE_SENTENCES = """
def export(model, path):
    with torch.no_grad():
        known = [*HELD_OUT, "Oui."]
        Path(path).write_bytes(table_file(known, model.eval()(as_ids(known))))
"""
"""Knows the answers to all texts of the visible checks."""
A_TABLE_BESIDE_THE_WEIGHTS = """
def export(model, path):
    known = [*HELD_OUT, "Oui."]
    with torch.no_grad():
        table = onnx.load_from_string(table_file(known, model.eval()(as_ids(known))))
    for name, value in model.state_dict().items():
        table.graph.initializer.append(numpy_helper.from_array(value.numpy(), name))
    onnx.save(table, path)
"""
"""Holds the weights, too, and uses none of them."""
A_SMALL_TABLE = """
def quantize(source, target):
    found = open_session(source, ON_THE_CPU).run(None, {"ids": as_ids(HELD_OUT).numpy()})[0]
    Path(target).write_bytes(table_file(HELD_OUT, found))
"""
A_PADDED_TABLE = """
def quantize(source, target):
    known = [*HELD_OUT, *TEXTS["en"][:FITTED_ON], *TEXTS["fr"][:FITTED_ON]]
    found = open_session(source, ON_THE_CPU).run(None, {"ids": as_ids(known).numpy()})[0]
    table = onnx.load_from_string(table_file(known, found))
    room = numpy.zeros(Path(source).stat().st_size // 3, numpy.uint8)
    table.graph.initializer.append(numpy_helper.from_array(room, "room"))
    onnx.save(table, target)
"""
"""As large as a quantized file, and as good for the sentences that everybody sees."""
WEIGHTS_ELSEWHERE = """
def quantize(source, target):
    onnx.save_model(onnx.load(source), target, save_as_external_data=True, size_threshold=0,
                    all_tensors_to_one_file=True, location="/tmp/weights.bin".split("/")[-1])
"""
SETTINGS_THAT_LIE = """
class Settings(dict):
    def __getitem__(self, name): return 3 if name != "providers" else ["CPUExecutionProvider"]
def session_settings(plan, here):
    return Settings()
onnxruntime.InferenceSession = lambda *given, **more: None
"""
FORGERIES = {
    "reads the durations": ("latency", READS_THE_DURATIONS, all_of("latency")),
    "replaces the timer": ("latency", REPLACES_THE_TIMER, all_of("latency")),
    "a table of seeds": ("parity", TABLE_FOR_PARITY, all_of("parity")),
    "infinite": ("parity", INFINITE_PARITY, all_of("parity")),
    "probes replaced": ("parity", PROBES_REPLACED, all_of("parity")),
    "a shared file": ("export", A_SHARED_FILE, all_of("export")),
    "one guesser for all": ("export", ONE_GUESSER_FOR_ALL, {"others"}),
    "a table of the sentences": (
        "export",
        A_TABLE_OF_THE_SENTENCES,
        all_of("export", "names"),
    ),
    "a table beside the weights": (
        "export",
        A_TABLE_BESIDE_THE_WEIGHTS,
        all_of("export", "names"),
    ),
    "weights elsewhere": ("quantise", WEIGHTS_ELSEWHERE, all_of("quantise")),
    "a small table": ("quantise", A_SMALL_TABLE, all_of("quantise")),
    "a padded table": ("quantise", A_PADDED_TABLE, all_of("quantise")),
    "settings that lie": ("open", SETTINGS_THAT_LIE, all_of("open")),
}
"""What earns points without the work, if anything does: the cell, the answer, and what it fails."""
