"""What a search filters and counts by, held in memory as columns of numbers.

A row is an entity of one revision; rows are in the order of keys. A hundred thousand entities take
about 10 MB, and a condition or a count over all of them about a millisecond, which no query of
a database comes near.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from services.catalog.domain.entities import CHECKABLE, KEY
from services.catalog.domain.filters import Filter
from services.catalog.ports import Members, VersionFacts

Numbers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Codes: TypeAlias = np.ndarray[Any, np.dtype[np.int32]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

NOWHERE: Final = -1
"""Row of an entity version that the revision does not hold."""


class Coding:
    """Numbers for values, in the order in which they first came."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._codes: dict[str, int] = {}

    def code(self, value: str) -> int:
        """The number of a value, a new one if need be."""
        found = self._codes.get(value)
        if found is None:
            found = self._codes[value] = len(self.values)
            self.values.append(value)
        return found

    def known(self, value: str) -> int:
        """The number of a value; -1 for one that never came."""
        return self._codes.get(value, -1)


class Shelf:
    """Facts of all entity versions, by their number. They never change; new ones are added."""

    def __init__(self) -> None:
        self.last = 0
        """Greatest number."""
        self.types, self.creators, self.tags = Coding(), Coding(), Coding()
        self.environments = Coding()
        self.keys = np.zeros(1, "S5")
        self.type_codes = np.zeros(1, np.int32)
        self.creator_codes = np.zeros(1, np.int32)
        self.title_lengths = np.zeros(1, np.int32)
        self.tag_versions = np.zeros(0, np.int64)
        self.tag_codes = np.zeros(0, np.int32)

    def add(self, facts: Sequence[VersionFacts]) -> None:
        """Adds entity versions that are newer than all there are."""
        if not facts:
            return
        known, self.last = self.last, max(one.version for one in facts)
        rows = [one.version - known - 1 for one in facts]

        def longer(old: Any, values: Iterable[Any]) -> Any:
            new = np.zeros(self.last - known, old.dtype)
            new[rows] = list(values)
            return np.concatenate((old, new))

        self.keys = longer(self.keys, (one.key.encode() for one in facts))
        self.type_codes = longer(self.type_codes, (self.types.code(one.type) for one in facts))
        self.creator_codes = longer(
            self.creator_codes, (self.creators.code(one.creator) for one in facts)
        )
        self.title_lengths = longer(self.title_lengths, (one.title_length for one in facts))
        tags = [(one.version, self.tags.code(tag)) for one in facts for tag in one.tags]
        added = np.array(tags, np.int64).reshape(-1, 2)
        self.tag_versions = np.concatenate((self.tag_versions, added[:, 0]))
        self.tag_codes = np.concatenate((self.tag_codes, added[:, 1].astype(np.int32)))


@dataclass(frozen=True)
class Facet:
    """How the found entities are spread over the values of a field."""

    field: str
    values: tuple[tuple[str, int], ...]
    """Each with its count, most frequent first."""


