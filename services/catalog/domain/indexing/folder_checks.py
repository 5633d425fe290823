"""What is wrong with folders and the names in them, whatever the metadata says.

Each check needs one path, or the paths below one entity, so that it can be done again for what
changed and for nothing else.
"""

import posixpath
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from services.catalog.domain.diagnostics import MAX_PATH, Diagnostic, shortened
from services.catalog.domain.entities import METADATA_FILE, EntityType, Value, printable
from services.catalog.domain.indexing.entry_checks import is_metadata
from services.catalog.domain.metadata.schema import SCHEMA, Kind

TYPE_FOLDERS: Final[Mapping[str, EntityType]] = {
    "comments": EntityType.COMMENT,
    "documentations": EntityType.DOCUMENTATION,
    "environment_specifications": EntityType.ENVIRONMENT_SPECIFICATION,
    "method_packages": EntityType.METHOD_PACKAGE,
    "notebooks": EntityType.NOTEBOOK,
    "problem_classes": EntityType.PROBLEM_CLASS,
    "problem_solutions": EntityType.PROBLEM_SOLUTION,
    "problem_specifications": EntityType.PROBLEM_SPECIFICATION,
    "system_models": EntityType.SYSTEM_MODEL,
}
"""Folders at the root that hold entities of one type, where a repository has them."""
DOCKERFILE: Final = "Dockerfile_"
"""What the Dockerfiles of environments are named after: this and the environment's name."""
MAX_TOLD: Final = 20
"""Names of one folder that are told."""

_UNPORTABLE: Final = re.compile(
    r'[\x00-\x1f\x7f<>:"|?*\\]'
    r"|[. ](?=/|\Z)"
    r"|(?:\A|(?<=/))(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?=[./]|\Z)",
    re.IGNORECASE,
)
"""Where a path has something that no path on Windows can have."""
_PORTABLE: Final = re.compile(
    r"(?:(?!con[/.]|prn[/.]|aux[/.]|nul[/.]|com[0-9][/.]|lpt[0-9][/.])[a-z0-9_.-]*[a-z0-9_-]/)+"
    r"(?!con\b|prn\b|aux\b|nul\b|com[0-9]\b|lpt[0-9]\b)[a-z0-9_.-]*[a-z0-9_-]"
)
"""Most paths, told quickly: nothing in them is unportable."""
_MISNAMED: Final = re.compile(
    r"[^/]+/(?!_)[^/]+(?:/(?!_)[^/]+)?/metadata\.ya?ml(?:\.txt)?", re.IGNORECASE
)
_USUAL_NAME: Final = re.compile(r"[a-z0-9_./-]*")
"""Paths that clash with no other one of this kind."""


def check_path(path: str) -> Iterator[Diagnostic]:
    """What is wrong with the names in the path of one file, each told for the folder or file."""
    found = None if _PORTABLE.fullmatch(path) else _UNPORTABLE.search(path)
    if found is not None:
        end = path.find("/", found.end())
        yield _unportable(path if end < 0 else path[:end])
    if (
        ("metadata." in path or not path.islower())
        and _MISNAMED.fullmatch(path)
        and posixpath.basename(path) != METADATA_FILE
        and path.partition("/")[0] in TYPE_FOLDERS
    ):
        yield Diagnostic(
            path=printable(path),
            code="misnamed-metadata",
            message=f"a file of this name makes no entity; only {METADATA_FILE} does",
            remedy=f"rename it to {METADATA_FILE}",
        )


def _unportable(path: str) -> Diagnostic:
    name = posixpath.basename(path)
    bad = sorted(set(re.findall(r'[\x00-\x1f\x7f<>:"|?*\\]', name)))
    if bad:
        why = f"it holds {', '.join(repr(sign) for sign in bad[:3])}"
    elif name.endswith((".", " ")):
        why = "it ends in a dot or space"
    else:
        why = f"{name.partition('.')[0]} is the name of a device there"
    return Diagnostic(
        path=printable(path),
        code="unportable-name",
        message=f"on Windows there can be no file or folder of this name: {why}",
        remedy="rename it, with letters, digits, `_`, `-` and `.`",
    )


