"""What proposals change, read from the index and the object store."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import Entity, printable
from services.catalog.domain.proposal_diffs import (
    EntityDiff,
    FileDiff,
    Kind,
    ProposalDiff,
    changed_files,
    entity_diffs,
    new_diagnostics,
)
from services.catalog.domain.proposals import Proposal
from services.catalog.ports import Objects, Store
from services.catalog.sources.git import Git, GitError
from services.errors import UnavailableError

MOST_FILES: Final = 300
"""Files whose content is compared."""
LARGEST_FILE: Final = 128 * 1024
"""Bytes of a file that is compared as text."""
LONGEST_TEXT: Final = 64 * 1024
"""Bytes of the differences of one file that are told."""
LONGEST_TEXTS: Final = 2 * 1024**2
"""Bytes of all of them together."""
_LARGEST_DIFF: Final = 4 * LARGEST_FILE
_AT_ONCE: Final = 4
_DIFF_SECONDS: Final = 10.0
_PAGE: Final = 1000
_MOST_DIAGNOSTICS: Final = 20_000
_KEPT: Final = 50


class Differences:
    """Compares the two revisions of a proposal.

    Args:
        store: Holds the index of both.
        objects: Holds the content of both.
        git: Compares texts.
    """

    def __init__(self, *, store: Store, objects: Objects, git: Git) -> None:
        self._store = store
        self._objects = objects
        self._git = git
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._kept: OrderedDict[tuple[str, str], ProposalDiff] = OrderedDict()

    async def of(self, proposal: Proposal) -> ProposalDiff:
        """What merging it would change.

        Raises:
            UnavailableError: One of its revisions is not indexed, as where the index is made anew.
        """
        trees = proposal.comparison.base_tree, proposal.comparison.tree
        known = self._kept.get(trees)
        if known is None:
            known = self._kept[trees] = await self._compared(*trees)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return known

    async def _compared(self, old: str, new: str) -> ProposalDiff:
        for tree in (old, new):
            if await self._store.revision(tree) is None:
                raise UnavailableError(
                    "the revisions of the proposal are not indexed yet; try again"
                )
        files = changed_files(await self._objects.changes(old, new))
        keys = sorted(await self._store.changed(old, new))
        before, after = await self._entities(old, keys), await self._entities(new, keys)
        told, omitted = await self._told(files)
        entities, others = entity_diffs(before, after, told)
        fresh, resolved, remaining = new_diagnostics(
            await self._diagnostics(old), await self._diagnostics(new)
        )
        return ProposalDiff(
            base_tree=old,
            tree=new,
            entities=tuple(map(_shown, entities)),
            files=tuple(_printable(file) for file in others),
            new_diagnostics=fresh,
            resolved=resolved,
            remaining=remaining,
            omitted=omitted,
        )

    async def _entities(self, tree: str, keys: Sequence[str]) -> dict[str, Entity]:
        found = await self._store.entities(tree, keys)
        return {key: placed.entity for key, placed in found.items()}

    async def _diagnostics(self, tree: str) -> list[Diagnostic]:
        found: list[Diagnostic] = []
        while len(found) < _MOST_DIAGNOSTICS:
            page = await self._store.diagnostics(tree, key="", limit=_PAGE, offset=len(found))
            found += page.diagnostics
            if len(page.diagnostics) < _PAGE:
                break
        return found

    # Texts

    async def _told(self, files: Sequence[FileDiff]) -> tuple[list[FileDiff], int]:
        """The files with sizes and, as far as there is room, texts."""
        ids = {id_ for file in files for id_ in (file.old_blob, file.new_blob) if id_}
        first = {
            id_ for file in files[:MOST_FILES] for id_ in (file.old_blob, file.new_blob) if id_
        }
        contents = await self._objects.blobs(sorted(first), limit=LARGEST_FILE)
        sizes = await self._sizes(sorted(ids))

        async def one(file: FileDiff) -> FileDiff:
            sized = replace(
                file,
                old_size=sizes.get(file.old_blob, 0),
                new_size=sizes.get(file.new_blob, 0),
            )
            return await self._compare(sized, contents)

        told = list(await asyncio.gather(*map(one, files[:MOST_FILES])))
        told += [
            replace(
                file,
                old_size=sizes.get(file.old_blob, 0),
                new_size=sizes.get(file.new_blob, 0),
                truncated=True,
            )
            for file in files[MOST_FILES:]
        ]
        room, omitted = LONGEST_TEXTS, len(files[MOST_FILES:])
        for place, file in enumerate(told):
            if len(file.text) > room:
                told[place] = replace(file, text="", truncated=True)
                omitted += 1
            else:
                room -= len(file.text)
        return told, omitted

    async def _sizes(self, ids: Sequence[str]) -> dict[str, int]:
        if not ids:
            return {}
        output = await self._git.run(
            "cat-file",
            "--batch-check",
            "--buffer",
            given="".join(f"{id_}\n" for id_ in ids).encode(),
        )
        rows = (line.split() for line in output.decode().splitlines())
        return {row[0]: int(row[2]) for row in rows if len(row) == 3}

    async def _compare(self, file: FileDiff, contents: dict[str, bytes]) -> FileDiff:
        sides = [contents.get(id_) if id_ else b"" for id_ in (file.old_blob, file.new_blob)]
        if file.binary or any(side is None or not _is_text(side) for side in sides):
            return replace(file, binary=True)
        old, new = (side or b"" for side in sides)
        if old == new:
            return file
        if not file.old_blob or not file.new_blob:
            text = _whole(old or new, added=file.kind is Kind.ADDED)
        else:
            text = await self._unified(file)
        cut = _cut(text)
        return replace(file, text=cut, truncated=len(cut) < len(text))

    async def _unified(self, file: FileDiff) -> str:
        async with self._gate:
            try:
                output = await self._git.run(
                    "diff",
                    "--no-ext-diff",
                    "--no-textconv",
                    "--no-color",
                    "--no-renames",
                    "--unified=3",
                    "--end-of-options",
                    file.old_blob,
                    file.new_blob,
                    accept=(0, 1),
                    timeout=_DIFF_SECONDS,
                    most_output=_LARGEST_DIFF,
                )
            except GitError:
                return ""
        text = output.decode("utf-8", "replace")
        place = text.find("\n@@ ")
        return text[place + 1 :] if place >= 0 else ""


def _is_text(content: bytes) -> bool:
    if len(content) > LARGEST_FILE or b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _whole(content: bytes, *, added: bool) -> str:
    """The hunk of a file that came or went as a whole."""
    lines = content.decode().split("\n")
    if lines[-1] == "":
        lines.pop()
    sign, span = ("+", f"-0,0 +1,{len(lines)}") if added else ("-", f"-1,{len(lines)} +0,0")
    return "".join([f"@@ {span} @@\n", *(f"{sign}{line}\n" for line in lines)])


def _cut(text: str) -> str:
    """At most so much of a text, in whole lines."""
    if len(text) <= LONGEST_TEXT:
        return text
    return text[: text.rfind("\n", 0, LONGEST_TEXT) + 1]


def _shown(diff: EntityDiff) -> EntityDiff:
    return replace(diff, files=tuple(map(_printable, diff.files)))


def _printable(file: FileDiff) -> FileDiff:
    return replace(file, path=printable(file.path))
