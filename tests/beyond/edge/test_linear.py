import io

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from beyond.edge import linear
from beyond.edge.graph import Graph
from beyond.edge.weights import to_blocks

RANDOM = np.random.default_rng(0)
MATRIX = RANDOM.normal(size=(48, 64)).astype(np.float32)
X = RANDOM.normal(size=(1, 5, 64)).astype(np.float32)


def computed(tmp_path, build, kind, shape, values):
    """What a graph of one input gives; weights lie in a file, as in a real model."""
    data = io.BytesIO()
    graph = Graph(data, "weights")
    graph.node("Identity", [build(graph)], outputs=["y"])
    model = graph.model(
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None, None])],
    )
    (tmp_path / "weights").write_bytes(data.getvalue())
    onnx.save(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {"x": values})[0]


def product(tmp_path, way, matrix):
    return computed(
        tmp_path, lambda g: way.multiply(g, "x", "w", matrix), TensorProto.FLOAT, X.shape, X
    )


def test_floats_multiply_exactly(tmp_path):
    assert np.allclose(product(tmp_path, linear.Float(), MATRIX), X @ MATRIX.T, atol=1e-4)


@pytest.mark.parametrize(("bits", "error"), [(8, 0.02), (4, 0.15)])
def test_blocks_multiply_nearly_exactly(tmp_path, bits, error):
    found = product(tmp_path, linear.Blockwise(bits), MATRIX)
    assert np.abs(found - X @ MATRIX.T).std() < error * (X @ MATRIX.T).std()


def test_offsets_are_part_of_the_same_multiplication(tmp_path):
    """Weights far from 0: without their offsets nothing would be right."""
    blocks = to_blocks(MATRIX + 3, 4, offset=True)
    expected = X @ blocks.numbers().T
    found = product(tmp_path, linear.Blockwise(4), blocks)
    assert np.abs(found - expected).std() < 0.02 * expected.std()


def test_rests_keep_the_offsets_to_a_hundredth_of_a_step():
    blocks = to_blocks(MATRIX, 4, offset=True)
    longer = linear.with_rests(blocks)
    assert longer.m is None and longer.shape == (48, 64 + 2 * 32)
    sums = linear.summing(64)
    appended = np.concatenate([np.eye(64, dtype=np.float32), sums, sums], axis=1)
    weights = longer.numbers() @ appended.T
    assert np.abs(weights - blocks.numbers()).max() < 0.05 * np.abs(blocks.d).max()


def test_one_scale_for_a_matrix_suffers_from_one_large_weight(tmp_path):
    spoilt = MATRIX.copy()
    spoilt[0, 0] = 500
    others = slice(1, None)
    expected = (X @ spoilt.T)[..., others]
    whole = product(tmp_path, linear.PerTensorInt8(), spoilt)[..., others]
    blocks = product(tmp_path, linear.Blockwise(8), spoilt)[..., others]
    assert np.abs(whole - expected).std() > 20 * np.abs(blocks - expected).std()


@pytest.mark.parametrize("way", [linear.Float(), linear.Blockwise(8)])
def test_rows_are_looked_up(tmp_path, way):
    ids = np.array([[3, 47, 3]])
    found = computed(
        tmp_path, lambda g: way.look_up(g, "x", "w", MATRIX), TensorProto.INT64, [1, 3], ids
    )
    assert found.shape == (1, 3, 64)
    assert np.abs(found - MATRIX[ids]).max() < 0.03


def test_rows_of_4_bits_are_not_looked_up(tmp_path):
    with pytest.raises(ValueError, match="8-bit"):
        computed(
            tmp_path,
            lambda g: linear.Blockwise(4).look_up(g, "x", "w", MATRIX),
            TensorProto.INT64,
            [1, 1],
            np.array([[0]]),
        )


def test_matrices_are_joined_row_by_row():
    parts = [to_blocks(MATRIX[:16], 4, offset=True), to_blocks(MATRIX[16:], 4, offset=True)]
    joined = linear.Blockwise(4).join(parts)
    assert np.array_equal(joined.numbers(), np.concatenate([p.numbers() for p in parts]))
    assert np.array_equal(linear.Float().join([MATRIX[:16], MATRIX[16:]]), MATRIX)


def test_two_to_a_byte_the_first_one_low():
    blocks = to_blocks(MATRIX, 4)
    packed = linear.packed(blocks)
    assert packed.shape == (48, 2, 16)
    assert np.array_equal(packed & 15, blocks.q[..., ::2])
    assert np.array_equal(packed >> 4, blocks.q[..., 1::2])
