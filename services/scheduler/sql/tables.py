"""All tables of the scheduler, also those that other modules of this folder define."""

import importlib
import pkgutil
from pathlib import Path

from sqlalchemy import Column, Index, MetaData

from services.scheduler.sql.schema import metadata


def complete_metadata() -> MetaData:
    """Gives the metadata with all tables: those of `schema`, and of each module `*_tables`."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.endswith("_tables"):
            importlib.import_module(f"services.scheduler.sql.{module.name}")
    return metadata


def indexes_over_expressions() -> list[Index]:
    """Lists the indexes that SQLite does not tell of, as they are over more than columns."""
    return [
        index
        for table in complete_metadata().sorted_tables
        for index in table.indexes
        if not all(isinstance(part, Column) for part in index.expressions)
    ]
