"""Arrays of a result that are saved as files, whole and with their own type."""

from __future__ import annotations

import os
import re
from typing import Any, List, Set

FOLDER = "_results"
"""In the entity's folder; data repositories have none of that name."""
KEPT_INLINE = 256
"""An array with more elements is saved as well."""
MAXIMUM_NAME = 80


class Arrays:
    """Saves arrays below an entity's folder.

    Args:
        folder: of the entity.
        maximum_bytes: of all files together; 0 for any number.
    """

    def __init__(self, folder: str, maximum_bytes: int) -> None:
        self._folder = os.path.join(folder, FOLDER)
        self._left = maximum_bytes or 1 << 62
        self._taken: Set[str] = set()
        self.warnings: List[str] = []

    def save(self, name: str, array: Any) -> str:
        """Save one as `.npy` if that is worth it; the file's name, or "" where it is not saved."""
        if array.size <= KEPT_INLINE and array.dtype.kind != "c":
            return ""
        import numpy

        if array.nbytes > self._left:
            self._warn(name, "its %d bytes are more than artefacts may have" % array.nbytes)
            return ""
        file_name = self._free(name) + ".npy"
        try:
            os.makedirs(self._folder, exist_ok=True)
            # Without a way for the file to carry code: whoever reads it need not trust it.
            numpy.save(os.path.join(self._folder, file_name), array, allow_pickle=False)
        except Exception as error:
            self._warn(name, str(error)[:200])
            return ""
        self._left -= array.nbytes
        return FOLDER + "/" + file_name

    def _free(self, name: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:MAXIMUM_NAME] or "_"
        found, number = plain, 1
        while found.lower() in self._taken:
            number += 1
            found = "%s_%d" % (plain, number)
        self._taken.add(found.lower())
        return found

    def _warn(self, name: str, why: str) -> None:
        if len(self.warnings) < 5:
            self.warnings.append("the array %s is not saved: %s" % (name[:100], why))
