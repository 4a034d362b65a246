"""beyond.ui.tables: the same table as HTML and as text."""

import pytest

from beyond.ui.tables import Table

TABLE = Table("값 & prices", ["모델", "input"], [["한국어", "$1.00"], ["x<y", "$10.00"]])


def test_text_is_aligned_with_hangul_in_it():
    assert str(TABLE).splitlines() == [
        "값 & prices",
        "모델     input",
        "------  ------",
        "한국어   $1.00",
        "x<y     $10.00",
    ]


def test_html_has_caption_and_header_cells_and_is_escaped():
    html = TABLE._repr_html_()
    assert "값 &amp; prices</caption>" in html
    assert html.count('<th scope="col"') == 2
    assert html.count('scope="row"') == 2
    assert "x&lt;y" in html and "x<y" not in html


def test_names_stand_left_under_their_header():
    html = TABLE._repr_html_()
    left = ' style="text-align:left">'
    assert f'<th scope="col"{left}모델' in html and f'<th scope="row"{left}한국어' in html
    assert '<th scope="col">input' in html


def test_a_short_row_is_refused():
    with pytest.raises(ValueError, match="A row has 1 cells, the header 2"):
        Table("", ["a", "b"], [["1"]])
