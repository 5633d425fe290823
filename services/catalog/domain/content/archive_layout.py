"""What an archive holds: names that every system can write, links that stay inside.

Files lie as in the data repository. Names that Windows cannot write, or could mistake for a path,
are written with percent-encoding; of names that differ only by case or Unicode form, all but one
get a number. A link points straight to where it leads, and is left out where that is not inside.
"""

import hashlib
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from services.catalog.domain.entities import (
    DIRECTORY_MODE,
    SUBMODULE_MODE,
    SYMLINK_MODE,
    TreeEntry,
    is_printable,
    printable,
)

MANIFEST: Final = "MANIFEST.json"
"""File in the top folder that says what the archive is."""

_UNSAFE: Final = re.compile(
    # Control characters, those of Windows, line separators, and those that turn text around.
    '[\x00-\x1f\x7f-\x9f<>:"\\\\|?*\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]'
    # At the end, Windows drops these.
    r"|[. ]\Z"
)
_DEVICE: Final = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\.|\Z)", re.IGNORECASE
)
_LONGEST_NAME: Final = 200
"""Bytes of a name; file systems take 255."""
_MOST_LINKS: Final = 40
"""How many links a path may lead through, as in Linux."""
_MOST_STEPS: Final = 1_000
"""How many folders a path may lead through: a link is not worth more time."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file or link of an archive."""

    name: str
    """Path below the top folder."""
    path: str
    """Path in the data repository."""
    blob: str
    size: int
    executable: bool = False
    target: str | None = None
    """Where a link leads, relative to its folder; None for a file."""

    @classmethod
    def of_bytes(cls, name: str, content: bytes) -> "Member":
        """A file that is not from the data repository."""
        return cls(name=name, path="", blob="", size=len(content))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """All members in the order of their names, and what differs from the repository."""

    members: tuple[Member, ...]
    left_out: Mapping[str, str]
    """Why, by path."""

    @property
    def renamed(self) -> dict[str, str]:
        """Name in the archive by path in the repository, where they differ."""
        return {member.path: member.name for member in self.members if member.path != member.name}


def laid_out(entries: Iterable[TreeEntry], *, links: Mapping[str, bytes]) -> Layout:
    """Lays out the files of an archive.

    Args:
        entries: Everything that belongs into it, with paths in the data repository.
        links: Text of each symbolic link, by blob id.
    """
    known: dict[str, TreeEntry] = {}
    left_out: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: entry.path):
        if entry.mode in (DIRECTORY_MODE, SUBMODULE_MODE):
            continue
        if is_printable(entry.path):
            known[entry.path] = entry
        else:
            left_out[printable(entry.path)] = "the name is no UTF-8"
    names = _Names()
    written = {path: names.of(path) for path in known}
    tree = _Tree(known, links)
    members = []
    for path, entry in known.items():
        target = None
        if entry.mode == SYMLINK_MODE:
            end = tree.end_of(path)
            if end is None:
                left_out[path] = "the link leads nowhere in the archive"
                continue
            folder = posixpath.dirname(written[path])
            target = posixpath.relpath(names.of(end) if end else ".", folder or ".")
        members.append(
            Member(
                name=written[path],
                path=path,
                blob=entry.id,
                size=entry.size,
                executable=bool(entry.mode & 0o100),
                target=target,
            )
        )
    members.sort(key=lambda member: member.name)
    return Layout(members=tuple(members), left_out=left_out)


@dataclass
class _Folder:
    """The names of one folder."""

    chosen: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)


class _Names:
    """Chooses names; the same paths in the same order get the same names."""

    def __init__(self) -> None:
        top = _Folder()
        top.taken.add(_folded(MANIFEST))
        self._folders = {"": top}

    def of(self, path: str) -> str:
        """The name of a path, below the top folder."""
        at = ""
        for part in path.split("/"):
            folder = self._folders.setdefault(at, _Folder())
            if part not in folder.chosen:
                folder.chosen[part] = _free(_safe(part), folder)
            at = posixpath.join(at, folder.chosen[part])
        return at


def _free(name: str, folder: _Folder) -> str:
    stem, suffix = posixpath.splitext(name)
    free = name
    while _folded(free) in folder.taken:
        number = folder.counts[_folded(name)] = folder.counts.get(_folded(name), 1) + 1
        free = f"{stem}~{number}{suffix}"
    folder.taken.add(_folded(free))
    return free


def _safe(part: str) -> str:
    name = _UNSAFE.sub(lambda found: _encoded(found.group()), part)
    if _DEVICE.match(name):
        name = _encoded(name[0]) + name[1:]
    if len(name.encode()) > _LONGEST_NAME:
        digest = hashlib.sha256(part.encode()).hexdigest()[:8]
        _, suffix = posixpath.splitext(name)
        suffix = suffix if len(suffix.encode()) <= 20 else ""  # longer is no suffix
        shortened = name.encode()[: _LONGEST_NAME - 40].decode(errors="ignore")
        name = f"{shortened}~{digest}{suffix}"
    return name


def _encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class _Tree:
    """Files, links and folders by path, to follow links in."""

    def __init__(self, known: Mapping[str, TreeEntry], links: Mapping[str, bytes]) -> None:
        self._links = {
            path: links.get(entry.id, b"")
            for path, entry in known.items()
            if entry.mode == SYMLINK_MODE
        }
        self._paths = {""}
        for path in known:
            at = path
            while at not in self._paths:
                self._paths.add(at)
                at = posixpath.dirname(at)

    def end_of(self, link: str) -> str | None:
        """Path where a link leads in the end, or None where that is not in the tree."""
        at: list[str] = []
        todo = link.split("/")[::-1]
        followed = steps = 0
        while todo:
            part = todo.pop()
            steps += 1
            if steps > _MOST_STEPS:
                return None
            if part in ("", "."):
                continue
            if part == "..":
                if not at:
                    return None
                at.pop()
                continue
            at.append(part)
            path = "/".join(at)
            if path in self._links:
                followed += 1
                target = self._links[path]
                if followed > _MOST_LINKS or not target or target.startswith(b"/"):
                    return None
                at.pop()
                todo += target.decode("utf-8", "surrogateescape").split("/")[::-1]
            elif path not in self._paths:
                return None
        return "/".join(at)
