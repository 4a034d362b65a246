"""beyond.locale: the language switch that everything readable goes through."""

from io import BytesIO

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from autograder import i18n
from beyond import locale


@pytest.fixture(autouse=True)
def english_afterwards():
    yield
    locale.set_language("en")


@pytest.fixture
def esperanto(tmp_path, monkeypatch):
    """A catalogue of one message, in a folder of the test's own."""
    catalog = Catalog(locale="eo")
    catalog.add("Run", "Ruli")
    compiled = BytesIO()
    write_mo(compiled, catalog)
    folder = tmp_path / "eo" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "beyond.mo").write_bytes(compiled.getvalue())
    monkeypatch.setattr(i18n, "_domains", [])
    i18n.register("beyond", tmp_path, "en")
    return "eo"


def test_english_needs_no_catalogue():
    locale.set_language("en")
    assert locale.language() == "en"
    assert locale._("Run") == "Run"


def test_language_is_looked_up_at_call_time(esperanto):
    translate = locale._  # bound before the switch, as `from beyond.locale import _` binds it
    assert translate("Run") == "Run"
    locale.set_language(esperanto)
    assert (locale.language(), translate("Run")) == ("eo", "Ruli")
    locale.set_language("en")
    assert translate("Run") == "Run"


def test_missing_message_stays_english(esperanto):
    locale.set_language(esperanto)
    assert locale._("No such message") == "No such message"
    assert locale._("") == ""


def test_available_lists_english_first(esperanto):
    assert locale.available() == ("en", "eo")


def test_unknown_language_is_refused_and_changes_nothing():
    locale.set_language("en")
    with pytest.raises(ValueError, match="no language 'xx'"):
        locale.set_language("xx")
    assert locale.language() == "en"


def test_the_course_and_the_grader_switch_together():
    for switch, tell in (
        (locale.set_language, i18n.language),
        (i18n.set_language, locale.language),
    ):
        switch("ko")
        assert tell() == "ko"
        assert (i18n._("no answer yet"), locale._("Check my answer")) != (
            "no answer yet",
            "Check my answer",
        )
        switch("en")


def test_labels_are_translated_wherever_they_stand(esperanto):
    locale.set_language(esperanto)
    assert locale.translated({"Run": ["Run"], "no such": 1}) == {"Ruli": ["Run"], "no such": 1}
    assert locale.translated(("Run", 3, ["Run"])) == ("Ruli", 3, ["Ruli"])
    assert locale.translated(locale.translated("Run")) == "Ruli"


def test_say_prints_what_print_would_in_the_readers_language(esperanto, capsys):
    locale.set_language(esperanto)
    locale.say("Run", 1.5, "{n} of {m}", n=2, m=3)
    locale.say("{as it is}")
    assert capsys.readouterr().out == "Ruli 1.5 2 of 3\n{as it is}\n"
