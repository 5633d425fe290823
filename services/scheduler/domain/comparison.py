"""What differs between two runs, entity by entity.

Numbers are compared exactly: checks are deterministic, so that any difference has a cause. NaN
equals NaN.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from services.scheduler.domain.check import Verdict

SLOWER_FACTOR: Final = 1.5
SLOWER_SECONDS: Final = 0.5
SCORE: Final = "score"
"""Name of the score among the numbers that differ."""
_SAYS_NOTHING: Final = frozenset({Verdict.CANCELLED, Verdict.INFRASTRUCTURE_ERROR})


class ChangeKind(IntEnum):
    """What became of an entity; numbers are those of the protos."""

    UNCHANGED = 1
    BROKEN = 2
    REPAIRED = 3
    VERDICT = 4
    NUMBERS = 5
    ADDED = 6
    REMOVED = 7
    PENDING = 8


ORDER: Final = (
    ChangeKind.BROKEN,
    ChangeKind.REPAIRED,
    ChangeKind.VERDICT,
    ChangeKind.NUMBERS,
    ChangeKind.PENDING,
    ChangeKind.ADDED,
    ChangeKind.REMOVED,
    ChangeKind.UNCHANGED,
)
"""In which order changes are told."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A named number or array of a result."""

    values: tuple[float, ...]
    """In row-major order; the first ones where it is very large."""
    shape: tuple[int, ...] = ()
    dtype: str = "float64"
    digest: str = ""
    """Of the whole array where `values` are only its first ones; may be empty."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How an entity fared in a run."""

    entity: str
    """Key."""
    check: str
    """Id of the check."""
    verdict: Verdict | None = None
    """None until the check is finished."""
    message: str = ""
    seconds: float = 0.0
    """Elapsed time of the entity's own code; 0 where it did not run."""
    numbers: Mapping[str, Numbers] | None = None
    image: str = ""
    """Digest of the environment that it ran in; empty where nothing ran."""

    @property
    def telling(self) -> bool:
        """Whether it says how the entity is: it has a verdict, and one about the entity."""
        return self.verdict is not None and self.verdict not in _SAYS_NOTHING


@dataclass(frozen=True, kw_only=True)
class NumberChange:
    """A number or array that differs."""

    name: str
    absolute: float | None = None
    """Largest absolute difference of an element; None where shapes or types differ."""
    relative: float | None = None
    """Largest difference of an element as a part of the larger of the two; None as above."""
    message: str = ""
    """What else differs."""
    base: float | None = None
    """The element that differs most (absolutely), in the earlier run; None as above."""
    other: float | None = None
    """The same element in the later run."""


@dataclass(frozen=True, kw_only=True)
class EntityChange:
    """One entity in two runs."""

    entity: str
    kind: ChangeKind
    base: Reading | None
    other: Reading | None
    slower: bool = False
    numbers: tuple[NumberChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs, entity by entity."""

    changes: tuple[EntityChange, ...]
    """In `ORDER`, each kind by entity."""

    def of_kind(self, kind: ChangeKind) -> list[EntityChange]:
        """The changes of one kind, by entity."""
        return [change for change in self.changes if change.kind is kind]

    @property
    def counts(self) -> dict[ChangeKind, int]:
        """Number of entities by what became of them, in `ORDER`; kinds of none are left out."""
        counts = {kind: len(self.of_kind(kind)) for kind in ORDER}
        return {kind: count for kind, count in counts.items() if count}


def compare(base: Iterable[Reading], other: Iterable[Reading]) -> Comparison:
    """Compares two runs; of several readings of an entity in one run, the last one counts."""
    earlier = {reading.entity: reading for reading in base}
    later = {reading.entity: reading for reading in other}
    changes = [
        compare_entity(earlier.get(entity), later.get(entity))
        for entity in sorted(earlier.keys() | later.keys())
    ]
    return Comparison(changes=tuple(sorted(changes, key=lambda one: ORDER.index(one.kind))))


def compare_entity(base: Reading | None, other: Reading | None) -> EntityChange:
    """Compares how an entity fared in two runs, in at least one of which it is."""
    if base is None or other is None:
        present = base or other
        if present is None:
            raise ValueError("an entity that is in neither run cannot be compared")
        kind = ChangeKind.ADDED if base is None else ChangeKind.REMOVED
        return EntityChange(entity=present.entity, kind=kind, base=base, other=other)
    if not (base.telling and other.telling):
        return EntityChange(entity=base.entity, kind=ChangeKind.PENDING, base=base, other=other)
    numbers = tuple(_number_changes(base.numbers or {}, other.numbers or {}))
    return EntityChange(
        entity=base.entity,
        kind=_kind(base.verdict, other.verdict, numbers),
        base=base,
        other=other,
        slower=_slower(base.seconds, other.seconds),
        numbers=numbers,
    )


def _kind(
    base: Verdict | None, other: Verdict | None, numbers: Sequence[NumberChange]
) -> ChangeKind:
    if base is other:
        return ChangeKind.NUMBERS if numbers else ChangeKind.UNCHANGED
    if base is Verdict.SUCCESS:
        return ChangeKind.BROKEN
    return ChangeKind.REPAIRED if other is Verdict.SUCCESS else ChangeKind.VERDICT


def _slower(base: float, other: float) -> bool:
    ran = base > 0 and other > 0
    return ran and other >= base * SLOWER_FACTOR and other - base >= SLOWER_SECONDS


def _number_changes(
    base: Mapping[str, Numbers], other: Mapping[str, Numbers]
) -> Iterable[NumberChange]:
    for name in sorted(base.keys() | other.keys()):
        if name not in other:
            yield NumberChange(name=name, message="only in the earlier run")
        elif name not in base:
            yield NumberChange(name=name, message="only in the later run")
        elif (change := compare_numbers(name, base[name], other[name])) is not None:
            yield change


def compare_numbers(name: str, base: Numbers, other: Numbers) -> NumberChange | None:
    """Compares a number or array; None where nothing differs."""
    if base.shape != other.shape:
        message = f"shape {_shape(base.shape)} became {_shape(other.shape)}"
        return NumberChange(name=name, message=message)
    if base.dtype != other.dtype:
        return NumberChange(name=name, message=f"{base.dtype} became {other.dtype}")
    if len(base.values) != len(other.values):
        message = f"{len(base.values)} known values became {len(other.values)}"
        return NumberChange(name=name, message=message)
    earlier = np.array(base.values, dtype=np.float64)
    later = np.array(other.values, dtype=np.float64)
    differ = ~((earlier == later) | (np.isnan(earlier) & np.isnan(later)))
    if not differ.any():
        if base.digest == other.digest:
            return None
        message = f"elements after the first {len(base.values)} differ"
        return NumberChange(name=name, message=message)
    lost = differ & (np.isnan(earlier) | np.isnan(later))
    pairs = [
        (float(old), float(new))
        for old, new in zip(earlier[differ & ~lost], later[differ & ~lost], strict=True)
    ]
    most = max(pairs, key=lambda pair: abs(pair[1] - pair[0]), default=(None, None))
    return NumberChange(
        name=name,
        base=most[0],
        other=most[1],
        absolute=max((abs(new - old) for old, new in pairs), default=None),
        relative=max((_relative(old, new) for old, new in pairs), default=None),
        message=f"{int(lost.sum())} of {len(earlier)} are NaN on one side" if lost.any() else "",
    )


def _relative(old: float, new: float) -> float:
    larger = max(abs(old), abs(new))
    if math.isinf(larger):
        return math.inf
    return abs(new / larger - old / larger)  # divided first, so that nothing overflows


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "of a single number"
