"""beyond.small_models.token_viewer: every piece is drawn once, and stands as text beside the picture."""

import re

from beyond.lm import tokens
from beyond.small_models.token_viewer import SHOWN, ColoredTokens, TokenViewer, counts

TEXT = "존엄과 권리\n<b>dignity</b>"


def test_every_token_is_drawn_once():
    shown = ColoredTokens(TEXT, "tekken")._repr_html_()
    ids = [int(found) for found in re.findall(r'title="(\d+)"', shown)]
    assert ids == tokens.encode(TEXT)


def test_markup_in_the_text_is_only_text():
    shown = ColoredTokens(TEXT, "sentencepiece")._repr_html_()
    assert "<b>dignity" not in shown
    assert "&lt;" in shown


def test_the_words_say_the_same():
    assert str(ColoredTokens("the box", "tekken")).split(" | ") == tokens.pieces("the box")


def test_a_long_text_is_cut_but_counted():
    long = "word " * 2_000
    shown = ColoredTokens(long, "tekken")._repr_html_()
    assert shown.count("<span") == SHOWN
    assert f"{tokens.count(long)} tokens" in shown


def test_counts_by_hand():
    table = counts("abc", ["tekken"])
    assert table.rows == [("Tekken", "1", "3.00")]
    assert counts("", ["tekken"]).rows == [("Tekken", "0", "–")]


def test_the_viewer_follows_its_text(monkeypatch):
    # Mistral's two need no converted model, which a fresh machine doesn't have
    monkeypatch.setattr(tokens, "NAMES", {n: tokens.NAMES[n] for n in tokens.FILES})
    viewer = TokenViewer("hello")
    assert viewer.table.rows[0][1] == "1"
    viewer.text.value = "hello hello"
    assert viewer.table.rows[0][1] == "2"
    viewer.tokenizer.value = "sentencepiece"
    assert "SentencePiece" in viewer._drawn.value
    bundle = viewer._repr_mimebundle_()
    assert "␣hell | o" in bundle["text/plain"] and "<span" in bundle["text/html"]
