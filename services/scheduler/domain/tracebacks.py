"""Python tracebacks in text: which exception ended a program, and through which frames."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_BEGIN = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s+File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_EXCEPTION = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?:: ?(?P<message>.*))?$")
_NAMED_AS_ERROR = re.compile(r"\w*(?:Error|Exception|Exit|Interrupt|Timeout|Expired|Warning)")
_MARKS = re.compile(r"[\s~^]+")
_INSTALLED = re.compile(
    r".*?(?:(?:site|dist)-packages/|/lib(?:64)?/python\d[\d.]*/|(?:^|/)ackrep_core/(?=ackrep_core/))"
)
_RUNTIME = "ackrep_core/"
_MOST = 50
"""Tracebacks of one text that are looked at, from its end: a hostile one may hold thousands."""
_SCRIPT = "execscript.py"
"""Started by the 2022 system in place of the entity."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame of a traceback."""

    path: str
    function: str
    statement: str
    """Source line; empty where it was not printed."""

    @property
    def installed(self) -> bool:
        """Whether its path says that it belongs to an installed package, or to Python."""
        return self.path.startswith(("<", _RUNTIME)) or _INSTALLED.match(self.path) is not None

    @property
    def module_path(self) -> str:
        """Path below the place where packages are installed."""
        return _INSTALLED.sub("", self.path)


@dataclass(frozen=True, kw_only=True)
class Raised:
    """An exception that ended a program."""

    kind: str
    """Name of its type, without its module: packages move their exceptions about."""
    message: str
    """First line."""
    frames: Sequence[Frame] = ()
    """Outermost first; those that start the entity's code are left out."""

    def own_folder(self, files: Collection[str] = ()) -> str:
        """Name of the folder of the entity that was run; empty where unknown."""
        for frame in self.frames:
            if self.is_own(frame, files) and "/" in frame.path:
                return frame.path.split("/")[-2]
        return ""

    def is_own(self, frame: Frame, files: Collection[str] = ()) -> bool:
        """Whether a frame belongs to the data repository, not to a package.

        Absolute paths tell. Relative ones are of the repository (`files` are known to be) or of
        a package; the outermost frame is of the repository, and so is all beside it.
        """
        if frame.installed:
            return False
        if frame.path in files or frame.path.startswith(("/", "~")):
            return True
        return frame.path.split("/")[0] == self.frames[0].path.split("/")[0]


def raised(text: str) -> Raised | None:
    """Finds the last exception in a text: with its traceback, or as a line by itself."""
    lines = _ESCAPE.sub("", text).splitlines()
    found: Raised | None = None
    for start in list(_beginnings(lines))[-_MOST:]:
        found = _after(lines, start) or found
    return found or _last_line(lines)


def _beginnings(lines: Sequence[str]) -> Iterator[int]:
    for number, line in enumerate(lines):
        ignored = number and lines[number - 1].startswith("Exception ignored in")
        if line.rstrip().endswith(_BEGIN) and not ignored:
            yield number + 1


def _after(lines: Sequence[str], start: int) -> Raised | None:
    frames: list[Frame] = []
    for number in range(start, len(lines)):
        line = lines[number]
        if frame := _FRAME.match(line):
            following = lines[number + 1] if number + 1 < len(lines) else ""
            printed = following.startswith("    ") and not _FRAME.match(following)
            statement = following.strip() if printed and not _MARKS.fullmatch(following) else ""
            frames.append(
                Frame(
                    path=frame["path"].replace("\\", "/"),
                    function=frame["function"] or "",
                    statement=statement,
                )
            )
        elif line and not line[0].isspace():
            exception = _EXCEPTION.match(line)
            return None if exception is None else _of(exception, frames)
    return None


def _last_line(lines: Sequence[str]) -> Raised | None:
    """Notebooks print frames in ways of their own; and sometimes the last line is all there is."""
    for line in reversed(lines):
        exception = _EXCEPTION.match(line)
        if exception and _NAMED_AS_ERROR.fullmatch(exception["kind"].rsplit(".", 1)[-1]):
            return _of(exception, [])
    return None


def _of(exception: re.Match[str], frames: Sequence[Frame]) -> Raised:
    return Raised(
        kind=exception["kind"].rsplit(".", 1)[-1],
        message=(exception["message"] or "").strip(),
        frames=tuple(frame for frame in frames if not frame.path.endswith("/" + _SCRIPT)),
    )
