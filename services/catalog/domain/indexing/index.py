"""Indexes revisions: applies what changed in the git tree to what is remembered of the last one.

An index from scratch is an update from nothing, so that there is one way only, and both give the
same. An update looks again at what a change can touch and at nothing else: changed folders, rivals
for a changed key, whoever refers to a key that came, went or changed its type or title, or may
have meant it, and entities without an environment of their own if the default one changed.
"""

from collections.abc import Sequence

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import TreeChange
from services.catalog.domain.indexing.contents import Contents
from services.catalog.domain.indexing.deltas import Delta, Index
from services.catalog.domain.indexing.reader import Reader
from services.catalog.domain.indexing.scanning import Scan
from services.catalog.domain.indexing.updating import Update

__all__ = ["Delta", "Index", "Reader", "update"]


def update(
    contents: Contents,
    changes: Sequence[TreeChange],
    *,
    tree: str,
    reader: Reader,
    missing: frozenset[str] = frozenset(),
    found: Sequence[Diagnostic] = (),
) -> Delta:
    """Brings the contents up to a revision; one bad entity never hides a good one.

    Args:
        contents: Of the revision before, or fresh ones.
        changes: All paths, folders included, that differ between the two trees.
        tree: The revision's tree.
        reader: Reads the object store.
        missing: Blobs that the object store does not hold.
        found: What was found wrong before, while reading the source.
    """
    base, contents.tree = contents.tree, tree
    contents.reports.put(("source", ""), found)
    scan = Scan(changes, missing=missing)
    run = Update(contents, scan, reader)
    run.check_entries()
    run.read_ontology()
    run.read_folders()
    run.elect()
    run.check_relations()
    run.locate_faults()
    return run.delta(base)
