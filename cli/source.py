"""Which data repository a command is about: a path or URL with a ref, given or found."""

import dataclasses
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from services.errors import InvalidArgumentError

TYPE_FOLDERS = frozenset(
    {
        "comments",
        "documentations",
        "environment_specifications",
        "method_packages",
        "notebooks",
        "problem_classes",
        "problem_solutions",
        "problem_specifications",
        "system_models",
    }
)
"""Folders that data repositories keep their entities in."""

_REMOTE = re.compile(
    r"^(?P<host>[A-Za-z][A-Za-z0-9+.-]*://[^/]*/|[^/@:\s]+@[^/:\s]+:)(?P<rest>.+)$"
)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the catalog reads a data repository from."""

    location: str
    """Absolute path, or URL of a git repository."""
    ref: str = ""
    """Branch, tag or commit; empty means the working tree, or the remote's default branch."""

    def __post_init__(self) -> None:
        """Refuses what no message can carry.

        Raises:
            InvalidArgumentError: It is no UTF-8.
        """
        try:
            str(self).encode()
        except UnicodeEncodeError:
            raise InvalidArgumentError(
                f"the path {self.location!a} is no UTF-8; rename the folder"
            ) from None

    @property
    def is_local(self) -> bool:
        """True for a folder on this machine."""
        return _REMOTE.match(self.location) is None

    @property
    def root(self) -> Path | None:
        """The folder whose files are read as they are now; none for a URL or a ref."""
        return Path(self.location) if self.is_local and not self.ref else None

    @property
    def title(self) -> str:
        """Last part of the path or URL, safe as part of a file name."""
        last = self.location.rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        return _UNSAFE.sub("_", last.removesuffix(".git"))[:60].strip(".") or "repository"

    @property
    def identity(self) -> str:
        """Folder name that is unique for it: title and the first 12 hex digits of a sha256."""
        digest = hashlib.sha256(str(self).encode()).hexdigest()[:12]
        return f"{self.title}-{digest}"

    def __str__(self) -> str:
        return f"{self.location}@{self.ref}" if self.ref else self.location


def parse(text: str, *, ref: str = "") -> Source:
    """Reads `PATH` or `URL`, optionally with `@REF` at the end.

    Raises:
        InvalidArgumentError: A path does not exist, or two refs were given.
    """
    remote = _REMOTE.match(text)
    if remote is not None:
        rest, _, given = remote["rest"].partition("@")
        return Source(location=remote["host"] + rest, ref=_one_ref(given, ref))
    path, given = Path(text).expanduser(), ""
    if not path.exists() and "@" in text:
        before, _, given = text.rpartition("@")
        path = Path(before).expanduser()
    if not path.is_dir():
        raise InvalidArgumentError(
            f"there is no folder {text}; give the path or URL of a data repository", path=text
        )
    return Source(location=str(path.resolve()), ref=_one_ref(given, ref))


def _one_ref(in_text: str, option: str) -> str:
    if in_text and option and in_text != option:
        raise InvalidArgumentError(f"two refs were given: @{in_text} and --ref {option}")
    return in_text or option


def find(
    given: str | None, *, ref: str = "", start: Path, environ: Mapping[str, str] | None = None
) -> Source:
    """Finds the data repository: as given, else `ACKREP_REPOSITORY`, else around `start`.

    Raises:
        InvalidArgumentError: There is none.
    """
    variable = (os.environ if environ is None else environ).get("ACKREP_REPOSITORY", "")
    if given or variable:
        return parse(given or variable, ref=ref)
    root = root_of(start)
    if root is None:
        raise InvalidArgumentError(
            f"no data repository at {start} or above it; "
            "go into one, or name it with --repository PATH or ACKREP_REPOSITORY"
        )
    return Source(location=str(root), ref=ref)


def root_of(path: Path) -> Path | None:
    """Finds the data repository that holds a file or folder: the nearest one upwards."""
    path = path.expanduser().resolve()
    return next((folder for folder in (path, *path.parents) if _is_root(folder)), None)


def _is_root(folder: Path) -> bool:
    if not folder.is_dir() or folder.name in TYPE_FOLDERS:
        return False
    if any((folder / name).is_dir() for name in TYPE_FOLDERS):
        return True
    if not (folder / ".git").exists():
        return False
    return any(any(folder.glob(depth)) for depth in ("*/metadata.yml", "*/*/metadata.yml"))
