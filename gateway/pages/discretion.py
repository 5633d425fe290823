"""What pages say of failures, by who looks: the table of error propagation.

What a script error says stays with those who may see errors; that numbers are not the expected
ones, everybody may read.
"""

from collections.abc import Iterable

from ackrep.scheduler.v1 import check_pb2, comparison_pb2, history_pb2
from gateway.access.viewers import Viewer
from gateway.pages import words

_FOR_ALL = frozenset({check_pb2.VERDICT_SUCCESS, check_pb2.VERDICT_INACCURATE})


def open_to(viewer: Viewer, verdict: int) -> bool:
    """Whether somebody may read what a check with this verdict said."""
    return viewer.sees_errors or verdict in _FOR_ALL


def title(viewer: Viewer, verdict: int, text: str) -> str:
    """Gives the line about a failure that somebody may read: its text, or only its verdict."""
    return text if open_to(viewer, verdict) and text else words.verdict_word(verdict).label


def group(viewer: Viewer, found: history_pb2.FailureGroup) -> history_pb2.FailureGroup:
    """Gives a failure group as somebody may see it."""
    shown = history_pb2.FailureGroup()
    shown.CopyFrom(found)
    shown.title = title(viewer, found.verdict, found.title)
    if not viewer.sees_errors:
        shown.excerpt = ""
    return shown


def groups(
    viewer: Viewer, found: Iterable[history_pb2.FailureGroup]
) -> list[history_pb2.FailureGroup]:
    """Gives failure groups as somebody may see them."""
    return [group(viewer, one) for one in found]


def check(viewer: Viewer, found: check_pb2.Check) -> check_pb2.Check:
    """Gives a check as somebody may see it."""
    if open_to(viewer, found.verdict):
        return found
    shown = check_pb2.Check()
    shown.CopyFrom(found)
    if found.HasField("result"):
        shown.result.message = shown.result.traceback = shown.result.log = ""
    for attempt in shown.failed_attempts:
        attempt.reason = ""
    return shown


def comparison(viewer: Viewer, found: comparison_pb2.RunComparison) -> comparison_pb2.RunComparison:
    """Gives a comparison of runs as somebody may see it."""
    shown = comparison_pb2.RunComparison()
    shown.CopyFrom(found)
    for change in shown.changes:
        if not open_to(viewer, change.other_verdict):
            change.message = ""
    return shown


def point(viewer: Viewer, found: history_pb2.HistoryPoint) -> history_pb2.HistoryPoint:
    """Gives a point of a history as somebody may see it."""
    if open_to(viewer, found.sighting.verdict):
        return found
    shown = history_pb2.HistoryPoint()
    shown.CopyFrom(found)
    shown.title = ""
    return shown
