"""What the runner decides by itself, as plain values and pure functions.

Environments and their names, when a workplace has to be replaced, and what an attempt reports.
Nothing here does any input or output.
"""

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final

from services.errors import InvalidArgumentError
from services.runner.outcome import Cleanliness, Outcome, Verdict

CAPABILITIES: Final = frozenset({"setuid", "setgid", "chown", "kill", "dac_override"})
"""What the supervisor needs to change identity, clean up and kill; all others are dropped."""

FRESH: Final = "fresh"
"""Part of the confinement of a container that is thrown away after its only check."""

_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*_environment")
_UID_FIRST, _UID_COUNT, _UID_END = 20000, 1000, 65000

# Environments ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One environment as this installation defines it (`environments/<name>.toml`)."""

    name: str
    """`<some_description>_environment`."""
    folder: Path
    """Where the definition and the files it names lie; the build context of the image."""
    python: str
    """PEP 440 specifier that the process backend must satisfy."""
    requirements: str
    """File of pinned requirements, in `folder`."""
    process_requirements: str
    """The same for the process backend; equal to `requirements` unless said otherwise."""
    dockerfile: str
    """File in `folder` that the image is built from."""
    aliases: tuple[str, ...] = ()
    """Other names of environment specifications that are served by it."""
    preload: tuple[str, ...] = ()
    """Modules that a warm workplace has imported."""
    shims: tuple[str, ...] = ()
    """Compatibility that the runtime adds in it."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Package to the reason why it cannot be installed."""

    @property
    def image(self) -> str:
        """Name of the local image."""
        return f"ackrep/{self.name}:latest"


def require_environment_name(name: str) -> str:
    """The name, if it is one. Raises InvalidArgumentError."""
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError(
            f"{name!r} is no environment name: it must be lower-case words joined by `_` that end "
            "in `_environment`",
            environment=name,
        )
    return name


def workplace_name(environment: str) -> str:
    """A new container name, `<environment>_run_<hash>`."""
    return f"{environment}_run_{secrets.token_hex(5)}"


@dataclass(frozen=True, kw_only=True)
class WorkplaceInfo:
    """What is known of a workplace once it can take checks."""

    id: str
    environment: str
    """Name of its definition."""
    environment_digest: str
    confinement: str
    """Rung, e.g. `container+landlock+seccomp+uid`, `container+fresh`, `uid`, `none`."""
    python: str = ""
    packages: tuple[str, ...] = ()
    """`name==version`, in order."""
    shims: tuple[str, ...] = ()
    machine: str = ""
    start_seconds: float = 0.0
    remarks: tuple[str, ...] = ()
    """What is degraded here; stands in every result."""


# When a workplace is replaced -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PoolPolicy:
    """Bounds of the warm workplaces of one runner."""

    slots: int = 1
    """Checks at once."""
    spare: int = 2
    """Workplaces beyond the slots: warm ones of other environments, and replacements."""
    checks_per_workplace: int = 1000
    """A workplace is replaced after so many checks."""
    idle_seconds: float = 900.0
    """A workplace unused for so long is closed."""

    @property
    def total(self) -> int:
        """Workplaces at once, busy, idle and starting together."""
        return self.slots + self.spare


def reason_to_retire(
    info: WorkplaceInfo,
    *,
    policy: PoolPolicy,
    checks_run: int,
    broken: bool,
    cleanliness: Cleanliness | None,
    digest: str,
) -> str:
    """Why a workplace must not take another check; empty if it may."""
    if broken:
        return "its stream is broken"
    if cleanliness is not None and cleanliness.oom_kills:
        return "a process in it was killed for memory"
    if cleanliness is not None and not cleanliness.clean:
        return "a check left something behind"
    if digest and info.environment_digest != digest:
        return "the environment has a new digest"
    if FRESH in info.confinement.split("+"):
        return "checks in it cannot be told apart by user id, so each gets a fresh one"
    if checks_run >= policy.checks_per_workplace:
        return f"it has run {checks_run} checks"
    return ""


def uid_range(taken: Collection[int], *, prefer: int = 0) -> tuple[int, int]:
    """First user id and number of them for a new workplace: no overlap, all below 65536.

    Args:
        taken: First user ids of the workplaces that exist.
        prefer: Spreads runners that share a host; any number.
    """
    firsts = list(range(_UID_FIRST, _UID_END - _UID_COUNT + 1, _UID_COUNT))
    start = prefer % len(firsts)
    for first in firsts[start:] + firsts[:start]:
        if first not in taken:
            return first, _UID_COUNT
    raise InvalidArgumentError(f"more than {len(firsts)} workplaces at once")


# Attempts -------------------------------------------------------------------------------------


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
    """`environments/{name}`."""
    limits: CheckLimits
    seed: int
    message: bytes = b""
    """The check as the scheduler sent it, serialised: events carry it on."""


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


# Undeclared dependencies ----------------------------------------------------------------------


def undeclared(
    outcome: Outcome, *, repository: Iterable[str], closure: Sequence[str]
) -> tuple[str, ...]:
    """Files of the repository outside the closure for want of which a check failed.

    Args:
        outcome: How the check ended with its closure alone.
        repository: Paths of all files of the revision.
        closure: Folders that the check saw.
    """
    if outcome.verdict is not Verdict.SCRIPT_ERROR:
        return ()
    missing = {path.strip("/") for path in outcome.files_missing}
    module = outcome.missing_module.replace(".", "/")
    endings = (f"/{module}.py", f"/{module}/__init__.py") if module else ()
    found = []
    for path in repository:
        if any(path.startswith(f"{folder}/") for folder in closure):
            continue
        wanted = any(path == name or path.startswith(f"{name}/") for name in missing)
        if wanted or f"/{path}".endswith(endings or ("\0",)):
            found.append(path)
    return tuple(found)


def might_be_undeclared(outcome: Outcome) -> bool:
    """Whether it is worth a look at the whole repository."""
    return outcome.verdict is Verdict.SCRIPT_ERROR and bool(
        outcome.files_missing or outcome.missing_module
    )


def declaration(files: Sequence[str], *, keys: Mapping[str, str]) -> str:
    """The remark on files that a check needed and its metadata does not lead to.

    Args:
        files: Paths in the repository.
        keys: Path of a file to the key of the entity it belongs to, where there is one.
    """
    entities = sorted({keys[path] for path in files if path in keys})
    what = ", ".join(entities) if entities else ", ".join(sorted(files)[:5])
    return f"undeclared dependency: declare {what} in metadata.yml (needed: {min(files)})"
