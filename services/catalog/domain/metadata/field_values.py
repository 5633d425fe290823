"""What single fields of metadata mean, and whether what is written there makes sense."""

import datetime
import functools
import re
from collections.abc import Callable, Mapping
from typing import Final

from services.catalog.domain.diagnostics import Problem

_PARTIAL_DATE: Final = re.compile(r"[12][0-9]{3}(?:-(?:0[1-9]|1[0-2]))?")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]|[ \t]+)"
    r"([0-9]{1,2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"[ \t]*(Z|[-+][0-9]{1,2}(?::[0-9]{2})?)?"
)
"""What YAML takes as a point in time."""
_GERMAN_DATE: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_CLOCK: Final = re.compile(r"(?:([0-9]{1,5}):)?([0-9]{1,3}):([0-9]{2}(?:\.[0-9]{1,6})?)")
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([a-z]{0,7})\.?")
_UNITS: Final[Mapping[str, float]] = {
    "": 1,
    "ms": 0.001,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
}
_VERSION: Final = re.compile(r"[vV]?[0-9][0-9A-Za-z.+_-]{0,39}")


@functools.lru_cache(maxsize=4096)
def iso_date(text: str) -> str:
    """A date in ISO 8601 where it can be understood, else as written."""
    return _date(text) or text


@functools.lru_cache(maxsize=4096)
def is_date(text: str) -> bool:
    """Whether it is a date: a day with or without time, a month, or a year."""
    return bool(_date(text)) or _PARTIAL_DATE.fullmatch(text) is not None


@functools.lru_cache(maxsize=4096)
def seconds(text: str) -> float | None:
    """A duration such as `10s`, `1.5 h` or `00:01:30` in seconds; None where it is none."""
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
    found = _DURATION.fullmatch(text.lower())
    unit = _UNITS.get(found[2]) if found is not None else None
    return float(found[1]) * unit if found is not None and unit is not None else None


def _date(text: str) -> str:
    if not 8 <= len(text) <= 40:
        return ""
    try:
        if len(text) <= len("2022-05-17"):
            return datetime.date.fromisoformat(text).isoformat()
        return datetime.datetime.fromisoformat(text).isoformat()
    except ValueError:
        pass
    try:
        german = _GERMAN_DATE.fullmatch(text)
        if german is not None:
            return datetime.date(int(german[3]), int(german[2]), int(german[1])).isoformat()
        return _timestamp(text)
    except ValueError:
        return ""


def _timestamp(text: str) -> str:
    """Raises ValueError where it is no point in time."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return ""
    day = f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}"
    zone = found[6] or ""
    if zone and zone != "Z":
        hours, _, minutes = zone[1:].partition(":")
        zone = f"{zone[0]}{hours:0>2}:{minutes or '00'}"
    time = f"{found[4]:0>8}{(found[5] or '')[:7]}{zone}"
    return datetime.datetime.fromisoformat(f"{day}T{time}").isoformat()


# What is wrong ----------------------------------------------------------------------------------


def _check_date(text: str) -> Problem | None:
    if is_date(text):
        return None
    return Problem(
        code="not-a-date",
        message=f"{_short(text)} is no date that we understand",
        remedy="write it as YYYY-MM-DD, for example 2022-05-17",
    )


def _check_runtime(text: str) -> Problem | None:
    if seconds(text) is not None:
        return None
    return Problem(
        code="not-a-duration",
        message=f"{_short(text)} is no duration that we understand",
        remedy="write it as 10s, 2min, 1h or hh:mm:ss",
    )


def _check_version(text: str) -> Problem | None:
    if _VERSION.fullmatch(text):
        return None
    return Problem(
        code="odd-version",
        message=f"{_short(text)} does not look like a version",
        remedy="write numbers with dots, for example 0.1.0",
    )


def check_person(text: str) -> Problem | None:
    """Whether the brackets around the address in `Name <address>` match."""
    opened, closed = text.count("<"), text.count(">")
    if opened == closed:
        return None
    lacking, sign = ("closed", ">") if opened > closed else ("opened", "<")
    return Problem(
        code="unmatched-bracket",
        message=f"the address in {_short(text)} is not {lacking} with `{sign}`",
        remedy="write it as `Name <address>`",
    )


def _check_literature(text: str) -> Problem | None:
    if not _date(text):
        return None
    return Problem(
        code="date-in-references",
        message=f"external_references holds nothing but the date {text}",
        remedy="if it is the day of creation, write it into creation_date",
    )


CHECKS: Final[Mapping[str, Callable[[str], Problem | None]]] = {
    "creation_date": _check_date,
    "creator": check_person,
    "estimated_runtime": _check_runtime,
    "external_references": _check_literature,
    "version": _check_version,
}
"""What is looked at in a text that is not empty, by field."""
ITEM_CHECKS: Final[Mapping[str, Callable[[str], Problem | None]]] = {"editor_list": check_person}
"""What is looked at in each item of a list."""


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
