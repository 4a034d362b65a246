"""The sentences are the same in every language, as far as a machine can tell."""

import pytest

from beyond.edge.sentences import LANGUAGES, sentences

SCRIPT = {"ko": "가-힣", "ja": "ぁ-ヿ", "zh": "一-鿿", "ar": "ء-ي", "en": "a-z", "fr": "a-z"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_its_own_sentences(language):
    import re

    lines = sentences(language)
    assert len(lines) == len(set(lines)) == len(sentences("en"))
    assert all(re.search(f"[{SCRIPT[language]}]", line) for line in lines)
    assert all(line == line.strip() and "\n" not in line for line in lines)


def test_a_language_without_sentences_is_refused():
    with pytest.raises(ValueError, match="en, ko, ja, zh, fr, ar"):
        sentences("xx")
