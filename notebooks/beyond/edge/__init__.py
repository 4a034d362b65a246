"""A language model on a laptop: exported to ONNX, quantized, run, and measured at every step.

What lives where:

- `weights`: a Llama's shapes and weights, from a transformers folder or as the blocks of a GGUF.
- `linear`: the ways in which one matrix can be stored and multiplied (fp32, 8 and 4 bits).
- `graph`: a Llama with a KV cache as an ONNX graph, node by node.
- `export`: the forms of a model; each is made on first use and kept in the cache.
- `session`: opens a form in ONNX Runtime (providers, threads), reads a prompt, writes tokens.
- `agreement`: how near a form's answers are to those of fp32.
- `measure`: tokens a second, latency, resident memory, the limit that memory bandwidth sets.
- `ollama`: models in an Ollama that runs on this machine, if there is one.
- `translators`: local models of several kinds, asked for a text in the same way.
- `translation_check`: whether one of them can translate, measured and kept.
- `translate`: the translation tool on top of them, `python -m beyond.edge.translate`.

Importing this package imports nothing else; take what you need from its modules.
"""
