"""Count tokens with real tokenizers, offline.

Both tokenizers are Mistral's, and their files come with the package `mistral-common`:

- "tekken": based on tiktoken, a vocabulary of 131,072, the tokenizer of Mistral NeMo;
- "sentencepiece": the older one, version 3, a vocabulary of 32,768.

Other models cut text otherwise, so a count here is exact for Mistral's models and an estimate
for all others.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

FILES = {
    "tekken": "tekken_240718.json",
    "sentencepiece": "mistral_instruct_tokenizer_240323.model.v3",
}
"""The tokenizers, and the file of each in mistral-common's data folder."""


def encode(text: str, tokenizer: str = "tekken") -> list[int]:
    """The token ids of `text` alone, without marks for its beginning or end.

    Raises:
        ValueError: if there is no such tokenizer.
    """
    return list(_load(tokenizer).encode(text, bos=False, eos=False))


def count(text: str, tokenizer: str = "tekken") -> int:
    """How many tokens `text` is."""
    return len(encode(text, tokenizer))


def decode(ids: list[int], tokenizer: str = "tekken") -> str:
    """The text of token ids: the inverse of `encode`."""
    return _load(tokenizer).decode(ids)


def pieces(text: str, tokenizer: str = "tekken") -> list[str]:
    """The tokens of `text` in a readable form, a space shown as "␣".

    A token may be a part of a letter: a Hangul syllable is three bytes in UTF-8, and a
    tokenizer that has no token for it spells the bytes out. Such a token is shown as its
    bytes, "<EB 8A>".
    """
    loaded = _load(tokenizer)
    if tokenizer == "tekken":
        raw = [loaded.id_to_byte_piece(token) for token in encode(text, tokenizer)]
        return [_readable(piece) for piece in raw]
    shown = (loaded.id_to_piece(token) for token in encode(text, tokenizer))
    return [piece.replace("▁", "␣").replace("<0x", "<") for piece in shown]


def _readable(piece: bytes) -> str:
    try:
        return piece.decode("utf-8").replace(" ", "␣")
    except UnicodeDecodeError:
        return f"<{piece.hex(' ').upper()}>"


@cache
def _load(tokenizer: str):
    # Imported late: mistral-common takes seconds to import.
    if tokenizer not in FILES:
        raise ValueError(f"There is no tokenizer {tokenizer!r}; choose one of: {', '.join(FILES)}.")
    import mistral_common

    path = Path(mistral_common.__file__).parent / "data" / FILES[tokenizer]
    if tokenizer == "tekken":
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer

        return Tekkenizer.from_file(path)
    from mistral_common.tokens.tokenizers.sentencepiece import SentencePieceTokenizer

    return SentencePieceTokenizer(path)
