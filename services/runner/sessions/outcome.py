"""What a harness tells during and after a check, as typed values; parsed defensively.

`Outcome` comes from inside an environment where a stranger's code ran: everything in it is checked
for its type here and bounded by the harness. Anything else raises `OutcomeError`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, Any, Final

_ROWS: Final = 500
_FORMULA: Final = 16_000
_DESCRIPTION: Final = 1024 * 1024


class OutcomeError(Exception):
    """What the harness sent is not what this module describes."""


class Verdict(StrEnum):
    """What came out of a check (design: words)."""

    SUCCESS = "SUCCESS"
    INACCURATE = "INACCURATE"
    SCRIPT_ERROR = "SCRIPT_ERROR"
    TIMED_OUT = "TIMED_OUT"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    INFRASTRUCTURE_ERROR = "INFRASTRUCTURE_ERROR"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, kw_only=True)
class Number:
    """One named value that the entity's result carried."""

    name: str
    dtype: str
    """As numpy spells it (`float64`, `int64`, `complex128`, `bool`), or `text`."""
    shape: tuple[int, ...]
    """Empty for a scalar."""
    data: tuple[float | int | bool | str, ...]
    """The elements, row by row; complex ones as text."""
    truncated: bool
    """Whether there were more elements than are kept."""
    file: str = ""
    """Below the entity's folder: the whole array as a NumPy file, where it was saved."""


