"""Where the entities are: told by the harness, or found in the folders around the caller."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Optional

VARIABLE = "ACKREP_CONTEXT"
"""Names a JSON file with the context, for further processes of a check."""


class Context:
    """The data root, and what the closure holds."""

    def __init__(
        self, data_root: str, entities: Dict[str, str], metadata: Dict[str, Dict[str, Any]]
    ) -> None:
        self.data_root = os.path.abspath(data_root)
        self.entities = entities
        """Key to repository-relative path."""
        self.metadata = metadata
        """Repository-relative path of a metadata.yml to what is in it."""

    def relative(self, path: str) -> Optional[str]:
        """The repository-relative form of a path, or None when it lies elsewhere."""
        for candidate in (os.path.abspath(path), os.path.realpath(path)):
            for root in (self.data_root, os.path.realpath(self.data_root)):
                if candidate.startswith(root + os.sep):
                    return candidate[len(root) + 1 :].replace(os.sep, "/")
        return None


_context: Optional[Context] = None


def current() -> Optional[Context]:
    """The context of this process, or None outside of a check."""
    global _context
    if _context is None and os.environ.get(VARIABLE):
        try:
            with open(os.environ[VARIABLE], encoding="utf-8") as file:
                _context = Context(**json.load(file))
        except (OSError, ValueError, TypeError):
            return None
    return _context


def enter(context: Optional[Context]) -> None:
    """Make this the context of this process. For the harness."""
    global _context
    _context = context


def folder_of(key: str, near: str) -> str:
    """The absolute path of the entity with this key. Raises FileNotFoundError.

    Outside of a check, the folders around the file `near` are searched, so that an entity also
    runs by hand in a working copy.
    """
    context = current()
    if context is not None:
        if key in context.entities:
            return os.path.join(context.data_root, *context.entities[key].split("/"))
        raise FileNotFoundError("no entity %s among those that this check depends on" % key)
    from ackrep_core.core import get_metadata_from_file

    folder = os.path.dirname(os.path.abspath(near))
    for _ in range(4):
        for parent, children, files in os.walk(folder):
            children[:] = [name for name in children if not name.startswith((".", "_"))]
            if "metadata.yml" in files:
                found = get_metadata_from_file(os.path.join(parent, "metadata.yml"))
                if found.get("key") == key:
                    return parent
        folder = os.path.dirname(folder)
    raise FileNotFoundError("no entity %s around %s" % (key, near))
