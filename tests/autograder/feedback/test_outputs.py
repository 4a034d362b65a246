"""Outputs as every reader gets them: text, pictures, harmless HTML."""

import base64
import io

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output, new_raw_cell

from autograder.checks import MIME_TYPE
from autograder.core.images import checked, checked_url
from autograder.feedback.outputs import MAX_CELL_OUTPUTS, ReadableOutputs


def picture(kind: str, size: tuple[int, int] = (2, 3)) -> str:
    from PIL import Image

    made = io.BytesIO()
    Image.new("RGB", size).save(made, kind)
    return base64.b64encode(made.getvalue()).decode()


def shown(*outputs, **metadata):
    nb = new_notebook(cells=[new_code_cell("x", outputs=list(outputs))], metadata=metadata)
    nb, _resources = ReadableOutputs()(nb, {})
    return nb.cells[0].outputs


def display(**data):
    mimes = {
        "html": "text/html",
        "plain": "text/plain",
        "svg": "image/svg+xml",
        "png": "image/png",
        "jpeg": "image/jpeg",
        "latex": "text/latex",
        "markdown": "text/markdown",
        "js": "application/javascript",
        "widget": "application/vnd.jupyter.widget-view+json",
        "record": MIME_TYPE,
    }
    return new_output("display_data", data={mimes[name]: value for name, value in data.items()})


def text(outputs):
    return " ".join(str(out.get("data", out.get("text", out.get("traceback")))) for out in outputs)


def test_what_is_printed_in_pieces_is_one_text():
    pieces = [new_output("stream", name="stdout", text=f"{number}\n") for number in range(1_000)]
    (out,) = shown(*pieces)
    assert out.text.startswith("0\n1\n") and out.text.endswith("999\n")
    assert "lines left out here" in out.text


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_pictures_stay_with_size_and_words(kind):
    out = display(**{kind: picture(kind) + "\n", "plain": "<Figure>"})
    out.metadata = {
        f"image/{kind}": {"width": 200, "height": "9' onload='x", "alt": "A <b>plot"},
        "filenames": {f"image/{kind}": "https://canary.invalid/x.png"},
    }
    (made,) = shown(out)
    assert made.data == {f"image/{kind}": picture(kind)}
    assert made.metadata == {f"image/{kind}": {"width": 200, "alt": "A <b>plot"}}


def test_what_is_no_picture_is_said():
    for data in ("PHN2Zy8+", "x' onerror='canary()", picture("png", (20_000, 20_000))):
        assert "left out" in text(shown(display(png=data, plain="fallback")))
    assert checked("image/png", picture("jpeg")) is None
    assert checked_url("data:image/svg+xml;base64,PHN2Zy8+") is None
    assert checked_url(f"data:image/png;base64,{picture('png')}")


@pytest.mark.parametrize(
    "data",
    [
        {"svg": "<svg onload='canary()'/>", "plain": "Figure(1)"},
        {"js": "canary()", "plain": "Figure(1)"},
        {"widget": {"model_id": "x"}, "plain": "Figure(1)"},
        {"html": "<script>canary()</script>", "plain": "Figure(1)"},
        {"html": "<b>" * 90_000, "plain": "Figure(1)"},
    ],
)
def test_what_can_not_be_shown_leaves_its_text_and_a_word(data):
    found = shown(display(**data))
    assert "canary" not in text(found)
    assert found[0].data == {"text/plain": "Figure(1)"} and "left out" in text(found[1:])


def test_formulas_and_markdown_become_html():
    assert "<mfrac>" in text(shown(display(latex="$\\frac{1}{2}$")))
    found = text(shown(display(markdown="**b** [x](javascript:canary())")))
    assert "<strong>b" in found and "javascript" not in found


def test_the_record_of_checks_is_kept():
    record = {"version": 1, "checks": [{"name": "a", "weight": 1, "passed": True, "message": ""}]}
    (out,) = shown(display(record=record, html="<p>✓</p>", plain="✓"))
    assert out.data[MIME_TYPE] == record and "✓" in out.data["text/html"]
    assert shown(display(record={"version": 1, "checks": "<script>"})) == []


def test_tracebacks_are_plain_and_short():
    lines = [f"\x1b[31mline {number}\x1b[0m" for number in range(500)]
    (out,) = shown(new_output("error", ename="E" * 999, evalue="v" * 9_999, traceback=lines))
    assert "\x1b" not in text([out]) and len(out.traceback) <= 61
    assert out.traceback[0] == "line 0" and out.traceback[-1] == "line 499"
    assert len(out.ename) < 400 and len(out.evalue) < 2_200


def test_too_many_outputs_are_counted():
    found = shown(*[display(plain=str(number)) for number in range(100)])
    assert len(found) == MAX_CELL_OUTPUTS + 1 and f"{100 - MAX_CELL_OUTPUTS} more outputs" in text(
        found[-1:]
    )


def test_a_page_has_an_end():
    big = "\n".join("x" * 1_900 for _line in range(9))
    cells = [
        new_code_cell("x", outputs=[display(plain=big + str(number)) for number in range(30)])
        for _cell in range(20)
    ]
    nb, _resources = ReadableOutputs()(new_notebook(cells=cells), {})
    assert sum(len(text(cell.outputs)) for cell in nb.cells) < 1_200_000
    assert "more outputs are left out" in text(nb.cells[-1].outputs)


def test_raw_cells_and_widgets_are_text():
    nb = new_notebook(cells=[new_raw_cell("<script>canary()</script>")])
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}
    nb, _resources = ReadableOutputs()(nb, {})
    assert nb.cells[0].cell_type == "markdown" and "&lt;script&gt;" in nb.cells[0].source
    assert "widgets" not in nb.metadata
