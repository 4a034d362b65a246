"""A language model on a laptop: exported to ONNX, quantized, run, and measured at every step.

The modules:

- `weights`: a Llama's dimensions and weights, from a transformers folder or a GGUF file's blocks.
- `linear`: the ways in which one matrix can be stored and multiplied (fp32, 8 and 4 bits).
- `graph`: a Llama with a KV cache as an ONNX graph, node by node.
- `export`: the variants of a model, each exported on first use and cached.
- `session`: opens a variant in ONNX Runtime (providers, threads); prefill and decode.
- `agreement`: how closely a variant's predictions match those of fp32.
- `speculative`: drafts from the text itself, verified several tokens per pass.
- `kv_cache`: what a quantized KV cache saves, and what it costs.
- `energy`: the processor's energy counters, where the machine shows them.
- `charts`: speed against quality, and against the bound that memory bandwidth sets.
- `translators`: local models of several kinds, with one interface for generation.
- `translation_check`: whether one of them can translate, measured and cached.
- `translate`: the translation tool on top of them, `python -m beyond.edge.translate`.

Importing this package imports nothing else; take what you need from its modules.
"""
