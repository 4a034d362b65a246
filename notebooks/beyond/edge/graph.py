"""Build a Llama with a KV cache as an ONNX graph, node by node.

Inputs: `ids` (1, tokens), the new tokens; `wanted` (positions), for which of them the logits are
computed, counted from 0; `seen` (1), int32, the tokens in the cache after this run, minus 1;
`total` (), int32, the same without the minus; and for each layer `past.N.key` and `past.N.value`
(1, KV heads, cached, head size). Outputs: `logits` (1, positions, vocabulary), and `present.N.key`
and `present.N.value`, which are the next run's past.

The operators of the domain com.microsoft are ONNX Runtime's own: a norm with the residual sum
(SkipSimplifiedLayerNormalization) and attention with rotary positions and cache
(GroupQueryAttention) are one node each, because the overhead per node takes much of a small
model's time. https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from beyond.edge.graph_builder import Graph
from beyond.edge.linear import Linear
from beyond.edge.weights import DecoderShape, Weights


def _vector(weights: Weights, name: str) -> np.ndarray:
    found = weights[name]
    assert isinstance(found, np.ndarray)  # GGUF quantizes matrices only
    return found


def write(
    folder: Path,
    weights: Weights,
    body: Linear,
    ends: Linear,
    progress: Callable[[range], Iterable[int]] = iter,
) -> Path:
    """Write `model.onnx` and `model.data` into a folder; return the path of the first.

    Args:
        folder: where both files go.
        weights: a Llama's weights and shape.
        body: how the matrices of the layers are stored.
        ends: how embedding and head are stored.
        progress: wraps the layers, as tqdm does.
    """
    shape = weights.shape
    with (folder / "model.data").open("wb") as data:
        graph = Graph(data, "model.data")
        logits = _llama(graph, weights, body, ends, progress)
        graph.node("Identity", [logits], outputs=["logits"])
        model = graph.model(*_ends(shape))
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def _llama(graph: Graph, weights: Weights, body: Linear, ends: Linear, progress: Callable) -> str:
    shape = weights.shape
    table = "model.embed_tokens.weight"
    hidden = ends.look_up(graph, "ids", table, weights[table])
    _rotary_tables(graph, shape)
    norm = graph.weight("norm.0", _vector(weights, "model.layers.0.input_layernorm.weight"))
    normed = graph.node(
        "SimplifiedLayerNormalization", [hidden, norm], epsilon=shape.epsilon, axis=-1
    )
    for layer in progress(range(shape.layers)):
        name = f"model.layers.{layer}"
        attended = _attention(graph, weights, body, normed, layer)
        after = _vector(weights, f"{name}.post_attention_layernorm.weight")
        normed, hidden = _add_and_norm(graph, hidden, attended, after, shape.epsilon)
        changed = _mlp(graph, weights, body, normed, name)
        following = (
            f"model.layers.{layer + 1}.input_layernorm.weight"
            if layer + 1 < shape.layers
            else "model.norm.weight"
        )
        final = _vector(weights, following)
        normed, hidden = _add_and_norm(graph, hidden, changed, final, shape.epsilon)
    # Only the wanted rows go through the head, a fifth of all computation at 135M parameters.
    last = graph.node("Gather", [normed, "wanted"], axis=1)
    head = table if shape.tied else "lm_head.weight"
    return ends.multiply(graph, last, head, weights[head])


def _attention(graph: Graph, weights: Weights, body: Linear, x: str, layer: int) -> str:
    shape = weights.shape
    name = f"model.layers.{layer}.self_attn"
    # Query, key and value are one multiplication: one node, one pass over x.
    together = body.join([weights[f"{name}.{part}_proj.weight"] for part in "qkv"])
    qkv = body.multiply(graph, x, f"{name}.qkv", together)
    mixed = graph.node(
        "GroupQueryAttention",
        [
            qkv,
            "",
            "",
            f"past.{layer}.key",
            f"past.{layer}.value",
            "seen",
            "total",
            "rotary.cos",
            "rotary.sin",
        ],
        outputs=[f"attention.{layer}", f"present.{layer}.key", f"present.{layer}.value"],
        domain="com.microsoft",
        num_heads=shape.heads,
        kv_num_heads=shape.kv_heads,
        do_rotary=1,
    )
    matrix = weights[f"{name}.o_proj.weight"]
    return body.multiply(graph, mixed, f"{name}.o_proj", matrix)


def _mlp(graph: Graph, weights: Weights, body: Linear, x: str, name: str) -> str:
    parts = [weights[f"{name}.mlp.{part}_proj.weight"] for part in ("gate", "up")]
    both = body.multiply(graph, x, f"{name}.mlp.gate_up", body.join(parts))
    gate, up = f"{name}.gate", f"{name}.up"
    graph.node("Split", [both], outputs=[gate, up], axis=-1, num_outputs=2)
    # QuickGelu with alpha 1 is x · sigmoid(x), the SiLU, in one node.
    open_gate = graph.node("QuickGelu", [gate], domain="com.microsoft", alpha=1.0)
    product = graph.node("Mul", [open_gate, up])
    down = weights[f"{name}.mlp.down_proj.weight"]
    return body.multiply(graph, product, f"{name}.mlp.down_proj", down)


def _add_and_norm(
    graph: Graph, hidden: str, change: str, norm: np.ndarray, epsilon: float
) -> tuple[str, str]:
    """Add the nodes for the norm of hidden + change; return the names of norm and sum."""
    name = f"norm.{change}"
    normed, total = f"{name}.out", f"{name}.sum"
    graph.node(
        "SkipSimplifiedLayerNormalization",
        [change, hidden, graph.weight(name, norm)],
        outputs=[normed, "", "", total],
        domain="com.microsoft",
        epsilon=epsilon,
    )
    return normed, total


def _rotary_tables(graph: Graph, shape: DecoderShape) -> None:
    """Add cosine and sine of each position's angles, https://arxiv.org/abs/2104.09864."""
    half = shape.head_size // 2
    speeds = shape.rope_theta ** -(np.arange(half, dtype=np.float64) / half)
    angles = np.arange(shape.context)[:, None] * speeds
    graph.weight("rotary.cos", np.cos(angles).astype(np.float32))
    graph.weight("rotary.sin", np.sin(angles).astype(np.float32))


def _ends(shape: DecoderShape) -> tuple[list, list]:
    """Return the graph's inputs and outputs, with their types and shapes."""
    value = helper.make_tensor_value_info
    inputs = [
        value("ids", TensorProto.INT64, [1, "tokens"]),
        value("wanted", TensorProto.INT64, ["positions"]),
        value("seen", TensorProto.INT32, [1]),
        value("total", TensorProto.INT32, []),
    ]
    outputs = [value("logits", TensorProto.FLOAT, [1, "positions", shape.vocabulary])]
    for layer in range(shape.layers):
        for part in ("key", "value"):
            for name, length, to in (("past", "cached", inputs), ("present", "after", outputs)):
                size: list[str | int | None] = [1, shape.kv_heads, length, shape.head_size]
                to.append(value(f"{name}.{layer}.{part}", TensorProto.FLOAT, size))
    return inputs, outputs
