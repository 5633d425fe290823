"""`compare`: what differs between two runs."""

import sys

import click

from ackrep.scheduler.v1 import check_pb2, comparison_pb2
from cli import differences, documents, trials
from cli.client import Client
from cli.context import Context, pass_context
from cli.history_calls import HistoryCalls
from cli.options import server_options, shared_options
from services.errors import InvalidArgumentError, NotFoundError

_ASKED = 200
"""Newest runs among which an id's last digits, or runs over everything, are looked for."""


@click.command()
@click.argument("given", metavar="[RUN [RUN]]", nargs=-1)
@server_options
@shared_options
@pass_context
def compare(context: Context, *, given: tuple[str, ...]) -> int:
    """Compare two runs, entity by entity: what is broken, repaired, changed, slower.

    RUN is the id of a run, its last digits (`ackrep runs`), or the time in UTC when it began, or
    the beginning of that, e.g. 2022-11-04T10:49. One RUN is compared with the last one before it
    over everything; without any, the last two over everything are compared. Runs of trials
    (`ackrep env try`) count only where they are named.

    Exits with 1 if something that succeeded in the first run does not in the second, else with 0.
    """
    if len(given) > 2:  # as the name of the command says
        raise click.UsageError("give at most two runs")

    async def work(client: Client) -> int:
        known = await client.runs(limit=_ASKED)
        history = HistoryCalls(client)
        named = [_named(await history.run_id(one), known) for one in given]
        if len(named) < 2:
            named = await _latest(client, known, named)
        base, other = named
        comparison = await differences.compared(client, base.name, other.name)
        broken = any(
            change.kind == comparison_pb2.CHANGE_KIND_BROKEN for change in comparison.changes
        )
        if context.json:
            click.echo(documents.line(differences.document(comparison)))
            return int(broken)
        client.revision_name = other.revision  # only an uploaded working copy may have it
        try:
            entities = {entity.key: entity for entity in await client.entities()}
        except NotFoundError:  # no longer indexed
            entities = {}
        screen = context.screen
        for what, run in (("before", base), ("after", other)):
            screen.note(f"{what}: {_said(run)}")
        screen.print(differences.table(comparison, entities, width=screen.out.width))
        return int(broken)

    return context.run(work)


def _said(run: check_pb2.Run) -> str:
    when = run.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M")
    where = run.commit[:10] or f"{documents.last(run.revision)[:10]}*"
    return f"{documents.last(run.name)}  {when}  {where}  {run.title}".rstrip()


def _named(text: str, known: list[check_pb2.Run]) -> check_pb2.Run:
    """The run of an id, or of its last digits."""
    wanted = documents.last(text).lower()
    found = [run for run in known if run.name.endswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidArgumentError(f"{len(found)} runs end in {wanted}: give more digits")
    return check_pb2.Run(name=f"runs/{wanted}")  # an older one, or none at all: the answer says


async def _latest(
    client: Client, known: list[check_pb2.Run], named: list[check_pb2.Run]
) -> list[check_pb2.Run]:
    """The last runs over everything, before the one that is named if one is; earlier first."""
    tried = await trials.runs_of_trials(client)
    sizes: dict[str, int] = {}
    found = list(named)
    for run in known:  # newest first
        if len(found) == 2:
            break
        if run.name in tried or (named and run.name >= named[0].name):
            continue
        if run.revision not in sizes:
            sizes[run.revision] = await _checkable(client, run.revision)
        if run.check_count >= sizes[run.revision]:
            found.append(run)
    if len(found) < 2:
        raise NotFoundError(
            "there is no earlier run over everything to compare with: ackrep check --all makes "
            "one, ackrep runs lists those there are"
        )
    return found[::-1]


async def _checkable(client: Client, revision: str) -> int:
    """Number of entities that can be checked at a revision; out of reach where it is forgotten."""
    client.revision_name = revision
    try:
        return len(await client.entities("checkable = true"))
    except NotFoundError:
        return sys.maxsize
