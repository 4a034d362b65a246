"""Reading dates as people write them, and saying what was understood."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.core.dates import UnreadableTime, in_words, read_date, read_recorded
from autograder.errors import UserError

SEOUL = ZoneInfo("Asia/Seoul")


@pytest.fixture(params=["UTC", "Asia/Seoul", "America/New_York", "Asia/Kathmandu"])
def here(request, monkeypatch):
    """A machine in some time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield ZoneInfo(request.param)
    monkeypatch.undo()
    time.tzset()


def test_a_day_means_its_end(here):
    assert read_date("2025-03-14", "--due") == datetime(2025, 3, 14, 23, 59, 59, tzinfo=here)
    assert read_date("2025-03-14", "--due", SEOUL) == datetime(2025, 3, 14, 14, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-14 18:00",
        " 2025-03-14T18:00 ",
        "2025-03-14 18:00:00.000",
        "2025/3/14 18:00",
        "2025. 3. 14. 18:00",
        "２０２５-03-14 18:00",
    ],
)
def test_a_time_without_a_zone_is_this_machine_s(here, text):
    assert read_date(text, "--due") == datetime(2025, 3, 14, 18, tzinfo=here)
    assert read_date(text, "--due", SEOUL) == datetime(2025, 3, 14, 18, tzinfo=SEOUL)


@pytest.mark.parametrize(
    ("zone", "hour"),
    [
        ("Z", 18),
        (" UTC", 18),
        (" GMT", 18),
        ("+09:00", 9),
        (" +0900", 9),
        ("+9", 9),
        (" -03", 21),
        (" UTC+9", 9),
        (" GMT+09:00", 9),
        (" KST", 9),
        (" kst", 9),
        (" JST", 9),
        (" CET", 17),
        (" EST", 23),
        (" EDT", 22),
        (" Asia/Seoul", 9),
        (" asia/seoul", 9),
        (" America/Sao_Paulo", 21),
        (" Etc/GMT-9", 9),
    ],
)
def test_a_zone_that_is_named(here, zone, hour):
    expected = datetime(2025, 3, 14, hour, tzinfo=UTC)
    assert read_date(f"2025-03-14 18:00{zone}", "--due") == expected
    whole_day = read_date(f"2025-03-14 {zone.strip()}", "--due")
    assert whole_day == expected + timedelta(hours=5, minutes=59, seconds=59)


def test_midnight_at_the_end_of_a_day(here):
    assert read_date("2025-03-14 24:00", "--due") == datetime(2025, 3, 15, tzinfo=here)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("14.3.2025", "isn't a date"),
        ("03/14/2025", "isn't a date"),
        ("20250314", "isn't a date"),
        ("2025-03-14 18", "isn't a date"),
        ("tomorrow", "isn't a date"),
        ("", "isn't a date"),
        ("2025-02-29", "no such day"),
        ("0025-03-14", "no such day"),
        ("2025-03-14 25:00", "no such time"),
        ("2025-03-14 24:01", "no such time"),
        ("2025-03-14 18:60", "no such time"),
        ("2025-03-14 18:00 IST", r"IST could be several \(UTC\+01:00, UTC\+02:00, UTC\+05:30\)"),
        ("2025-03-14 CST", "CST could be several"),
        ("2025-03-14 18:00 Asia/Soul", "'Asia/Soul' is unknown"),
        ("2025-03-14 18:00 ../../etc/passwd", "isn't a date"),
        ("2025-03-14 18:00 A/../../etc/passwd", "isn't a date"),
        ("2025-03-14 18:00 +25:00", "no time zone"),
    ],
)
def test_what_can_not_be_read_is_a_sentence(text, why):
    with pytest.raises(UnreadableTime, match=why) as caught:
        read_date(text, "--due")
    said = str(caught.value)
    assert said.startswith(f"--due {text!r}: ") and "2025-03-14 18:00 Asia/Seoul" in said


