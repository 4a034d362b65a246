"""Read a Llama's dimensions and weights, as the graph needs them.

Two sources: a folder in transformers' format (fp32 numbers), and a GGUF file (its quantized
blocks, unchanged). Names are transformers' own, e.g.
`model.layers.0.self_attn.q_proj.weight`, and a matrix has the shape (outputs, inputs).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from beyond.locale import _
from beyond.old_names import handed_on

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__getattr__ = handed_on(__name__)

BLOCK = 32
"""The number of weights that share a scale, in GGUF's formats and in ours."""


class NotALlama(ValueError):
    """The model's architecture isn't a Llama's, so the graph would compute something else."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class DecoderShape:
    """The dimensions of a Llama, from its config."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    context: int
    rope_theta: float
    epsilon: float
    tied: bool
    """Whether the head is the embedding table."""

    @classmethod
    def of(cls, config: Any) -> DecoderShape:
        """Read the shape from a transformers config.

        Raises:
            NotALlama: for another architecture, biases, another activation or scaled positions.
        """
        rope = getattr(config, "rope_parameters", None) or {}
        if (
            config.model_type != "llama"
            or config.attention_bias
            or config.mlp_bias
            or config.hidden_act != "silu"
            or rope.get("rope_type", "default") != "default"
        ):
            raise NotALlama(
                _(
                    "{name} isn't a plain Llama, and this export knows no other; use "
                    "torch.onnx.export for it."
                ).format(name=config.model_type)
            )
        return cls(
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_size=config.head_dim,
            intermediate=config.intermediate_size,
            vocabulary=config.vocab_size,
            context=config.max_position_embeddings,
            rope_theta=rope.get("rope_theta", 10_000.0),
            epsilon=config.rms_norm_eps,
            tied=config.tie_word_embeddings,
        )


@dataclass(frozen=True)
class Blocks:
    """A matrix in blocks of 32 along its rows: w = d · q + m.

    Attributes:
        q: integers from 0 to 2^bits − 1, uint8, shape (outputs, blocks, 32).
        d: the scales, float32, shape (outputs, blocks).
        m: the minimums, like d; None means −2^(bits − 1) · d, as in Q8_0.
        bits: 4 or 8.
    """

    q: np.ndarray
    d: np.ndarray
    m: np.ndarray | None
    bits: int

    @property
    def shape(self) -> tuple[int, int]:
        """The matrix's shape, (outputs, inputs)."""
        return self.q.shape[0], self.q.shape[1] * self.q.shape[2]

    def numbers(self) -> np.ndarray:
        """Return the weights themselves, float32, shape (outputs, inputs)."""
        offset = self.m if self.m is not None else -(2 ** (self.bits - 1)) * self.d
        return (self.d[..., None] * self.q + offset[..., None]).reshape(self.shape)

    def rows(self, order: np.ndarray) -> Blocks:
        """Return the matrix with its rows reordered."""
        m = None if self.m is None else self.m[order]
        return Blocks(self.q[order], self.d[order], m, self.bits)


Matrix = np.ndarray | Blocks


class Weights(Protocol):
    """A source of a graph's weights."""

    shape: DecoderShape

    def __getitem__(self, name: str) -> Matrix: ...


class FromFolder:
    """fp32 weights of a model in transformers' format; loaded lazily."""

    def __init__(self, folder: Path) -> None:
        from safetensors import safe_open
        from transformers import AutoConfig

        self.shape = DecoderShape.of(AutoConfig.from_pretrained(folder, local_files_only=True))
        self._files: dict[str, Any] = {}
        for path in sorted(folder.glob("*.safetensors")):
            file = safe_open(path, framework="pt")
            self._files |= dict.fromkeys(file.keys(), file)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._files[name].get_tensor(name).float().numpy()


