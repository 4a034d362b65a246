"""authoring.glossary: terms are the same in every language, and prose keeps to them."""

from __future__ import annotations

import dataclasses

import pytest

from autograder.authoring import check, glossary
from autograder.authoring.glossary import Glossary, avoided_words, missing_terms, prose_of
from autograder.authoring.sync import confirm
from autograder.core import notebook_io

HEAD = "| Term | Korean | Meaning | Lesson |\n|---|---|---|---|\n"
ENGLISH = (
    "# Glossary\n\nText with | a bar.\n\n"
    + HEAD
    + "| adapter | 어댑터 | A set. | [3](03.ipynb) |\n"
    "| fine-tuning | 미세 조정, 파인튜닝 <!-- 다시 학습 --> | More training. | [3](03.ipynb) |\n"
    "| mixture of experts (MoE) | 전문가 혼합, MoE | A layer. | [6](06.ipynb) |\n"
    "| RAG | 검색 증강 생성 | Passages. | [2](02.ipynb) |\n"
    "| supervised fine-tuning (SFT) | 지도 미세 조정 | With answers. | [3](03.ipynb) |\n"
    "\n## Not\n\n| Not | But |\n|---|---|\n| leaning | bias |\n| reading speed | prefill throughput |\n"
)
KOREAN = (
    HEAD + "| 검색 증강 생성 | RAG | 단락. | [2](02.ipynb) |\n"
    "| 미세 조정, 파인튜닝 | fine-tuning | 학습. | [3](03.ipynb) |\n"
    "| 어댑터 | adapter | 묶음. | [3](03.ipynb) |\n"
    "| 전문가 혼합, MoE | mixture of experts (MoE) | 층. | [6](06.ipynb) |\n"
    "| 지도 미세 조정 | supervised fine-tuning (SFT) | 답. | [3](03.ipynb) |\n"
    "\n| 쓰지 않는 말 | 대신 |\n|---|---|\n| 매개변수 | 파라미터 |\n| 혼합 모델 | MoE 모델 |\n"
)
SOURCE, OTHER = Glossary.parse(ENGLISH), Glossary.parse(KOREAN)


def test_a_page_is_read():
    assert [term.names for term in SOURCE.terms][2] == ("mixture of experts", "MoE")
    assert SOURCE.terms[1].others == ("미세 조정", "파인튜닝", "다시 학습")
    hidden = Glossary.parse(
        HEAD + "| held-out data (test data) <!-- held out --> | x | y. | [1](a) |\n"
    )
    assert hidden.terms[0].names == ("held-out data", "test data", "held out")
    assert hidden.terms[0].shown == ("held-out data", "test data")
    assert SOURCE.terms[0].lesson == "03.ipynb"
    assert SOURCE.avoided == (("leaning", "bias"), ("reading speed", "prefill throughput"))


def test_pages_with_the_same_list_are_fine():
    assert list(glossary.page_problems(SOURCE, OTHER)) == []
    assert list(glossary.own_problems(SOURCE)) == list(glossary.own_problems(OTHER)) == []


def test_pages_that_differ_are_told():
    lacking = Glossary.parse(KOREAN.replace("| 어댑터 | adapter | 묶음. | [3](03.ipynb) |\n", ""))
    assert list(glossary.page_problems(SOURCE, lacking)) == ["lacks adapter as 어댑터"]
    another = Glossary.parse(KOREAN.replace("어댑터", "연결기"))
    assert list(glossary.page_problems(SOURCE, another)) == [
        "lacks adapter as 어댑터",
        "has 연결기 for adapter, which the other page doesn't",
    ]
    moved = Glossary.parse(KOREAN.replace("묶음. | [3](03.ipynb)", "묶음. | [2](02.ipynb)"))
    assert list(glossary.page_problems(SOURCE, moved)) == [
        "names another lesson for 어댑터 than the other page"
    ]


def test_a_term_twice_or_out_of_order_is_told():
    rows = "| b | 나 | x | [1](a) |\n| a | 가 | x | [1](a) |\n| b | 나 | x | [1](a) |\n"
    assert list(glossary.own_problems(Glossary.parse(HEAD + rows))) == [
        "has b more than once",
        "has a after b",
    ]


@pytest.mark.parametrize(
    ("page", "prose", "missing"),
    [
        (SOURCE, "Adapters. By Fine-Tuning, supervised\nfine-tuning even.", []),
        (SOURCE, "Adapters, fine-tuning, SFT.", []),
        (SOURCE, "Adapters, fine-tuned with an sft.", ["fine-tuning", "supervised fine-tuning"]),
        (OTHER, "어댑터를, 미세조정으로, SFT는, 지도 미세조정.", []),
        (OTHER, "연결기를, 파인튜닝으로, 지도 미세 조정.", ["어댑터"]),
    ],
)
def test_an_entry_leads_to_a_lesson_that_names_its_term(page, prose, missing):
    told = list(glossary.unintroduced_terms(page, "03.ipynb", prose))
    assert told == [f"leads to 03.ipynb for {one}, but its text never says so" for one in missing]


def test_a_name_that_the_page_hides_does_not_introduce_its_term():
    page = Glossary.parse(HEAD + "| held-out data <!-- held out --> | x | y. | [1](a) |\n")
    assert list(glossary.unintroduced_terms(page, "a", "100 are held out.")) != []
    assert list(glossary.unintroduced_terms(page, "a", "100 are held-out data.")) == []


