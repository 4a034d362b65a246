"""Search by terms, rank fusion, and the two measures."""

import math

import pytest

from beyond.retrieval import search

TEXTS = [["a", "kettle"], ["a", "lamp"], ["a", "lamp", "and", "a", "fan"]]


def test_words_are_lowercase_and_without_punctuation():
    assert search.words("The lid: 물통은 3 L!") == ["the", "lid", "물통은", "3", "l"]


def test_n_grams_overlap_and_mark_the_ends_of_words():
    assert search.n_grams("lid") == ["_li", "lid", "id_"]
    assert search.n_grams("a") == ["_a_"]
    assert search.bigrams("물통은") == ["_물", "물통", "통은", "은_"]
    assert search.n_grams("a", 4) == ["_a_"]
    assert search.n_grams("") == []


def test_a_rare_term_weighs_more():
    assert search.idf("kettle", TEXTS) == pytest.approx(math.log(1 + 2.5 / 1.5))
    assert search.idf("kettle", TEXTS) > search.idf("lamp", TEXTS) > search.idf("a", TEXTS) > 0


def test_bm25_prefers_the_shorter_of_two_texts_with_the_term():
    scores = search.bm25(["lamp"], TEXTS)
    assert scores[1] > scores[2] > scores[0] == 0
    assert search.bm25(["lamp"], TEXTS, b=0)[1] == pytest.approx(
        search.bm25(["lamp"], TEXTS, b=0)[2]
    )
    assert search.bm25(["lamp", "lamp"], TEXTS) == scores
    assert search.bm25([], TEXTS) == [0, 0, 0]


def test_equal_scores_keep_their_order():
    assert search.rank([0.2, 1.5, 0.0, 1.5]) == [1, 3, 0, 2]
    assert search.rank([0.2, 1.5, 0.0, 1.5], 2) == [1, 3]


def test_recall_and_mrr():
    rankings, relevant = [[4, 2, 0], [1, 3, 2], [0, 1, 2]], [{2}, {1, 3}, {7}]
    assert search.recall_at(1, rankings, relevant) == pytest.approx(1 / 3)
    assert search.recall_at(2, rankings, relevant) == pytest.approx(2 / 3)
    assert search.mrr(rankings, relevant) == pytest.approx(0.5)


def test_fusion_adds_reciprocal_ranks():
    assert search.fuse([[3, 0, 1, 2], [0, 2, 1, 3]]) == [0, 3, 2, 1]
    assert search.fuse([[1, 0], [0, 1]]) == [0, 1]
    assert search.fuse([[2, 1, 0]]) == [2, 1, 0]


def test_rankings_agree_with_bm25():
    texts = ["A kettle", "A lamp", "A lamp and a fan"]
    assert search.rankings(["the lamp"], texts) == [search.rank(search.bm25(["lamp"], TEXTS))]
