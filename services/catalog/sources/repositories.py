"""The layout of somebody's git repository, read as plain files: no git process trusts it.

Knows ordinary repositories, linked worktrees and submodules (where `.git` is a file), and bare
ones. Nothing is ever written.
"""

import configparser
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.errors import InvalidArgumentError, SourceError

_ID: Final = re.compile(r"[0-9a-f]{40}")
_MAX_LINKS: Final = 5
REF: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@=-]{0,249}")
"""What a ref may look like: nothing that git could take for an option or an expression."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """Where the parts of a repository lie."""

    git_directory: Path
    """Holds HEAD and the index."""
    common_directory: Path
    """Holds refs and objects; another one for linked worktrees."""
    work_tree: Path | None
    """Top-level folder; None for a bare one."""

    @property
    def objects(self) -> Path:
        """Folder of the objects."""
        return self.common_directory / "objects"

    @property
    def index(self) -> Path:
        """The user's index file; may be missing."""
        return self.git_directory / "index"

    @property
    def excludes(self) -> Path:
        """Ignore rules that are not committed; may be missing."""
        return self.common_directory / "info" / "exclude"

    def head(self) -> str:
        """Commit that HEAD names, or empty before the first commit."""
        return self._resolve("HEAD")

    def commit_or_tag(self, ref: str) -> str:
        """Object id that a branch, tag, remote branch or full ref names; empty if there is none."""
        if ref == "HEAD":
            return self.head()
        candidates = (
            f"refs/heads/{ref}",
            f"refs/tags/{ref}",
            f"refs/remotes/origin/{ref}",
            f"refs/remotes/{ref}",
            ref if ref.startswith("refs/") else f"refs/{ref}",
        )
        for name in candidates:
            found = self._resolve(name)
            if found:
                return found
        return ""

    def check(self) -> None:
        """Refuses what cannot be read.

        Raises:
            SourceError: Its objects are not named by SHA-1, or its refs are no files.
        """
        if (self.common_directory / "reftable").is_dir():
            raise SourceError(
                f"{self.git_directory} keeps its refs in the reftable format, which is not read "
                "yet; use `git refs migrate --ref-format=files`, or give a URL"
            )
        if _object_format(self.common_directory / "config") not in ("", "sha1"):
            raise SourceError(
                f"{self.git_directory} names its objects by SHA-256; only SHA-1 repositories "
                "can be data repositories"
            )

    def _resolve(self, name: str) -> str:
        for _ in range(_MAX_LINKS):
            text = self._read_ref(name)
            if not text.startswith("ref:"):
                return text if _ID.fullmatch(text) else ""
            name = text.removeprefix("ref:").strip()
            if not name.startswith("refs/") or ".." in name:
                return ""
        return ""

    def _read_ref(self, name: str) -> str:
        for directory in (self.git_directory, self.common_directory):
            try:
                return (directory / name).read_text(errors="replace").strip()
            except OSError:
                continue
        return _packed_refs(self.common_directory / "packed-refs").get(name, "")


def _packed_refs(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return {}
    found = {}
    for line in text.splitlines():
        id_, _, name = line.partition(" ")
        if _ID.fullmatch(id_):
            found[name.strip()] = id_
    return found


def _object_format(path: Path) -> str:
    """`extensions.objectFormat` of a git configuration file, as git writes it."""
    parser = configparser.RawConfigParser(
        strict=False, allow_no_value=True, comment_prefixes=("#", ";")
    )
    try:
        lines = path.read_text(errors="replace").splitlines()
        # Indented lines are values of their own in git, but would be continuations here.
        parser.read_string("\n".join(line.strip() for line in lines))
    except (OSError, configparser.Error):
        return ""
    for section in parser.sections():
        if section.lower() == "extensions":
            return (parser[section].get("objectformat") or "").strip().lower()
    return ""


def is_git_directory(path: Path) -> bool:
    """Whether a folder is itself a git directory (bare, or somebody's `.git`)."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def bare_repository(path: Path) -> Repository:
    """The repository whose git directory is given; its work tree, if any, is not looked at."""
    return Repository(git_directory=path, common_directory=_common(path), work_tree=None)


def enclosing_repository(folder: Path) -> Repository | None:
    """The repository whose work tree holds a folder, or None."""
    for candidate in (folder, *folder.parents):
        marker = candidate / ".git"
        if marker.is_dir() and is_git_directory(marker):
            return Repository(
                git_directory=marker, common_directory=_common(marker), work_tree=candidate
            )
        if marker.is_file():
            directory = _linked(marker)
            if directory is not None:
                return Repository(
                    git_directory=directory,
                    common_directory=_common(directory),
                    work_tree=candidate,
                )
    return None


def _linked(marker: Path) -> Path | None:
    """The git directory that a `.git` file points at."""
    try:
        text = marker.read_text(errors="replace").strip()
    except OSError:
        return None
    if not text.startswith("gitdir:"):
        return None
    directory = (marker.parent / text.removeprefix("gitdir:").strip()).resolve()
    return directory if (directory / "HEAD").is_file() else None


def _common(directory: Path) -> Path:
    try:
        text = (directory / "commondir").read_text(errors="replace").strip()
    except OSError:
        return directory
    return (directory / text).resolve()


def check_ref(ref: str) -> None:
    """Refuses what is no plain name of a branch, tag or commit.

    Raises:
        InvalidArgumentError: It could mean something else to git.
    """
    if ref and (
        not REF.fullmatch(ref)
        or ".." in ref
        or "//" in ref
        or "/." in ref
        or ref.endswith(("/", ".", ".lock"))
    ):
        raise InvalidArgumentError(f"{ref[:100]!r} is no name of a branch, tag or commit")
