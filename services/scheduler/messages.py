"""Domain values as protobuf messages, and back."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2, scheduler_pb2
from services import bus
from services.errors import InvalidArgumentError
from services.scheduler.artefacts.content_types import content_type_of
from services.scheduler.domain.check import (
    Artefact,
    Check,
    EntityVerdict,
    Limits,
    Result,
    RunSummary,
    Verdict,
)
from services.scheduler.domain.inputs import digest_of
from services.scheduler.domain.names import artefact_id
from services.scheduler.domain.runners import KnownRunner
from services.scheduler.ports.store import Event, Message

LARGEST_EVENT_BYTES = 512 * 1024
"""A final event whose result is larger goes to the broker without its numbers and provenance."""


def timestamp(time: datetime | None) -> Timestamp | None:
    """Converts a time; nothing stays nothing."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def duration(seconds: float) -> Duration:
    """Converts seconds."""
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def _environment_name(check: Check) -> str:
    return f"environments/{check.environment}" if check.environment else ""


def _revision_name(tree: str) -> str:
    """Imported checks have none: the tree at their commit is not known."""
    return f"revisions/{tree}" if tree else ""


def check_message(check: Check, *, full: bool = True) -> check_pb2.Check:
    """Describes a check; without its result's log, numbers and provenance where not `full`."""
    return check_pb2.Check(
        name=f"checks/{check.id}",
        entity=f"entities/{check.entity}",
        revision=_revision_name(check.revision),
        commit=check.commit,
        environment=_environment_name(check),
        run=f"runs/{check.run}" if check.run else "",
        state=check_pb2.Check.State.ValueType(check.state.value),
        verdict=check_pb2.Verdict.ValueType(check.result.verdict.value if check.result else 0),
        attempt=check.attempt,
        inputs_digest=digest_of(check),
        reused_from=f"checks/{check.reused_from}" if check.reused_from else "",
        pool=check.pool,
        create_time=timestamp(check.create_time),
        start_time=timestamp(check.start_time),
        finish_time=timestamp(check.finish_time),
        result=result_message(check.result, full=full) if check.result else None,
        cancel_requested=check.cancel_requested,
        failed_attempts=[
            check_pb2.FailedAttempt(
                attempt=past.attempt,
                runner=f"runners/{past.runner}" if past.runner else "",
                reason=past.reason,
                end_time=timestamp(past.end_time),
            )
            for past in check.failed_attempts
        ],
    )


def result_message(result: Result, *, full: bool = True) -> check_pb2.Result:
    """Describes a result: what the runner sent, or what the scheduler knows by itself."""
    message = check_pb2.Result.FromString(result.payload)
    message.verdict = check_pb2.Verdict.ValueType(result.verdict.value)
    message.message = message.message or result.message
    if not full:
        for field in ("log", "quantities", "provenance", "description"):
            message.ClearField(field)
    return message


def verdict_of(number: int, *, field: str) -> Verdict | None:
    """Reads a verdict; nothing where it is unspecified.

    Raises:
        InvalidArgumentError: It is none that exists.
    """
    if number == check_pb2.VERDICT_UNSPECIFIED:
        return None
    try:
        return Verdict(number)
    except ValueError:
        raise InvalidArgumentError(f"unknown verdict {number}", field=field) from None


def entity_verdict_message(found: EntityVerdict) -> scheduler_pb2.EntityVerdict:
    """Describes how an entity is."""
    return scheduler_pb2.EntityVerdict(
        entity=f"entities/{found.entity}",
        verdict=check_pb2.Verdict.ValueType(found.verdict.value),
        check=f"checks/{found.check}",
        finish_time=timestamp(found.finish_time),
        revision=_revision_name(found.revision),
    )


def result_of(message: check_pb2.Result) -> Result:
    """Reads a result. Content types are set here, from an allow-list, whatever the runner says.

    Raises:
        InvalidArgumentError: It has no verdict, or names no artefact.
    """
    verdict = verdict_of(message.verdict, field="result.verdict")
    if verdict is None:
        raise InvalidArgumentError("the result has no verdict", field="result.verdict")
    for item in message.artefacts:
        item.content_type = content_type_of(item.path)
    return Result(
        verdict=verdict,
        message=message.message,
        artefacts=tuple(
            Artefact(
                sha256=artefact_id(item.name),
                path=item.path,
                size=item.size,
                content_type=item.content_type,
            )
            for item in message.artefacts
        ),
        log=artefact_id(message.log) if message.log else "",
        payload=message.SerializeToString(),
        image=message.provenance.environment_digest,
        runtime=message.provenance.runtime_version,
        on_revision=message.depends_on_revision,
    )


def with_queue_phase(payload: bytes, *, seconds: float) -> bytes:
    """Adds the phase `queue` (from the request to the last claim), which no runner can know."""
    message = check_pb2.Result.FromString(payload)
    if all(phase.name != "queue" for phase in message.phases):
        phase = check_pb2.Phase(name="queue", duration=duration(max(0.0, seconds)))
        message.phases.insert(0, phase)
    return message.SerializeToString()