class FromModel:
    """fp32 weights of a transformers model in memory."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.shape = DecoderShape.of(model.config)
        self._state = model.state_dict()

    def __getitem__(self, name: str) -> np.ndarray:
        return self._state[name].detach().float().numpy()


_GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


class FromGGUF:
    """The weights of a GGUF file: its Q4_1 and Q8_0 blocks unchanged, the rest as float32.

    Args:
        file: the GGUF file.
        shape: of the same model; a GGUF file states it too, under other names.
    """

    def __init__(self, file: Path, shape: DecoderShape) -> None:
        from gguf import GGUFReader

        self.shape = shape
        self._tensors = {tensor.name: tensor for tensor in GGUFReader(file).tensors}

    def __getitem__(self, name: str) -> Matrix:
        tensor = self._tensors[gguf_name(name)]
        kind = tensor.tensor_type.name
        if kind == "Q4_1":
            found: Matrix = _q4_1(tensor.data)
        elif kind == "Q8_0":
            found = _q8_0(tensor.data)
        elif kind == "F32":
            found = np.array(tensor.data)
        else:
            raise NotALlama(
                _("{name} is stored as {kind}, which has no lossless form here.").format(
                    name=name, kind=kind
                )
            )
        for part, heads in (("q_proj", self.shape.heads), ("k_proj", self.shape.kv_heads)):
            if part in name:
                order = _halves(heads, self.shape.head_size)
                found = found.rows(order) if isinstance(found, Blocks) else found[order]
        return found


def gguf_name(name: str) -> str:
    """Return the GGUF name of the weight that transformers calls `name`."""
    short = name.removeprefix("model.").removesuffix(".weight")
    if short in ("embed_tokens", "lm_head"):
        return "token_embd.weight" if short == "embed_tokens" else "output.weight"
    if short == "norm":
        return "output_norm.weight"
    _layers, number, part = short.split(".", 2)
    return f"blk.{number}.{_GGUF_NAMES[part]}.weight"


def to_blocks(matrix: np.ndarray, bits: int, *, offset: bool = False) -> Blocks:
    """Quantize a matrix block by block: the nearest of 2^bits levels for each weight.

    Args:
        matrix: float, shape (outputs, inputs).
        bits: 4 or 8.
        offset: if true, the levels lie between a block's smallest and largest weight (as in
            Q4_1); otherwise they lie around 0 (as in Q8_0), which saves storing the minimum.
    """
    rows, columns = matrix.shape
    blocks = matrix.astype(np.float32).reshape(rows, columns // BLOCK, BLOCK)
    top = 2**bits - 1
    if offset:
        m = blocks.min(axis=-1)
        d = (blocks.max(axis=-1) - m) / top
        zero = m
    else:
        middle = 2 ** (bits - 1)
        # The weight of largest magnitude gets the end of the range that has one more level.
        extreme = np.take_along_axis(
            blocks, np.abs(blocks).argmax(axis=-1, keepdims=True), axis=-1
        )[..., 0]
        d = extreme / -middle
        m, zero = None, -middle * d
    step = np.where(d == 0, 1, d)
    q = np.rint((blocks - zero[..., None]) / step[..., None]).clip(0, top).astype(np.uint8)
    return Blocks(q, d.astype(np.float32), m, bits)


def _q4_1(data: np.ndarray) -> Blocks:
    """Parse 20 bytes per block: scale and minimum as fp16, then 16 bytes, low nibbles first."""
    raw = data.reshape(data.shape[0], -1, 20)
    d, m = (raw[..., i : i + 2].copy().view(np.float16)[..., 0] for i in (0, 2))
    nibbles = raw[..., 4:]
    q = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1)
    return Blocks(q, d.astype(np.float32), m.astype(np.float32), 4)


def _q8_0(data: np.ndarray) -> Blocks:
    """Parse 34 bytes per block: the scale as fp16, then 32 signed bytes."""
    raw = data.reshape(data.shape[0], -1, 34)
    d = raw[..., :2].copy().view(np.float16)[..., 0].astype(np.float32)
    q = (raw[..., 2:].copy().view(np.int8).astype(np.int16) + 128).astype(np.uint8)
    return Blocks(q, d, None, 8)


def _halves(heads: int, size: int) -> np.ndarray:
    """Return the rows of a GGUF's query or key matrix in transformers' order.

    GGUF stores the two components that a rotary embedding rotates next to each other,
    transformers half a head apart.
    """
    return np.arange(heads * size).reshape(heads, size // 2, 2).swapaxes(1, 2).ravel()
