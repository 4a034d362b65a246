import numpy as np
import pytest

from beyond.vision import drawings
from beyond.vision.scenes import compose, draw
from beyond.vision.viewer import VisionExplorer, explain

THINGS = {"top left": "red circle", "right": "blue 7"}


@pytest.fixture
def widget(vision_model):
    return VisionExplorer(vision_model, THINGS, "where is the red circle?")


def test_the_widget_shows_an_answer_its_giver_a_picture_and_a_table(widget):
    assert "random-mllama" in widget._said.value and 'role="status"' in widget._said.value
    assert "<img" in widget._figure.value and 'alt="' in widget._figure.value
    assert widget._numbers.value.count("<tr>") == 1 + 3 * (1 + 4)
    bundle = widget._repr_mimebundle_()
    assert "layer 5, head 4" in bundle["text/plain"] and "<table" in bundle["text/html"]


def test_things_are_put_and_cleared_and_left_out_where_there_is_no_place(widget):
    named = widget.controls
    named["place"].value, named["color"].value, named["name"].value = "bottom", "green", "4"
    named["put"].click()
    assert "green 4 2 1" in widget.scene.key
    named["remove"].click()
    assert "green" not in widget.scene.key
    named["canvas"].value = (1, 2)  # one row of tiles has no middle, so the 7 has no place
    assert "blue 7" not in widget.scene.key and "red circle" in widget.scene.key
    named["canvas"].value = (2, 2)
    assert "blue 7" in widget.scene.key


def test_an_empty_question_is_asked_for(widget):
    widget.controls["question"].value = " "
    assert "Write a question" in widget._said.value


def test_layer_and_head_change_the_picture_without_asking_again(widget):
    before, now = widget._figure.value, widget.now
    widget.controls["layer"].value, widget.controls["head"].value = 0, 2
    assert widget._figure.value != before and widget.now is now


def test_closed_gates_leave_nothing_to_cover(vision_model):
    image = draw(compose(THINGS), scale=4)
    blind = explain(vision_model, image, "where is the red circle?", gate=0)
    assert np.abs(blind.fall).max() < 1e-4
    assert "nowhere" in blind.chart(0).alt or blind.fall.max() > 0


@pytest.mark.parametrize("canvas", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_maps_cover_the_picture_in_every_shape(vision_model, canvas):
    scale = 1 if canvas == (1, 1) else 4
    image = draw(compose({"top left": "red circle"}, canvas), scale=scale)
    found = explain(vision_model, image, "what is in the image?")
    assert found.fall.shape == found.found.map(0).shape == (4 * canvas[0], 4 * canvas[1])
    assert found.chart(1, 2).alt.startswith("The image, alone and with maps over it.")


def test_overlap_of_maps():
    one = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert drawings.overlap(one, 3 * one) == pytest.approx(1)
    assert drawings.overlap(one, one[::-1]) == 0
    assert drawings.overlap(one, np.zeros((2, 2))) == drawings.overlap(one, -one) == 0


def test_a_scene_of_ones_own_needs_known_words():
    for things in ({"top left": "pink circle"}, {"top left": "red star"}, {"nowhere": "red 1"}):
        with pytest.raises(ValueError, match=r"none of the places|the colors are"):
            compose(things)
    with pytest.raises(ValueError, match="no 'left'"):
        compose({"left": "red 1"}, (1, 1))


def test_each_control_shows_what_is_chosen(widget):
    assert widget.controls["head"].label == "all heads"
    assert "all heads" in widget._figure.value
    widget.controls["head"].label = "head 2"
    assert "head 2" in widget._figure.value
