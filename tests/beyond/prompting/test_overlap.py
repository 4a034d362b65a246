"""beyond.prompting.overlap: shared runs of words."""

from beyond.prompting.overlap import overlaps, word_ngrams


def test_ngrams_ignore_case_and_punctuation():
    assert word_ngrams("The lid, the LID!", 2) == {("the", "lid"), ("lid", "the")}
    assert word_ngrams("too short", 3) == set()


def test_an_item_overlaps_with_its_copy_but_not_with_a_paraphrase():
    item = "My kettle whistles although nothing is in it."
    assert overlaps(item, ["Hello. " + item], n=8)
    assert not overlaps(item, ["The kettle makes a noise when empty."], n=3)
    assert not overlaps(item, [], n=1)