def test_a_latin_name_may_be_followed_by_another_script():
    page = Glossary.parse(HEAD + "| GGUF | GGUF | x. | [1](a) |\n")
    assert list(glossary.unintroduced_terms(page, "a", "GGUF는 형식입니다.")) == []
    assert list(glossary.unintroduced_terms(page, "a", "GGUFX, GGUFé")) != []


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("Fine-tuning helps.", "미세 조정이 도움이 됩니다."),
        ("Fine-tuning helps.", "파인튜닝이 도움이 됩니다."),
        ("By fine tuning it.", "그것을 조율하여."),
        ("An adapter, in passing.", "지나가는 말로."),
        ("Two adapters.", "어댑터가 두 개."),
        ("A mixture of experts (MoE).", "전문가\n혼합입니다."),
        ("RAG", "RAG란"),
        ("A rag and a leanings.", "걸레"),
        ("Supervised fine-tuning", "지도 미세조정"),
        ("`adapter`, ```\nadapter\n``` and [x](adapter.ipynb)", "없음"),
        ("self-adapter and adapter-like", "없음"),
        ("$adapter$", "없음"),
    ],
)
def test_a_translation_with_the_terms_is_fine(english, korean):
    assert list(missing_terms(prose_of(english), korean, SOURCE)) == []


@pytest.mark.parametrize(
    ("english", "korean", "says"),
    [
        ("Fine-tuning helps.", "조율이 도움이 됩니다.", "has no 미세 조정 where"),
        ("Adapters are small: an adapter has few.", "연결기는 작습니다.", "has no 어댑터 where"),
        ("The SFT", "미세 조정", "has no 지도 미세 조정 where"),
    ],
)
def test_a_translation_without_a_term_is_told(english, korean, says):
    [text] = missing_terms(prose_of(english), korean, SOURCE)
    assert text.startswith(says)


def test_words_that_are_not_used_are_told_in_either_language():
    assert list(avoided_words("A leaning; the reading  speed, the reading speeds", SOURCE)) == [
        "says 'leaning'; the course says 'bias'",
        "says 'reading speed'; the course says 'prefill throughput'",
    ]
    assert list(avoided_words("cleanings", SOURCE)) == []
    assert list(avoided_words("매개변수가", OTHER)) == [
        "says '매개변수'; the course says '파라미터'"
    ]
    assert list(avoided_words("전문가 혼합 모델", OTHER)) == []
    assert list(avoided_words("혼합 모델", OTHER)) != []


@pytest.fixture
def worded(course, kit):
    """The mini course with a glossary, and a lesson that keeps to it."""
    (course.root / "pyproject.toml").write_text(
        '[tool.autograder]\nsource-language = "en"\nglossary = "glossary.md"\nnamespace = "beyond"\n'
    )
    course = dataclasses.replace(
        course, settings=dataclasses.replace(course.settings, glossary="glossary.md")
    )
    for code, page in (("en", ENGLISH), ("ko", KOREAN)):
        folder = course.root / "notebooks" / code
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "glossary.md").write_text(page, encoding="utf-8")
    for lesson, english, korean in (
        ("02.ipynb", "RAG", "검색 증강 생성"),
        ("03.ipynb", "Adapter, fine-tuning, SFT.", "어댑터, 미세 조정, 지도 미세 조정."),
        ("06.ipynb", "A mixture of experts.", "전문가 혼합."),
    ):
        write(course, kit, english, korean, lesson)
    write(course, kit, "Fine-tuning.", "미세 조정.")
    return course


def write(course, kit, english, korean, name="lesson.ipynb"):
    books = {}
    for code, prose in (("en", english), ("ko", korean)):
        books[code] = kit.notebook([kit.new_markdown_cell(prose, id="text")], code)
    confirm(books["en"], books["ko"])
    for code, book in books.items():
        notebook_io.write(course.root / "notebooks" / code / name, book)


def told(course):
    return [str(one) for one in check.glossary_problems(course)]


def test_check_says_file_and_cell(worded, kit):
    assert told(worded) == []
    write(worded, kit, "Fine-tuning with a leaning.", "조율, 매개변수.")
    assert told(worded) == [
        "notebooks/en/lesson.ipynb: text says 'leaning'; the course says 'bias'",
        "notebooks/ko/lesson.ipynb: text says '매개변수'; the course says '파라미터'",
        "notebooks/ko/lesson.ipynb: text has no 미세 조정 where the other language says fine-tuning",
    ]


def test_check_says_which_entry_leads_nowhere(worded, kit):
    write(worded, kit, "A layer.", "전문가 혼합.", "06.ipynb")
    (worded.root / "notebooks/ko/02.ipynb").unlink()
    assert told(worded) == [
        "notebooks/en/glossary.md: leads to 06.ipynb for mixture of experts, but its text never "
        "says so",
        "notebooks/ko/glossary.md: leads to '02.ipynb', which isn't there",
    ]


def test_a_page_that_is_missing_is_told(worded):
    (worded.root / "notebooks/ko/glossary.md").unlink()
    assert told(worded) == ["notebooks/ko/glossary.md: is missing; translate it to ko"]
    (worded.root / "notebooks/en/glossary.md").unlink()
    assert told(worded) == [
        "notebooks/en/glossary.md: is missing; write it, or take it out of the settings"
    ]


def test_a_course_without_the_setting_has_nothing_to_keep_to(course):
    without = dataclasses.replace(
        course, settings=dataclasses.replace(course.settings, glossary="")
    )
    assert told(without) == []
