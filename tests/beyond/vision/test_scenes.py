import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beyond.vision import scenes

RNG = np.random.default_rng


@given(st.integers(0, 10_000), st.booleans())
def test_things_stay_in_their_cells_and_scenes_in_their_part(seed, held_out):
    scene = scenes.random_scene(RNG(seed), held_out=held_out)
    assert scene.is_held_out == held_out
    cell_height, cell_width = scene.height / scene.rows, scene.width / scene.columns
    for thing in scene.things:
        assert thing.row * cell_height <= thing.y - thing.size / 2
        assert thing.y + thing.size / 2 <= (thing.row + 1) * cell_height
        assert thing.column * cell_width <= thing.x - thing.size / 2
        assert thing.x + thing.size / 2 <= (thing.column + 1) * cell_width
    assert len({(t.row, t.column) for t in scene.things}) == len(scene.things) <= 4


def test_a_scene_is_the_same_for_the_same_seed():
    assert scenes.random_scene(RNG(7)) == scenes.random_scene(RNG(7))


def test_all_numbers_of_tiles_occur():
    drawn = [scenes.random_scene(RNG(seed)) for seed in range(200)]
    tiles = {-(-s.height // scenes.TILE) * -(-s.width // scenes.TILE) for s in drawn}
    assert tiles == {1, 2, 3, 4}


@pytest.mark.parametrize("name", [*scenes.SHAPES, *scenes.DIGITS])
@pytest.mark.parametrize("scale", [1, 4])
def test_a_thing_is_drawn_in_its_colour_where_it_lies(name, scale):
    thing = scenes.place(RNG(1), (64, 64), (3, 3), (1, 2), name, "blue")
    scene = scenes.Scene(64, 64, 3, 3, 255, (thing,))
    pixels = np.asarray(scenes.draw(scene, scale=scale)).astype(int)
    assert pixels.shape == (64 * scale, 64 * scale, 3)
    painted = pixels[:, :, 0] < 200
    assert painted.sum() > 20 * scale**2
    rows, columns = np.nonzero(painted)
    assert rows.min() >= 64 * scale / 3 - 1 and rows.max() <= 128 * scale / 3
    assert columns.min() >= 128 * scale / 3 - 1


def test_the_held_out_digits_are_those_that_training_leaves_out():
    pytest.importorskip("sklearn")
    training, held_out = scenes.all_digits()
    shipped = scenes.held_out_digits()
    seen = {image.tobytes() for images in training for image in images}
    for digit in range(10):
        assert len(held_out[digit]) == scenes.HELD_OUT
        np.testing.assert_allclose(shipped[digit], held_out[digit], atol=1 / 255)
        assert not any(image.tobytes() in seen for image in held_out[digit])


def test_varied_digits_are_like_their_originals_and_never_the_same():
    digits = scenes.held_out_digits()
    more = scenes.varied(digits, RNG(3), copies=2)
    for images, bank in zip(digits, more, strict=True):
        assert bank.shape == (3 * len(images), 8, 8) and bank.dtype == np.float32
        assert bank.min() >= 0 and bank.max() <= 1
        np.testing.assert_array_equal(bank[: len(images)], images)
        copies = bank[len(images) :].reshape(2, len(images), 8, 8)
        assert not np.array_equal(copies[0], copies[1])
        # a copy is nearer to its original than the originals are to each other
        off = np.abs(copies - images).mean()
        assert 0.01 < off < np.abs(images[:, None] - images[None]).mean()
    again = scenes.varied(digits, RNG(3), copies=2)
    assert all(map(np.array_equal, more, again))
