"""`ackrep bisect`: which change broke an entity."""

import asyncio

import click
from google.protobuf.json_format import MessageToDict
from rich.table import Table
from rich.text import Text

from ackrep.scheduler.v1 import bisection_pb2, bisection_pb2_grpc, check_pb2
from cli import documents, tables
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import backend_options, server_options, shared_options

_LOOK_SECONDS = 0.5


@click.command()
@click.argument("key")
@click.option("--good", default="", metavar="REF", help="Commit at which it was a success.")
@click.option("--bad", default="", metavar="REF", help="Commit at which it is none.")
@backend_options
@server_options
@shared_options
@pass_context
def bisect(context: Context, *, key: str, good: str, bad: str) -> int:
    """Find the commit, or the image of the environment, at which KEY stopped being a success.

    Searches between its last success and its newest failure; results that are stored cost nothing.
    Ctrl-C leaves the search to the system, if that goes on running.

    Exits with 0 if the change was found, 1 if not.
    """

    async def work(client: Client) -> int:
        stub = bisection_pb2_grpc.BisectionServiceStub(client.channel("scheduler"))
        request = bisection_pb2.CreateBisectionRequest(
            entity=f"entities/{key.upper()}", good=good, bad=bad
        )
        found = await client.call("scheduler", stub.CreateBisection, request)
        seen = 0
        while True:
            for probe in _ended(found)[seen:]:
                seen += 1
                if not context.json:
                    context.screen.err.print(_said(probe))
            if found.state != bisection_pb2.Bisection.STATE_RUNNING:
                break
            await asyncio.sleep(_LOOK_SECONDS)
            found = await client.call(
                "scheduler",
                stub.GetBisection,
                bisection_pb2.GetBisectionRequest(name=found.name),
            )
        if context.json:
            click.echo(documents.line(MessageToDict(found)))
        else:
            _print(context, found)
        return 0 if found.culprits else 1

    return context.run(work)


def _ended(found: bisection_pb2.Bisection) -> list[bisection_pb2.BisectionProbe]:
    return [probe for probe in found.probes if probe.verdict]


def _said(probe: bisection_pb2.BisectionProbe) -> Text:
    said = tables.verdict_text(probe.verdict)
    said.append(f"  {_point(probe.point)}", "default")
    return said.append("  (known)" if probe.known else "", "dim")


def _print(context: Context, found: bisection_pb2.Bisection) -> None:
    table = tables.new_table()
    for heading in ("", "Commit", "Image", "Verdict"):
        table.add_column(heading, no_wrap=True)
    _row(table, "good", found.good, check_pb2.VERDICT_SUCCESS)
    for culprit in found.culprits:
        verdicts = [p.verdict for p in found.probes if p.point == culprit]
        _row(table, "broke it", culprit, verdicts[0] if verdicts else None)
    context.screen.print(table)
    tried = sum(not probe.known for probe in _ended(found))
    style = "green" if found.culprits else "red"
    context.screen.print(
        Text(found.message, style).append(
            f"  ({tried} checks, {len(_ended(found)) - tried} known, "
            f"{found.candidate_count} states)",
            "dim",
        )
    )


def _row(
    table: Table,
    label: str,
    point: bisection_pb2.BisectionPoint,
    verdict: check_pb2.Verdict.ValueType | None,
) -> None:
    table.add_row(
        Text(label, "dim"),
        tables.plain(f"{point.commit[:10]} {point.subject}"),
        tables.plain(_image(point)),
        tables.verdict_text(verdict) if verdict is not None else Text(""),
    )


def _point(point: bisection_pb2.BisectionPoint) -> str:
    return f"{point.commit[:10]} {point.subject}  {_image(point)}".strip()


def _image(point: bisection_pb2.BisectionPoint) -> str:
    name, _, digits = documents.last(point.environment).partition("@")
    return f"{name}@{digits[:12]}"
