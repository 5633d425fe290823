"""Numbers over time as drawings: pure functions from points to what a template writes as SVG.

A drawing is as wide as the page lets it be: places along it are per cent of its width, those across
are pixels, so that text and marks stay as large as they are on any screen.
"""

import datetime
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.pages import formats, words

HEIGHT = 208
_TOP, _BOTTOM = 26.0, 170.0
_LEFT, _RIGHT = 7.0, 98.5
"""Per cent: the labels of the scale stand left of the first point."""
_WIDE_RANGE = 30.0
"""Values that lie further apart than so many times are drawn on a logarithmic scale."""
_MOST_DECADES = 6
MARKS = {"success": "disc", "inaccurate": "diamond"}
"""How verdicts are marked besides their colour; all others are crosses."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One check with a number."""

    time: float
    """Seconds since 1970."""
    value: float
    verdict: int
    check: str
    """`checks/{id}`."""
    detail: str = ""
    """What else is told of it: commit, environment."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point in the drawing."""

    x: float
    """Per cent."""
    y: float
    word: words.Word
    shape: str
    address: str
    label: str
    """Time, number, verdict: for those who point at it, and for those who cannot see it."""
    when: str
    value: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line across the whole drawing."""

    y: float
    label: str
    kind: str
    """`grid`, `median`, `passed` or `failed`."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A moment on the axis of time."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawing."""

    title: str
    about: str
    """What it shows, in a sentence, with the numbers that matter."""
    marks: Sequence[Mark]
    lines: Sequence[Line]
    ticks: Sequence[Tick]
    logarithmic: bool


def run_times(points: Sequence[Point]) -> Chart | None:
    """Draws how long the entity's own code ran, with the median of those that ran to the end."""
    points = _usable(points)
    if not points:
        return None
    ended = [point.value for point in points if words.verdict_word(point.verdict).slug in MARKS]
    median = statistics.median(ended or [point.value for point in points])
    about = (
        f"{formats.count(len(points), 'check')}; the median run time is {formats.duration(median)},"
        f" the newest {formats.duration(points[-1].value)}."
    )
    return _drawn(
        "Run time",
        about,
        points,
        write=formats.duration,
        write_step=lambda seconds: f"{seconds:g} s",
        lines=[(median, f"median {formats.duration(median)}", "median")],
    )


def errors(points: Sequence[Point]) -> Chart | None:
    """Draws the largest final-state error; between two lines lies what the entity tolerates."""
    points = _usable(points)
    if not points:
        return None
    passed = max((one.value for one in points if _slug(one) == "success"), default=None)
    failed = min((one.value for one in points if _slug(one) == "inaccurate"), default=None)
    lines = []
    about = (
        f"{formats.count(len(points), 'check')}; the newest error is "
        f"{formats.number(points[-1].value)}."
    )
    if passed is not None:
        lines.append((passed, f"largest that passed {formats.number(passed)}", "passed"))
        about += f" The largest that passed is {formats.number(passed)}"
        about += "." if failed is None else f", the smallest that did not {formats.number(failed)}:"
    if failed is not None:
        lines.append((failed, f"smallest that did not {formats.number(failed)}", "failed"))
        if passed is not None:
            about += " the tolerance of the entity lies between the two."
    return _drawn(
        "Largest final-state error",
        about,
        points,
        write=formats.number,
        lines=lines,
        logarithmic=any(point.value > 0 for point in points),
    )


def scores(points: Sequence[Point]) -> Chart | None:
    """Draws the score, where it ever was another one."""
    points = [point for point in points if math.isfinite(point.value)]
    if len({point.value for point in points}) < 2:
        return None
    about = f"{formats.count(len(points), 'check')}; the newest score is "
    about += f"{formats.number(points[-1].value)}."
    return _drawn("Score", about, points, write=formats.number, lines=())


def _slug(point: Point) -> str:
    return words.verdict_word(point.verdict).slug


def _usable(points: Sequence[Point]) -> Sequence[Point]:
    return [point for point in points if math.isfinite(point.value) and point.value >= 0]


def _drawn(
    title: str,
    about: str,
    points: Sequence[Point],
    *,
    write: Callable[[float], str],
    write_step: Callable[[float], str] = formats.number,
    lines: Sequence[tuple[float, str, str]],
    logarithmic: bool | None = None,
) -> Chart:
    """Places points, oldest first, in a drawing."""
    positive = [point.value for point in points if point.value > 0]
    if logarithmic is None:
        logarithmic = bool(positive) and max(positive) > _WIDE_RANGE * min(positive)
    place, steps = (_logarithmic if logarithmic else _linear)([point.value for point in points])
    places, ticks = _order([point.time for point in points])
    marks = []
    for point, x in zip(points, places, strict=True):
        word = words.verdict_word(point.verdict)
        value = write(point.value)
        when = _moment(point.time)
        marks.append(
            Mark(
                x=x,
                y=place(point.value),
                word=word,
                shape=MARKS.get(word.slug, "cross"),
                address=f"/{point.check}",
                label=", ".join(filter(None, (when, value, word.label, point.detail))),
                when=when,
                value=value,
                detail=point.detail,
            )
        )
    drawn = [Line(y=place(step), label=write_step(step), kind="grid") for step in steps]
    drawn += [Line(y=place(value), label=label, kind=kind) for value, label, kind in lines]
    return Chart(
        title=title,
        about=about,
        marks=marks,
        lines=drawn,
        ticks=ticks,
        logarithmic=logarithmic,
    )


_Place = Callable[[float], float]


def _linear(values: Sequence[float]) -> tuple[_Place, list[float]]:
    low, high = min(0.0, *values), max(values)
    step = _round_step((high - low) / 3 or 1.0)
    low, high = math.floor(low / step) * step, max(math.ceil(high / step), 1) * step
    count = round((high - low) / step)
    return (
        lambda value: round(_BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP), 1),
        [low + number * step for number in range(count + 1)],
    )


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def _logarithmic(values: Sequence[float]) -> tuple[_Place, list[float]]:
    """A scale of decades; nothing at all, which no decade reaches, is drawn on its bottom."""
    positive = [value for value in values if value > 0]
    first, end = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    end = max(end, first + 1)
    apart = max(1, math.ceil((end - first) / _MOST_DECADES))

    def place(value: float) -> float:
        part = (math.log10(value) - first) / (end - first) if value > 0 else 0.0
        return round(_BOTTOM - part * (_BOTTOM - _TOP), 1)

    return place, [10.0**decade for decade in range(first, end + 1, apart)]


def _order(times: Sequence[float]) -> tuple[Sequence[float], list[Tick]]:
    """Places points evenly, in their order: checks come in bursts, months apart."""
    count = len(times)
    if count == 1:
        middle = (_LEFT + _RIGHT) / 2
        return [middle], [Tick(x=middle, label=_moment(times[0]), anchor="middle")]
    step = (_RIGHT - _LEFT) / (count - 1)
    places = [round(_LEFT + number * step, 2) for number in range(count)]
    write = _day if times[-1] - times[0] > 3 * 86_400 else _hour
    shown = (
        {0: "start", count // 2: "middle", count - 1: "end"}
        if count > 2
        else {0: "start", 1: "end"}
    )
    return places, [
        Tick(x=places[at], label=write(times[at]), anchor=side) for at, side in shown.items()
    ]


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def _hour(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%-d %b %H:%M")


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%-d %b %Y")
