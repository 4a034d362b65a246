"""beyond.lm.tokens: Mistral's two tokenizers, from the files in mistral-common."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beyond.lm import tokens

KOREAN = "소포가 늦게 도착했고 상자가 찢어져 있었습니다."
ENGLISH = "The parcel arrived late and the box was torn."


@pytest.mark.parametrize("tokenizer", list(tokens.FILES))
@pytest.mark.parametrize("text", [KOREAN, ENGLISH, "def f(x):\n    return x\n", "👩‍💻 ok"])
def test_encode_and_decode_are_inverse(text, tokenizer):
    assert tokens.decode(tokens.encode(text, tokenizer), tokenizer) == text


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=200))
def test_any_text_survives_tekken(text):
    assert tokens.decode(tokens.encode(text)) == text
    assert tokens.count(text) == len(tokens.pieces(text))


def test_tekken_spends_about_half_on_korean():
    older, newer = (tokens.count(KOREAN, name) for name in ("sentencepiece", "tekken"))
    assert 1.6 < older / newer < 2.6
    english = tokens.count(ENGLISH, "sentencepiece") / tokens.count(ENGLISH, "tekken")
    assert english < 1.3


def test_pieces_are_readable():
    assert tokens.pieces("the box")[-1] == "␣box"
    assert "<EB 8A A6>" not in tokens.pieces("늦게")
    assert tokens.pieces("늦게", "sentencepiece") == ["␣", "<EB>", "<8A>", "<A6>", "게"]


def test_unfinished_letters_are_shown_as_bytes():
    shown = tokens.pieces("찢어져")
    assert any(piece.startswith("<") for piece in shown)
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(shown)


def test_empty_text_is_free():
    assert tokens.count("") == 0


def test_byte_level_letters_stand_for_every_byte_once():
    letters = tokens._letters()
    assert sorted(letters.values()) == list(range(256))
    # GPT-2's table: a space is written Ġ, a line break Ċ
    assert letters["Ġ"] == 0x20 and letters["Ċ"] == 0x0A and letters["a"] == ord("a")
    assert tokens._bytes_of("Ġé".replace("é", "Ã©")) == " é".encode()


def test_unknown_tokenizer():
    with pytest.raises(ValueError, match="no tokenizer 'bpe'"):
        tokens.count("x", "bpe")
