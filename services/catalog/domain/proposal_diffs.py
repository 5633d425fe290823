"""What a proposal changes, entity by entity: pure, over what both revisions say."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import (
    DIRECTORY_MODE,
    SUBMODULE_MODE,
    Entity,
    TreeChange,
    Value,
)

LONGEST_VALUE: Final = 2000
MOST_DIAGNOSTICS: Final = 500


class Kind(IntEnum):
    """What became of something; the numbers are those of the protocol."""

    ADDED = 1
    MODIFIED = 2
    REMOVED = 3


@dataclass(frozen=True, kw_only=True)
class FieldDiff:
    """A field of metadata that differs."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class FileDiff:
    """A file that differs."""

    path: str
    kind: Kind
    old_blob: str = ""
    new_blob: str = ""
    link: bool = False
    old_size: int = 0
    new_size: int = 0
    binary: bool = False
    text: str = ""
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class EntityDiff:
    """An entity that came, changed or went."""

    entity: Entity
    """As it is after the change, or was before."""
    kind: Kind
    fields: tuple[FieldDiff, ...] = ()
    files: tuple[FileDiff, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ProposalDiff:
    """What merging a proposal would change."""

    base_tree: str
    tree: str
    entities: tuple[EntityDiff, ...] = ()
    files: tuple[FileDiff, ...] = ()
    """Of none of these entities."""
    new_diagnostics: tuple[Diagnostic, ...] = ()
    resolved: int = 0
    remaining: int = 0
    omitted: int = 0
    """Files whose content is not told, as there are too many."""


def changed_files(changes: Iterable[TreeChange]) -> list[FileDiff]:
    """The files among the changes of a tree, by path; their content is to be read."""
    found = []
    for change in changes:
        modes = {change.old_mode, change.mode} - {0}
        if modes <= {DIRECTORY_MODE}:
            continue
        was = change.old_mode not in (0, DIRECTORY_MODE)
        now = change.mode not in (0, DIRECTORY_MODE)
        found.append(
            FileDiff(
                path=change.path,
                kind=Kind.MODIFIED if was and now else Kind.ADDED if now else Kind.REMOVED,
                old_blob=change.old_id if was and change.old_mode != SUBMODULE_MODE else "",
                new_blob=change.id if now and change.mode != SUBMODULE_MODE else "",
                link=any(mode >> 12 == 0o12 for mode in modes),
                binary=SUBMODULE_MODE in modes,
            )
        )
    return sorted(found, key=lambda one: one.path)


def entity_diffs(
    before: Mapping[str, Entity], after: Mapping[str, Entity], files: Sequence[FileDiff]
) -> tuple[tuple[EntityDiff, ...], tuple[FileDiff, ...]]:
    """Entities that differ, by key, each with its files; and the files that belong to none.

    Args:
        before: Entities that may differ, by key, as they were.
        after: The same, as they are.
        files: All files that differ.
    """
    found: list[EntityDiff] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old is not None and new is not None:
            if (old.path, old.tree) == (new.path, new.tree):
                continue
            found.append(EntityDiff(entity=new, kind=Kind.MODIFIED, fields=field_diffs(old, new)))
        elif new is not None:
            found.append(EntityDiff(entity=new, kind=Kind.ADDED))
        elif old is not None:
            found.append(EntityDiff(entity=old, kind=Kind.REMOVED))
    folders: dict[str, int] = {}
    for place, one in enumerate(found):
        folders[one.entity.path] = place
        old = before.get(one.entity.key)
        if old is not None:
            folders.setdefault(old.path, place)
    members: dict[int, list[FileDiff]] = {}
    others: list[FileDiff] = []
    for file in files:
        owner = _owner(file.path, folders)
        (others if owner is None else members.setdefault(owner, [])).append(file)
    return (
        tuple(replace(one, files=tuple(members.get(place, ()))) for place, one in enumerate(found)),
        tuple(others),
    )


def _owner(path: str, folders: Mapping[str, int]) -> int | None:
    """The entity in whose folder a file is; the innermost one."""
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        if folder in folders:
            return folders[folder]
    return None


def field_diffs(old: Entity, new: Entity) -> tuple[FieldDiff, ...]:
    """Fields of the metadata that differ, and the folder where that is another one."""
    found = []
    if old.path != new.path:
        found.append(FieldDiff(field="folder", before=old.path, after=new.path))
    names = [*new.metadata, *(name for name in old.metadata if name not in new.metadata)]
    for name in names:
        was, now = _text(old.metadata.get(name)), _text(new.metadata.get(name))
        if was != now:
            found.append(FieldDiff(field=name, before=was, after=now))
    return tuple(found)


def _text(value: Value) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def new_diagnostics(
    before: Iterable[Diagnostic], after: Iterable[Diagnostic]
) -> tuple[tuple[Diagnostic, ...], int, int]:
    """What is wrong after a change and was not before, worst first; how many went, and stayed.

    A line that moved makes no new diagnostic of an old one.
    """
    known = Counter(map(_sameness, before))
    total = known.total()
    fresh: list[Diagnostic] = []
    remaining = 0
    for one in after:
        if known[_sameness(one)] > 0:
            known[_sameness(one)] -= 1
            remaining += 1
        else:
            fresh.append(one)
    fresh.sort(key=lambda one: (one.severity, one))
    return tuple(fresh[:MOST_DIAGNOSTICS]), total - remaining, remaining


def _sameness(one: Diagnostic) -> tuple[str, str, str, str]:
    return one.path, one.code, one.field, one.message
