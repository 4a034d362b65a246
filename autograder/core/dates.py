"""Read dates and time zones as people and nbgrader write them, and write them in words.

A zone that could be several is refused, never guessed: `CST` is in use for UTC-6, UTC-5 and
UTC+8. Which abbreviations are in use, and for which offsets, is asked of the time zone database,
for the year in question.
"""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from autograder.errors import UserError

FORMS = "2025-03-14, 2025-03-14 18:00 or 2025-03-14 18:00 Asia/Seoul"
"""Dates that can be read, as examples in a message."""

_DATE = r"(?P<year>\d{4})\s*[-/.]\s*(?P<month>\d{1,2})\s*[-/.]\s*(?P<day>\d{1,2})\.?"
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
_ZONE = r"(?P<zone>[A-Za-z][A-Za-z0-9_/+:-]*|[+-]\d{1,2}(?::?\d\d)?)"
_WHOLE = re.compile(rf"{_DATE}(?:(?:\s*[T_]\s*|\s+){_CLOCK})?(?:\s*{_ZONE})?", re.ASCII)
_OFFSET = re.compile(r"(?:UTC|GMT)?(?P<sign>[+-])(?P<hours>\d{1,2}):?(?P<minutes>\d\d)?", re.ASCII)
_LAST_SECOND = timedelta(days=1, seconds=-1)
_YEARS = range(1990, 2200)
_MAX_HOURS = 14


class UnreadableTime(UserError):
    """Report that a date or a time zone can't be read, or could be several."""


def read_date(text: str, what: str, zone: tzinfo | None = None) -> datetime:
    """Read a date that a person typed.

    Args:
        text: a date without a time means the end of that day, 23:59:59.
        what: where it was typed, such as `--due`, for the message.
        zone: that of a date which names none; this machine's when None.

    Returns:
        The date with its time zone.

    Raises:
        UnreadableTime: it isn't a date, or its time zone is unknown or could be several.
    """
    try:
        parsed, named = _parsed(text)
        # Of an hour that comes twice, the later one, which makes nobody late.
        return _placed(parsed.replace(fold=1), named, zone)
    except UnreadableTime as error:
        raise UnreadableTime(f"{what} {text!r}: {error}; write {FORMS}.") from None


def read_recorded(text: str, zone: tzinfo | None = None) -> datetime:
    """Read a time that a program recorded; one that names no zone is in UTC, as nbgrader has it.

    Args:
        text: the time.
        zone: the one whose abbreviations decide where they could be several; this machine's
            when None.

    Returns:
        The time in UTC.

    Raises:
        UnreadableTime: it isn't a time, or its time zone is unknown or could be several; the
            message is a part of a sentence.
    """
    parsed, named = _parsed(text)
    if ":" not in text:
        raise UnreadableTime("it holds no time of day")
    return _placed(parsed, named or "UTC", zone).astimezone(UTC)


def in_words(moment: datetime) -> str:
    """Return a time with its day of the week, its zone and the zone's distance from UTC."""
    offset = _offset_text(moment.utcoffset() or timedelta())
    name = moment.tzname() or ""
    zone = f"{name} ({offset})" if name[:1].isalpha() and not name.startswith("UTC") else offset
    return f"{moment:%A %d %B %Y, %H:%M:%S} {zone}"


def _parsed(text: str) -> tuple[datetime, str | None]:
    """Return the time without a zone, at the end of its day if it has no time, and the zone."""
    plain = unicodedata.normalize("NFKC", text).strip()
    found = _WHOLE.fullmatch(plain)
    if found is None or (found["zone"] or "").casefold() in ("am", "pm"):
        return _spelled_out(plain)
    year, month, day = (int(found[part]) for part in ("year", "month", "day"))
    try:
        start = datetime(year, month, day)
        if year not in _YEARS:
            raise ValueError
    except ValueError:
        raise UnreadableTime("there is no such day in a course") from None
    if found["hour"] is None:
        return start + _LAST_SECOND, found["zone"]
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    micro = int((found["fraction"] or "").ljust(6, "0")[:6])
    if minute > 59 or second > 59 or (hour, minute, second, micro) > (24, 0, 0, 0):
        raise UnreadableTime("there is no such time of day")
    # 24:00 is the midnight that ends the day.
    clock = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micro)
    return start + clock, found["zone"]


_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAYS = "mon|tue|wed|thu|fri|sat|sun"
_MERIDIEM = {"오전": "am", "오후": "pm"}
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d|\d\s*[ap]\.?m\b", re.IGNORECASE)
_TOKEN = re.compile(
    rf"(?:{_MONTHS})[a-z]*\.?|(?:{_DAYS})[a-z]*\.?|\d{{1,2}}(?:st|nd|rd|th)?|\d{{4}}"
    r"|\d{4}-\d{1,2}-\d{1,2}|\d{1,2}(?::\d\d){0,2}\s*(?:[ap]\.?m\.?)?|[ap]\.?m\.?|at|of",
    re.IGNORECASE,
)
_TRAILING_ZONE = re.compile(
    r"(?P<rest>.*(?:\d|\d\s*[ap]\.?m\.?|[a-z],?\s+\d{4}))"
    r"\s+(?P<zone>[A-Za-z][A-Za-z0-9_/+:-]*|[+-]\d{1,2}(?::?\d\d)?)",
    re.IGNORECASE,
)
_LONGEST = 60


