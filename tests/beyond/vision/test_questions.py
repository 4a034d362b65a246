import numpy as np
import pytest

from beyond.vision.questions import KINDS, LANGUAGES, ask, held_out_items
from beyond.vision.scenes import Scene, place, random_scene

RNG = np.random.default_rng


def scene_of(*things: tuple[str, str, int, int], tall: int = 2, wide: int = 2) -> Scene:
    rows, columns = (2 if n == 1 else 3 for n in (tall, wide))
    size = (32 * tall, 32 * wide)
    placed = [
        place(RNG(n), size, (rows, columns), (row, column), name, color)
        for n, (color, name, row, column) in enumerate(things)
    ]
    return Scene(*size, rows, columns, 255, tuple(placed))


def answers(scene: Scene, kind: str, language: str = "en") -> dict[str, str]:
    made = [ask(RNG(seed), scene, kind, language) for seed in range(200)]
    found: dict[str, str] = {}
    for item in made:
        if item is not None:
            assert found.setdefault(item.question, item.answer) == item.answer
    return found


TWO = scene_of(("red", "circle", 0, 0), ("blue", "7", 2, 1))


def test_answers_about_a_scene():
    assert answers(TWO, "describe")["describe the image."] == "top left: red circle, bottom: blue 7"
    where = answers(TWO, "where")
    assert where["where is the blue 7?"] == "bottom"
    assert where["what is at the top left?"] == "red circle"
    assert where["what is at the centre?"] == "nothing"
    count = answers(TWO, "count")
    assert count["how many things are there?"] == "2"
    assert count["how many digits are there?"] == "1"
    assert count["how many green things are there?"] == "0"
    assert set(answers(TWO, "digit").values()) == {"7"}
    assert answers(TWO, "exists")["is there a red circle?"] == "yes"
    relation = answers(TWO, "relation")
    assert relation["is the red circle left of the blue 7?"] == "yes"
    assert relation["is the blue 7 above the red circle?"] == "no"


def test_korean_answers_and_particles():
    scene = scene_of(("green", "cross", 0, 2), ("purple", "2", 1, 1))
    described = answers(scene, "describe", "ko")["이미지를 설명해 주세요."]
    assert described == "오른쪽 위: 초록색 십자가, 가운데: 보라색 2"
    assert answers(scene, "exists", "ko")["초록색 십자가가 있나요?"] == "네"
    assert "보라색 2는 어디에 있나요?" in answers(scene, "where", "ko")
    assert answers(scene, "count", "ko")["십자가가 몇 개 있나요?"] == "1개"


def test_a_thing_that_is_there_twice_is_not_asked_for():
    scene = scene_of(("red", "circle", 0, 0), ("red", "circle", 2, 2))
    assert answers(scene, "relation") == {}
    assert not any(q.startswith("where") for q in answers(scene, "where"))


def test_no_digit_no_question_about_it():
    assert answers(scene_of(("red", "circle", 0, 0)), "digit") == {}


@pytest.mark.parametrize("kind", ["exists", "relation"])
def test_yes_and_no_are_as_frequent(kind):
    rng = RNG(0)
    found = [ask(rng, random_scene(rng), kind, "en") for _ in range(2_000)]
    found = [item.answer for item in found if item is not None]
    assert 0.45 < found.count("yes") / len(found) < 0.55


def test_held_out_items_share_no_scene_with_each_other_and_none_with_training():
    items = held_out_items(240)
    assert len({item.scene.key for item in items}) == 240
    assert all(item.scene.is_held_out for item in items)
    for kind in KINDS:
        for language in LANGUAGES:
            assert sum((i.kind, i.language) == (kind, language) for i in items) == 20
    assert items == held_out_items(240)
