"""`propose` and `proposals`: branches and forks offered for inclusion.

`ackrep propose --json` prints the proposal as one object: the protobuf JSON of a `Proposal` with
`key`, and `state` in lower case. `ackrep proposals --json` prints one such object per line, and
with a KEY one object that also has `diff` (a `ProposalDiff`), `run` (the newest `Run` of its
checks) and `comparison` (as `ackrep compare --json`, beside how the entities stand on main).
"""

from datetime import UTC
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from rich import box
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ackrep.catalog.v1 import proposal_pb2
from ackrep.scheduler.v1 import check_pb2
from cli import differences, documents, tables
from cli.client import Client
from cli.context import Context, pass_context
from cli.options import server_options, shared_options
from cli.proposal_calls import STANDING, ProposalCalls, document, state_name
from cli.screen import Screen
from cli.times import ago

_STATES = {"open": "bold green", "merged": "bold magenta", "closed": "dim"}
_KINDS = {1: ("added", "green"), 2: ("changed", "yellow"), 3: ("removed", "red")}
_SHOWN = 20


@click.command()
@click.argument("url", default="")
@click.option("--branch", default="", help="Which branch; the fork's default one if not given.")
@click.option("--title", default="", help="Title; else the subject of its newest commit.")
@click.option("--description", default="", help="What it is about.")
@click.option("--check", is_flag=True, help="Start the checks of what it affects.")
@server_options
@shared_options
@pass_context
def propose(
    context: Context, *, url: str, branch: str, title: str, description: str, check: bool
) -> None:
    """Propose a branch of a fork, or of the data repository itself, for inclusion.

    URL is the https address of the fork, or (with a system on this machine) the folder of a clone.
    Without it, --branch is one of the data repository. What would change is indexed beside the
    main revision, which stays as it is; `ackrep proposals KEY` shows it.
    """
    if not url and not branch:
        raise click.UsageError("give the address of a fork, or a --branch of the data repository")

    async def work(client: Client) -> None:
        calls = ProposalCalls(client)
        with context.screen.live(Spinner("dots", "reading the branch")):
            made = await calls.create(
                proposal_pb2.Proposal(url=url, branch=branch, title=title, description=description)
            )
        run = await calls.check(made) if check else None
        if context.json:
            extra = {"run": MessageToDict(run)} if run else {}
            click.echo(documents.line({**document(made), **extra}))
            return
        await _show(context.screen, client, calls, made, run=run)

    context.run(work)


@click.command()
@click.argument("key", default="")
@click.option(
    "--state",
    type=click.Choice(["open", "merged", "closed", "all"]),
    default="open",
    help="Only those in this state.",
)
@click.option("--refresh", is_flag=True, help="With a KEY: read its branch again.")
@click.option("--check", is_flag=True, help="With a KEY: start the checks of what it affects.")
@click.option("--close", is_flag=True, help="With a KEY: close it.")
@server_options
@shared_options
@pass_context
def proposals(
    context: Context, *, key: str, state: str, refresh: bool, check: bool, close: bool
) -> None:
    """List proposals, or show what the proposal KEY changes and how its checks went."""
    if not key and (refresh or check or close):
        raise click.UsageError("--refresh, --check and --close want the KEY of a proposal")

    async def work(client: Client) -> None:
        calls = ProposalCalls(client)
        if not key:
            await _list(context, calls, state)
            return
        proposal = await calls.get(key)
        if refresh:
            with context.screen.live(Spinner("dots", "reading the branch")):
                proposal = await calls.refresh(key)
        if close:
            proposal = await calls.close(key)
        run = await calls.check(proposal) if check else await calls.run_of(proposal)
        if context.json:
            click.echo(documents.line(await _document(client, calls, proposal, run)))
        else:
            await _show(context.screen, client, calls, proposal, run=run)

    context.run(work)


