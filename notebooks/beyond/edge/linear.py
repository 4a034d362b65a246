"""The ways in which a matrix can be stored in the graph, and what multiplies it there.

Each way is a class with two methods: `multiply(graph, x, name, matrix)` adds the nodes for
x · matrixᵀ, and `look_up(graph, ids, name, matrix)` those that fetch rows (the embedding). x has
the shape (tokens, inputs), the matrix (outputs, inputs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from beyond.edge.weights import BLOCK, Blocks, Matrix, to_blocks

if TYPE_CHECKING:
    from beyond.edge.graph import Graph


class Linear(Protocol):
    """One way to store matrices."""

    def join(self, parts: list[Matrix]) -> Matrix: ...

    def multiply(self, graph: Graph, x: str, name: str, matrix: Matrix) -> str: ...

    def look_up(self, graph: Graph, ids: str, name: str, matrix: Matrix) -> str: ...


class Float:
    """Numbers as they are, 4 bytes each."""

    def join(self, parts: list[Matrix]) -> Matrix:
        return np.concatenate([numbers(part) for part in parts])

    def multiply(self, graph: Graph, x: str, name: str, matrix: Matrix) -> str:
        # transB: the file keeps the matrix as PyTorch has it, and a tied head needs no second one
        return graph.node("Gemm", [x, graph.weight(name, numbers(matrix))], transB=1)

    def look_up(self, graph: Graph, ids: str, name: str, matrix: Matrix) -> str:
        return graph.node("Gather", [graph.weight(name, numbers(matrix)), ids])


class InBlocks:
    """Blocks of 32 weights with one step each, multiplied by ONNX Runtime's MatMulNBits.

    MatMulNBits computes d · (q − 2^(bits − 1)) and rounds the numbers that it multiplies with to
    8 bits, block by block (`accuracy_level` 4), as llama.cpp does.

    Args:
        bits: 4 or 8, for matrices that come as numbers; blocks stay as they are.
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def join(self, parts: list[Matrix]) -> Matrix:
        blocks = [self._blocks(part) for part in parts]
        offsets = [b.m for b in blocks if b.m is not None]
        return Blocks(
            np.concatenate([b.q for b in blocks]),
            np.concatenate([b.d for b in blocks]),
            np.concatenate(offsets) if offsets else None,
            blocks[0].bits,
        )

    def multiply(self, graph: Graph, x: str, name: str, matrix: Matrix) -> str:
        blocks = self._blocks(matrix)
        outputs, inputs = blocks.shape
        product = graph.node(
            "MatMulNBits",
            [x, graph.weight(f"{name}.q", packed(blocks)), graph.weight(f"{name}.d", blocks.d)],
            domain="com.microsoft",
            K=inputs,
            N=outputs,
            bits=blocks.bits,
            block_size=BLOCK,
            accuracy_level=4,
        )
        if blocks.m is None:
            return product
        # w = d·q + m = d·(q − 8) + (m + 8d): what MatMulNBits leaves out is the same for all
        # weights of a block, so it meets nothing but the block's sum of x.
        rest = (blocks.m + 2 ** (blocks.bits - 1) * blocks.d).T
        ones = np.repeat(np.eye(inputs // BLOCK, dtype=np.float32), BLOCK, axis=0)
        sums = graph.once(
            f"{x}.sums", "MatMul", [x, graph.weight(f"ones.{inputs}", ones)]
        )
        return graph.node("Gemm", [sums, graph.weight(f"{name}.rest", rest), product])

    def look_up(self, graph: Graph, ids: str, name: str, matrix: Matrix) -> str:
        blocks = self._blocks(matrix)
        if blocks.bits != 8 or blocks.m is not None:
            raise ValueError("Rows are looked up in 8-bit blocks without offsets only.")
        # The same bytes serve the tied head: the table lies in the file once.
        rows = graph.node("Gather", [graph.weight(f"{name}.q", packed(blocks)), ids])
        steps = graph.node("Gather", [graph.weight(f"{name}.d", blocks.d), ids])
        whole = graph.node("Cast", [rows], to=1)
        signed = graph.node("Sub", [whole, graph.weight("middle", np.float32(128))])
        tall = graph.node("Unsqueeze", [steps, graph.weight("last axis", np.array([-1]))])
        scaled = graph.node("Mul", [signed, tall])
        width = np.array([-1, blocks.shape[1]])
        return graph.node("Reshape", [scaled, graph.weight("embedding width", width)])

    def _blocks(self, matrix: Matrix) -> Blocks:
        return matrix if isinstance(matrix, Blocks) else to_blocks(matrix, self.bits)


def numbers(matrix: Matrix) -> np.ndarray:
    """The weights as float32."""
    return matrix.numbers() if isinstance(matrix, Blocks) else matrix.astype(np.float32)


def packed(blocks: Blocks) -> np.ndarray:
    """The whole numbers as MatMulNBits takes them: two to a byte at 4 bits, the first one low."""
    if blocks.bits == 8:
        return blocks.q
    return blocks.q[..., ::2] | blocks.q[..., 1::2] << 4
