"""Let Sphinx's search find Korean words.

Sphinx has no splitter for Korean, where particles are written onto the word: a search for 검색
would miss 검색을. Hangul is indexed by pairs of syllables, as search engines do for Chinese and
Japanese, and a query is split the same way, so any part of a word is found.
"""

from __future__ import annotations

import re
from itertools import pairwise

from sphinx.application import Sphinx
from sphinx.search import SearchLanguage

_RUNS = re.compile(r"[가-힣]+|(?:(?![가-힣])\w)+")


def pairs(hangul: str) -> list[str]:
    """Return the overlapping pairs of syllables; a single syllable as it is."""
    return [a + b for a, b in pairwise(hangul)] or [hangul]


class SearchKorean(SearchLanguage):
    """Index Hangul by pairs of syllables, everything else by words."""

    lang = "ko"
    language_name = "Korean"
    stopwords: set[str] = set()  # noqa: RUF012 - Sphinx declares it so
    js_splitter_code = """
var splitQuery = (query) =>
  (query.match(/[가-힣]+|(?:(?![가-힣])[\\p{Letter}\\p{Number}_])+/gu) ?? []).flatMap((run) =>
    /^[가-힣]{2,}$/.test(run)
      ? Array.from(run.slice(1), (syllable, i) => run[i] + syllable)
      : [run]
  );
"""

    def split(self, input: str) -> list[str]:
        """Return the terms of a text."""
        found = []
        for run in _RUNS.findall(input):
            if re.match("[가-힣]", run):
                found += [*pairs(run), *run]
            else:
                found.append(run)
        return found

    def word_filter(self, stemmed_word: str) -> bool:
        """Keep single syllables, too: some are words."""
        return bool(stemmed_word)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the language."""
    app.add_search_language(SearchKorean)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
