"""What pages say of failures, by who looks: the table of error propagation.

What a script error says stays with those who may see errors (`access.redaction` lists it); that
numbers are not the expected ones, everybody may read.
"""

from collections.abc import Iterable

from ackrep.scheduler.v1 import check_pb2, history_pb2
from gateway.access.redaction import M, without_errors
from gateway.access.viewers import Viewer
from gateway.pages import words

_FOR_ALL = frozenset({check_pb2.VERDICT_SUCCESS, check_pb2.VERDICT_INACCURATE})


def open_to(viewer: Viewer, verdict: int) -> bool:
    """Whether somebody may read what a check with this verdict said."""
    return viewer.sees_errors or verdict in _FOR_ALL


def title(viewer: Viewer, verdict: int, text: str) -> str:
    """Gives the line about a failure that somebody may read: its text, or only its verdict."""
    return text if open_to(viewer, verdict) and text else words.verdict_word(verdict).label


def shown(viewer: Viewer, found: M) -> M:
    """Gives a check, a comparison or whatever else as somebody may see it."""
    return found if viewer.sees_errors else without_errors(found)


def group(viewer: Viewer, found: history_pb2.FailureGroup) -> history_pb2.FailureGroup:
    """Gives a failure group as somebody may see it; it always has a title."""
    told = history_pb2.FailureGroup()
    told.CopyFrom(shown(viewer, found))
    told.title = title(viewer, found.verdict, found.title)
    return told


def groups(
    viewer: Viewer, found: Iterable[history_pb2.FailureGroup]
) -> list[history_pb2.FailureGroup]:
    """Gives failure groups as somebody may see them."""
    return [group(viewer, one) for one in found]
