"""Runs of the 2022 results format as runs of ours, and back."""

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import yaml
from google.protobuf import json_format

from ackrep.scheduler.v1 import check_pb2
from services.scheduler.domain.check import (
    SCHEDULER_SEQUENCE,
    Check,
    Limits,
    Result,
    Run,
    RunSummary,
    State,
    Verdict,
)
from services.scheduler.domain.imports import FileCheck, ResultsFile, date_of, file_name_of
from services.scheduler.domain.reports import TIME_LIMIT
from services.scheduler.messages import duration, timestamp

_LIMITS = Limits(wall_seconds=TIME_LIMIT)
_POOL = "imported"
"""No runner pulls from it; and these checks are finished when they are made."""
_RESULTS = {Verdict.SUCCESS: 0, Verdict.INACCURATE: 2}
_OTHER_RESULT = 1
_TOLD = frozenset(Verdict) - {Verdict.INFRASTRUCTURE_ERROR, Verdict.CANCELLED}
"""Verdicts that the format can say."""
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f]")


def run_of(file: ResultsFile) -> Run:
    """The run of a results file."""
    return Run(
        id=file.run, title=file.title, revision="", commit=file.commit, create_time=file.time
    )


def checks_of(file: ResultsFile) -> list[Check]:
    """The checks of a results file, finished."""
    return [_check_of(one, file) for one in file.checks]


def log_of(one: FileCheck) -> bytes:
    """What a check printed as a log of ours: an event per line; empty where nothing was kept."""
    if not one.report.log:
        return b""
    event = check_pb2.CheckEvent(
        check=f"checks/{one.id}",
        sequence=2,  # the first is that it was queued
        resume_token="0.2",  # noqa: S106  # a place in a stream
        event_time=timestamp(one.start_time),
        log=check_pb2.LogChunk(stream=check_pb2.LogChunk.STREAM_STDOUT, text=one.report.log),
    )
    return json_format.MessageToJson(event, indent=None).encode() + b"\n"


def _check_of(one: FileCheck, file: ResultsFile) -> Check:
    log = log_of(one)
    digest = hashlib.sha256(log).hexdigest() if log else ""
    seconds = one.seconds
    return Check(
        id=one.id,
        entity=one.entity,
        revision="",
        commit=file.commit,
        environment=one.environment,
        run=file.run,
        pool=_POOL,
        inputs_digest=f"imported {one.id}",  # equal to none, so that it is never reused
        limits=_LIMITS,
        state=State.FINISHED,
        create_time=file.time,
        start_time=one.start_time,
        finish_time=one.start_time + timedelta(seconds=seconds or 0.0),
        final_sequence=SCHEDULER_SEQUENCE,
        result=Result(
            verdict=one.verdict,
            message=one.report.message,
            log=digest,
            payload=_payload(one, file, log=digest),
        ),
    )


def _payload(one: FileCheck, file: ResultsFile, *, log: str) -> bytes:
    remarks = [f"imported from {file.file_name}"]
    if one.report.exit_status is not None:
        remarks.append(f"exit status {one.report.exit_status}")
    if one.verdict in (Verdict.TIMED_OUT, Verdict.SCRIPT_ERROR):
        remarks.append(f"result {one.report.result} in the file")
    if file.core_commit:
        remarks.append(f"ackrep_core at commit {file.core_commit}")
    message = check_pb2.Result(
        verdict=check_pb2.Verdict.ValueType(one.verdict.value),
        message=one.report.message,
        traceback=one.report.traceback,
        log=f"artefacts/{log}" if log else "",
        remarks=remarks,
        provenance=check_pb2.Provenance(
            environment_digest=one.environment_version,
            limits=check_pb2.Limits(wall_time=duration(TIME_LIMIT)),
        ),
    )
    if one.seconds is not None:
        message.usage.wall_seconds = one.seconds
    return message.SerializeToString(deterministic=True)


class _Dumper(yaml.SafeDumper):
    """Writes as the 2022 system did: mappings one field per line, in the order of the data."""


def exported(summary: RunSummary, checks: Sequence[Check]) -> tuple[str, bytes]:
    """Writes a run of ours in the format; what the format cannot say is left out.

    Args:
        summary: A run that is finished.
        checks: Its checks.

    Returns:
        Name and content of the file.
    """
    run = summary.run
    data: dict[str, Any] = {}
    if run.commit:
        data["commit_logs"] = {"ackrep_data": {"sha": run.commit}}
    newest: dict[str, Check] = {}
    for check in sorted(checks, key=lambda check: check.id):
        newest[check.entity] = check
    for key, check in newest.items():
        if check.result is not None and check.result.verdict in _TOLD:
            data[key] = _entry(check, check.result, date=date_of(run.create_time))
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=False)
    return file_name_of(run.create_time), text.encode()


def _entry(check: Check, result: Result, *, date: str) -> dict[str, Any]:
    message = check_pb2.Result.FromString(result.payload)
    failed = result.verdict is not Verdict.SUCCESS
    entry: dict[str, Any] = {"date": date}
    environment = message.provenance.environment_digest
    if environment:
        entry["env_version"] = f"{check.environment}:{environment}"
    told = message.traceback or message.message or result.message
    if result.verdict is Verdict.TIMED_OUT:  # by these words the format's readers know it
        told += f"\nEntity calculation reached timeout ({check.limits.wall_seconds:g}s)."
    entry["issues"] = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", told) if failed else ""
    entry["result"] = _RESULTS.get(result.verdict, _OTHER_RESULT)
    if message.HasField("usage"):
        entry["runtime"] = round(message.usage.wall_seconds, 3)
    return entry
