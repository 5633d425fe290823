"""The diagnostics of a revision, by the check that found them, and what an update changes."""

from collections.abc import Iterable
from typing import TypeAlias

from services.catalog.domain.diagnostics import Diagnostic, Severity

Check: TypeAlias = tuple[str, str]
"""What was checked: the kind of check, and the path or key it was done for."""


class Reports:
    """Remembers which check found what, so that doing one again replaces what it found before."""

    def __init__(self) -> None:
        self._found: dict[Check, tuple[Diagnostic, ...]] = {}
        self._times: dict[Diagnostic, int] = {}
        """How many checks found it."""
        self._before: dict[Diagnostic, bool] = {}
        """Those whose count changed since the last `take`: whether they were there then."""
        self._counts = dict.fromkeys(Severity, 0)

    def put(self, check: Check, found: Iterable[Diagnostic] = ()) -> None:
        """Replaces what a check found."""
        now = tuple(dict.fromkeys(found)) if found else ()
        before = self._found.pop(check, ())
        if not now and not before:
            return
        if now:
            self._found[check] = now
        for diagnostic in before:
            self._add(diagnostic, -1)
        for diagnostic in now:
            self._add(diagnostic, 1)

    def _add(self, diagnostic: Diagnostic, change: int) -> None:
        times = self._times.get(diagnostic, 0)
        self._before.setdefault(diagnostic, times > 0)
        if times + change:
            self._times[diagnostic] = times + change
        else:
            del self._times[diagnostic]

    def take(self) -> tuple[list[Diagnostic], list[Diagnostic]]:
        """What is new since the last call, and what is over, each in order of file and line."""
        changes, self._before = self._before, {}
        noted = sorted(one for one, was in changes.items() if not was and one in self._times)
        resolved = sorted(one for one, was in changes.items() if was and one not in self._times)
        for diagnostic in noted:
            self._counts[diagnostic.severity] += 1
        for diagnostic in resolved:
            self._counts[diagnostic.severity] -= 1
        return noted, resolved

    def count(self, severity: Severity) -> int:
        """Number of diagnostics of a severity at the last `take`."""
        return self._counts[severity]
