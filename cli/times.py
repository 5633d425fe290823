"""Times as people read them."""

from datetime import UTC, datetime

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def ago(time: datetime) -> str:
    """How long ago something was, e.g. `3 min ago`."""
    return f"{span((datetime.now(UTC) - time).total_seconds()) or '0 s'} ago"


def span(seconds: float) -> str:
    """A duration in its largest unit, e.g. `4 h`; empty below a second."""
    if seconds < 1:
        return ""
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
