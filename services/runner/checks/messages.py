"""Between the protos of the scheduler and the runner's own values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2
from services.bus import UNTRUSTED
from services.runner.domain.attempts import Artefact, Assignment, CheckLimits, Directive, Report
from services.runner.sessions.outcome import Cleanliness, Description, Number, Outcome, Verdict

VERDICTS: Final = {
    verdict: check_pb2.Verdict.Value(f"VERDICT_{verdict.value}") for verdict in Verdict
}
DIRECTIVES: Final = {
    dispatch_pb2.DIRECTIVE_CONTINUE: Directive.CONTINUE,
    dispatch_pb2.DIRECTIVE_CANCEL: Directive.CANCEL,
    dispatch_pb2.DIRECTIVE_STALE: Directive.STALE,
}
_MESSAGE_CHARACTERS = 2_000
_TRACEBACK_CHARACTERS = 200_000
_FILES_READ = 2_000
_RESULTS = "/_results/"
"""Stands before the name of a saved array in its path (harness: arrays)."""


def assignment_of(lease: dispatch_pb2.Lease) -> Assignment:
    """What a lease asks for."""
    check, limits = lease.check, lease.limits
    return Assignment(
        check=check.name,
        attempt=check.attempt,
        entity=check.entity,
        revision=check.revision,
        environment=lease.environment_image or check.environment,
        environment_tag=lease.environment_tag,
        limits=CheckLimits(
            wall_seconds=limits.wall_time.ToTimedelta().total_seconds(),
            cpu_seconds=limits.cpu_time.ToTimedelta().total_seconds(),
            memory_bytes=limits.memory_bytes,
            processes=limits.processes,
            file_bytes=limits.file_bytes,
            output_bytes=limits.output_bytes,
            artefact_bytes=limits.artefact_bytes,
        ),
        seed=lease.seed,
        untrusted=check.pool == UNTRUSTED,
        message=check.SerializeToString(),
    )


def reference_of(assignment: Assignment) -> dispatch_pb2.AttemptRef:
    """Names the attempt."""
    return dispatch_pb2.AttemptRef(check=assignment.check, attempt=assignment.attempt)


def result_of(
    report: Report, assignment: Assignment, *, runner: str, backend: str, runtime_version: str
) -> check_pb2.Result:
    """A report as the scheduler keeps it."""
    outcome = report.outcome
    result = check_pb2.Result(
        verdict=VERDICTS[outcome.verdict],
        message=_message(outcome)[:_MESSAGE_CHARACTERS],
        traceback=outcome.traceback[-_TRACEBACK_CHARACTERS:],
        score=outcome.score,
        quantities=quantities_of(outcome, files=_results_of(report)),
        artefacts=[artefact_of(artefact) for artefact in report.artefacts],
        log=report.log,
        phases=[phase_of(name, seconds) for name, seconds in report.phases],
        usage=check_pb2.Usage(
            user_seconds=outcome.usage.user_seconds,
            system_seconds=outcome.usage.system_seconds,
            wall_seconds=outcome.usage.wall_seconds,
            max_resident_bytes=outcome.usage.max_rss_bytes,
        ),
        remarks=report.remarks,
        depends_on_revision=report.on_revision,
    )
    if outcome.description is not None:
        result.description.CopyFrom(description_of(outcome.description))
    provenance = result.provenance
    provenance.runner = runner
    provenance.backend = backend
    provenance.runtime_version = runtime_version
    provenance.seed = assignment.seed
    provenance.limits.CopyFrom(limits_of(assignment.limits))
    provenance.files_read.extend(outcome.files_read[:_FILES_READ])
    if (info := report.workplace) is not None:
        provenance.environment_digest = info.environment_digest
        provenance.python = info.python
        provenance.confinement = info.confinement
        provenance.machine = info.machine
        provenance.shims.extend(outcome.shims or info.shims)
        result.cleanliness.CopyFrom(cleanliness_of(outcome.cleanliness, retired=report.retired))
    return result


def cleanliness_of(found: Cleanliness, *, retired: str) -> check_pb2.Cleanliness:
    """What a check left behind, and what became of its workplace."""
    return check_pb2.Cleanliness(
        processes_killed=found.processes_killed,
        processes=found.processes,
        files_own=found.files_own,
        files_shared=found.files_removed,
        leftovers=found.leftovers,
        ipc_objects=found.ipc_objects,
        oom_kills=found.oom_kills,
        memory_bytes=found.memory_bytes,
        replaced=retired,
    )


def _message(outcome: Outcome) -> str:
    if outcome.message or not outcome.limit:
        return outcome.message
    return f"exceeded the limit: {outcome.limit}"


def _results_of(report: Report) -> dict[str, str]:
    """Files of saved arrays, by their path below the entity's folder, as artefacts' names."""
    return {
        _RESULTS.strip("/") + "/" + artefact.path.rpartition(_RESULTS)[2]: artefact.name
        for artefact in report.artefacts
        if _RESULTS in artefact.path
    }


def quantities_of(
    outcome: Outcome, *, files: Mapping[str, str] | None = None
) -> list[check_pb2.Quantity]:
    """The named numbers, those that are numbers.

    `files` are the artefacts of saved arrays, by path below the entity's folder.
    """
    saved = files or {}
    found = [q for number in outcome.numbers if (q := _quantity(number, saved)) is not None]
    if outcome.final_state_errors and not any(q.name == "final_state_errors" for q in found):
        errors = outcome.final_state_errors
        found.insert(
            0,
            check_pb2.Quantity(
                name="final_state_errors", values=errors, shape=[len(errors)], dtype="float64"
            ),
        )
    return found


def _quantity(number: Number, files: Mapping[str, str]) -> check_pb2.Quantity | None:
    artefact = files.get(number.file, "")
    values = [float(element) for element in number.data if not isinstance(element, str)]
    if len(values) < len(number.data):
        # Complex numbers have no values here: they are in the file, or nowhere.
        if not artefact:
            return None
        values = []
    return check_pb2.Quantity(
        name=number.name,
        values=values,
        shape=number.shape,
        dtype=number.dtype,
        truncated=number.truncated or len(values) < len(number.data),
        artefact=artefact,
    )


def description_of(description: Description) -> check_pb2.ModelDescription:
    """A system model in formulas."""
    return check_pb2.ModelDescription(
        states=description.states,
        inputs=description.inputs,
        equations=description.equations,
        parameter_columns=description.columns,
        parameters=[
            check_pb2.ParameterRow(cells=row.cells, name=row.name, value=row.value)
            for row in description.parameters
        ],
    )


def artefact_of(artefact: Artefact) -> check_pb2.Artefact:
    """A file that a check produced."""
    return check_pb2.Artefact(
        name=artefact.name,
        path=artefact.path,
        size=artefact.size,
        content_type=artefact.content_type,
    )


def phase_of(name: str, seconds: float) -> check_pb2.Phase:
    """A named part of the time."""
    return check_pb2.Phase(name=name, duration=duration_of(seconds))


def limits_of(limits: CheckLimits) -> check_pb2.Limits:
    """Limits that were in force."""
    return check_pb2.Limits(
        wall_time=duration_of(limits.wall_seconds),
        cpu_time=duration_of(limits.cpu_seconds),
        memory_bytes=limits.memory_bytes,
        processes=limits.processes,
        file_bytes=limits.file_bytes,
        output_bytes=limits.output_bytes,
        artefact_bytes=limits.artefact_bytes,
    )


def duration_of(seconds: float) -> Duration:
    """Seconds as a protobuf duration."""
    whole = Duration()
    whole.FromNanoseconds(int(seconds * 1e9))
    return whole


def now() -> Timestamp:
    """The time, by this machine's clock."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC))
    return stamp
