"""A Llama with a KV cache as an ONNX graph, written node by node.

Inputs: `ids` (1, tokens), the new tokens; `wanted` (positions), for which of them the logits are
computed, counted from 0; `seen` (1), int32, the tokens in the cache after this run, minus 1;
`total` (), int32, the same without the minus; and for each layer `past.N.key` and `past.N.value`
(1, KV heads, cached, head size). Outputs: `logits` (1, positions, vocabulary), and `present.N.key`
and `present.N.value`, which are the next run's past.

The operators of the domain com.microsoft are ONNX Runtime's own: a norm with the residual sum
(SkipSimplifiedLayerNormalization) and attention with rotary positions and cache
(GroupQueryAttention) are one node each, because a small model spends much of its time between
the nodes. https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
from onnx import TensorProto, helper

from beyond.edge.linear import Linear
from beyond.edge.weights import Shape, Weights

OPSET = 21
ALIGNED = 4096  # bytes; where each weight begins, so that it can be mapped from the file

_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.int32): TensorProto.INT32,
}


class Graph:
    """Nodes and weights, gathered one by one. Weights go straight into a file beside the model."""

    def __init__(self, data: BinaryIO, location: str) -> None:
        self._data = data
        self._location = location
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._made: dict[str, str] = {}

    def node(
        self, kind: str, inputs: Sequence[str], *, outputs: Sequence[str] = (), **attributes
    ) -> str:
        """Add a node; the name of its first output."""
        names = list(outputs) or [f"{kind}.{len(self._nodes)}"]
        domain = attributes.pop("domain", "")
        self._nodes.append(
            helper.make_node(kind, inputs, names, names[0], domain=domain, **attributes)
        )
        return names[0]

    def once(self, key: str, kind: str, inputs: Sequence[str], **attributes) -> str:
        """Like `node`, but the same key gives the same node."""
        if key not in self._made:
            self._made[key] = self.node(kind, inputs, **attributes)
        return self._made[key]

    def weight(self, name: str, values: np.ndarray) -> str:
        """Add a weight; a name that is already there is taken as the same weight."""
        if name in self._weights:
            return name
        values = np.ascontiguousarray(values)
        tensor = TensorProto(name=name, data_type=_TYPES[values.dtype], dims=values.shape)
        if values.nbytes < 1024:  # small ones stay in the graph, where shapes are inferred
            tensor.raw_data = values.tobytes()
        else:
            self._data.write(b"\0" * (-self._data.tell() % ALIGNED))
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (
                ("location", self._location),
                ("offset", self._data.tell()),
                ("length", values.nbytes),
            ):
                tensor.external_data.add(key=key, value=str(value))
            self._data.write(values.data)
        self._weights[name] = tensor
        return name

    def model(self, inputs: list, outputs: list) -> onnx.ModelProto:
        """Everything gathered, as a model."""
        graph = helper.make_graph(
            self._nodes, "llama", inputs, outputs, list(self._weights.values())
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def write(
    folder: Path,
    weights: Weights,
    body: Linear,
    ends: Linear,
    progress: Callable[[range], Iterable[int]] = iter,
) -> Path:
    """Write `model.onnx` and `model.data` into a folder; the path of the first.

    Args:
        body: how the matrices of the layers are stored.
        ends: how embedding and head are stored.
        progress: goes through the layers, and may show how far it is.
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
    norm = graph.weight("norm.0", weights["model.layers.0.input_layernorm.weight"])
    normed = graph.node(
        "SimplifiedLayerNormalization", [hidden, norm], epsilon=shape.epsilon, axis=-1
    )
    for layer in progress(range(shape.layers)):
        name = f"model.layers.{layer}"
        attended = _attention(graph, weights, body, normed, layer)
        after = weights[f"{name}.post_attention_layernorm.weight"]
        normed, hidden = _add_and_norm(graph, hidden, attended, after, shape.epsilon)
        changed = _mlp(graph, weights, body, normed, name)
        following = (
            f"model.layers.{layer + 1}.input_layernorm.weight"
            if layer + 1 < shape.layers
            else "model.norm.weight"
        )
        normed, hidden = _add_and_norm(graph, hidden, changed, weights[following], shape.epsilon)
    # Only the wanted rows meet the head, which is a fifth of all the work at 135M parameters.
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
    """The norm of hidden + change, and that sum."""
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


def _rotary_tables(graph: Graph, shape: Shape) -> None:
    """Cosine and sine of each position's angles, https://arxiv.org/abs/2104.09864."""
    half = shape.head_size // 2
    speeds = shape.rope_theta ** -(np.arange(half, dtype=np.float64) / half)
    angles = np.arange(shape.context)[:, None] * speeds
    graph.weight("rotary.cos", np.cos(angles).astype(np.float32))
    graph.weight("rotary.sin", np.sin(angles).astype(np.float32))


def _ends(shape: Shape) -> tuple[list, list]:
    """The graph's inputs and outputs, with their types and shapes."""
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
                size = [1, shape.kv_heads, length, shape.head_size]
                to.append(value(f"{name}.{layer}.{part}", TensorProto.FLOAT, size))
    return inputs, outputs
