"""How times, sizes and numbers are written for people."""

import datetime
import math
import re
import time
from collections.abc import Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from markupsafe import Markup, escape

_STEPS = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (86_400 * 45, 86_400, "d"))


def iso(moment: Timestamp) -> str:
    """Writes a moment as ISO 8601 in UTC, to the second."""
    return moment.ToDatetime(tzinfo=datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(moment: Timestamp, *, now: float | None = None) -> str:
    """Writes how long ago a moment was; a date where that says more."""
    seconds = (time.time() if now is None else now) - (moment.seconds + moment.nanos / 1e9)
    if seconds < 5:
        return "just now"
    for below, unit, name in _STEPS:
        if seconds < below:
            return f"{int(seconds // unit)} {name} ago"
    return moment.ToDatetime(tzinfo=datetime.UTC).strftime("%-d %b %Y")


def duration(length: Duration | float) -> str:
    """Writes a length of time with a fitting unit."""
    seconds = length if isinstance(length, int | float) else length.seconds + length.nanos / 1e9
    if seconds < 0.0005:
        return "0 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"


def roughly(length: Duration | float) -> str:
    """Writes a length of time in its largest unit, as expectations and spans of days are said."""
    seconds = length if isinstance(length, int | float) else length.seconds + length.nanos / 1e9
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def clock(moment: Timestamp) -> str:
    """Writes a moment of the coming days to the minute, in UTC."""
    return moment.ToDatetime(tzinfo=datetime.UTC).strftime("%a %-d %b %H:%M UTC")


def minute(moment: Timestamp) -> str:
    """Writes a moment of the past to the minute, in UTC."""
    return moment.ToDatetime(tzinfo=datetime.UTC).strftime("%Y-%m-%d %H:%M")


def image(digest: str) -> str:
    """Writes which image something ran in: the beginning of a digest; a version as it is."""
    name, _, tail = digest.partition("@")
    plain = (tail or name).removeprefix("sha256:")
    short = plain if ":" in plain or "_" in plain else plain[:12]
    return f"{name.removeprefix('environments/')}@{short}" if tail else short


def between(begin: Timestamp, end: Timestamp) -> float:
    """Gives the seconds from one moment to another, never less than none."""
    return max(0.0, (end.ToNanoseconds() - begin.ToNanoseconds()) / 1e9)


def size(count: int) -> str:
    """Writes a number of bytes with a binary unit."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError("unreachable")


def number(value: float) -> str:
    """Writes a number with at most six significant digits."""
    if math.isnan(value) or math.isinf(value):
        return {"nan": "not a number", "inf": "∞", "-inf": "-∞"}[str(value)]
    return f"{value:.6g}"


def shape(lengths: Sequence[int]) -> str:
    """Writes the shape of an array, e.g. `3 by 2`."""
    return " by ".join(str(length) for length in lengths)


def short(digest: str) -> str:
    """Writes the beginning of a digest or resource name's id."""
    return digest.rpartition("/")[2].removeprefix("sha256:")[:10]


def last(name: str) -> str:
    """Gives the id of a resource name, e.g. the key of `entities/UXMFA`."""
    return name.rpartition("/")[2]


def count(amount: int, singular: str, plural: str = "") -> str:
    """Writes an amount with its noun."""
    noun = singular if amount == 1 else plural or f"{singular}s"
    return f"{amount:,} {noun}".replace(",", "\u202f")


_TICKS = re.compile("`([^`\n]+)`")


def ticks(text: str) -> Markup:
    """Escapes a text for HTML; what stands in backticks becomes code."""
    return Markup(_TICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped here


def day(written: str) -> str:
    """Leaves the time out of a date as metadata has it; anything else stays as it is."""
    return written[:10] if re.match(r"\d{4}-\d\d-\d\dT", written) else written


def person(written: str) -> str:
    """Leaves the address out of a person as metadata has it; an address alone stays."""
    return re.sub(r"\s*<[^<>]*>\s*$", "", written) or written


FILTERS: dict[str, Any] = {
    "iso": iso,
    "ago": ago,
    "duration": duration,
    "roughly": roughly,
    "clock": clock,
    "minute": minute,
    "image": image,
    "filesize": size,
    "number": number,
    "shape": shape,
    "short": short,
    "last": last,
    "counted": count,
    "day": day,
    "ticks": ticks,
    "person": person,
}
"""What templates may use."""
