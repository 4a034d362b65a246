"""What a disguise leaves the same, and that no text is too much for the tokenizer."""

import pytest

from autograder.similarity.compare import CODE, MAX_CHARS, Answer, compare
from autograder.similarity.tokens import tokenize_code, tokenize_prose

CODE_TEXT = 'def area(width, height):\n    """Return it."""\n    total = 0.5\n    return math.fsum([width * height, total])\n'


@pytest.mark.parametrize(
    "disguised",
    [
        CODE_TEXT.replace("width", "w").replace("height", "hoch").replace("total", "summe"),
        CODE_TEXT.replace("\n    total", "  # why\n\n\n    # what\n    total"),
        CODE_TEXT.replace('"""Return it."""', "'other words'").replace("0.5", "1_000j"),
        CODE_TEXT.replace("    ", "\t").replace("\n", "\r\n"),
        CODE_TEXT.replace("width *", "width \\\n *"),
    ],
)
def test_a_disguise_changes_nothing(disguised):
    assert tokenize_code(disguised).signs == tokenize_code(CODE_TEXT).signs


@pytest.mark.parametrize(
    "other",
    [
        CODE_TEXT.replace("fsum", "prod"),
        CODE_TEXT.replace("*", "+"),
        CODE_TEXT.replace("return", "yield"),
        CODE_TEXT.replace("[width * height, total]", "(width * height, total)"),
    ],
)
def test_what_code_does_is_kept(other):
    assert tokenize_code(other).signs != tokenize_code(CODE_TEXT).signs


def test_places_are_those_of_the_source():
    found = tokenize_code(CODE_TEXT)
    words = [CODE_TEXT[begin:end] for begin, end in found.places]
    assert words[:3] == ["def", "area", "("] and '"""Return it."""' in words
    assert len(words) == len(found.signs)
    said = "Größe, groß!  크기"
    assert [said[a:b] for a, b in tokenize_prose(said).places] == ["Größe", "groß", "크기"]


@pytest.mark.parametrize(
    "text",
    [
        "(" * MAX_CHARS,
        "'''" + "\\" * (MAX_CHARS - 3),
        "'''" * (MAX_CHARS // 3),
        'f"{' * (MAX_CHARS // 3),
        "\\\n" * (MAX_CHARS // 2),
        "b" * MAX_CHARS,
        "bf'" * (MAX_CHARS // 3),
        "\ud800" * MAX_CHARS,
        "0_" * (MAX_CHARS // 2),
        "if x:\n" + " " * (MAX_CHARS - 10),
        "self." * (MAX_CHARS // 5),
        "\x00" * 100,
    ],
)
def test_odd_texts_are_split_to_their_end(text):
    for split in (tokenize_code, tokenize_prose):
        found = split(text)
        assert len(found.signs) == len(found.places)
        assert all(begin < end <= len(text) for begin, end in found.places)
    answers = [Answer(one, ("n", "a"), CODE, text) for one in ("a", "b")]
    assert compare(answers, {}).long == ()


def test_what_is_too_long_is_named_and_not_compared():
    answers = [Answer(one, ("n", "a"), CODE, "x = y\n" * 2_000_000) for one in ("a", "b")]
    found = compare(answers, {})
    assert found.long == ("a", "b") and found.pairs == () and found.compared == 0
