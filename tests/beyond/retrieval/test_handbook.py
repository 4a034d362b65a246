"""The handbook: what its script generates, and that its questions can be scored."""

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

from beyond.retrieval import handbook
from beyond.retrieval.handbook import Passage, Question

SCRIPT = Path(__file__).parents[3] / "tools" / "make_handbook.py"
DATA = Path(handbook.__file__).parent / "handbook.json"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_handbook", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_data_is_what_its_script_generates(script, tmp_path):
    script.main(tmp_path / "handbook.json")
    assert (tmp_path / "handbook.json").read_bytes() == DATA.read_bytes()


def test_it_is_small_enough_for_the_bundle():
    assert DATA.stat().st_size < 400_000


def test_the_languages_are_parallel():
    english, korean = handbook.sections("en"), handbook.sections("ko")
    assert [s.id for s in english] == [s.id for s in korean]
    assert [len(s.paragraphs) for s in english] == [len(s.paragraphs) for s in korean]
    assert [q.section for q in handbook.questions()] == [
        q.section for q in handbook.questions(language="ko")
    ]


def test_there_is_enough_of_it():
    assert len(handbook.sections()) == 120
    assert len(handbook.by_paragraph()) > 200
    questions = Counter((q.split, q.answerable) for q in handbook.questions())
    assert set(questions) == {(s, a) for s in ("dev", "test") for a in (True, False)}
    assert min(questions.values()) >= 20


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_answer_is_in_its_evidence_and_that_in_one_section_only(language):
    texts = {s.id: s.text for s in handbook.sections(language)}
    for question in handbook.questions(language=language):
        if question.answerable:
            assert question.answer in question.evidence
            assert [i for i, text in texts.items() if question.evidence in text] == [
                question.section
            ]
        else:
            assert not question.evidence
            assert not question.answer


@pytest.mark.parametrize("language", ["en", "ko"])
def test_no_text_occurs_twice(language):
    asked = Counter(q.question for q in handbook.questions(language=language))
    assert max(asked.values()) == 1
    assert max(Counter(p.text for p in handbook.by_paragraph(language)).values()) == 1


def test_no_question_quotes_its_evidence():
    for question in handbook.questions():
        if question.answerable:
            assert question.question.rstrip("?. ") not in question.evidence


def test_korean_particles_fit_the_syllable_before_them(script):
    assert script.particled("통은(는) 솔을(를) 브레바와(과)") == "통은 솔을 브레바와"
    assert script.particled("로봇청소기은(는)") == "로봇청소기는"
    with pytest.raises(ValueError, match="No Hangul"):
        script.particled("HEPA은(는)")


def test_a_passage_answers_if_it_has_all_of_the_evidence():
    question = Question("Where?", "It hangs there. Look up.", "there", "lamp", "dev")
    whole = Passage("lamp/1", "lamp", "The lamp", "The lamp? It hangs there. Look up.")
    assert whole.answers(question)
    assert not Passage("lamp/1", "lamp", "The lamp", "It hangs there.").answers(question)
    assert not Passage("bed/1", "bed", "The bed", whole.text).answers(question)
    assert whole.titled == "The lamp: The lamp? It hangs there. Look up."


def test_passages_are_numbered_within_their_section():
    book = handbook.sections()[:2]
    made = handbook.passages(book, [["a", "b"], ["c"]])
    assert [(p.id, p.text) for p in made] == [
        ("ardo-about/1", "a"),
        ("ardo-about/2", "b"),
        ("ardo-care/1", "c"),
    ]
