"""The machine check measures, and says in words what to expect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beyond.lm import hardware as module
from beyond.lm.hardware import REFERENCE_GFLOPS, Machine, measure
from beyond.ui.ladder import ladder

USUAL = Machine(
    system="Linux · x86_64",
    python="3.12.1",
    cores=4,
    threads=4,
    memory_gb=16.0,
    free_memory_gb=9.0,
    free_disk_gb=50.0,
    gflops=REFERENCE_GFLOPS,
    read_gb_s=30.0,
    packages={"torch": "2.13.0", "nbgrader": "0.9.6"},
)


@pytest.fixture(scope="module")
def here() -> Machine:
    return measure()


def test_it_measures_this_machine(here: Machine) -> None:
    assert here.cores >= 1
    assert 0 <= here.free_memory_gb <= here.memory_gb
    assert 0.1 < here.gflops < 1e6
    assert 0.1 < here.read_gb_s < 1e5
    assert here.packages["torch"].startswith("2.13")


def test_the_table_shows_what_was_measured() -> None:
    text = str(USUAL.table())
    for part in ("Linux", "3.12.1", "16.0 GB · 9.0 GB", "30 GB/s", "2.13.0"):
        assert part in text


def test_the_bound_is_speed_over_size() -> None:
    # 30 GB/s over 1e9 parameters of 2 bytes
    assert USUAL.tokens_per_second_at_most(1e9, 2) == pytest.approx(15)


@given(st.floats(1e6, 1e12), st.floats(0.1, 8))
def test_fewer_bytes_never_lower_the_bound(parameters: float, size: float) -> None:
    slower = USUAL.tokens_per_second_at_most(parameters, size)
    assert USUAL.tokens_per_second_at_most(parameters, size / 2) >= slower > 0


@pytest.mark.parametrize(("parameters", "size"), [(0, 4), (1e6, 0), (-1, 4), (float("nan"), 4)])
def test_a_model_without_size_has_no_bound(parameters: float, size: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        USUAL.tokens_per_second_at_most(parameters, size)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "About as fast"),
        ({"gflops": REFERENCE_GFLOPS / 3}, "where a cell says 10 s, expect about 30 s"),
        ({"gflops": REFERENCE_GFLOPS * 4}, "About 4.0 times as fast"),
        ({"cores": 1}, "There is one core"),
        ({"free_memory_gb": 1.5}, "Only 1.5 GB of memory are free"),
        ({"free_disk_gb": 0.4}, "Only 0.4 GB of disk are free"),
        ({"packages": {"torch": "", "peft": "1"}}, "Missing here: torch."),
    ],
)
def test_advice(change: dict, told: str) -> None:
    advice = replace(USUAL, **change).advice()
    assert any(told in sentence for sentence in advice)


def test_a_good_machine_gets_no_warning() -> None:
    assert len(USUAL.advice()) == 1


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    assert module._container_memory(tmp_path) == (0, 0)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert module._container_memory(tmp_path) == (0, 0)
    (tmp_path / "memory.max").write_text("2000000000\n")
    assert module._container_memory(tmp_path) == (2_000_000_000, 5)


def test_an_old_containers_limit_counts(tmp_path: Path) -> None:
    old = tmp_path / "memory"
    old.mkdir()
    (old / "memory.limit_in_bytes").write_text("9223372036854771712\n")  # how v1 says "none"
    (old / "memory.usage_in_bytes").write_text("7\n")
    assert module._container_memory(tmp_path) == (0, 0)
    (old / "memory.limit_in_bytes").write_text("3000000000\n")
    assert module._container_memory(tmp_path) == (3_000_000_000, 7)


def test_the_ladder_says_in_words_what_it_shows() -> None:
    chart = ladder()
    assert "fine-tuning comes last" in chart.alt
    assert chart.png().startswith(b"\x89PNG")
