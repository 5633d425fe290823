"""Tracebacks as their reader needs them: the entity's frames, with repository-relative paths."""

from __future__ import annotations

import os
import re
import sys
import traceback
from typing import List, Optional, Tuple

HARNESS = os.path.dirname(os.path.abspath(__file__))
MAXIMUM = 64 * 1024
"""Characters that are kept: the beginning and the end."""


def describe(error: BaseException, data_root: str, runtime: str) -> Tuple[str, str]:
    """A traceback and its last line.

    Our own frames at the beginning are cut. Paths below the data root become repository-relative,
    those of the runtime and of installed packages relative to where these are installed.
    """
    try:
        summary: Optional[traceback.TracebackException] = traceback.TracebackException(
            type(error), error, error.__traceback__
        )
        _cut(summary, set())
        assert summary is not None
        text = "".join(summary.format())
        last = list(summary.format_exception_only())[-1]
    except Exception:
        # Whatever an entity's exception does when it is looked at.
        text = last = type(error).__name__ + "\n"
    if len(text) > MAXIMUM:
        half = MAXIMUM // 2
        text = text[:half] + "\n[... %d characters ...]\n" % (len(text) - MAXIMUM) + text[-half:]
    message = last.strip().split("\n", 1)[0][:2000]
    return shorten(text, data_root, runtime), message


def _cut(summary: Optional[traceback.TracebackException], seen: set) -> None:
    """Drop our own frames at the beginning, there and in what it was caused by."""
    if summary is None or id(summary) in seen:
        return
    seen.add(id(summary))
    first = 0
    for frame in summary.stack:
        if not os.path.abspath(frame.filename).startswith(HARNESS + os.sep):
            break
        first += 1
    del summary.stack[:first]
    _cut(summary.__cause__, seen)
    _cut(summary.__context__, seen)


def shorten(text: str, data_root: str, runtime: str) -> str:
    """The text with shorter paths in its `File "..."` lines."""
    for prefix in _prefixes(data_root, runtime):
        text = re.sub(r'(?m)^([ |+]*File ")' + re.escape(prefix), r"\1", text)
    return text


def _prefixes(data_root: str, runtime: str) -> List[str]:
    installed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    folders = [data_root, os.path.realpath(data_root), runtime] + installed
    return sorted({folder.rstrip("/") + "/" for folder in folders if folder}, key=len, reverse=True)
