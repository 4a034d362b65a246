"""Names of files in archives: as the student saw them, and none that leads out."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.intake.errors import BadArchive
from autograder.intake.member_names import decode_name, safe_name


def test_names_in_neither_utf8_nor_cp949_fall_back():
    assert decode_name(b"caf\xff", utf8_flag=False).startswith("caf")


def test_a_name_flagged_as_utf8_that_is_not():
    with pytest.raises(BadArchive, match="isn't valid text"):
        decode_name(b"\xff", utf8_flag=True)


@given(st.binary(max_size=40))
def test_any_bytes_give_a_composed_name(raw):
    name = decode_name(raw, utf8_flag=False)
    assert name == unicodedata.normalize("NFC", name)


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=20))
def test_hangul_survives_utf8_and_decomposition(text):
    # (CP949 is a guess between encodings: a few short names read as UTF-8 too, so it is
    # tested by example in test_archives.)
    for form in ("NFC", "NFD"):
        raw = unicodedata.normalize(form, text).encode()
        assert decode_name(raw, utf8_flag=False) == text


@given(st.text(max_size=60))
def test_a_safe_name_never_leads_outside(name):
    try:
        safe = safe_name(name, "a.zip")
    except BadArchive:
        return
    place = Path(os.path.normpath(Path("/base") / safe))
    assert place.is_relative_to("/base") and place != Path("/base")
    assert safe_name(safe, "a.zip") == safe
