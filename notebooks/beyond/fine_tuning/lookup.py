"""Find the handbook's rule for a message: BM25 over pieces of three letters.

Lesson 2 builds retrieval; this is the short form of it that lesson 3 compares with.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from beyond.shop import Entry

K1, B = 1.2, 0.75
"""BM25's usual constants (Robertson and Zaragoza, 2009, https://doi.org/10.1561/1500000019)."""


def pieces(text: str, n: int = 3) -> list[str]:
    """Return the n-letter pieces of each word, with its beginning and end marked."""
    words = (f"_{word}_" for word in re.findall(r"\w+", text.lower()))
    return [word[i : i + n] for word in words for i in range(len(word) - n + 1)]


def best_rule(message: str, book: Sequence[Entry]) -> Entry:
    """Return the rule in `book` with the highest BM25 score for `message`."""
    counts = [Counter(pieces(rule.en)) for rule in book]
    average = sum(count.total() for count in counts) / len(counts)
    scores = [0.0] * len(book)
    for term in set(pieces(message)):
        having = sum(term in count for count in counts)
        rarity = math.log(1 + (len(book) - having + 0.5) / (having + 0.5))
        for i, count in enumerate(counts):
            length = K1 * (1 - B + B * count.total() / average)
            scores[i] += rarity * count[term] * (K1 + 1) / (count[term] + length)
    return book[scores.index(max(scores))]
