import io

import numpy as np
import pytest
from PIL import Image

from beyond.vision.pictures import BadPicture, open_picture


def packed(image: Image.Image, form: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def test_a_plain_picture_passes_unchanged(tmp_path):
    path = tmp_path / "a.png"
    image = Image.effect_noise((20, 10), 50).convert("RGB")
    image.save(path)
    found = open_picture(path)
    assert found.notes == [] and found.image.tobytes() == image.tobytes()
    assert open_picture(str(path)).image.size == (20, 10)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "no bytes"),
        (b"%PDF-1.7 surely not", "isn't in a known image format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "isn't in a known image format"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.full((4, 4, 3), np.nan), "fractions"),
        (np.full((4, 4, 3), 300), "whole numbers"),
        (np.array([["a"]]), "no numbers"),
        (Image.new("RGB", (0, 3)), "no pixels"),
    ],
)
def test_what_is_no_picture_gets_one_sentence(source, words):
    with pytest.raises(BadPicture, match=words) as caught:
        open_picture(source)
    assert "\n" not in str(caught.value)
    assert caught.value._render_traceback_() == [str(caught.value)]


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(BadPicture, match="no readable file"):
            open_picture(path)


def test_a_hundred_megapixels_are_the_limit_and_nothing_is_unpacked_above_it():
    data = packed(Image.new("1", (10_001, 10_000)))
    with pytest.raises(BadPicture, match="100 million"):
        open_picture(data)
    bomb = packed(Image.new("1", (20_000, 20_000)))
    with pytest.raises(BadPicture, match="100 million"):
        open_picture(bomb)


def test_a_truncated_file_is_called_damaged():
    data = packed(Image.effect_noise((200, 200), 80).convert("RGB"))
    with pytest.raises(BadPicture, match="damaged"):
        open_picture(data[: len(data) // 2])


def test_transparent_parts_turn_white():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    found = open_picture(packed(image))
    assert found.image.mode == "RGB" and found.image.getpixel((0, 0)) == (255, 255, 255)
    assert "transparent" in found.notes[0]


def test_sixteen_bits_become_eight():
    image = Image.fromarray(np.full((4, 4), 40_000, np.uint16))
    found = open_picture(packed(image))
    assert found.image.getpixel((0, 0)) == (156, 156, 156) and "8 bits" in found.notes[0]
    assert open_picture(np.full((4, 4), 40_000, np.uint16)).image.getpixel((0, 0))[0] == 156


def test_exif_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    found = open_picture(packed(Image.new("RGB", (8, 4)), "JPEG", exif=exif))
    assert found.image.size == (4, 8) and "upright" in found.notes[0]


def test_of_an_animation_the_first_frame_is_shown():
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    data = packed(frames[0], "GIF", save_all=True, append_images=frames[1:])
    found = open_picture(data)
    assert found.image.getpixel((0, 0))[0] > 200 and "2 frames" in found.notes[0]