def _spelled_out(text: str) -> tuple[datetime, str | None]:
    """Return what `_parsed` does, of a date with a month's name, am and pm, or Korean units.

    Which of two numbers is the month is never guessed: the month has a name, or the year leads.
    A year that isn't written is the one that makes the date the nearest to today.
    """
    from dateutil import parser

    unreadable = UnreadableTime("it isn't a date that can be read")
    if len(text) > _LONGEST:
        raise unreadable
    plain = _without_korean(text)
    zone = None
    found = _TRAILING_ZONE.fullmatch(plain)
    if found and not _TOKEN.fullmatch(found["zone"]):
        plain, zone = found["rest"], found["zone"]
    plain = re.sub(r"(\d)\s+([ap]\.?m)", r"\1\2", plain.replace(",", " "), flags=re.IGNORECASE)
    tokens = plain.split()
    named = [one for one in tokens if re.match(rf"(?:{_MONTHS})", one, re.IGNORECASE)]
    leads = re.match(r"\d{4}-\d{1,2}-\d{1,2}(?:\s|$)", plain)
    numbers = [one for one in tokens if re.fullmatch(r"\d{1,2}(?:st|nd|rd|th)?", one)]
    if not all(map(_TOKEN.fullmatch, tokens)) or len(named) != (0 if leads else 1):
        raise unreadable
    has_time = bool(_TIME_OF_DAY.search(plain))
    if len(numbers) != (0 if leads else 1):
        raise unreadable  # a month without a day, or a number that could be anything
    now = datetime.now()
    has_year = re.search(r"(?<!\d)\d{4}(?!\d)", plain) is not None
    years = [now.year] if has_year else [now.year - 1, now.year, now.year + 1]
    read = []
    for year in years:
        try:
            read.append(parser.parse(plain, default=datetime(year, 1, 1)))
        except (ValueError, OverflowError, TypeError):
            continue
    if not read:
        raise unreadable
    moment = min(read, key=lambda one: abs(one.replace(tzinfo=None) - now))
    if moment.tzinfo is not None or moment.year not in _YEARS:
        raise unreadable
    for one in tokens:
        day = re.match(rf"(?:{_DAYS})", one, re.IGNORECASE)
        if day and f"{moment:%a}".casefold() != day[0].casefold():
            raise UnreadableTime(f"{moment:%d %B %Y} is a {moment:%A}")
    return (moment if has_time else moment + _LAST_SECOND), zone


def _without_korean(text: str) -> str:
    """Return a date with Korean units as one with dashes, colons, am and pm."""
    text = re.sub(r"(\d{4})\s*년\s*(\d{1,2})\s*월\s*(\d{1,2})\s*일", r"\1-\2-\3 ", text)
    text = re.sub(
        r"(\d{1,2})\s*시(?:\s*(\d{1,2})\s*분)?",
        lambda found: f"{found[1]}:{int(found[2] or 0):02}",
        text,
    )
    return re.sub(
        r"(오전|오후)\s*(\d{1,2}(?::\d\d)?)",
        lambda found: f"{found[2]} {_MERIDIEM[found[1]]}",
        text,
    ).strip()


def _placed(parsed: datetime, name: str | None, zone: tzinfo | None) -> datetime:
    """Return a time in the zone named, else in `zone`, else in this machine's."""
    if name is None:
        return parsed.astimezone() if zone is None else parsed.replace(tzinfo=zone)
    own = _own_abbreviation(name, parsed.year, zone)
    return parsed.replace(tzinfo=own or _zone(name, parsed.year))


def _own_abbreviation(name: str, year: int, zone: tzinfo | None) -> tzinfo | None:
    """Return what an abbreviation means in a zone, or this machine's; None if it isn't used there.

    A program that writes `IST` into a folder's name means the zone that it runs in.
    """
    for month in range(1, 13):
        moment = datetime(year, month, 15)
        moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
        offset, spelled = moment.utcoffset(), moment.tzname() or ""
        if offset is not None and spelled.isalpha() and spelled.casefold() == name.casefold():
            return timezone(offset, spelled)
    return None


def _zone(name: str, year: int) -> tzinfo:
    if name.upper() in ("Z", "UTC", "GMT"):
        return UTC
    if found := _OFFSET.fullmatch(name.upper()):
        hours, minutes = int(found["hours"]), int(found["minutes"] or 0)
        if hours <= _MAX_HOURS and minutes < 60:
            offset = timedelta(hours=hours, minutes=minutes)
            return timezone(-offset if found["sign"] == "-" else offset)
        raise UnreadableTime(f"no time zone is {name}")
    if "/" in name or name.casefold() not in _abbreviations(year):
        if key := _keys().get(name.casefold()):
            return zoneinfo.ZoneInfo(key)
        raise UnreadableTime(f"the time zone {name!r} is unknown")
    spelled, offsets = _abbreviations(year)[name.casefold()]
    if len(offsets) > 1:
        listed = ", ".join(map(_offset_text, sorted(offsets)))
        raise UnreadableTime(f"the time zone {name} could be several ({listed})")
    return timezone(min(offsets), spelled)


@lru_cache(maxsize=1)
def _keys() -> dict[str, str]:
    """Return the time zone database's names, by the same without case."""
    return {key.casefold(): key for key in zoneinfo.available_timezones()}


@lru_cache(maxsize=8)
def _abbreviations(year: int) -> dict[str, tuple[str, frozenset[timedelta]]]:
    """Return the abbreviations in use in a year, each with the offsets that it stands for."""
    found: dict[str, tuple[str, set[timedelta]]] = {}
    months = [datetime(year, month, 15) for month in range(1, 13)]
    for key in _keys().values():
        zone = zoneinfo.ZoneInfo(key)
        for day in months:
            moment = day.replace(tzinfo=zone)
            name, offset = moment.tzname(), moment.utcoffset()
            if name and name.isalpha() and offset is not None:
                found.setdefault(name.casefold(), (name, set()))[1].add(offset)
    return {name: (spelled, frozenset(offsets)) for name, (spelled, offsets) in found.items()}


def _offset_text(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    if not minutes:
        return "UTC"
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
