"""Find test items that also stand in training data, by the word n-grams they share."""

from __future__ import annotations

import re
from collections.abc import Iterable


def word_ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """Return the runs of `n` words in a text, in lower case and without punctuation."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def overlaps(item: str, corpus: Iterable[str], n: int = 8) -> bool:
    """Return whether an item shares a run of `n` words with any text of the corpus."""
    own = word_ngrams(item, n)
    return any(own & word_ngrams(text, n) for text in corpus)
