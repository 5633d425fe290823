"""The newest entries of a stream, bounded in bytes, at places that count from its beginning."""

from collections.abc import Sequence
from itertools import pairwise

from gateway.live.entries import Entry

_COMPACT_AT = 1024
_OVERHEAD = 200
"""Bytes that an entry costs beside its JSON."""


class Ring:
    """Keeps the newest entries; at least one, however large it is."""

    def __init__(self, *, limit: int, after: str) -> None:
        """Begins empty.

        Args:
            limit: Bytes that are kept.
            after: Resume token that the first entry comes after; empty: it is the stream's first.
        """
        self._limit = limit
        self._before = after
        self._entries: list[Entry] = []
        self._offsets: list[int] = []  # bytes before each entry, counted from the beginning
        self._gone = 0  # at the front of both lists: no longer kept
        self._first = 0
        self._written = 0
        self._places: dict[str, int] = {}

    @property
    def first(self) -> int:
        """Place of the oldest entry that is kept."""
        return self._first

    @property
    def end(self) -> int:
        """Place that the next entry will have."""
        return self._first + len(self._entries) - self._gone

    @property
    def before(self) -> str:
        """Token of what came just before the oldest entry that is kept."""
        return self._before

    @property
    def last(self) -> str:
        """Token of the newest entry."""
        return self._entries[-1].token if self._entries else self._before

    def append(self, entry: Entry) -> None:
        """Adds an entry, and lets go of the oldest ones."""
        if entry.token:
            self._places[entry.token] = self.end
        self._entries.append(entry)
        self._offsets.append(self._written)
        self._written += len(entry.data) + _OVERHEAD
        while (
            self._written - self._offsets[self._gone] > self._limit and self.end - self._first > 1
        ):
            old = self._entries[self._gone]
            self._before = old.token or self._before
            self._places.pop(old.token, None)
            self._gone += 1
            self._first += 1
        if self._gone >= _COMPACT_AT and self._gone * 2 > len(self._entries):
            del self._entries[: self._gone], self._offsets[: self._gone]
            self._gone = 0

    def after(self, token: str) -> int | None:
        """Place to go on at after a token; None where that is not known here."""
        if token == self._before:
            return self._first
        place = self._places.get(token)
        return None if place is None else place + 1

    def read(self, place: int, *, limit: int) -> Sequence[Entry]:
        """Entries from a place on that is kept: at most so many bytes, but at least one."""
        begin = place - self._first + self._gone
        start = self.bytes_before(place)
        end = len(self._entries)
        if self._written - start > limit:
            end = begin + 1
            for left, right in pairwise(range(begin + 1, len(self._entries) + 1)):
                if self._offset(right) - start > limit:
                    break
                end = left + 1
        return self._entries[begin:end]

    def bytes_before(self, place: int) -> int:
        """Bytes of all entries before a place that is kept, or of all where it is the end."""
        return self._offset(place - self._first + self._gone)

    def _offset(self, index: int) -> int:
        return self._offsets[index] if index < len(self._offsets) else self._written
