"""Commits of a data repository."""

import datetime
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit."""

    id: str
    """40 hex digits."""
    time: datetime.datetime
    """When it was committed."""
    author: str = ""
    subject: str = ""
    """First line of its message."""
