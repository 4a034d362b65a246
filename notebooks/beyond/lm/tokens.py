"""Count tokens with real tokenizers, offline.

Two are Mistral's, whose files are in the package `mistral-common`:

- "tekken": based on tiktoken, a vocabulary of 131,072, the tokenizer of Mistral NeMo;
- "sentencepiece": the older one, version 3, a vocabulary of 32,768.

The third is that of the course's own model, from `beyond.lm.models`:

- "smollm2": byte-level BPE, a vocabulary of 49,152.

Other models tokenize differently, so a count is exact for models with these tokenizers and an
estimate for all others.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

FILES = {
    "tekken": "tekken_240718.json",
    "sentencepiece": "mistral_instruct_tokenizer_240323.model.v3",
}
"""Mistral's tokenizers, and the file of each in mistral-common's data folder."""

NAMES = {"tekken": "Tekken", "sentencepiece": "SentencePiece", "smollm2": "SmolLM2"}
"""All tokenizers, and their display names."""


def encode(text: str, tokenizer: str = "tekken") -> list[int]:
    """Return the token ids of `text`, without special tokens.

    Raises:
        ValueError: if there is no such tokenizer.
        beyond.lm.models.NoModel: for "smollm2", if the course's model isn't installed.
    """
    loaded = _load(tokenizer)
    if tokenizer == "smollm2":
        return loaded.encode(text, add_special_tokens=False).ids
    return list(loaded.encode(text, bos=False, eos=False))


def count(text: str, tokenizer: str = "tekken") -> int:
    """Count the tokens of `text`."""
    return len(encode(text, tokenizer))


def decode(ids: list[int], tokenizer: str = "tekken") -> str:
    """Return the text of token ids: the inverse of `encode`."""
    loaded = _load(tokenizer)
    if tokenizer == "smollm2":
        return loaded.decode(ids, skip_special_tokens=False)
    return loaded.decode(ids)


def pieces(text: str, tokenizer: str = "tekken") -> list[str]:
    """Return the tokens of `text` in a readable form, a space shown as "␣".

    A token may be part of a character: a Hangul syllable is three bytes in UTF-8, and a
    tokenizer without a token for it splits it into bytes. Such a token is shown as its
    bytes, "<EB 8A>".
    """
    loaded = _load(tokenizer)
    if tokenizer == "tekken":
        raw = [loaded.id_to_byte_piece(token) for token in encode(text, tokenizer)]
        return [_readable(piece) for piece in raw]
    if tokenizer == "smollm2":
        raw = [_bytes_of(loaded.id_to_token(token)) for token in encode(text, tokenizer)]
        return [_readable(piece) for piece in raw]
    shown = (loaded.id_to_piece(token) for token in encode(text, tokenizer))
    return [piece.replace("▁", "␣").replace("<0x", "<") for piece in shown]


def _readable(piece: bytes) -> str:
    try:
        return piece.decode("utf-8").replace(" ", "␣")
    except UnicodeDecodeError:
        return f"<{piece.hex(' ').upper()}>"


def _bytes_of(piece: str) -> bytes:
    """Return the bytes behind a token of byte-level BPE, which writes each byte as a character."""
    letters = _letters()
    return bytes(letters[letter] for letter in piece)


@cache
def _letters() -> dict[str, int]:
    """Return GPT-2's table: bytes that print map to themselves, others to U+0100 and up."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(0x100 + place): byte for place, byte in enumerate(others)}


@cache
def _load(tokenizer: str):
    # Imported late: mistral-common takes seconds to import.
    if tokenizer not in NAMES:
        raise ValueError(f"There is no tokenizer {tokenizer!r}; choose one of: {', '.join(NAMES)}.")
    if tokenizer == "smollm2":
        return _smollm2()
    import mistral_common

    path = Path(mistral_common.__file__).parent / "data" / FILES[tokenizer]
    if tokenizer == "tekken":
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer

        return Tekkenizer.from_file(path)
    from mistral_common.tokens.tokenizers.sentencepiece import SentencePieceTokenizer

    return SentencePieceTokenizer(path)


def _smollm2():
    """Build the tokenizer from the GGUF file's header, which needs no conversion of the model."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    from beyond.lm import models
    from beyond.lm.gguf import read_header

    header = read_header(models.gguf_file())
    vocabulary = header["tokenizer.ggml.tokens"]
    merges = [tuple(one.split(" ")) for one in header["tokenizer.ggml.merges"]]
    made = Tokenizer(BPE({token: place for place, token in enumerate(vocabulary)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    made.decoder = decoders.ByteLevel()
    return made
