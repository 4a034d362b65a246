"""Define the storage formats of a matrix in the graph, and the nodes that multiply by it.

Each format is a class with two methods: `multiply(graph, x, name, matrix)` adds the nodes for
x · matrixᵀ, and `look_up(graph, ids, name, matrix)` those that gather rows (the embedding). x has
the shape (1, tokens, inputs), the matrix (outputs, inputs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from beyond.edge.weights import BLOCK, Blocks, Matrix, to_blocks

if TYPE_CHECKING:
    from beyond.edge.graph_builder import Graph


class Linear(Protocol):
    """A storage format for matrices."""

    def join(self, parts: list[Matrix]) -> Matrix:
        """Stack matrices with the same inputs into one, outputs after outputs."""

    def multiply(self, graph: Graph, x: str, name: str, matrix: Matrix) -> str:
        """Add the nodes for x · matrixᵀ; return the name of the result."""

    def look_up(self, graph: Graph, ids: str, name: str, matrix: Matrix) -> str:
        """Add the nodes that gather the rows `ids`; return the name of the result."""


class Float:
    """Unquantized weights, 4 bytes each."""

    def join(self, parts: list[Matrix]) -> Matrix:
        """Stack matrices as float32."""
        return np.concatenate([numbers(part) for part in parts])

    def multiply(self, graph: Graph, x: str, name: str, matrix: Matrix) -> str:
        # transB keeps PyTorch's memory layout, so a tied head needs no second copy
        """Add a FusedMatMul."""
        weight = graph.weight(name, numbers(matrix))
        return graph.node("FusedMatMul", [x, weight], domain="com.microsoft", transB=1)

    def look_up(self, graph: Graph, ids: str, name: str, matrix: Matrix) -> str:
        """Add a Gather."""
        return graph.node("Gather", [graph.weight(name, numbers(matrix)), ids])


class PerTensorInt8(Float):
    """8 bits with one scale per weight matrix and one for all its input activations.

    This is what onnxruntime's `quantize_dynamic` does by default. A few outliers determine
    the scale, and the other values lose most of their precision.
    """

    def multiply(self, graph: Graph, x: str, name: str, matrix: Matrix) -> str:
        """Add a DynamicQuantizeMatMul."""
        weights = numbers(matrix)
        scale = np.array(np.abs(weights).max() / 127, np.float32)
        whole = np.rint(weights / scale).astype(np.int8).T
        return graph.node(
            "DynamicQuantizeMatMul",
            [x, graph.weight(f"{name}.q", whole), graph.weight(f"{name}.d", scale)],
            domain="com.microsoft",
        )


class Blockwise:
    """Blocks of 32 weights with one scale each, multiplied by ONNX Runtime's MatMulNBits.

    MatMulNBits computes d · (q − middle), middle = 2^(bits − 1), and quantizes the input
    activations to 8 bits, block by block (`accuracy_level` 4), as llama.cpp does.

    Blocks with a minimum are w = d·q + m = d · (q − middle) + rest, with rest = m + middle · d.
    The rest is the same for all weights of a block, so it is multiplied only by the sum of the
    block's inputs. We append these sums to x, and the rests to each row of the matrix: once in
    4 bits, and once more for the quantization error, which together is as accurate as 8 bits.
    So the minimums enlarge the same multiplication by a tenth instead of adding another one.

    Args:
        bits: 4 or 8, for unquantized matrices; existing blocks are kept.
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def join(self, parts: list[Matrix]) -> Matrix:
        """Stack matrices block by block."""
        blocks = [self._blocks(part) for part in parts]
        offsets = [b.m for b in blocks if b.m is not None]
        return Blocks(
            np.concatenate([b.q for b in blocks]),
            np.concatenate([b.d for b in blocks]),
            np.concatenate(offsets) if offsets else None,
            blocks[0].bits,
        )

    def multiply(self, graph: Graph, x: str, name: str, matrix: Matrix) -> str:
        """Add a MatMulNBits, with the sums of x's blocks appended where blocks have minimums."""
        blocks = self._blocks(matrix)
        if blocks.m is not None:
            sums = summing(blocks.shape[1])
            weight = graph.weight(f"sums.{blocks.shape[1]}", sums)
            appended = graph.once(f"{x}.sums", "MatMul", [x, weight])
            x = graph.once(f"{x}.longer", "Concat", [x, appended, appended], axis=-1)
            blocks = with_rests(blocks)
        outputs, inputs = blocks.shape
        return graph.node(
            "MatMulNBits",
            [x, graph.weight(f"{name}.q", packed(blocks)), graph.weight(f"{name}.d", blocks.d)],
            domain="com.microsoft",
            K=inputs,
            N=outputs,
            bits=blocks.bits,
            block_size=BLOCK,
            accuracy_level=4,
        )

    def look_up(self, graph: Graph, ids: str, name: str, matrix: Matrix) -> str:
        """Add the nodes that gather rows and dequantize them."""
        blocks = self._blocks(matrix)
        if blocks.bits != 8 or blocks.m is not None:
            raise ValueError("Rows are looked up in 8-bit blocks without offsets only.")
        # The tied head uses the same bytes, so the table is stored once. Rows of 8-bit
        # blocks stay integers until they are gathered.
        rows = graph.node("Gather", [graph.weight(f"{name}.q", packed(blocks)), ids])
        steps = graph.node("Gather", [graph.weight(f"{name}.d", blocks.d), ids])
        whole = graph.node("Cast", [rows], to=1)
        signed = graph.node("Sub", [whole, graph.weight("middle", np.array(128, np.float32))])
        tall = graph.node("Unsqueeze", [steps, graph.weight("last axis", np.array([-1]))])
        scaled = graph.node("Mul", [signed, tall])
        width = np.array([1, -1, blocks.shape[1]])
        return graph.node("Reshape", [scaled, graph.weight("embedding width", width)])

    def _blocks(self, matrix: Matrix) -> Blocks:
        return matrix if isinstance(matrix, Blocks) else to_blocks(matrix, self.bits)


