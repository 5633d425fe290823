"""Which entities stand for all of an environment, where trying all would take too long."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.scheduler.domain.check import Verdict


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A checkable entity that a trial may check."""

    key: str
    type: str


def sample(subjects: Sequence[Subject], *, verdicts: Mapping[str, Verdict], size: int) -> list[str]:
    """Chooses entities such that each stratum has its share, and at least one entity.

    A stratum is the entities of one type with the same verdict so far. Shares are by the largest
    remainder. Which entities of a stratum are taken follows from their keys alone (by hash), so
    that the same entities are tried again the next time.

    Args:
        subjects: All there are.
        verdicts: How entities are, by key; entities without a verdict are a stratum too.
        size: At most so many, or one of each stratum where that is more; 0 means all.

    Returns:
        Keys, in order.
    """
    if size <= 0 or size >= len(subjects):
        return sorted(subject.key for subject in subjects)
    strata: dict[tuple[str, int], list[str]] = {}
    for subject in subjects:
        stratum = subject.type, int(verdicts.get(subject.key, 0))
        strata.setdefault(stratum, []).append(subject.key)
    members = [strata[stratum] for stratum in sorted(strata)]
    shares = _shares([len(keys) for keys in members], size=size)
    return sorted(
        key for keys, share in zip(members, shares, strict=True) for key in _hashed(keys)[:share]
    )


def _shares(sizes: Sequence[int], *, size: int) -> list[int]:
    """Gives each stratum one, and the rest by the size of what is left of it."""
    left = [count - 1 for count in sizes]
    rest = size - len(sizes)
    if rest <= 0:
        return [1] * len(sizes)
    parts = [divmod(rest * count, sum(left)) for count in left]
    shares = [1 + whole for whole, _ in parts]
    # Largest remainder first; of equal ones the larger stratum, then the first.
    order = sorted(range(len(sizes)), key=lambda place: (-parts[place][1], -left[place], place))
    for place in order[: size - sum(shares)]:
        shares[place] += 1
    return shares


def _hashed(keys: Iterable[str]) -> list[str]:
    return sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())
