"""Each set of weights that ships says who made it, from what, when, and under which license."""

from pathlib import Path

import pytest

import beyond

ROOT = Path(beyond.__file__).parent
FOLDERS = sorted({path.parent for path in ROOT.rglob("*.safetensors")})


def test_there_are_weights_that_ship():
    assert len(FOLDERS) >= 3


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.relative_to(ROOT).as_posix())
def test_a_card_says_who_made_the_weights_from_what_when_and_under_which_license(folder):
    card = (folder / "README.md").read_text("utf-8")
    rows = dict(
        (part.strip() for part in line.strip("|").split("|", 1))
        for line in card.splitlines()
        if line.startswith("| ")
    )
    assert all(rows[name] for name in ("Made by", "Made from", "License"))
    assert "2026-" in rows["Made on"]
