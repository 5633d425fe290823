"""Environments, their images and what was found in them, as tables and as JSON documents.

With `--json` each is the protobuf JSON of its message with these fields in place of, or beside, the
message's own: `environment` (its id), `state` and `severity` in lower case (`ready`, `warning`);
`size` of an image is a number.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ackrep.runner.v1 import environment_pb2
from cli import tables

_DIGITS = 12
_STATES = {
    environment_pb2.Environment.STATE_ABSENT: ("absent", "yellow"),
    environment_pb2.Environment.STATE_PREPARING: ("preparing", "cyan"),
    environment_pb2.Environment.STATE_READY: ("ready", "green"),
    environment_pb2.Environment.STATE_FAILED: ("failed", "bold red"),
}
_SEVERITIES = {
    environment_pb2.VerifyEnvironmentResponse.SEVERITY_OK: ("✓", "ok", "green"),
    environment_pb2.VerifyEnvironmentResponse.SEVERITY_WARNING: ("!", "warning", "yellow"),
    environment_pb2.VerifyEnvironmentResponse.SEVERITY_ERROR: ("✗", "error", "bold red"),
}
_AGES = ((86400 * 2, 86400, "days"), (3600 * 2, 3600, "hours"), (60 * 2, 60, "minutes"))


def short(digest: str) -> str:
    """The first digits of a digest."""
    return digest.removeprefix("sha256:")[:_DIGITS]


def identity(environment: environment_pb2.Environment) -> str:
    """Its name, with the reference if there is one."""
    return environment.name.removeprefix("environments/")


def in_use(environment: environment_pb2.Environment) -> environment_pb2.Image | None:
    """The image that checks run in; none where there is none."""
    found = (image for image in environment.images if image.digest == environment.digest)
    return next(found, None)


def age(time: Timestamp, *, now: datetime | None = None) -> str:
    """How long ago, for people; empty for no time."""
    if not time.seconds:
        return ""
    seconds = ((now or datetime.now(UTC)) - time.ToDatetime(UTC)).total_seconds()
    for limit, unit, name in _AGES:
        if seconds >= limit:
            return f"{seconds / unit:.0f} {name}"
    return "now"


def environment_table(
    environments: Iterable[environment_pb2.Environment], *, width: int
) -> RenderableType:
    """Environments: state, and the image in use; what is said of one follows below.

    On narrow terminals so do their other names.
    """
    wide = width >= tables.WIDE
    table = _table()
    table.add_column("Environment", style="cyan", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Digest", no_wrap=True, style="dim")
    table.add_column("Version", no_wrap=True)
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Age", justify="right", no_wrap=True)
    if wide:
        table.add_column("Also known as", style="dim")
    below: list[Text] = []
    for environment in environments:
        image = in_use(environment)
        names = ", ".join(environment.aliases)
        row: list[RenderableType] = [
            tables.plain(identity(environment)),
            _state(environment),
            short(environment.digest),
            tables.plain(image.version if image else ""),
            tables.size(image.size) if image else "",
            age(image.create_time) if image else "",
        ]
        table.add_row(*row, *([tables.plain(names)] if wide else []))
        also = f"also known as {names}" if names and not wide else ""
        for said in filter(None, (environment.message, also)):
            name = Text(f"{identity(environment)}  ", "cyan")
            below.append(Text.assemble(name, tables.plain(said, "dim")))
    return Group(table, *below) if below else table


def environment_card(environment: environment_pb2.Environment, *, width: int) -> RenderableType:
    """Everything about one environment."""
    head = Text.assemble((identity(environment), "bold cyan"), "  ", _state(environment))
    asked, image = environment.freshness_time, in_use(environment)
    facts = tables.facts(
        (
            ("state", environment.message),
            ("digest", environment.digest.removeprefix("sha256:")),
            ("description", image.description if image else ""),
            ("made from", image.revision if image else ""),
            ("also known as", ", ".join(environment.aliases)),
            ("Python", environment.python),
            ("packages", _packages(environment)),
            ("imported ahead", ", ".join(environment.preload)),
            ("compatibility", ", ".join(environment.shims)),
            ("registry", environment.repository),
            ("registry asked", f"{age(asked)} ago" if asked.seconds else ""),
        )
    )
    missing = [
        Text.assemble((f"{name}  ", "yellow"), tables.plain(why, "dim"))
        for name, why in sorted(environment.unavailable.items())
    ]
    parts: list[RenderableType] = [head, facts]
    if missing:
        parts += [Text(""), Text("Not to be had", style="bold"), *missing]
    if environment.images:
        parts.append(image_table(environment, width=width))
    return Group(*parts)


def _packages(environment: environment_pb2.Environment) -> str:
    return f"{len(environment.packages)} pinned" if environment.packages else ""


def image_table(environment: environment_pb2.Environment, *, width: int) -> Table:
    """Its local images; the one in use is marked."""
    wide = width >= tables.WIDE
    table = _table()
    table.add_column("Image", no_wrap=True)
    table.add_column("Tags", style="cyan")
    table.add_column("Version", no_wrap=True)
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Age", justify="right", no_wrap=True)
    table.add_column("Recipe", no_wrap=True)
    if wide:
        table.add_column("Description", style="dim")
    for image in environment.images:
        used = image.digest == environment.digest
        row: list[RenderableType] = [
            Text(f"{'●' if used else ' '} {short(image.digest)}", "green" if used else "dim"),
            tables.plain(", ".join(image.tags)),
            tables.plain(image.version),
            tables.size(image.size),
            age(image.create_time),
            Text("current") if image.current_recipe else Text("other", "yellow"),
        ]
        table.add_row(*row, *([tables.plain(image.description)] if wide else []))
    return table


def finding_table(found: Sequence[environment_pb2.VerifyEnvironmentResponse.Finding]) -> Table:
    """What was found, in the order in which it was looked at."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    subject = ""
    for finding in found:
        mark, _, style = _SEVERITIES[finding.severity]
        said = "" if finding.subject == subject else finding.subject
        subject = finding.subject
        fine = finding.severity == environment_pb2.VerifyEnvironmentResponse.SEVERITY_OK
        table.add_row(
            Text(mark, style),
            Text(said, "bold"),
            tables.plain(finding.message, "" if fine else style),
        )
    return table


