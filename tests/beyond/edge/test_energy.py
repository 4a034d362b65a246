"""Energy is what the counters say, and nothing where there are none."""

import pytest

from beyond.edge.energy import Counters, Energy


def zone(root, name, microjoules, full=1_000_000):
    folder = root / name
    folder.mkdir()
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{full}\n")
    return folder / "energy_uj"


def test_packages_are_added_and_their_parts_are_not(tmp_path):
    first, second = zone(tmp_path, "intel-rapl:0", 100), zone(tmp_path, "intel-rapl:1", 0)
    part = zone(tmp_path, "intel-rapl:0:0", 0)

    def work():
        first.write_text("2000100")
        second.write_text("500000")
        part.write_text("900000")

    counters = Counters(tmp_path)
    assert counters.problem == ""
    assert counters.measure(work).joules == pytest.approx(2.5)


def test_a_counter_that_starts_again(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", 900_000)
    used = Counters(tmp_path).measure(lambda: counter.write_text("300000"))
    assert used.joules == pytest.approx(0.4)


@pytest.mark.parametrize("empty", [True, False])
def test_no_counter_no_number(tmp_path, empty):
    root = tmp_path if empty else tmp_path / "missing"
    counters = Counters(root)
    assert "no energy counter" in counters.problem
    assert counters.measure(lambda: 1 / 0) is None


def test_a_counter_that_only_root_reads(tmp_path, monkeypatch):
    counter = zone(tmp_path, "intel-rapl:0", 1)

    def refuse(self, *given, **named):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(counter), "read_text", refuse)
    counters = Counters(tmp_path)
    assert "administrator only" in counters.problem and str(counter) in counters.problem
    assert counters.measure(lambda: None) is None


def test_watts():
    assert Energy(30, 2).watts == 15
