"""What a failed check shows: the entity's own frames with their lines, a likely cause, a remedy."""

import dataclasses
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from cli import documents, tables
from cli.client import Client
from cli.excerpts import Files
from cli.screen import harmless
from services import causes
from services.errors import Error

_FRAME: Final = re.compile(r'[ |+]*File "([^"]+)", line (\d+)(?:, in (.+))?')
_AROUND: Final = 2
"""Lines that are shown before and after the one that failed."""
_DIGITS: Final = 6


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame of a traceback."""

    path: str
    line: int
    function: str
    code: str
    """The line itself, as it was when the check ran; without indentation."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """What is known of a failure beside the check itself."""

    frames: Sequence[Frame] = ()
    """Those in the closure's folders, the innermost last."""
    cause: causes.Cause | None = None
    drift: Sequence[str] = ()
    """Numbers that are others than in the last success, a line each."""


def frames(traceback: str, folders: Sequence[str]) -> list[Frame]:
    """The frames of a traceback that are in these folders of the data repository."""
    found = []
    lines = [*traceback.split("\n"), ""]
    for text, following in itertools.pairwise(lines):
        match = _FRAME.match(text)
        if match and any(match[1].startswith(f"{folder}/") for folder in folders):
            code = following.lstrip(" |+").rstrip()
            found.append(Frame(match[1], int(match[2]), match[3] or "", code))
    return found


async def examine(client: Client, check: check_pb2.Check) -> Failure:
    """Finds out what can be told; a service that does not answer only makes it less."""
    key = documents.last(check.entity)
    try:
        if check.verdict == check_pb2.VERDICT_INACCURATE:
            return Failure(drift=await _drift(client, check))
        if check.verdict != check_pb2.VERDICT_SCRIPT_ERROR:
            return Failure()
        closure = await client.closure(key)
        about = causes.is_about_modules(check.result.message)
        packages = await _packages(client) if about else {}
    except Error:
        return Failure()
    own = {folder.path: documents.last(folder.entity) for folder in closure.folders}
    listed = frozenset(
        documents.last(folder.entity)
        for folder in closure.folders
        if folder.type == catalog_pb2.ENTITY_TYPE_METHOD_PACKAGE
    )
    around = causes.Surroundings(
        key=key,
        environment=documents.last(check.environment or closure.environment),
        packages=packages,
        listed=listed,
    )
    return Failure(
        frames=frames(check.result.traceback, list(own)),
        cause=causes.likely(check.result.message, around),
    )


async def _packages(client: Client) -> dict[str, str]:
    """Modules of all method packages, and the keys of these."""
    listed = await client.entities("type = method_package")
    packages = [await client.entity(one.key) for one in listed]  # lists leave files out
    return {
        module: package.key
        for package in packages
        for module in causes.modules_of(file.path for file in package.files)
    }


async def _drift(client: Client, check: check_pb2.Check) -> list[str]:
    """Numbers of the check beside those of the last success of the same entity."""
    known = await client.checks(f"entity = {check.entity} AND verdict = success", limit=1)
    if not known:
        return []
    before = {one.name: one for one in (await client.check(known[0].name)).result.quantities}
    lines = []
    for now in check.result.quantities:
        then = before.get(now.name)
        if then is None or list(then.values) == list(now.values):
            continue
        lines.append(f"{now.name}: {_shown(then)} in the last success, {_shown(now)} now")
    return lines


def _shown(quantity: check_pb2.Quantity) -> str:
    values = [f"{value:.{_DIGITS}g}" for value in quantity.values[:4]]
    more = ", …" if len(quantity.values) > len(values) else ""
    return ", ".join(values) + more


def rendered(failure: Failure, *, root: Path | None) -> list[Text]:
    """The lines to print.

    Args:
        failure: What is known.
        root: Folder of the data repository here, for source lines; none where there is none.
    """
    lines: list[Text] = []
    files = Files(root)
    if failure.frames:
        lines.extend(_excerpt(failure.frames[-1], files))
    lines.extend(Text("  ").append_text(tables.plain(line, "yellow")) for line in failure.drift)
    if failure.cause is not None:
        said = Text.assemble(("  likely cause  ", "bold"))
        lines.append(said.append_text(tables.plain(failure.cause.explanation)))
        said = Text.assemble(("  what to do    ", "bold"))
        lines.append(said.append_text(tables.plain(failure.cause.remedy)))
    return lines


def _excerpt(frame: Frame, files: Files) -> list[Text]:
    """The line that failed among its neighbours, with a mark before it.

    Nothing if the file is another one by now.
    """
    if (files.line(frame.path, frame.line) or "").strip() != frame.code:
        return []
    where = f"in {frame.function}" if frame.function else ""
    head = Text("  ").append_text(tables.plain(f"{frame.path}:{frame.line}", "bold cyan"))
    head.append("  ").append_text(tables.plain(where, "dim"))
    lines = [head]
    for number in range(frame.line - _AROUND, frame.line + _AROUND + 1):
        text = files.line(frame.path, number)
        if text is None:
            continue
        failed = number == frame.line
        line = Text(f"  {'>' if failed else ' '} {number:>4} | ", "bold red" if failed else "dim")
        line.append(harmless(text, colour=False), "bold" if failed else "")
        lines.append(line)
    return lines
