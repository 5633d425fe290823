"""The result frame: all that is known of a check when it is over."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple

from . import checking, launching, verdicts


class Findings(NamedTuple):
    """What the supervisor found out itself."""

    ending: launching.Ending
    wall_seconds: float
    cleanliness: Dict[str, Any]
    fork_refusals: int
    artefacts_skipped: int
    files_left: int
    bytes_left: int
    opened: List[str]
    missing: List[str]
    shims: List[str]
    rung: str


def result(check: checking.Check, found: Findings) -> Dict[str, Any]:
    """The header of the result frame."""
    status, number = verdicts.ending(found.ending.status)
    judgement = verdicts.judge(
        verdicts.Seen(
            report=check.report,
            stopped=check.stopped,
            reason=check.reason,
            exit_status=status,
            signal=number,
            oom_kills=found.cleanliness["oom_kills"],
            fork_refusals=found.fork_refusals,
            cpu_seconds=found.ending.user_seconds + found.ending.system_seconds,
            files_left=found.files_left,
            bytes_left=found.bytes_left,
            limits=check.limits,
        )
    )
    said = check.report or {}
    return {
        "type": "result",
        "check": check.identity,
        "verdict": judgement.verdict,
        "limit": judgement.limit,
        "message": judgement.message,
        "traceback": said.get("traceback", ""),
        "success": said.get("success"),
        "score": said.get("score"),
        "final_state_errors": said.get("final_state_errors", []),
        "numbers": said.get("numbers", []),
        "description": said.get("description"),
        "missing_module": said.get("missing_module", ""),
        "warnings": list(check.plan["warnings"]) + list(said.get("warnings", [])),
        "usage": {
            "wall_seconds": found.wall_seconds,
            "user_seconds": found.ending.user_seconds,
            "system_seconds": found.ending.system_seconds,
            "max_rss_bytes": found.ending.max_rss_bytes,
        },
        "files_read": found.opened,
        "files_missing": found.missing,
        "shims": found.shims,
        "exit_status": status,
        "signal": number,
        "output_bytes": check.output.total,
        "output_dropped": check.output.dropped,
        "artefacts_skipped": found.artefacts_skipped,
        "cleanliness": found.cleanliness,
        "confinement": found.rung,
        "seed": check.seed,
        "phases": check.phases,
    }