def limits_message(limits: Limits) -> check_pb2.Limits:
    """Describes limits."""
    return check_pb2.Limits(
        wall_time=duration(limits.wall_seconds),
        cpu_time=duration(limits.cpu_seconds),
        memory_bytes=limits.memory_bytes,
        processes=limits.processes,
        file_bytes=limits.file_bytes,
        output_bytes=limits.output_bytes,
        artefact_bytes=limits.artefact_bytes,
    )


def lease_message(check: Check, *, lease_seconds: float) -> dispatch_pb2.Lease:
    """Describes the lease of a check that was just claimed."""
    return dispatch_pb2.Lease(
        check=check_message(check),
        limits=limits_message(check.limits),
        seed=check.seed,
        lease_duration=duration(lease_seconds),
    )


def run_message(summary: RunSummary) -> check_pb2.Run:
    """Describes a run."""
    run = summary.run
    return check_pb2.Run(
        name=f"runs/{run.id}",
        title=run.title,
        revision=_revision_name(run.revision),
        commit=run.commit,
        create_time=timestamp(run.create_time),
        finish_time=timestamp(summary.finish_time),
        check_count=summary.check_count,
        finished_count=summary.finished_count,
        verdicts=[
            check_pb2.VerdictCount(verdict=check_pb2.Verdict.ValueType(verdict.value), count=count)
            for verdict, count in summary.verdicts
        ],
    )


def runner_message(known: KnownRunner, *, lost: bool) -> check_pb2.RunnerStatus:
    """Describes a runner, what it told and what it holds."""
    runner, drain = known.runner, known.drain
    return check_pb2.RunnerStatus(
        name=f"runners/{runner.id}",
        pool=runner.pool,
        slots=runner.slots,
        free_slots=runner.free_slots,
        checks=[f"checks/{check}" for check in known.checks],
        backend=runner.backend,
        heartbeat_time=timestamp(runner.heartbeat_time),
        draining=runner.draining or drain is not None,
        runtime_version=runner.runtime_version,
        engine_version=runner.engine_version,
        host=runner.host,
        environments=[
            check_pb2.EnvironmentDigest(environment=f"environments/{name}", digest=digest)
            for name, digest in sorted(known.environments.items())
        ],
        drain=check_pb2.RunnerDrain(reason=drain.reason, create_time=timestamp(drain.create_time))
        if drain is not None
        else None,
        lost=lost,
    )


# Events -------------------------------------------------------------------------------------


def queued_event(check: Check) -> check_pb2.CheckEvent:
    """The first event of each check: it was queued. Follows from the check at any later time."""
    first = check_pb2.Check(
        name=f"checks/{check.id}",
        entity=f"entities/{check.entity}",
        revision=_revision_name(check.revision),
        commit=check.commit,
        environment=_environment_name(check),
        run=f"runs/{check.run}" if check.run else "",
        state=check_pb2.Check.STATE_QUEUED,
        inputs_digest=digest_of(check),
        create_time=timestamp(check.create_time),
    )
    return _event(check.id, attempt=0, sequence=1, time=check.create_time, check=first)


def final_event(check: Check) -> check_pb2.CheckEvent:
    """The last event of a finished check, which carries its verdict."""
    return _event(
        check.id,
        attempt=check.attempt,
        sequence=check.final_sequence,
        time=check.finish_time or datetime.now(UTC),
        check=check_message(check),
    )


def announce(before: Check | None, after: Check) -> list[Message]:
    """Says what watchers are told of a change: that a check is queued, or that it is finished.

    All between is told by the runner that holds it.
    """
    if before is None and after.reused_from:
        return []  # nobody watches it yet, and who does later gets it from the store
    if after.finished and (before is None or not before.finished):
        event = final_event(after)
        if event.ByteSize() > LARGEST_EVENT_BYTES:
            event.check_changed.CopyFrom(check_message(after, full=False))
        if event.ByteSize() > LARGEST_EVENT_BYTES:
            event.check_changed.ClearField("result")
        return [_message(event)]
    if before is None:
        return [_message(queued_event(after))]
    return []


def event_of(payload: bytes) -> Event:
    """Reads the position of a serialised event."""
    event = check_pb2.CheckEvent.FromString(payload)
    return Event(attempt=event.attempt, sequence=event.sequence, payload=payload)


def position_of(token: str) -> tuple[int, int]:
    """Reads a resume token, `{attempt}.{sequence}`; the beginning where empty.

    Raises:
        InvalidArgumentError: It is no such token.
    """
    if not token:
        return 0, 0
    attempt, _, sequence = token.partition(".")
    if not (attempt.isdecimal() and sequence.isdecimal() and len(token) <= 40):
        raise InvalidArgumentError(f"bad resume token {token!r}", field="resume_token")
    return int(attempt), int(sequence)


def _event(
    check_id: str, *, attempt: int, sequence: int, time: datetime, check: check_pb2.Check
) -> check_pb2.CheckEvent:
    return check_pb2.CheckEvent(
        check=f"checks/{check_id}",
        attempt=attempt,
        sequence=sequence,
        resume_token=f"{attempt}.{sequence}",
        event_time=timestamp(time),
        check_changed=check,
    )


def _message(event: check_pb2.CheckEvent) -> Message:
    return Message(
        subject=bus.event_subject(event.check),
        message_id=f"{event.check.removeprefix('checks/')}/{event.attempt}/{event.sequence}",
        payload=event.SerializeToString(),
    )