def count(
    found: Iterable[environment_pb2.VerifyEnvironmentResponse.Finding],
    severity: environment_pb2.VerifyEnvironmentResponse.Severity.ValueType,
) -> int:
    """How many findings are that bad."""
    return sum(finding.severity == severity for finding in found)


def of_environment(environment: environment_pb2.Environment) -> dict[str, Any]:
    """Describes an environment."""
    document = MessageToDict(environment, always_print_fields_with_no_presence=False)
    document["environment"] = identity(environment)
    document["state"] = _STATES[environment.state][0] if environment.state in _STATES else ""
    for image, fields in zip(environment.images, document.get("images", ()), strict=False):
        fields["size"] = image.size
    return document


def of_verification(name: str, found: environment_pb2.VerifyEnvironmentResponse) -> dict[str, Any]:
    """Describes what was found in an environment."""
    return {
        **MessageToDict(found, always_print_fields_with_no_presence=False),
        "environment": name,
        "startSeconds": round(found.start_duration.ToMilliseconds() / 1000, 3),
        "findings": [
            {
                "severity": _SEVERITIES[finding.severity][1],
                "subject": finding.subject,
                "message": finding.message,
            }
            for finding in found.findings
        ],
    }


def of_publication(name: str, last: environment_pb2.PushEnvironmentResponse) -> dict[str, Any]:
    """Describes what was published."""
    return {
        "environment": name,
        "references": list(last.references),
        "registryDigest": last.registry_digest,
        "digest": last.digest,
    }


def _state(environment: environment_pb2.Environment) -> Text:
    return Text(*_STATES.get(environment.state, ("", "")))


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
