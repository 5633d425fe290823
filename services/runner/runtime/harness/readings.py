"""Which files below the data root are read: in a check's process, and in those that it starts.

The latter, such as a notebook's kernel, note them in a file beside the check's context. What stands
there is for explanation: whoever writes to it can only spoil what is told of his own check.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Callable, Set

MAXIMUM = 2000
"""How many paths are told."""
ENDING = ".read"
"""Added to the context's path."""
MAXIMUM_BYTES = 1 << 20


def watch(data_root: str, note: Callable[[str], None]) -> None:
    """Call `note` with the path below the data root of every file that is opened for reading."""
    prefix = data_root.rstrip("/") + "/"
    length = len(prefix)
    writing = os.O_WRONLY
    access = os.O_ACCMODE if hasattr(os, "O_ACCMODE") else 3
    join, getcwd, normal = os.path.join, os.getcwd, os.path.normpath

    def hook(event: str, arguments: Any) -> None:
        if event != "open":
            return
        path, _, flags = arguments
        if type(path) is not str or flags & access == writing:
            return
        try:
            full = path if path.startswith("/") else join(getcwd(), path)
            if full.startswith(prefix) and "__pycache__" not in full:
                note(normal(full)[length:])
        except Exception:
            return

    sys.addaudithook(hook)


def note_in_file(context: str) -> None:
    """In a process that a check started: note readings beside the context's file."""
    with open(context, encoding="utf-8") as file:
        data_root = json.load(file)["data_root"]
    seen: Set[str] = set()
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC

    def note(path: str) -> None:
        if path in seen or len(seen) >= MAXIMUM:
            return
        seen.add(path)
        handle = os.open(context + ENDING, flags, 0o600)
        try:
            os.write(handle, path.encode("utf-8", "backslashreplace") + b"\n")
        finally:
            os.close(handle)

    watch(data_root, note)


def noted(context: str) -> Set[str]:
    """What other processes of the check noted."""
    try:
        with open(context + ENDING, "rb") as file:
            content = file.read(MAXIMUM_BYTES)
    except OSError:
        return set()
    return {line for line in content.decode("utf-8", "replace").split("\n")[:MAXIMUM] if line}
