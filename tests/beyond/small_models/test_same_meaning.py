"""beyond.small_models.same_meaning: each text is there in each form, and the code runs."""

import ast
import re

from beyond.small_models.same_meaning import FORMS, form_name, texts

SCRIPTS = {"ko": r"[가-힣]", "ja": r"[ぁ-んァ-ン]", "ar": r"[\u0600-\u06ff]"}


def test_every_form_has_every_text():
    assert {len(texts(form)) for form in FORMS} == {5}
    assert all(text.strip() for form in FORMS for text in texts(form))


def test_each_is_in_its_own_script():
    for form, script in SCRIPTS.items():
        assert all(re.search(script, text) for text in texts(form)), form


def test_the_code_does_what_the_texts_say():
    for text in texts("python"):
        ast.parse(text)
    space = {}
    exec(texts("python")[0] + texts("python")[3], space)  # written above, by us
    item = type("Item", (), {"price": 10})
    assert space["total"]([item] * 4) == 44 and space["total"]([item] * 5) == 50
    assert space["missing"]("abcdefghij1!") == []
    assert space["missing"]("abc") == ["length", "digit", "special character"]


def test_each_form_has_a_name():
    assert len({form_name(form) for form in FORMS}) == len(FORMS)