def test_an_abbreviation_that_this_machine_or_the_course_uses(monkeypatch):
    expected = datetime(2025, 3, 14, 12, 30, tzinfo=UTC)
    assert read_date("2025-03-14 18:00 IST", "--due", ZoneInfo("Asia/Kolkata")) == expected
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert read_date("2025-03-14 18:00 IST", "--due") == expected
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_nbgrader_records():
    for text, hour in {
        "2025-03-10 12:00:00": 12,
        "2025-03-10 12:00:00.000000 UTC": 12,
        "2025-03-10 12:00:00.000000 -03": 15,
        "2025-03-10 12:00:00 +0900": 3,
        "2025-03-10 12:00:00 KST": 3,
        "2025-03-10T12:00:00+09:00": 3,
    }.items():
        assert read_recorded(text) == datetime(2025, 3, 10, hour, tzinfo=UTC)
    with pytest.raises(UnreadableTime):
        read_recorded("2025-03-10")


def test_a_time_in_words():
    moment = datetime(2025, 3, 14, 23, 59, 59, tzinfo=SEOUL)
    assert in_words(moment) == "Friday 14 March 2025, 23:59:59 KST (UTC+09:00)"
    assert in_words(moment.astimezone(UTC)) == "Friday 14 March 2025, 14:59:59 UTC"
    elsewhere = moment.astimezone(ZoneInfo("America/Sao_Paulo"))
    assert in_words(elsewhere) == "Friday 14 March 2025, 11:59:59 UTC-03:00"


@given(
    st.datetimes(datetime(1990, 1, 2), datetime(2100, 1, 1)).map(
        lambda t: t.replace(microsecond=0)
    ),
    st.sampled_from([-12, -9.5, -3, 0, 4, 5.75, 9, 14]),
    st.sampled_from(["%Y-%m-%d %H:%M:%S%z", "%Y/%m/%dT%H:%M:%S %z", "%Y.%m.%d %H:%M:%S %z"]),
)
def test_what_was_written_with_a_zone_is_read_back(moment, hours, form):
    placed = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert read_date(placed.strftime(form), "--due") == placed


@given(st.text(max_size=40))
def test_anything_is_a_date_or_a_sentence(text):
    with suppress(UnreadableTime):
        assert read_date(text, "--due").tzinfo is not None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-03-14 6pm", "2025-03-14 18:00:00"),
        ("2025-03-14 6:30 PM", "2025-03-14 18:30:00"),
        ("Mar 14 2025", "2025-03-14 23:59:59"),
        ("14 March 2025 18:00", "2025-03-14 18:00:00"),
        ("March 14th, 2025 at 6 p.m.", "2025-03-14 18:00:00"),
        ("Fri, 14 Mar 2025, 12am", "2025-03-14 00:00:00"),
        ("2025년 3월 14일", "2025-03-14 23:59:59"),
        ("2025년 3월 14일 오후 6시", "2025-03-14 18:00:00"),
        ("2025년 3월 14일 오후 6시 30분", "2025-03-14 18:30:00"),
        ("2025-03-14 오전 9:05", "2025-03-14 09:05:00"),
    ],
)
def test_what_people_type(text, moment):
    expected = datetime.fromisoformat(moment)
    assert read_date(text, "--due", SEOUL) == expected.replace(tzinfo=SEOUL)
    for zone in ("Asia/Seoul", "KST", "+09:00"):
        assert read_date(f"{text} {zone}", "--due", UTC) == expected.replace(tzinfo=SEOUL)


def test_a_year_that_is_not_written_is_the_nearest():
    today = datetime.now(SEOUL)
    for days in (-100, -1, 2, 100):
        day = today + timedelta(days=days)
        found = read_date(f"{day:%b} {day.day} 6pm KST", "--due", UTC)
        assert found == day.replace(hour=18, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize(
    "text",
    [
        "Mar 2025",
        "March",
        "6pm",
        "Friday",
        "Mon 14 Mar 2025",
        "31 Feb 2025",
        "3/14 6pm",
        "14 Mar Apr 2025",
        "Mar 14 2025 25:00",
        "Mar 14 2025 6pm CST",
        "Mar 14 2025 6pm Mars",
        "next Mar 14",
        "Mar 14 2025 " + "1 " * 40,
    ],
)
def test_what_is_typed_and_not_clear_is_a_sentence(text):
    with pytest.raises(UserError) as caught:
        read_date(text, "--due", SEOUL)
    assert str(caught.value).count("\n") == 0
