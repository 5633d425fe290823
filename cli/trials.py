"""Trials and promotions of environments: calls, documents and tables.

`--json` prints the protobuf JSON of a `Trial` or `Promotion` (field names as over HTTP) with `id`;
the `comparison` of a trial is as `ackrep compare --json` prints it.
"""

import uuid
from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import MessageToDict
from rich import box
from rich.table import Table
from rich.text import Text

from ackrep.scheduler.v1 import check_pb2, promotion_pb2, promotion_pb2_grpc, scheduler_pb2_grpc
from ackrep.scheduler.v1.scheduler_pb2 import GetRunRequest
from cli import differences, documents, tables
from cli.client import Client
from services.errors import InvalidArgumentError, NotFoundError

_PAGE = 500
_CREATE_SECONDS = 120.0
_DIGITS = 12
"""Digits of a digest that people get to see."""


def _stub(client: Client) -> promotion_pb2_grpc.PromotionServiceStub:
    return promotion_pb2_grpc.PromotionServiceStub(client.channel("scheduler"))


async def create(client: Client, request: promotion_pb2.CreateTrialRequest) -> promotion_pb2.Trial:
    """Asks for a trial; repeating a lost request does not make a second one."""
    request.request_id = request.request_id or uuid.uuid4().hex
    stub = _stub(client)
    return await client.call("scheduler", stub.CreateTrial, request, timeout=_CREATE_SECONDS)


async def get(client: Client, name: str) -> promotion_pb2.Trial:
    """A trial with its comparison."""
    request = promotion_pb2.GetTrialRequest(name=name)
    return await client.call("scheduler", _stub(client).GetTrial, request, timeout=_CREATE_SECONDS)


async def runs(client: Client, trial: promotion_pb2.Trial) -> dict[str, check_pb2.Run]:
    """Both runs of a trial, by what they try."""
    stub = scheduler_pb2_grpc.SchedulerServiceStub(client.channel("scheduler"))
    return {
        title: await client.call("scheduler", stub.GetRun, GetRunRequest(name=name))
        for title, name in (("in use   ", trial.base_run), ("candidate", trial.candidate_run))
    }


async def newest(client: Client, *, environment: str = "") -> list[promotion_pb2.Trial]:
    """The newest trials, of an environment or of all, without their comparisons."""
    request = promotion_pb2.ListTrialsRequest(page_size=_PAGE, environment=environment)
    return list((await client.call("scheduler", _stub(client).ListTrials, request)).trials)


async def runs_of_trials(client: Client) -> set[str]:
    """Names of the runs that trials made."""
    found = await newest(client)
    return {run for trial in found for run in (trial.base_run, trial.candidate_run)}


async def named(client: Client, text: str) -> str:
    """The name of a trial: as given, by its last digits, or the newest of NAME@REF.

    Raises:
        NotFoundError: There is none, or there are several.
    """
    if "@" in text:
        candidate = f"environments/{text.removeprefix('environments/')}"
        found = await newest(client, environment=candidate.partition("@")[0])
        names = [trial.name for trial in found if trial.candidate == candidate][:1]
    else:
        wanted = documents.last(text).lower()
        names = [trial.name for trial in await newest(client) if trial.name.endswith(wanted)]
    if len(names) > 1:
        raise InvalidArgumentError(f"{len(names)} trials end in {text}: give more digits")
    if names:
        return names[0]
    hint = f"try it first: ackrep env try {text}" if "@" in text else "ackrep env try makes one"
    raise NotFoundError(f"there is no trial of {text}; {hint}")


async def promote(
    client: Client, trial: str, *, force: bool, reason: str
) -> promotion_pb2.Promotion:
    """Puts the candidate of a trial in use."""
    request = promotion_pb2.PromoteEnvironmentRequest(trial=trial, force=force, reason=reason)
    stub = _stub(client)
    return await client.call("scheduler", stub.PromoteEnvironment, request, timeout=_CREATE_SECONDS)


async def revert(client: Client, environment: str, *, reason: str) -> promotion_pb2.Promotion:
    """Takes the last promotion of an environment back."""
    request = promotion_pb2.RevertEnvironmentRequest(environment=environment, reason=reason)
    return await client.call("scheduler", _stub(client).RevertEnvironment, request)


async def promotions(client: Client, *, environment: str = "") -> list[promotion_pb2.Promotion]:
    """All promotions, newest first."""
    found: list[promotion_pb2.Promotion] = []
    request = promotion_pb2.ListPromotionsRequest(page_size=_PAGE, environment=environment)
    while True:
        page = await client.call("scheduler", _stub(client).ListPromotions, request)
        found.extend(page.promotions)
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def trial_document(trial: promotion_pb2.Trial) -> dict[str, Any]:
    """Describes a trial."""
    return {
        **MessageToDict(trial),
        "id": documents.last(trial.name),
        "comparison": differences.document(trial.comparison),
    }


def promotion_document(promotion: promotion_pb2.Promotion) -> dict[str, Any]:
    """Describes a promotion."""
    return {**MessageToDict(promotion), "id": documents.last(promotion.name)}


def short(digest: str) -> str:
    """A digest for people; words where there is none."""
    digits = digest.removeprefix("sha256:")[:_DIGITS]
    return digits or "the runner's own"


def _brief(digest: str) -> str:
    """A digest in a table."""
    return short(digest) if digest else "own"


def promotion_table(found: Iterable[promotion_pb2.Promotion]) -> Table:
    """Promotions and reverts, newest first; `own` are images that runners have by themselves."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("When", no_wrap=True)
    table.add_column("Environment", style="cyan", no_wrap=True)
    table.add_column("Image", no_wrap=True)
    table.add_column("Before", no_wrap=True, style="dim")
    table.add_column("What", no_wrap=True)
    table.add_column("Reason")
    for one in found:
        image = Text(_brief(one.digest))
        if one.tag:
            image.append(f" {one.tag}", style="dim")
        if one.current:
            image.append(" in use", style="bold green")
        what = Text("promoted", style="green") if one.trial else Text("reverted", style="yellow")
        if one.forced:
            what = Text("forced", style="bold red")
        table.add_row(
            one.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M"),
            documents.last(one.environment),
            image,
            _brief(one.previous_digest),
            what,
            tables.plain(one.reason),
        )
    return table
