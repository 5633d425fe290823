"""Reads the ontology files of a revision from git (port `OntologyFiles`)."""

import os
from collections.abc import Sequence

from services.catalog.domain.entities import TreeEntry, printable
from services.catalog.domain.ontology.concepts import ONTOLOGY_FOLDER, ontology_entries
from services.catalog.ports import Objects
from services.catalog.sources.git import Git, GitError
from services.errors import NotFoundError


class GitOntologyFiles:
    """Files of the one folder, without listing the rest of a revision.

    Args:
        git: Lists the folder.
        objects: Reads the files.
    """

    def __init__(self, git: Git, objects: Objects) -> None:
        self._git = git
        self._objects = objects

    async def read(self, tree: str, *, limit: int) -> Sequence[tuple[str, str, bytes]]:
        try:
            output = await self._git.run("ls-tree", "-z", tree, f"{ONTOLOGY_FOLDER}/")
        except GitError as error:
            raise NotFoundError(f"the catalog does not hold the tree {tree}", tree=tree) from error
        entries = ontology_entries(_entry(record) for record in output.split(b"\0") if record)
        contents = await self._objects.blobs([entry.id for entry in entries], limit=limit)
        return [
            (printable(entry.path), entry.id, contents[entry.id])
            for entry in entries
            if entry.id in contents
        ]


def _entry(record: bytes) -> TreeEntry:
    head, _, path = record.partition(b"\t")
    mode, _, id_ = head.split()
    return TreeEntry(path=os.fsdecode(path), mode=int(mode, 8), id=id_.decode())
