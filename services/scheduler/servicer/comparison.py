"""Comparison of runs: messages in, use cases, messages out."""

from typing import Any

from ackrep.scheduler.v1 import check_pb2, comparison_pb2, comparison_pb2_grpc
from services.scheduler.domain.comparison import (
    Comparison,
    EntityChange,
    NumberChange,
    Reading,
)
from services.scheduler.domain.names import run_id
from services.scheduler.history.comparing import STANDING, Comparing


class ComparisonServicer(comparison_pb2_grpc.ComparisonServiceServicer):
    """`ackrep.scheduler.v1.ComparisonService`."""

    def __init__(self, *, comparing: Comparing) -> None:
        self._comparing = comparing

    async def CompareRuns(
        self, request: comparison_pb2.CompareRunsRequest, context: Any
    ) -> comparison_pb2.RunComparison:
        standing = request.base == f"runs/{STANDING}"
        base, other = STANDING if standing else run_id(request.base), run_id(request.other)
        found = await self._comparing.compare(base=base, other=other)
        return comparison_message(found, base=base, other=other)


def comparison_message(
    comparison: Comparison, *, base: str, other: str
) -> comparison_pb2.RunComparison:
    """Describes what differs between two runs (ids)."""
    return comparison_pb2.RunComparison(
        base=f"runs/{base}",
        other=f"runs/{other}",
        changes=map(_change, comparison.changes),
        counts=[
            comparison_pb2.ChangeCount(
                kind=comparison_pb2.ChangeKind.ValueType(kind.value), count=count
            )
            for kind, count in comparison.counts.items()
        ],
    )


def _change(change: EntityChange) -> comparison_pb2.EntityChange:
    base, other = change.base, change.other
    return comparison_pb2.EntityChange(
        entity=f"entities/{change.entity}",
        kind=comparison_pb2.ChangeKind.ValueType(change.kind.value),
        base_verdict=_verdict(base),
        other_verdict=_verdict(other),
        base_check=f"checks/{base.check}" if base else "",
        other_check=f"checks/{other.check}" if other else "",
        base_seconds=base.seconds if base else 0.0,
        other_seconds=other.seconds if other else 0.0,
        slower=change.slower,
        numbers=map(_number, change.numbers),
        message=other.message if other else "",
    )


def _verdict(reading: Reading | None) -> check_pb2.Verdict.ValueType:
    verdict = reading.verdict if reading is not None else None
    return check_pb2.Verdict.ValueType(verdict.value if verdict is not None else 0)


def _number(change: NumberChange) -> comparison_pb2.NumberChange:
    return comparison_pb2.NumberChange(
        name=change.name,
        absolute=change.absolute,
        relative=change.relative,
        message=change.message,
        base=change.base,
        other=change.other,
    )
