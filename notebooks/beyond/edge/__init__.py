"""A language model on a laptop: exported to ONNX, quantized, run, and measured at every step.

The modules:

- `weights`: a Llama's dimensions and weights, from a transformers folder or a GGUF file's blocks.
- `linear`: the ways in which one matrix can be stored and multiplied (fp32, 8 and 4 bits).
- `graph`: a Llama with a KV cache as an ONNX graph, node by node.
- `export`: the variants of a model, each exported on first use and cached.
- `session`: opens a variant in ONNX Runtime (providers, threads); prefill and decode.
- `agreement`: how closely a variant's predictions match those of fp32.
- `measure`: tokens a second, latency, resident memory, the limit that memory bandwidth sets.
- `ollama`: models in an Ollama that runs on this machine, if there is one.
- `translators`: local models of several kinds, with one interface for generation.
- `translation_check`: whether one of them can translate, measured and cached.
- `translate`: the translation tool on top of them, `python -m beyond.edge.translate`.

Importing this package imports nothing else; take what you need from its modules.
"""
