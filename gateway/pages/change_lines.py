"""Verdict changes as people read them: on the landing page, and in the feed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import notification_pb2
from gateway.access.viewers import Viewer
from gateway.pages import discretion, words
from gateway.pages.formats import last

_K = notification_pb2.VerdictChange.Kind
_C = notification_pb2.VerdictChange.Cause
_VERBS: Mapping[int, str] = {
    _K.KIND_FIRST: "has its first verdict",
    _K.KIND_BROKEN: "broke",
    _K.KIND_REPAIRED: "is repaired",
    _K.KIND_CHANGED: "fails in another way",
}
_CAUSES: Mapping[int, str] = {
    _C.CAUSE_DATA: "the data changed",
    _C.CAUSE_ENVIRONMENT: "the environment changed",
    _C.CAUSE_DATA_AND_ENVIRONMENT: "data and environment changed",
    _C.CAUSE_NEITHER: "neither data nor environment changed",
}
KINDS: Mapping[str, _K.ValueType] = {
    "first": _K.KIND_FIRST,
    "broken": _K.KIND_BROKEN,
    "repaired": _K.KIND_REPAIRED,
    "changed": _K.KIND_CHANGED,
}
"""Kinds by their names in addresses."""


@dataclass(frozen=True)
class ChangeLine:
    """One change, in words."""

    change: notification_pb2.VerdictChange
    title: str
    """Of the entity."""
    verb: str
    word: words.Word
    """The verdict now."""
    before: words.Word | None
    since: str
    """Commit, where another one than before; else empty."""
    cause: str
    """What differs; empty where that is not known."""
    said: str
    """What the failure says; empty where the reader may not see it."""

    @property
    def details(self) -> list[str]:
        """What there is to say beside the verdict, piece by piece."""
        before = f"{self.before.label} before" if self.before else ""
        since = f"since commit {self.since[:10]}" if self.since else ""
        return [part for part in (before, since, self.cause) if part]

    @property
    def sentence(self) -> str:
        """All of it as plain text, without its time."""
        return f"{self.title} {self.verb}: {', '.join([self.word.label, *self.details])}"


def lines(
    changes: Iterable[notification_pb2.VerdictChange],
    *,
    viewer: Viewer,
    known: Mapping[str, catalog_pb2.Entity],
) -> list[ChangeLine]:
    """Puts changes into words, as somebody may see them.

    Args:
        changes: The changes.
        viewer: Who reads.
        known: Entities by name, for their titles; those that left the repository have none.
    """
    return [_line(change, viewer=viewer, known=known) for change in changes]


def _line(
    change: notification_pb2.VerdictChange,
    *,
    viewer: Viewer,
    known: Mapping[str, catalog_pb2.Entity],
) -> ChangeLine:
    has_before = change.HasField("before")
    entity = known.get(change.entity)
    return ChangeLine(
        change=shown(viewer, change),
        title=(entity.title if entity else "") or last(change.entity),
        verb=_VERBS.get(change.kind, "changed"),
        word=words.verdict_word(change.after.verdict),
        before=words.verdict_word(change.before.verdict) if has_before else None,
        since=change.after.commit
        if has_before and change.after.commit != change.before.commit
        else "",
        cause=_CAUSES.get(change.cause, "") if has_before else "",
        said=change.after.title if discretion.open_to(viewer, change.after.verdict) else "",
    )


def shown(viewer: Viewer, change: notification_pb2.VerdictChange) -> notification_pb2.VerdictChange:
    """Gives a change as somebody may see it."""
    found = notification_pb2.VerdictChange()
    found.CopyFrom(change)
    for point in (found.after, found.before) if found.HasField("before") else (found.after,):
        if not discretion.open_to(viewer, point.verdict):
            point.title = ""
    return found
