"""Lengths of time as people write them."""

import re
from datetime import timedelta
from typing import Any

import click

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([mhdwy])")


class Span(click.ParamType):  # type: ignore[type-arg]  # generic in some versions only
    """A length of time, e.g. `7d`."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        found = _SPAN.fullmatch(str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is no duration: write e.g. 90m, 12h, 7d, 2w or 1y", param, ctx)
        try:
            return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
        except OverflowError:
            self.fail(f"{value!r} is longer than any time", param, ctx)