def storage_formats() -> dict[str, Linear]:
    """Return the storage formats by name."""
    return {
        "float": Float(),
        "tensor": PerTensorInt8(),
        "8 bits": Blockwise(8),
        "4 bits": Blockwise(4),
    }


def numbers(matrix: Matrix) -> np.ndarray:
    """Return the weights as float32."""
    return matrix.numbers() if isinstance(matrix, Blocks) else matrix.astype(np.float32)


def summing(inputs: int) -> np.ndarray:
    """Return the matrix that turns x into the sums of its blocks, padded to whole blocks."""
    count = inputs // BLOCK
    matrix = np.zeros((inputs, _filled(count)), np.float32)
    matrix[:, :count] = np.repeat(np.eye(count, dtype=np.float32), BLOCK, axis=0)
    return matrix


def with_rests(blocks: Blocks) -> Blocks:
    """Append the rests to the blocks, and the quantization error of the rests."""
    outputs, count = blocks.d.shape
    left = np.zeros((outputs, _filled(count)), np.float32)
    left[:, :count] = blocks.m + 2 ** (blocks.bits - 1) * blocks.d
    parts = [blocks]
    for _time in range(2):
        quantized = to_blocks(left, blocks.bits)
        left -= quantized.numbers()
        parts.append(quantized)
    q, d = (np.concatenate([getattr(p, of) for p in parts], axis=1) for of in "qd")
    return Blocks(q, d, None, blocks.bits)


def _filled(count: int) -> int:
    return -(-count // BLOCK) * BLOCK


def packed(blocks: Blocks) -> np.ndarray:
    """Pack the integers as MatMulNBits takes them: at 4 bits two per byte, low nibble first."""
    if blocks.bits == 8:
        return blocks.q
    return blocks.q[..., ::2] | blocks.q[..., 1::2] << 4
