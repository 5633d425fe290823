"""`explain`: why a check ran, or why it did not."""

import re

import click
from rich.console import Group, RenderableType
from rich.text import Text

from ackrep.scheduler.v1 import check_pb2, explanation_pb2, explanation_pb2_grpc
from cli import documents, tables, verdicts
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from services.errors import NotFoundError

_CHECK = re.compile(r"(checks/)?[0-9a-f]{32}")
_PACKAGES = 20
"""Changed packages that are shown."""


@click.command()
@click.argument("name", metavar="KEY|CHECK")
@server_options
@shared_options
@pass_context
def explain(context: Context, *, name: str) -> None:
    """Say why a check ran, or why it did not: which of its inputs changed.

    Of an entity (KEY), its newest check is explained. It is compared with the one before, by the
    folders that it depends on, the image, the runtime and its limits.
    """

    async def work(client: Client) -> None:
        check = await _check(client, name)
        stub = explanation_pb2_grpc.ExplanationServiceStub(client.channel("scheduler"))
        found = await client.call(
            "scheduler",
            stub.ExplainCheck,
            explanation_pb2.ExplainCheckRequest(name=check.name),
        )
        if context.json:
            click.echo(documents.line(documents.of_explanation(found, key=_key(check))))
            return
        previous = await client.check(found.previous) if found.previous else None
        context.screen.print(described(check, found, previous))

    context.run(work)


async def _check(client: Client, name: str) -> check_pb2.Check:
    if _CHECK.fullmatch(name):
        return await client.check(f"checks/{documents.last(name)}")
    key = documents.last(name).upper()
    newest = await client.checks(f"entity = {key}", limit=1)
    if not newest:
        raise NotFoundError(f"{key} was never checked: ackrep check {key}")
    return newest[0]


def described(
    check: check_pb2.Check,
    found: explanation_pb2.Explanation,
    previous: check_pb2.Check | None,
) -> RenderableType:
    """An explanation for people."""
    head = Text.assemble(
        (_key(check), "bold cyan"),
        "  did not run: the result is reused" if found.reused else "  ran" if _ran(check) else "",
        "" if found.reused or _ran(check) else "  is to run",
    )
    compared = ""
    if previous is not None:
        word = verdicts.word(previous.verdict).label or documents.state(previous)
        compared = f"{tables.when(previous)}, {word}  ({documents.last(previous.name)})"
    inputs = found.inputs
    image = inputs.environment_digest.removeprefix("sha256:")[:12]
    return Group(
        head,
        tables.facts(
            [
                ("  because", Text("\n").join(map(_reason, found.reasons))),
                ("  result of" if found.reused else "  compared with", compared),
                ("  check", f"{tables.when(check)}  ({documents.last(check.name)})"),
                ("  environment", f"{documents.last(inputs.environment)} {image}".strip()),
                ("  runtime", inputs.runtime_version[:12]),
                ("  sees", ", ".join(one.path for one in inputs.folders)),
            ]
        ),
    )


def _ran(check: check_pb2.Check) -> bool:
    return check.attempt > 0 or check.state == check_pb2.Check.STATE_FINISHED


def _reason(reason: explanation_pb2.Reason) -> Text:
    said = tables.plain(reason.message)
    for package in reason.packages[:_PACKAGES]:
        said.append(f"\n{package.name} ", style="cyan")
        said.append(f"{package.before or 'absent'} -> {package.after or 'absent'}", style="dim")
    if len(reason.packages) > _PACKAGES:
        said.append(f"\nand {len(reason.packages) - _PACKAGES} packages more", style="dim")
    return said


def _key(check: check_pb2.Check) -> str:
    return documents.last(check.entity)