@dataclass(frozen=True, kw_only=True)
class ParameterRow:
    """One row of a parameter table."""

    cells: tuple[str, ...]
    """LaTeX, with `$` around formulas."""
    name: str
    value: float | None
    """None where it is no number."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a system model is, in LaTeX without delimiters."""

    states: tuple[str, ...]
    inputs: tuple[str, ...]
    equations: tuple[str, ...]
    """One for each state; empty where they could not be told."""
    columns: tuple[str, ...]
    """Heads of the parameter table."""
    parameters: tuple[ParameterRow, ...]


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the check's process (and the children it waited for) used."""

    wall_seconds: float = 0.0
    user_seconds: float = 0.0
    system_seconds: float = 0.0
    max_rss_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Cleanliness:
    """What a check left behind. A container with anything but a clean one is replaced."""

    processes_killed: int = 0
    processes: tuple[str, ...] = ()
    """Their names, bounded."""
    files_removed: int = 0
    """Files outside the check's own folders, in places that every process may write to."""
    files_own: int = 0
    """Files in the check's own home and folders for temporary files."""
    leftovers: tuple[str, ...] = ()
    """What could not be removed or killed."""
    ipc_objects: int = 0
    oom_kills: int = 0
    zygote_alive: bool = True
    memory_bytes: int = 0
    """In use by the container afterwards; 0 where there is none."""

    @property
    def clean(self) -> bool:
        """Whether the next check may run in the same container."""
        return (
            self.processes_killed == 0
            and not self.leftovers
            and self.ipc_objects == 0
            and self.oom_kills == 0
            and self.zygote_alive
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one check, as the harness saw it."""

    verdict: Verdict
    message: str = ""
    """One line for people: the last line of the traceback, or which limit, or which signal."""
    traceback: str = ""
    """With repository-relative paths and without our own frames."""
    limit: str = ""
    """Which limit, where one was exceeded: wall, cpu, memory, file, files, disk, processes,
    open_files, output."""
    success: bool | None = None
    score: float | None = None
    final_state_errors: tuple[float, ...] = ()
    numbers: tuple[Number, ...] = ()
    description: Description | None = None
    usage: Usage = field(default_factory=Usage)
    files_read: tuple[str, ...] = ()
    files_missing: tuple[str, ...] = ()
    """Repository paths that the entity wanted and that were not there."""
    missing_module: str = ""
    """The module that could not be found, where that is what stopped it."""
    shims: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    exit_status: int | None = None
    signal: int | None = None
    output_bytes: int = 0
    output_dropped: int = 0
    artefacts_skipped: int = 0
    """Files that were too many, too large or no regular files."""
    cleanliness: Cleanliness = field(default_factory=Cleanliness)
    confinement: str = ""
    """The rung that was active, e.g. `landlock+seccomp+uid`, `uid`, `none`."""
    seed: int = 0
    phases: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each phase."""


@dataclass(frozen=True, kw_only=True)
class PhaseEvent:
    """A part of the check is over."""

    name: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class LogEvent:
    """Output of the entity, in order. `dropped` bytes before it were too many."""

    sequence: int
    stream: str
    """`stdout`, `stderr`, or `system` for what the harness says."""
    time: float
    """Seconds since the epoch, by the environment's clock."""
    text: str
    dropped: int = 0


@dataclass(frozen=True, kw_only=True)
class FileEvent:
    """A file that appeared or changed in the data root. Verified against its sha256."""

    path: str
    size: int
    sha256: str
    body: IO[bytes]
    """At its beginning; whoever gets the event closes it."""


@dataclass(frozen=True, kw_only=True)
class ResultEvent:
    """The last event of a check."""

    outcome: Outcome


Event = PhaseEvent | LogEvent | FileEvent | ResultEvent


def outcome_of(header: Mapping[str, Any]) -> Outcome:
    """The outcome in a result frame. Raises OutcomeError."""
    try:
        return Outcome(
            verdict=Verdict(header["verdict"]),
            message=_text(header.get("message", "")),
            traceback=_text(header.get("traceback", "")),
            limit=_text(header.get("limit", "")),
            success=_optional_bool(header.get("success")),
            score=_optional_float(header.get("score")),
            final_state_errors=tuple(_real(x) for x in header.get("final_state_errors", ())),
            numbers=tuple(_number(x) for x in header.get("numbers", ())),
            description=_description(header.get("description")),
            usage=_usage(header.get("usage", {})),
            files_read=_texts(header.get("files_read", ())),
            files_missing=_texts(header.get("files_missing", ())),
            missing_module=_text(header.get("missing_module", "")),
            shims=_texts(header.get("shims", ())),
            warnings=_texts(header.get("warnings", ())),
            exit_status=_optional_int(header.get("exit_status")),
            signal=_optional_int(header.get("signal")),
            output_bytes=int(header.get("output_bytes", 0)),
            output_dropped=int(header.get("output_dropped", 0)),
            artefacts_skipped=int(header.get("artefacts_skipped", 0)),
            cleanliness=_cleanliness(header.get("cleanliness", {})),
            confinement=_text(header.get("confinement", "")),
            seed=int(header.get("seed", 0)),
            phases={_text(k): _real(v) for k, v in header.get("phases", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutcomeError(f"a result that cannot be read: {error}") from error


def _usage(value: Mapping[str, Any]) -> Usage:
    return Usage(
        wall_seconds=_real(value.get("wall_seconds", 0.0)),
        user_seconds=_real(value.get("user_seconds", 0.0)),
        system_seconds=_real(value.get("system_seconds", 0.0)),
        max_rss_bytes=int(value.get("max_rss_bytes", 0)),
    )


def _cleanliness(value: Mapping[str, Any]) -> Cleanliness:
    return Cleanliness(
        processes_killed=int(value.get("processes_killed", 0)),
        processes=_texts(value.get("processes", ())),
        files_removed=int(value.get("files_removed", 0)),
        files_own=int(value.get("files_own", 0)),
        memory_bytes=int(value.get("memory_bytes", 0)),
        leftovers=_texts(value.get("leftovers", ())),
        ipc_objects=int(value.get("ipc_objects", 0)),
        oom_kills=int(value.get("oom_kills", 0)),
        zygote_alive=bool(value.get("zygote_alive", True)),
    )


def _number(value: Mapping[str, Any]) -> Number:
    dtype = _text(value["dtype"])
    return Number(
        name=_text(value["name"]),
        dtype=dtype,
        shape=tuple(int(n) for n in value["shape"]),
        data=tuple(_element(x, dtype=dtype) for x in value["data"]),
        truncated=bool(value.get("truncated", False)),
        file=_text(value.get("file", "")),
    )


def _description(value: Mapping[str, Any] | None) -> Description | None:
    if value is None:
        return None
    if len(value["parameters"]) > _ROWS or len(value["equations"]) > _ROWS:
        raise ValueError("a description that is too long")
    if len(json.dumps(value)) > _DESCRIPTION:
        raise ValueError("a description that is too long")
    return Description(
        states=_formulas(value["states"]),
        inputs=_formulas(value["inputs"]),
        equations=_formulas(value["equations"]),
        columns=_formulas(value["columns"]),
        parameters=tuple(
            ParameterRow(
                cells=_formulas(row["cells"]),
                name=_text(row["name"]),
                value=_optional_float(row.get("value")),
            )
            for row in value["parameters"]
        ),
    )


def _formulas(value: object) -> tuple[str, ...]:
    found = _texts(value)
    if len(found) > _ROWS or any(len(text) > _FORMULA for text in found):
        raise ValueError("a formula that is too long")
    return found


def _element(value: object, *, dtype: str) -> float | int | bool | str:
    if isinstance(value, str) and dtype.startswith("float"):
        return _real(value)
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, bool | int | float):
        return value
    raise ValueError(f"an element of type {type(value).__name__}")


def _real(value: object) -> float:
    """A float; the wire spells what JSON cannot as text."""
    if isinstance(value, str) and value in {"nan", "inf", "-inf"}:
        return float(value)
    if isinstance(value, int | float) and math.isfinite(value):
        return value
    raise ValueError(f"not a number: {value!r:.40}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r:.40}")
    return storable(value)


def storable(text: str) -> str:
    """The text without what UTF-8 or PostgreSQL cannot hold, such as names that are no UTF-8."""
    if "\0" not in text and text.isascii():
        return text
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"not a list: {value!r:.40}")
    return tuple(_text(item) for item in value)


def _optional_bool(value: object) -> bool | None:
    return None if value is None else bool(value)


def _optional_int(value: object) -> int | None:
    return None if value is None else int(_real(value))


def _optional_float(value: object) -> float | None:
    return None if value is None else _real(value)
