"""Revisions of the schema, one file each in `versions`, applied in the order of their names.

`make migrations` writes them. Only `env` and the revisions import Alembic, which takes a third of
a second: a scheduler whose database is current never waits for it.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
FIRST = "0001_first"
"""Makes everything that the first release has, also beside tables that are older than revisions."""


def revisions() -> list[str]:
    """Lists the revisions that this version knows, oldest first; the last one is its own."""
    return sorted(path.stem for path in (FOLDER / "versions").glob("[0-9]*.py"))
