"""What a session is asked to be, and what of that is allowed. Pure."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from services.errors import InvalidArgumentError

VARIABLES: Final = frozenset({"TERM", "COLORTERM", "NO_COLOR", "TZ", "LANG", "LC_ALL"})
"""Environment variables that a client may set; others are left out."""

_VALUE: Final = re.compile(r"[\x20-\x7e]{1,100}")
_LARGEST_SIZE: Final = 10_000
_MOST_WORDS: Final = 1000


class Program(StrEnum):
    """What runs in a session."""

    SHELL = "shell"
    JUPYTER = "jupyter"


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a session begins."""

    program: Program = Program.SHELL
    command: tuple[str, ...] = ()
    """Instead of the shell."""
    folder: str = ""
    """Where it starts, below the working copy."""
    rows: int = 0
    """Size of the terminal; 0: there is none."""
    columns: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)
    import_path: tuple[str, ...] = ()
    """Folders of the working copy that come before it on Python's import path."""

    def __post_init__(self) -> None:
        """Refuses what makes no sense. Raises InvalidArgumentError."""
        for path in (self.folder, *self.import_path):
            clean = posixpath.normpath(path or ".")
            if path.startswith("/") or clean == ".." or clean.startswith("../") or "\0" in path:
                raise InvalidArgumentError(f"{path!r} is no folder of a working copy")
        if any("\0" in word for word in self.command) or len(self.command) > _MOST_WORDS:
            raise InvalidArgumentError("this cannot be run: too many words, or a null in one")
        if self.command and not self.command[0]:
            raise InvalidArgumentError("the first word of a command is empty")
        if self.command and self.program is not Program.SHELL:
            raise InvalidArgumentError("a command is given instead of a shell, not of Jupyter")
        if not (0 <= self.rows <= _LARGEST_SIZE and 0 <= self.columns <= _LARGEST_SIZE):
            raise InvalidArgumentError(f"a terminal of {self.rows} x {self.columns}")

    def frame(self, *, secret: str) -> dict[str, Any]:
        """The header of the frame that starts it."""
        return {
            "type": "start",
            "program": str(self.program),
            "command": list(self.command),
            "folder": posixpath.normpath(self.folder or "."),
            "rows": self.rows,
            "columns": self.columns or 80,
            "variables": {
                name: value
                for name, value in self.variables.items()
                if name in VARIABLES and _VALUE.fullmatch(value)
            },
            "import_path": list(self.import_path),
            "secret": secret,
        }
