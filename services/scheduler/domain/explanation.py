"""Why a check ran, or why it did not: what differs from the check of the entity before."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from services.scheduler.domain.check import Basis, Check, Folder, Limits, Verdict
from services.scheduler.domain.inputs import plain_name
from services.scheduler.domain.reuse import REUSABLE


class Kind(IntEnum):
    """Kind of a reason; the numbers are those of the protos."""

    SAME_INPUTS = 1
    FORCED = 2
    FIRST = 3
    FOLDER_CHANGED = 4
    ENVIRONMENT_CHANGED = 5
    IMAGE_CHANGED = 6
    IMAGE_UNKNOWN = 7
    RUNTIME_CHANGED = 8
    RUNTIME_UNKNOWN = 9
    LIMIT_CHANGED = 10
    VERDICT_NOT_REUSABLE = 11
    REVISION_CHANGED = 12
    UNFINISHED = 13
    NOT_RECORDED = 14
    BROKEN = 15
    UNTRUSTED = 16


@dataclass(frozen=True, kw_only=True)
class PackageChange:
    """A package that differs between two images; empty versions where it was or is not there."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason."""

    kind: Kind
    key: str = ""
    """Entity of a folder."""
    path: str = ""
    """That folder."""
    field: str = ""
    """Name of a limit."""
    before: str = ""
    after: str = ""
    packages: tuple[PackageChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A check as it is compared: with the folders of its closure."""

    check: Check
    folders: tuple[Folder, ...] = ()

    @property
    def image(self) -> str:
        """What it ran in; while it has not, what it was expected to."""
        return self._ran("image")

    @property
    def runtime(self) -> str:
        """The runtime it ran with; while it has not, the expected one."""
        return self._ran("runtime")

    def _ran(self, field: str) -> str:
        ran: str = getattr(self.check.result, field, "")
        expected: str = getattr(self.check.basis, field, "")
        return ran or expected


def explain(
    now: Subject,
    before: Subject | None,
    *,
    packages: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Reason, ...]:
    """Says why a check ran or not; at least one reason.

    Args:
        now: The check.
        before: The check of the same entity that was created before, or the one that ran for it
            where the result is reused.
        packages: Digests of images to what is in them, where that is known.
    """
    check, basis = now.check, now.check.basis
    if basis is None:
        broken = check.finished and not check.attempt
        return (Reason(kind=Kind.BROKEN if broken else Kind.NOT_RECORDED),)
    if check.reused_from:
        return (Reason(kind=Kind.SAME_INPUTS),)
    found = [Reason(kind=Kind.FORCED)] if basis.forced else []
    if check.untrusted and (before is None or not before.check.untrusted):
        found.append(Reason(kind=Kind.UNTRUSTED))
    if before is None:
        return (*found, Reason(kind=Kind.FIRST))
    if before.check.basis is None:
        return (*found, Reason(kind=Kind.NOT_RECORDED))
    found += _folders(basis, before.check.basis, now.folders, before.folders)
    found += _surroundings(now, before, packages=packages or {})
    found += _limits(check.limits, before.check.limits)
    found += _unknown(basis)
    found += _result(check, before.check)
    # Nothing differs: the result came, or the image changed, after this check was created.
    return tuple(found) or (Reason(kind=Kind.UNFINISHED),)


def package_changes(before: Iterable[str], after: Iterable[str]) -> tuple[PackageChange, ...]:
    """The packages (`name==version` each) that differ, by name."""
    old, new = _versions(before), _versions(after)
    return tuple(
        PackageChange(name=name, before=old.get(name, ""), after=new.get(name, ""))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _versions(packages: Iterable[str]) -> dict[str, str]:
    split = (package.partition("==") for package in packages)
    return {name: version for name, _, version in split}


def _folders(
    basis: Basis, earlier: Basis, folders: Iterable[Folder], others: Iterable[Folder]
) -> list[Reason]:
    if basis.closure == earlier.closure:
        return []
    new = {folder.key: folder for folder in folders}
    old = {folder.key: folder for folder in others}
    found = []
    for key in sorted(old.keys() | new.keys()):
        was, is_now = old.get(key), new.get(key)
        if was == is_now:
            continue
        path = (is_now or was or Folder(key=key, path="", tree="")).path
        found.append(
            Reason(
                kind=Kind.FOLDER_CHANGED,
                key=key,
                path=path,
                before=_content(was, moved=was is not None and was.path != path),
                after=_content(is_now),
            )
        )
    # Where a closure is not known any more, its digest alone says that it differs.
    whole = Reason(kind=Kind.FOLDER_CHANGED, before=earlier.closure, after=basis.closure)
    return found or [whole]


def _content(folder: Folder | None, *, moved: bool = False) -> str:
    if folder is None:
        return ""
    return f"{folder.tree} at {folder.path}" if moved else folder.tree


def _surroundings(
    now: Subject, before: Subject, *, packages: Mapping[str, Sequence[str]]
) -> list[Reason]:
    found = []
    name, earlier = plain_name(now.check.environment), plain_name(before.check.environment)
    if name != earlier:
        found.append(Reason(kind=Kind.ENVIRONMENT_CHANGED, before=earlier, after=name))
    if now.image and before.image and now.image != before.image:
        changes: tuple[PackageChange, ...] = ()
        if now.image in packages and before.image in packages:
            changes = package_changes(packages[before.image], packages[now.image])
        found.append(
            Reason(kind=Kind.IMAGE_CHANGED, before=before.image, after=now.image, packages=changes)
        )
    if now.runtime and before.runtime and now.runtime != before.runtime:
        found.append(Reason(kind=Kind.RUNTIME_CHANGED, before=before.runtime, after=now.runtime))
    return found


def _limits(limits: Limits, earlier: Limits) -> list[Reason]:
    old, new = dataclasses.asdict(earlier), dataclasses.asdict(limits)
    return [
        Reason(kind=Kind.LIMIT_CHANGED, field=name, before=f"{old[name]:g}", after=f"{new[name]:g}")
        for name in new
        if new[name] != old[name]
    ]


def _unknown(basis: Basis) -> list[Reason]:
    found = [] if basis.image else [Reason(kind=Kind.IMAGE_UNKNOWN)]
    return found if basis.runtime else [*found, Reason(kind=Kind.RUNTIME_UNKNOWN)]


def _result(check: Check, before: Check) -> list[Reason]:
    result = before.result
    if result is None:
        return [Reason(kind=Kind.UNFINISHED)]
    if result.verdict not in REUSABLE:
        return [Reason(kind=Kind.VERDICT_NOT_REUSABLE, before=Verdict(result.verdict).name)]
    if result.on_revision and before.revision != check.revision:
        return [Reason(kind=Kind.REVISION_CHANGED, before=before.revision, after=check.revision)]
    return []
