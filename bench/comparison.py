"""In what runs over the same entities differ: verdicts and numbers, which must be equal exactly."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ackrep.scheduler.v1.check_pb2 import Check, Quantity, Verdict


def word(check: Check) -> str:
    """A verdict as people read it, e.g. `script error`."""
    return Verdict.Name(check.verdict).removeprefix("VERDICT_").lower().replace("_", " ")


def numbers(check: Check) -> dict[str, Quantity]:
    """All numbers of a result by name; `score` is one of them."""
    found = {quantity.name: quantity for quantity in check.result.quantities}
    if check.result.HasField("score"):
        found["score"] = Quantity(name="score", values=[check.result.score])
    return found


def differences(one: Check, other: Check) -> list[tuple[str, str, str]]:
    """What differs between two checks of an entity, each with both values; empty if equal.

    What is no number equals itself. Arrays that were stored whole are compared by content.
    """
    if one.verdict != other.verdict:
        return [("verdict", word(one), word(other))]
    found = []
    left, right = numbers(one), numbers(other)
    for name in sorted({*left, *right}):
        if name not in left or name not in right:
            present, absent = ("present", "absent") if name in left else ("absent", "present")
            found.append((name, present, absent))
        elif not _same(left[name], right[name]):
            found.append((name, _short(left[name]), _short(right[name])))
    return found


@dataclass(frozen=True)
class Comparison:
    """Runs over the same entities, the later ones compared with the first."""

    runs: Sequence[tuple[str, Mapping[str, Check]]]
    """Name of each run, and its checks by key."""

    @property
    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Each difference: key, run, what, there, here."""
        _, base = self.runs[0]
        found = []
        for name, checks in self.runs[1:]:
            for key in sorted({*base, *checks}):
                if key not in base or key not in checks:
                    found.append((key, name, "check", str(key in base), str(key in checks)))
                    continue
                found += [
                    (key, name, *difference) for difference in differences(base[key], checks[key])
                ]
        return found

    def markdown(self) -> str:
        """A table of all differences, or how much was found to be identical."""
        first, base = self.runs[0]
        if rows := self.rows:
            heads = f"| key | run | what | {first} | there |\n|---|---|---|---|---|\n"
            return heads + "\n".join(f"| {' | '.join(row)} |" for row in rows)
        found = [quantity for check in base.values() for quantity in numbers(check).values()]
        values = sum(len(quantity.values) for quantity in found)
        return (
            f"Identical in {', '.join(name for name, _ in self.runs)}: verdicts of {len(base)} "
            f"entities, and {len(found)} numbers and arrays with {values} values."
        )


def _same(one: Quantity, other: Quantity) -> bool:
    return (
        (one.dtype, list(one.shape), one.truncated, one.artefact)
        == (other.dtype, list(other.shape), other.truncated, other.artefact)
        and len(one.values) == len(other.values)
        and all(
            a == b or (math.isnan(a) and math.isnan(b))
            for a, b in zip(one.values, other.values, strict=True)
        )
    )


def _short(quantity: Quantity) -> str:
    shown = _texts(quantity.values[:3])
    return ", ".join(shown) + (" …" if len(quantity.values) > len(shown) else "")


def _texts(values: Iterable[float]) -> list[str]:
    return [repr(value) for value in values]
