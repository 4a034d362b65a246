"""Turn texts into vectors: with WordLlama's table of token vectors, or a language model's layers.

WordLlama's package carries its weights and tokenizer. Only these two files are read: its own
loader looks for the tokenizer in another folder and would download it, and its import changes the
program's logging.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@cache
def wordllama() -> tuple[np.ndarray, Tokenizer]:
    """Load WordLlama: a vector of 256 numbers for each of 32,000 tokens, and the tokenizer.

    Returns:
        The table (32,000 × 256, fp32) and the tokenizer, which is Llama 2's.

    Source: https://github.com/dleemiller/WordLlama, model l2_supercat (MIT)

    Raises:
        ModuleNotFoundError: if the package isn't installed.
    """
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    found = importlib.util.find_spec("wordllama")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(
            "The package wordllama isn't installed; run `python3 env install` again, with Python "
            "3.11, 3.12 or 3.13, for which the package exists."
        )
    folder = Path(next(iter(found.submodule_search_locations)))
    weights = load_file(folder / "weights" / "l2_supercat_256.safetensors")
    tokenizer = Tokenizer.from_file(
        str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json")
    )
    tokenizer.no_padding()
    return weights["embedding.weight"].astype(np.float32), tokenizer


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scale each row to length 1, so that a dot product is the cosine; a zero row stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def static(texts: Sequence[str]) -> np.ndarray:
    """Embed texts with WordLlama: the mean of their tokens' vectors, scaled to length 1.

    Returns:
        One row per text (texts × 256).
    """
    table, tokenizer = wordllama()
    rows = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return unit(
        np.array([table[ids].mean(axis=0) if ids else np.zeros(table.shape[1]) for ids in rows])
    )


def mean_pooled(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    batch: int = 16,
) -> np.ndarray:
    """Embed texts with a causal language model: its last hidden states' mean over the tokens.

    Args:
        model: any causal language model of transformers.
        tokenizer: the model's own.
        texts: none of them empty.
        batch: texts per forward pass.

    Returns:
        One row of length 1 per text (texts × hidden size).
    """
    import torch

    rows = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    vectors = np.zeros((len(rows), model.config.hidden_size), dtype=np.float32)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            some = order[start : start + batch]
            longest = max(len(rows[i]) for i in some)
            ids = torch.zeros(len(some), longest, dtype=torch.long, device=model.device)
            mask = torch.zeros_like(ids)
            for place, i in enumerate(some):  # padded on the right, which causal attention ignores
                ids[place, : len(rows[i])] = torch.tensor(rows[i])
                mask[place, : len(rows[i])] = 1
            states = model.model(input_ids=ids, attention_mask=mask).last_hidden_state
            kept = mask[:, :, None].to(states.dtype)
            means = (states * kept).sum(dim=1) / kept.sum(dim=1)
            vectors[some] = means.float().cpu().numpy()
    return unit(vectors)


def rankings(queries: np.ndarray, texts: np.ndarray) -> list[list[int]]:
    """Rank all texts for each query by the cosine of their vectors, each of length 1."""
    return [row.tolist() for row in np.argsort(-(queries @ texts.T), axis=1, kind="stable")]
