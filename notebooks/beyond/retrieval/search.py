"""Search passages by their terms (BM25), merge rankings, and measure them.

Lesson 2's build asks for the first functions here; later cells of the lesson use these versions.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence


def words(text: str) -> list[str]:
    """Split a text into lowercase words and numbers."""
    return re.findall(r"\w+", text.lower())


def n_grams(text: str, n: int = 3) -> list[str]:
    """Split a text into overlapping pieces of `n` letters of each word, marking its ends by _."""
    return [
        word[i : i + n]
        for word in (f"_{word}_" for word in words(text))
        for i in range(max(1, len(word) - n + 1))
    ]


def bigrams(text: str) -> list[str]:
    """Split a text into overlapping pieces of two letters."""
    return n_grams(text, 2)


def idf(term: str, texts: Sequence[Collection[str]]) -> float:
    """Compute how rare a term is among texts, each given as its terms.

    The natural logarithm of 1 + (N - n + 0.5) / (n + 0.5) for a term in n of N texts.
    """
    having = sum(term in text for text in texts)
    return math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))


def bm25(
    query: Sequence[str], texts: Sequence[Sequence[str]], k1: float = 1.2, b: float = 0.75
) -> list[float]:
    """Score each text for the query's terms; a term that is repeated in the query counts once.

    Args:
        query: its terms.
        texts: each text's terms.
        k1: how soon further occurrences of a term stop adding to the score.
        b: how much a long text is penalized, from 0 to 1.

    Source: Robertson and Zaragoza (2009), https://doi.org/10.1561/1500000019
    """
    return _scores(query, [Counter(text) for text in texts], k1, b)


def _scores(
    query: Sequence[str], counts: Sequence[Counter[str]], k1: float = 1.2, b: float = 0.75
) -> list[float]:
    lengths = [count.total() for count in counts]
    average = sum(lengths) / len(lengths)
    scores = [0.0] * len(counts)
    for term in set(query):
        weight = idf(term, counts)
        for i, count in enumerate(counts):
            if tf := count[term]:
                penalty = k1 * (1 - b + b * lengths[i] / average)
                scores[i] += weight * tf * (k1 + 1) / (tf + penalty)
    return scores


def rank(scores: Sequence[float], k: int | None = None) -> list[int]:
    """Return the indices of the `k` highest scores (all if None), best first, ties in order."""
    return sorted(range(len(scores)), key=lambda i: -scores[i])[:k]


def recall_at(
    k: int, rankings: Sequence[Sequence[int]], relevant: Sequence[Collection[int]]
) -> float:
    """Compute the fraction of queries with a relevant index among their first `k`."""
    hits = [
        any(i in found for i in ranking[:k])
        for ranking, found in zip(rankings, relevant, strict=True)
    ]
    return sum(hits) / len(hits)


def mrr(rankings: Sequence[Sequence[int]], relevant: Sequence[Collection[int]]) -> float:
    """Compute the mean of 1 / (rank of the first relevant index), counted from 1; 0 if none."""
    values = [
        next((1 / place for place, i in enumerate(ranking, start=1) if i in found), 0.0)
        for ranking, found in zip(rankings, relevant, strict=True)
    ]
    return sum(values) / len(values)


def fuse(rankings: Sequence[Sequence[int]], k: int = 60) -> list[int]:
    """Merge rankings of the same texts by reciprocal rank fusion.

    Each text gets the sum of 1 / (k + rank) over the rankings, ranks counted from 1.

    Source: Cormack, Clarke and Büttcher (2009), https://doi.org/10.1145/1571941.1572114
    """
    scores: defaultdict[int, float] = defaultdict(float)
    for ranking in rankings:
        for place, i in enumerate(ranking, start=1):
            scores[i] += 1 / (k + place)
    return sorted(scores, key=lambda i: (-scores[i], i))


def rankings(
    queries: Sequence[str], texts: Sequence[str], tokenize: Callable[[str], list[str]] = words
) -> list[list[int]]:
    """Rank all texts for each query by BM25."""
    counts = [Counter(tokenize(text)) for text in texts]
    return [rank(_scores(tokenize(query), counts)) for query in queries]