async def _list(context: Context, calls: ProposalCalls, state: str) -> None:
    wanted = proposal_pb2.Proposal.State.Value(
        "STATE_UNSPECIFIED" if state == "all" else f"STATE_{state.upper()}"
    )
    found = await calls.list_all(wanted)
    if context.json:
        for one in found:
            click.echo(documents.line(document(one)))
        return
    if not found:
        context.screen.note(
            f"no {'' if state == 'all' else f'{state} '}proposals; ackrep propose URL makes one"
        )
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Key", style="cyan", no_wrap=True)
    for head in ("State", "Title", "From", "Made"):
        table.add_column(head, no_wrap=head in {"State", "Made"}, overflow="fold")
    for one in found:
        name = state_name(one.state)
        table.add_row(
            documents.last(one.name),
            Text(name, style=_STATES[name]),
            tables.plain(one.title),
            tables.plain(_where(one), "dim"),
            ago(one.create_time.ToDatetime(tzinfo=UTC)),
        )
    context.screen.print(table)


async def _document(
    client: Client,
    calls: ProposalCalls,
    proposal: proposal_pb2.Proposal,
    run: check_pb2.Run | None,
) -> dict[str, Any]:
    found = {**document(proposal), "diff": MessageToDict(await calls.diff(proposal.name))}
    if run is not None:
        comparison = await differences.compared(client, STANDING, run.name)
        found |= {"run": MessageToDict(run), "comparison": differences.document(comparison)}
    return found


async def _show(
    screen: Screen,
    client: Client,
    calls: ProposalCalls,
    proposal: proposal_pb2.Proposal,
    *,
    run: check_pb2.Run | None,
) -> None:
    name = state_name(proposal.state)
    key = documents.last(proposal.name)
    head = Text(f"{key}  ", style="bold cyan").append(name, style=_STATES[name]).append("  ")
    screen.print(head.append_text(tables.plain(proposal.title, "bold")))
    count = proposal.commit_count
    screen.print(
        tables.plain(
            f"{_where(proposal)}  {count} {'commit' if count == 1 else 'commits'}, "
            f"{proposal.merge_base[:10]}..{proposal.head_commit[:10]}",
            "dim",
        )
    )
    if proposal.problem:
        screen.print(tables.plain(f"its branch could not be read: {proposal.problem}", "yellow"))
    if proposal.conflicts:
        screen.print(Text("conflicts with the main line in", style="bold yellow"))
        for path in proposal.conflicts[:_SHOWN]:
            screen.print(tables.plain(f"  {path}"))
    _changes(screen, await calls.diff(proposal.name))
    if run is None:
        screen.note(f"nothing of it was checked yet: ackrep proposals {key} --check")
        return
    screen.note(f"{run.name}: {run.finished_count} of {run.check_count} checks finished")
    comparison = await differences.compared(client, STANDING, run.name)
    client.revision_name = proposal.revision
    entities = {entity.key: entity for entity in await client.entities()}
    screen.print(
        differences.table(
            comparison, entities, heads=("On main", "Proposed"), width=screen.out.width
        )
    )


def _changes(screen: Screen, diff: proposal_pb2.ProposalDiff) -> None:
    for one in diff.entities[:_SHOWN]:
        label, style = _KINDS[one.kind]
        text = Text(f"{label:8}", style=style).append(documents.last(one.entity), style="cyan")
        text.append("  ").append_text(tables.plain(one.title))
        files = f"  {len(one.files)} {'file' if len(one.files) == 1 else 'files'}"
        screen.print(text.append(files, style="dim"))
        for field in one.fields[:_SHOWN]:
            change = f"{_short(field.before) or '-'} -> {_short(field.after) or '-'}"
            said = tables.plain(f"{field.field}: {change}")
            screen.print(Padding(said, (0, 0, 0, 8)))
    if more := len(diff.entities) - _SHOWN:
        screen.print(Text(f"{more} more", style="dim")) if more > 0 else None
    if diff.files:
        screen.print(Text(f"{len(diff.files)} files outside of these entities", style="dim"))
    for diagnostic in diff.new_diagnostics[:_SHOWN]:
        place = f"{diagnostic.path}:{diagnostic.line}" if diagnostic.line else diagnostic.path
        screen.print(
            Text(f"new {diagnostic.code} ", style="bold red").append_text(
                tables.plain(f"{place}: {diagnostic.message}")
            )
        )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _where(proposal: proposal_pb2.Proposal) -> str:
    place = proposal.url or "the data repository"
    return f"{place} ({proposal.branch or 'default branch'})"
