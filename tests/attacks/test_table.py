"""The table that readers see is made by the suite's run, and names every attack."""

import json

from benchmarks import attacks_on_stock as table
from tests.attacks.suite import CACHE


def test_the_table_is_complete():
    page = table.TABLE.read_text(encoding="utf-8")
    attacks = [one for family in table.FAMILIES.values() for one in family]
    names = [one.name for one in attacks]
    assert len(set(names)) == len(names) >= 300
    assert list(table.column(page, 0)) == names
    said, deserved = table.column(page, 1), table.column(page, 2)
    for one in attacks:
        assert said[one.name] == one.what
        assert deserved[one.name] == table.deserved(one)


def test_the_sums_are_those_of_the_table():
    page = table.TABLE.read_text(encoding="utf-8")
    sums = table.sums(table.column(page, 3), table.column(page, 4))
    assert sums in table.SUMS.read_text(encoding="utf-8")


def test_nothing_goes_wrong_here_and_nothing_is_left_out():
    here = table.column(table.TABLE.read_text(encoding="utf-8"), 4)
    assert not [name for name, text in here.items() if text.startswith("**")]
    assert table.NOT_RUN not in here.values()


def test_the_table_is_that_of_the_last_run():
    """Where the suite has run here, the table says what it found.

    Not where any definite outcome is fine: that may depend on how busy the machine is.
    """
    recorded = json.loads(CACHE.read_text("utf-8")) if CACHE.is_file() else {}
    here = table.column(table.TABLE.read_text(encoding="utf-8"), 4)
    attacks = {one.name: one for family in table.FAMILIES.values() for one in family}
    for name in recorded.keys() & attacks.keys():
        if not attacks[name].or_less:
            assert here[name] == table.here_text(attacks[name], recorded[name])
