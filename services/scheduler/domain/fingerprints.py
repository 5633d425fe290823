"""Fingerprints of failures: what has the same cause has the same one.

A fingerprint is made of the verdict, the type of the exception, its message without all that varies
between entities and attempts (paths, numbers, addresses, temporary names, the entity's key and
folder), and, only where that message names nothing, the place where it was raised.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass

from services.scheduler.domain.check import Verdict
from services.scheduler.domain.tracebacks import Frame, Raised, raised

METHOD = 1
"""Grows with each change of what fingerprints are, so that stored ones are made anew."""

FAILURES = frozenset(
    {
        Verdict.INACCURATE,
        Verdict.SCRIPT_ERROR,
        Verdict.TIMED_OUT,
        Verdict.LIMIT_EXCEEDED,
        Verdict.INFRASTRUCTURE_ERROR,
    }
)
"""Verdicts with a cause to look for."""

_TITLE_CHARACTERS = 300
_MESSAGE_CHARACTERS = 1000

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that databases or terminals cannot take."""
_QUOTES = str.maketrans('‘’‚‛“”„`´"', "''''''''''")  # noqa: RUF001  # what programs print
_REMARK = re.compile(r"\s*\((?:[^()]*/[^()]*|unknown location)\)")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+\b")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_DIGEST = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b")
_TEMPORARY = re.compile(r"\btmp(?=\w*[\d_])\w{4,}")
_PATH = re.compile(r"(?<![\w'])'?((?:[A-Za-z]:)?[\w.+@%~<>-]*(?:[/\\][\w.+@%~<>-]+)+[/\\]?)'?")
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf)j?(?![\w])", re.ASCII
)
_NUMBERS = re.compile(r"#(?:[\s,;]+#)+")
_QUOTED = re.compile(r"'([^']*)'")
_CALLED = re.compile(r"\b\w+\(\)")
_TYPES = frozenset(
    [
        "bool",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "function",
        "int",
        "list",
        "method",
        "module",
        "ndarray",
        "NoneType",
        "object",
        "range",
        "set",
        "str",
        "tuple",
        "type",
    ]
)
"""Names that say of what kind something is, not what it is."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What is known of a failed check."""

    verdict: Verdict
    entity: str = ""
    """Key."""
    message: str = ""
    """One line."""
    traceback: str = ""
    """Text that holds a Python traceback, or none."""
    files: Collection[str] = ()
    """Paths of the data repository that are known to be such."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What failures of one cause have in common."""

    digest: str
    """32 hexadecimal digits."""
    title: str
    """One line for people: the exception as Python prints it, or the message."""


def fingerprint(failure: Failure) -> Fingerprint:
    """Makes the fingerprint of a failure."""
    found = _exception(failure)
    if failure.verdict is Verdict.TIMED_OUT:
        # Where it was when time was over says nothing of why it took so long.
        parts = ["timed out"]
        title = failure.message or "timed out"
    elif found is None:
        parts = [normalised(failure.message, entity=failure.entity)]
        title = failure.message or failure.verdict.name.lower().replace("_", " ")
    else:
        folder = found.own_folder(failure.files)
        message = normalised(found.message, entity=failure.entity, folder=folder)
        place = "" if _names_something(message) else _place(found, failure, folder=folder)
        parts = [found.kind, message, place]
        title = f"{found.kind}: {found.message}" if found.message else found.kind
    text = "\0".join([failure.verdict.name, *parts])
    return Fingerprint(
        digest=hashlib.sha256(text.encode()).hexdigest()[:32],
        title=" ".join(_CONTROL.sub(" ", title).split())[:_TITLE_CHARACTERS],
    )


def normalised(text: str, *, entity: str = "", folder: str = "") -> str:
    """A message without what varies between entities and attempts.

    Args:
        text: One line.
        entity: Key of the entity.
        folder: Name of the entity's folder.
    """
    text = _REMARK.sub("", text[:_MESSAGE_CHARACTERS].translate(_QUOTES))
    text = _PATH.sub(_last_component, text)
    text = _TEMPORARY.sub("<temporary>", text)
    for name, stands_for in ((entity, "<entity>"), (folder, "<folder>")):
        if name:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", stands_for, text)
    # Numbers before digests: a long fraction looks like one.
    for pattern in (_UUID, _ADDRESS, _NUMBER, _DIGEST, _NUMBERS):
        text = pattern.sub("#", text)
    return " ".join(text.split())


def _last_component(match: re.Match[str]) -> str:
    """A file keeps its name, since another missing file is another cause; a folder does not."""
    name = re.split(r"[/\\]", match.group(1).rstrip("/\\"))[-1]
    return f"'{name}'" if "." in name.strip(".") else "<folder>"


def _exception(failure: Failure) -> Raised | None:
    if failure.verdict is not Verdict.SCRIPT_ERROR:
        return None
    return raised(failure.traceback) or raised(failure.message)


def _names_something(message: str) -> bool:
    """Whether a message says by itself what is wrong, e.g. which module is missing."""
    named = [name for name in _QUOTED.findall(message) if name not in _TYPES and name.strip("#<> ")]
    return bool(named or _CALLED.search(message))


def _place(found: Raised, failure: Failure, *, folder: str) -> str:
    """Where it was raised: the function of a package, or the statement of the data repository.

    A package's function is the same for all entities that fail in it. In the data repository
    entities repeat each other's statements in files and functions of other names.
    """
    if not found.frames:
        return ""
    frame: Frame = found.frames[-1]
    if found.is_own(frame, failure.files):
        return "statement " + normalised(frame.statement, entity=failure.entity, folder=folder)
    return f"{frame.module_path} {frame.function}"
