"""Setting a TeX document: pdfTeX runs until references settle; what it says, in one sentence.

TeX of a data repository is a program of a stranger. It runs as the check's process does and cannot
start programs. By its own rules it reads and writes nothing outside of the document's folder; those
have gaps (`\\pdfobj` embeds any file), so that what counts is how the check's process is confined.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

if TYPE_CHECKING:
    from .rules import Running

ENGINE = "pdflatex"
OPTIONS = (
    "-interaction=nonstopmode",
    "-halt-on-error",
    "-file-line-error",
    "-no-shell-escape",
    "-output-format=pdf",
)
VARIABLES = {"openin_any": "p", "openout_any": "p", "shell_escape": "f", "max_print_line": "1000"}
"""`p`: no absolute paths, no parents, no hidden files."""
MAXIMUM_RUNS = 4
LOG_BYTES = 1 << 20
SETTLING = (".aux", ".toc", ".out", ".lof", ".lot")
"""What one run leaves for the next one."""


class TypesettingError(Exception):
    """TeX refuses a document; `ackrep_report` says what and where."""

    def __init__(self, message: str, **report: Any) -> None:
        super().__init__(message)
        self.ackrep_report = dict(report, message=message)


def run(running: "Running") -> Dict[str, Any]:
    """Set `<main>.tex` in the plan's folder; `<main>.pdf` and `<main>.log` are left there."""
    main = running.plan["modules"]["main"]
    base = os.path.join(running.folder, main)
    before = ""
    for number in range(MAXIMUM_RUNS):
        with running.phase("tex run %d" % (number + 1)):
            status = _engine(running.folder, main)
        log = _log(base + ".log")
        if status != 0:
            raise _failure(status, log)
        after = _state(base)
        if after == before or not _refers(base):
            break
        before = after
    pages, warnings = told(log)
    if not pages or not os.path.isfile(base + ".pdf"):
        raise TypesettingError("%s.tex has no pages" % main)
    number_of_pages = {"name": "pages", "dtype": "int64", "shape": [], "data": [pages]}
    return {
        "success": True,
        "score": None,
        "numbers": [dict(number_of_pages, truncated=False)],
        "warnings": warnings,
    }


def _engine(folder: str, main: str) -> int:
    environment = dict(os.environ, **VARIABLES)
    # Its caches, should it want some, belong where the check may write.
    environment["TEXMFVAR"] = environment["TEXMFCONFIG"] = os.environ["TMPDIR"]
    try:
        # What it prints stands in its log as well, which is bounded in size.
        return subprocess.call(
            [ENGINE, *OPTIONS, main + ".tex"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise TypesettingError(
            "%s is not installed in this environment" % ENGINE, missing_module=ENGINE
        ) from None


def _log(path: str) -> str:
    """The log's beginning and end."""
    try:
        with open(path, "rb") as file:
            head = file.read(LOG_BYTES)
            size = os.fstat(file.fileno()).st_size
            file.seek(max(len(head), size - LOG_BYTES))
            tail = file.read(LOG_BYTES)
    except OSError:
        return ""
    return (head + tail).decode("utf-8", "replace")


def _refers(base: str) -> bool:
    """Whether there is anything that a further run could make use of."""
    try:
        with open(base + ".aux", "rb") as file:
            content = file.read(LOG_BYTES)
    except OSError:
        return False
    return any(word in content for word in (b"\\newlabel", b"\\bibcite", b"\\@writefile"))


def _state(base: str) -> str:
    digest = hashlib.sha256()
    for ending in SETTLING:
        try:
            with open(base + ending, "rb") as file:
                digest.update(file.read())
        except OSError:
            digest.update(b"\0")
    return digest.hexdigest()


def told(log: str) -> Tuple[int, List[str]]:
    """How many pages a log speaks of, and what it warns of that readers would see."""
    pages = re.findall(r"^Output written on .*?\((\d+) pages?", log, re.MULTILINE)
    found = re.findall(
        r"^LaTeX Warning: ((?:Reference|Citation|File) .+? (?:undefined|not found).*)$",
        log,
        re.MULTILINE,
    )
    warnings = []
    for text in dict.fromkeys(found):
        warnings.append(re.sub(r" on page \d+ undefined", " is undefined", text).rstrip(".")[:300])
    return int(pages[-1]) if pages else 0, warnings[:20]


def _failure(status: int, log: str) -> TypesettingError:
    if status == -signal.SIGXFSZ:
        return TypesettingError("the document became too large", limit="file")
    if status in (-signal.SIGKILL, -signal.SIGXCPU):
        return TypesettingError("TeX was ended: it needed too much", limit="memory")
    message = error_of(log)
    return TypesettingError(message or "TeX ended with status %d" % status, traceback=log[-20000:])


def error_of(log: str) -> str:
    """The first error in a log: file, line, and what TeX says, on one line; or ""."""
    found = re.search(r"^(?:\./)?([^\n:]{1,200}):(\d+): ([^\n]{1,500})", log, re.MULTILINE)
    # Of a file that is missing it tells the line only when it gives up.
    lost = re.search(r"^! (?:(?:LaTeX|Package \S+) Error: )?([^\n]{1,500})", log, re.MULTILINE)
    if found is None:
        return lost.group(1).rstrip(".") if lost else ""
    place = "%s, line %s" % (found.group(1), found.group(2))
    message = re.sub(r"^(LaTeX|Package \S+) Error: ", "", found.group(3)).rstrip(".")
    if lost and lost.start() < found.start():
        return "%s: %s" % (place, lost.group(1).rstrip("."))
    context = re.search(r"^l\.\d+ ?([^\n]*)$", log[found.end() :], re.MULTILINE)
    near = context.group(1).strip()[-60:] if context else ""
    return "%s: %s (at `%s`)" % (place, message, near) if near else "%s: %s" % (place, message)
