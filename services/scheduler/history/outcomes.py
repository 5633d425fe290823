"""What a stored result says, taken out of its message for history."""

from ackrep.scheduler.v1 import check_pb2
from services.scheduler.domain.check import Check
from services.scheduler.domain.fingerprints import FAILURES, Failure, fingerprint
from services.scheduler.domain.history import Outcome

_ERRORS = "final_state_errors"
_ENVIRONMENT_CHARACTERS = 128


def outcome_of(check: Check) -> Outcome | None:
    """Gives what the result of a check says; nothing if it is not finished."""
    if check.result is None:
        return None
    message = check_pb2.Result.FromString(check.result.payload)
    cause = None
    if check.result.verdict in FAILURES:
        cause = fingerprint(
            Failure(
                verdict=check.result.verdict,
                entity=check.entity,
                message=message.message or check.result.message,
                traceback=message.traceback,
                files=frozenset(message.provenance.files_read),
            )
        )
    return Outcome(
        check=check.id,
        fingerprint=cause.digest if cause else "",
        title=cause.title if cause else "",
        environment_digest=message.provenance.environment_digest[:_ENVIRONMENT_CHARACTERS],
        seconds=message.usage.wall_seconds if message.HasField("usage") else None,
        error=_largest_error(message),
    )


def _largest_error(message: check_pb2.Result) -> float | None:
    """Not a number counts as none: charts and databases cannot hold it."""
    values = [
        abs(value)
        for quantity in message.quantities
        if quantity.name == _ERRORS
        for value in quantity.values
    ]
    largest = max((value for value in values if value == value), default=None)  # noqa: PLR0124
    return None if largest is None or largest == float("inf") else largest
