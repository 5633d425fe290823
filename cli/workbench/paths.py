"""Which paths may be written into a working copy. Pure."""

import posixpath
import re
from typing import Final

_GIT: Final = re.compile(r"\.git[. ]*(:.*)?|git~\d+", re.IGNORECASE)
"""What file systems that fold case, shorten names or have streams take for `.git`."""
_BARE: Final = "head"
"""With such a file beside two folders, git takes a folder for a repository and heeds its `config`,
which can name programs to run."""
_LONGEST: Final = 4096


def fault(path: str) -> str:
    """Why a path must not be written to; empty if it may."""
    if not path or len(path) > _LONGEST or path.startswith("/"):
        return "no path within the working copy"
    if any(not part or part in {".", ".."} for part in path.split("/")):
        return "no path within the working copy"
    if any(not character.isprintable() for character in path) or "\\" in path:
        return "a name that no file here should have"
    if any(_GIT.fullmatch(part) for part in path.split("/")):
        return "it belongs to git"
    if path.rpartition("/")[2].lower() == _BARE:
        return "git could take its folder for a repository"
    return ""


def link_fault(path: str, target: str) -> str:
    """Why a link must not be made; empty if it leads to somewhere within the working copy."""
    if not target or target.startswith("/") or "\\" in target or not target.isprintable():
        return "a link that leads out of the working copy"
    beyond_parents = target.lstrip("./").split("/")
    if ".." in beyond_parents:
        # What comes before may be a link itself, and its parent anywhere.
        return "a link that may lead out of the working copy"
    inner = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if inner == ".":
        return ""
    return "a link that leads out of the working copy" if fault(inner) else ""
