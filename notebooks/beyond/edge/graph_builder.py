"""Collect the nodes and weights of an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import onnx
from onnx import TensorProto, helper

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
    """The nodes and weights of a graph; weights are written directly to the model's data file."""

    def __init__(self, data: BinaryIO, location: str) -> None:
        self._data = data
        self._location = location
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._made: dict[str, str] = {}

    def node(
        self, kind: str, inputs: Sequence[str], *, outputs: Sequence[str] = (), **attributes
    ) -> str:
        """Add a node; return the name of its first output."""
        names = list(outputs) or [f"{kind}.{len(self._nodes)}"]
        domain = attributes.pop("domain", "")
        self._nodes.append(
            helper.make_node(kind, inputs, names, names[0], domain=domain, **attributes)
        )
        return names[0]

    def once(self, key: str, kind: str, inputs: Sequence[str], **attributes) -> str:
        """Add a node as `node` does, but only one for each key."""
        if key not in self._made:
            self._made[key] = self.node(kind, inputs, **attributes)
        return self._made[key]

    def weight(self, name: str, values: np.ndarray) -> str:
        """Add a weight; one with the same name is assumed to be the same weight."""
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
        """Return the collected graph as an ONNX model."""
        graph = helper.make_graph(
            self._nodes, "llama", inputs, outputs, list(self._weights.values())
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)
