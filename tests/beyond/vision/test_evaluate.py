"""The shipped model sees: what its card says, measured again, and what is left without a picture."""

import pytest

from beyond.vision.evaluate import (
    ITEMS,
    Result,
    blank_pictures,
    evaluate,
    guessing,
    other_pictures,
)
from beyond.vision.load import COURSE_MODEL, load
from beyond.vision.questions import KINDS, held_out_items
from beyond.vision.scenes import draw

SOME = 300  # items for the pictures that don't belong to the question


@pytest.fixture(scope="module")
def shipped():
    return load(COURSE_MODEL)


@pytest.fixture(scope="module")
def items():
    return held_out_items(ITEMS)


@pytest.fixture(scope="module")
def right(shipped, items):
    return evaluate(shipped.model, shipped.processor, items)


def test_it_answers_held_out_questions(right):
    assert right.exact >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_each_kind(right, kind):
    assert right.by("kind")[kind] >= 0.90


def test_the_card_says_what_was_measured(right):
    card = (COURSE_MODEL / "README.md").read_text()
    assert f"| all | {ITEMS} | {right.exact:.1%} |" in card
    for kind, share in right.by("kind").items():
        assert f"| {kind} | " in card and f" | {share:.1%} | " in card


@pytest.mark.parametrize("pictures", [blank_pictures, other_pictures])
def test_without_the_right_picture_it_can_only_guess(shipped, items, right, pictures):
    some = items[:SOME]
    blind = evaluate(shipped.model, shipped.processor, some, pictures(some))
    # 300 items leave 2.9 points of chance either way at 50 %; guessing is the most to be had.
    assert blind.exact <= guessing(some, practice=5_000) + 0.06
    assert blind.exact < right.exact - 0.3


def test_the_best_guess_is_far_below_seeing(items):
    assert 0.2 < guessing(items, practice=5_000) < 0.6


def test_exact_means_letter_by_letter():
    items = held_out_items(12)
    answers = [item.answer for item in items]
    answers[0] += "."
    result = Result(items, answers)
    assert result.exact == 11 / 12
    assert result.by("kind")[items[0].kind] == 0.5
    assert result.wrong() == [(items[0], answers[0])]


def test_pictures_that_do_not_belong_have_the_size_or_another_scene():
    items = held_out_items(24)
    for item, blank in zip(items, blank_pictures(items), strict=True):
        assert blank.size == (item.scene.width, item.scene.height)
        assert len(blank.getcolors()) == 1
    drawn = [draw(item.scene).tobytes() for item in items]
    for own, other in zip(drawn, other_pictures(items), strict=True):
        assert own != other.tobytes()