def misplacement(path: str, type_: EntityType) -> tuple[str, str] | None:
    """Message and remedy where an entity lies in the folder of another type; None where not.

    Only the folders at the root that are named after types count; other layouts are free.
    """
    top = path.partition("/")[0]
    if TYPE_FOLDERS.get(top, type_) is type_:
        return None
    right = next(name for name, wanted in TYPE_FOLDERS.items() if wanted is type_)
    return (
        f"a {type_} lies in {top}/, where one looks for entities of type {TYPE_FOLDERS[top]}",
        f"move it into {right}/, or correct its type",
    )


def check_listing(folder: str, files: Collection[str], *, key: str) -> Iterator[Diagnostic]:
    """What is wrong with the files of one entity among each other.

    Args:
        folder: The entity's folder.
        files: Paths of all files below it, relative to it.
        key: The entity's key.
    """
    nested = [path for path in files if path.endswith(f"/{METADATA_FILE}") and is_metadata(path)]
    for path in nested[:MAX_TOLD]:
        yield Diagnostic(
            path=printable(f"{folder}/{path}"),
            code="nested-entity",
            message=f"this entity lies within the folder of {key}, which changes with it",
            remedy=f"move it out of {shortened(printable(folder), 200)}",
        )
    odd = [path for path in files if len(path) <= MAX_PATH and not _USUAL_NAME.fullmatch(path)]
    if odd:
        for one, other in clashes(files, odd)[:MAX_TOLD]:
            yield _clash(f"{folder}/{one}", other, key=key)


def clashes(paths: Iterable[str], odd: Collection[str]) -> list[tuple[str, str]]:
    """Paths that some file systems take for one: each with another one, in order.

    Args:
        paths: All of them.
        odd: Those that have anything but lower-case ASCII; others do not clash among each other.
    """
    by_form: dict[str, set[str]] = {}
    for path in odd:
        for part in _prefixes(path):
            by_form.setdefault(_form(part), set()).add(part)
    for path in paths:
        if len(path) <= MAX_PATH:
            for part in _prefixes(path):
                if part in by_form:  # of usual names, the form is the name
                    by_form[part].add(part)
    found = []
    for parts in by_form.values():
        first, *others = sorted(parts)
        pairs = [(first, others[0])] if others else []
        pairs += [(other, first) for other in others]
        # Folders that clash are told, not all that is in them too.
        found += [(one, other) for one, other in pairs if _name(one) != _name(other)]
    return sorted(found)


def _name(path: str) -> str:
    return posixpath.basename(path)


def check_folders(folder: str, others: Collection[str], *, key: str) -> Iterator[Diagnostic]:
    """That the folder of an entity clashes with others; see `folder_form`."""
    others = [other for other in others if other != folder]
    if others:
        yield _clash(f"{folder}/{METADATA_FILE}", f"{min(others)}/{METADATA_FILE}", key=key)


def folder_form(folder: str) -> str:
    """What folders have in common that Windows or macOS cannot have both."""
    return folder if _USUAL_NAME.fullmatch(folder) else _form(folder)


def _clash(path: str, other: str, *, key: str) -> Diagnostic:
    shown = shortened(printable(other), 200)
    return Diagnostic(
        path=printable(path),
        code="case-clash",
        message=f"on Windows and macOS this and {shown} would be one file or folder",
        remedy="rename one of them",
        key=key,
    )


def _prefixes(path: str) -> Iterator[str]:
    place = path.find("/")
    while place >= 0:
        yield path[:place]
        place = path.find("/", place + 1)
    yield path


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name).lower()


def wanted_files(type_: EntityType, metadata: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """The files that an entity must have: the field that names each, and its name."""
    for field in SCHEMA.values():
        if field.kind is Kind.FILE and type_ in field.types:
            written = metadata.get(field.name)
            name = written if isinstance(written, str) and written else field.default
            if name:
                yield field.name, name


def dockerfile_problem(name: str, files: Collection[str]) -> tuple[str, str] | None:
    """Message and remedy where an environment has no Dockerfile though others have one.

    Args:
        name: The environment's name.
        files: Paths of all files of the repository whose names begin with `Dockerfile_`.
    """
    if not files:
        return None
    names = {posixpath.basename(path) for path in files}
    if f"{DOCKERFILE}{name}" in names:
        return None
    known = sorted(file.removeprefix(DOCKERFILE) for file in names)[:5]
    folder = posixpath.dirname(min(files))
    where = f"{folder}/" if folder else ""
    return (
        f"there is no {where}{DOCKERFILE}{name}, though {min(files)} is there",
        f"add it, or name the environment after one of: {', '.join(known)}",
    )
