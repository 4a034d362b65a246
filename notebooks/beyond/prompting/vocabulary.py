"""Give the text of each token of a byte-level BPE vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def token_texts(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Return the text that each token adds when it is generated, indexed by token id.

    A special token adds no text and is "". So is a token that is only part of a character: such
    a token can be generated within a text, but has no text of its own.

    Args:
        tokenizer: one with byte-level BPE, such as SmolLM2's.
    """
    from tokenizers.decoders import ByteLevel

    decoder = ByteLevel()
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    texts = []
    for token, piece in enumerate(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))):
        text = "" if token in special or piece is None else decoder.decode([piece])
        texts.append("" if "\N{REPLACEMENT CHARACTER}" in text else text)
    return texts
