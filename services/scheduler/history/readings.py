"""What checks showed of their entities, read from the results that runners sent."""

from ackrep.scheduler.v1 import check_pb2
from services.scheduler.domain.check import Check
from services.scheduler.domain.comparison import SCORE, Numbers, Reading


def reading_of(check: Check) -> Reading:
    """Reads how an entity fared in a check."""
    if check.result is None:
        return Reading(entity=check.entity, check=check.id)
    result = check_pb2.Result.FromString(check.result.payload)
    numbers = {quantity.name: _numbers(quantity) for quantity in result.quantities}
    if result.HasField("score"):
        numbers[SCORE] = Numbers(values=(result.score,))
    return Reading(
        entity=check.entity,
        check=check.id,
        verdict=check.result.verdict,
        message=result.message or check.result.message,
        seconds=result.usage.wall_seconds,
        numbers=numbers,
        image=result.provenance.environment_digest,
    )


def _numbers(quantity: check_pb2.Quantity) -> Numbers:
    return Numbers(
        values=tuple(quantity.values),
        shape=tuple(quantity.shape),
        dtype=quantity.dtype,
        digest=quantity.artefact if quantity.truncated else "",
    )
