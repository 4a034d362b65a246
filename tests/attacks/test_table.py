"""The table that readers see names every attack that is tried, and says what it deserves."""

from benchmarks import attacks_on_stock as table


def test_the_table_is_complete():
    page = table.TABLE.read_text(encoding="utf-8")
    attacks = [one for family in table.FAMILIES.values() for one in family]
    names = [one.name for one in attacks]
    assert len(set(names)) == len(names) >= 60
    assert list(table.column(page, 0)) == names
    said, deserved, here = (table.column(page, number) for number in (1, 2, 4))
    for one in attacks:
        assert said[one.name] == one.what
        assert deserved[one.name] == " + ".join(f"{points:g}" for points in one.deserves)
        assert here[one.name].startswith("**") == bool(one.wins)


def test_the_sums_are_those_of_the_table():
    page = table.TABLE.read_text(encoding="utf-8")
    sums = table.sums(table.column(page, 3), table.column(page, 4))
    assert sums in table.SUMS.read_text(encoding="utf-8")