class View:
    """One revision: its rows, and what they have in each column."""

    def __init__(self, shelf: Shelf, versions: Numbers, environments: Codes) -> None:
        order = np.argsort(shelf.keys[versions], kind="stable")
        self._shelf = shelf
        self.versions = versions[order]
        self.environments = environments[order]
        self.keys = shelf.keys[self.versions]
        self.types = shelf.type_codes[self.versions]
        self.creators = shelf.creator_codes[self.versions]
        self.size = len(self.versions)
        self.last_version = shelf.last
        """Greatest number of any entity version when this was made."""
        self._rows = np.full(shelf.last + 1, NOWHERE, np.int32)
        self._rows[self.versions] = np.arange(self.size, dtype=np.int32)
        tag_rows = self.rows(shelf.tag_versions)
        self.tag_rows = tag_rows[tag_rows != NOWHERE]
        self.tag_codes = shelf.tag_codes[tag_rows != NOWHERE]
        lengths = shelf.title_lengths[self.versions]
        # A word says more of a short title than of a long one, as in BM25.
        average = max(float(lengths.mean()), 1.0) if self.size else 1.0
        self.title_scale = np.append(1.0 / (0.7 + 0.3 * lengths / average), 0.0)
        """For each row, and at last for `NOWHERE`."""

    @classmethod
    def of(cls, shelf: Shelf, members: Members, *, base: "View | None" = None) -> "View":
        """The view of a revision; of a base and what is different, if there is a base."""
        added = np.array([version for version, _ in members.added], np.int64)
        codes = [shelf.environments.code(name) for _, name in members.added]
        environments = np.array(codes, np.int32)
        if base is not None:
            stays = ~np.isin(base.versions, np.array(members.removed, np.int64))
            added = np.concatenate((base.versions[stays], added))
            environments = np.concatenate((base.environments[stays], environments))
        return cls(shelf, added, environments)

    def rows(self, versions: Numbers) -> Codes:
        """Rows of entity versions; `NOWHERE` for those of other revisions."""
        if len(versions) and int(versions.max()) >= len(self._rows):
            versions = np.where(versions < len(self._rows), versions, 0)  # no version is 0
        found: Codes = self._rows[versions]
        return found

    def has(self, versions: Numbers) -> Mask:
        """Which rows are of these entity versions."""
        rows = self.rows(versions)
        found: Mask = np.zeros(self.size, np.bool_)
        found[rows[rows != NOWHERE]] = True
        return found

    def rows_of_keys(self, keys: Collection[str]) -> Mask:
        """Which rows have one of these keys."""
        wanted = np.array([key for key in keys if KEY.fullmatch(key)], self.keys.dtype)
        found: Mask = np.zeros(self.size, np.bool_)
        if self.size:
            # Ordered keys are found one by one in a tenth of the time that np.isin takes.
            rows = np.minimum(np.searchsorted(self.keys, wanted), self.size - 1)
            found[rows[self.keys[rows] == wanted]] = True
        return found

    def keys_from(self, prefix: str) -> slice:
        """Rows whose keys begin so."""
        low, high = prefix.encode(), (prefix + "~").encode()
        return slice(int(np.searchsorted(self.keys, low)), int(np.searchsorted(self.keys, high)))

    def keys_with(self, part: str, *, limit: int) -> list[str]:
        """Keys in which a text occurs."""
        found = np.flatnonzero(np.char.find(self.keys, part.encode()) >= 0)
        return [key.decode() for key in self.keys[found[:limit]]]

    def key(self, row: int) -> str:
        """The key of a row."""
        return bytes(self.keys[row]).decode()

    # Filters

    def mask(self, filter_: Filter, *, leaving: str = "") -> Mask:
        """Rows that fulfil the conditions on columns, but those on the field to be left out.

        `path` and `text` are no columns.
        """
        kept: Mask = np.ones(self.size, np.bool_)
        shelf = self._shelf
        if leaving != "type":
            for type_ in filter_.types:
                kept &= self.types == shelf.types.known(type_.value)
        if leaving != "environment":
            for name in filter_.environments:
                kept &= self.environments == shelf.environments.known(name)
        if leaving != "creator":
            for part in filter_.creators:
                has = [part in creator.casefold() for creator in shelf.creators.values]
                kept &= np.array([*has, False], np.bool_)[self.creators]
        for tag in filter_.tags:
            has_tag = np.zeros(self.size, np.bool_)
            has_tag[self.tag_rows[self.tag_codes == shelf.tags.known(tag)]] = True
            kept &= has_tag
        if filter_.checkable is not None:
            codes = [shelf.types.known(type_.value) for type_ in CHECKABLE]
            kept &= np.isin(self.types, codes) == filter_.checkable
        return kept

    # Counts

    def facet(self, field: str, kept: Mask, *, limit: int) -> Facet:
        """Counts of the values of a field over some rows; entities without a value are left out."""
        shelf = self._shelf
        if field == "tag":
            coding, codes = shelf.tags, self.tag_codes[kept[self.tag_rows]]
        else:
            coding, column = {
                "type": (shelf.types, self.types),
                "creator": (shelf.creators, self.creators),
                "environment": (shelf.environments, self.environments),
            }[field]
            codes = column[kept]
        counts = np.bincount(codes, minlength=len(coding.values))
        present = np.flatnonzero(counts)
        if len(present) > limit * 4:  # sort no more than needed, but all that tie with the last
            least = np.partition(counts[present], -limit - 1)[-limit - 1]
            present = present[counts[present] >= least]
        values = [(coding.values[code], int(counts[code])) for code in present]
        ranked = sorted((pair for pair in values if pair[0]), key=lambda pair: (-pair[1], pair[0]))
        return Facet(field=field, values=tuple(ranked[:limit]))
