"""Attempts: what the scheduler asks for, and what is reported to it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from services.runner.domain.workplaces import WorkplaceInfo
from services.runner.sessions.outcome import Outcome, Verdict


@dataclass(frozen=True, kw_only=True)
class CheckLimits:
    """What the scheduler allows a check. Zero: not limited."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    processes: int = 0
    file_bytes: int = 0
    output_bytes: int = 0
    artefact_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A lease: the right and the duty to run one attempt."""

    check: str
    """`checks/{id}`."""
    attempt: int
    entity: str
    """`entities/{KEY}`."""
    revision: str
    """`revisions/{tree id}`."""
    environment: str
    """`environments/{name}`, or `environments/{name}@{digest}` where it was promoted to that."""
    limits: CheckLimits
    seed: int
    message: bytes = b""
    """The check as the scheduler sent it, serialised: events carry it on."""
    untrusted: bool = False
    """Whether it is of a proposal: it runs confined or not at all."""
    environment_tag: str = ""
    """Tag under which a registry has that image; may be empty."""


class Directive(StrEnum):
    """What the scheduler says of an attempt in answer to a heartbeat."""

    CONTINUE = "continue"
    CANCEL = "cancel"
    STALE = "stale"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The scheduler's reply to a heartbeat."""

    directives: Mapping[tuple[str, int], Directive]
    """By check and attempt."""
    drain: bool = False
    register: bool = False


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A file that a check produced."""

    sha256: str
    path: str
    size: int

    @property
    def name(self) -> str:
        """`artefacts/{sha256}`."""
        return f"artefacts/{self.sha256}"

    @property
    def content_type(self) -> str:
        """Media type, from an allow-list by the file's ending."""
        return _CONTENT_TYPES.get(PurePosixPath(self.path).suffix.lower(), _OTHER)


_OTHER = "application/octet-stream"
_CONTENT_TYPES = {
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tex": "text/x-tex",
    ".txt": "text/plain",
    ".yml": "text/yaml",
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """How an attempt ended, ready to be told to the scheduler."""

    outcome: Outcome
    workplace: WorkplaceInfo | None
    """None where it did not come so far."""
    retired: str = ""
    """Why its workplace takes no other check; empty where it does."""
    artefacts: tuple[Artefact, ...] = ()
    log: str = ""
    """`artefacts/{sha256}` of the log; empty where it could not be stored."""
    phases: tuple[tuple[str, float], ...] = ()
    """Name and seconds, in order."""
    remarks: tuple[str, ...] = ()
    on_revision: bool = False
    """Whether what came out depends on more of the data repository than the closure."""
    last_sequence: int = 0


def failed(verdict: Verdict, message: str) -> Outcome:
    """An outcome without a run: the verdict and one line for people."""
    return Outcome(verdict=verdict, message=message)


def remarks_of(outcome: Outcome, info: WorkplaceInfo | None) -> tuple[str, ...]:
    """What the system has to say about a result, in sentences."""
    found = list(info.remarks) if info is not None else []
    found.extend(outcome.warnings)
    clean = outcome.cleanliness
    if clean.processes_killed:
        names = f" ({', '.join(clean.processes[:5])})" if clean.processes else ""
        found.append(
            f"{clean.processes_killed} processes were still running and were killed{names}"
        )
    if clean.files_removed:
        found.append(f"{clean.files_removed} files outside the check's own folders were removed")
    if clean.leftovers:
        found.append(f"could not be removed: {', '.join(clean.leftovers[:5])}")
    if outcome.output_dropped:
        found.append(f"{outcome.output_dropped} bytes of output were left out of the log")
    if outcome.artefacts_skipped:
        found.append(f"{outcome.artefacts_skipped} files were too many or too large to be kept")
    return tuple(dict.fromkeys(found))
