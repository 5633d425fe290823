"""`/`, `/entities` and `/e/{KEY}`: what is in the repository and how it is."""

import asyncio
import difflib
import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from gateway.context import context_of
from gateway.pages import latest, plots, words
from gateway.pages.rendering import page, struct_lines
from gateway.upstream import Upstream
from services.errors import NotFoundError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_HISTORY = 60
_ATTENTION = 8
"""Entities that the landing page shows with the message of their check."""
_AND = re.compile(r"\s+AND\s+")


async def landing(request: Request) -> Response:
    """The state of the repository at a glance."""
    upstream = context_of(request).upstream
    with remote_errors():
        revision, entities, runs = await asyncio.gather(
            upstream.catalog.GetRevision(
                catalog_pb2.GetRevisionRequest(name="revisions/current"), timeout=_TIMEOUT
            ),
            all_entities(upstream),
            upstream.scheduler.ListRuns(
                scheduler_pb2.ListRunsRequest(page_size=5), timeout=_TIMEOUT
            ),
        )
        checks = await latest.newest_checks(upstream, [e.name for e in entities if e.checkable])
    counts = latest.verdict_counts(entities, checks)
    attention = [
        (entity, found)
        for entity in entities
        if entity.checkable
        and (found := checks.of(entity.name)).finished
        and found.word != words.VERDICTS[check_pb2.VERDICT_SUCCESS]
    ]
    with remote_errors():
        await latest.complete(upstream, [found for _, found in attention[:_ATTENTION]])
    return page(
        request,
        "landing.html",
        revision=revision,
        groups=grouped(entities),
        checks=checks,
        shares=latest.shares(counts),
        good=counts[words.VERDICTS[check_pb2.VERDICT_SUCCESS]],
        checkable=sum(counts.values()),
        unchecked=counts[words.UNCHECKED],
        attention=attention,
        titles={entity.name: entity.title for entity in entities},
        runs=runs.runs,
    )


async def entity_list(request: Request) -> Response:
    """All entities, or those that a form asks for."""
    upstream = context_of(request).upstream
    text = request.query_params.get("text", "").strip()
    kind = request.query_params.get("type", "")
    verdict = request.query_params.get("verdict", "")
    conditions = []
    if any(kind == word.slug for word in words.TYPES.values()):
        conditions.append(f"type = {kind}")
    if text:
        # One condition whatever the text: it must not smuggle in a second one.
        conditions.append(f"text = {_AND.sub(' ', ' '.join(text.split()))}")
    with remote_errors():
        entities = await all_entities(upstream, filter=" AND ".join(conditions))
        checks = await latest.newest_checks(upstream, [e.name for e in entities if e.checkable])
    if verdict:
        entities = [e for e in entities if e.checkable and checks.of(e.name).word.slug == verdict]
    return page(
        request,
        "entities.html",
        groups=grouped(entities),
        total=len(entities),
        checks=checks,
        text=text,
        kind=kind,
        verdict=verdict,
        verdict_choices=[*words.VERDICTS.values(), words.UNCHECKED],
    )


async def entity(request: Request) -> Response:
    """One entity: what it is, what it has to do with others, and how it is."""
    upstream = context_of(request).upstream
    key = request.path_params["key"]
    name = f"entities/{key}"
    revision = request.query_params.get("revision", "")
    try:
        with remote_errors():
            found = await upstream.catalog.GetEntity(
                catalog_pb2.GetEntityRequest(name=name, revision=revision), timeout=_TIMEOUT
            )
    except NotFoundError:
        return page(
            request, "missing.html", status=404, key=key, similar=await _similar(upstream, key)
        )
    with remote_errors():
        diagnostics, history = await asyncio.gather(
            upstream.catalog.ListDiagnostics(
                catalog_pb2.ListDiagnosticsRequest(entity=name, revision=revision),
                timeout=_TIMEOUT,
            ),
            upstream.scheduler.ListChecks(
                scheduler_pb2.ListChecksRequest(filter=f"entity = {name}", page_size=_HISTORY),
                timeout=_TIMEOUT,
            ),
        )
    newest = latest.Latest()
    for check in history.checks:
        latest.note(newest, check)
    return page(
        request,
        "entity.html",
        entity=found,
        diagnostics=diagnostics.diagnostics,
        history=history.checks,
        latest=newest,
        plots=plots.of(newest.finished.result.artefacts if newest.finished else ()),
        metadata=struct_lines(found.metadata),
    )


async def diagnostics(request: Request) -> Response:
    """What is wrong with the metadata, file by file."""
    upstream = context_of(request).upstream
    token = request.query_params.get("page", "")
    with remote_errors():
        revision, answer = await asyncio.gather(
            upstream.catalog.GetRevision(
                catalog_pb2.GetRevisionRequest(name="revisions/current"), timeout=_TIMEOUT
            ),
            upstream.catalog.ListDiagnostics(
                catalog_pb2.ListDiagnosticsRequest(page_size=500, page_token=token),
                timeout=_TIMEOUT,
            ),
        )
    files: dict[str, list[catalog_pb2.Diagnostic]] = {}
    for item in answer.diagnostics:
        files.setdefault(item.path, []).append(item)
    return page(
        request,
        "diagnostics.html",
        revision=revision,
        files=files,
        total=answer.total_size,
        next_page=answer.next_page_token,
    )


async def all_entities(upstream: Upstream, *, filter: str = "") -> list[catalog_pb2.Entity]:  # noqa: A002  # the rpc's word
    """Lists all entities of the current revision that match."""
    entities: list[catalog_pb2.Entity] = []
    token = ""
    while True:
        answer = await upstream.catalog.ListEntities(
            catalog_pb2.ListEntitiesRequest(page_size=1000, page_token=token, filter=filter),
            timeout=_TIMEOUT,
        )
        entities += answer.entities
        token = answer.next_page_token
        if not token:
            return entities


def grouped(
    entities: Sequence[catalog_pb2.Entity],
) -> list[tuple[words.TypeWord, list[catalog_pb2.Entity]]]:
    """Groups entities by type, checkable types first, by title within."""
    groups = []
    for kind in (*words.TYPES, catalog_pb2.ENTITY_TYPE_UNSPECIFIED):
        members = [entity for entity in entities if entity.type == kind]
        if members:
            members.sort(key=lambda entity: entity.title.casefold())
            groups.append((words.type_word(kind), members))
    return groups


async def _similar(upstream: Upstream, key: str) -> list[catalog_pb2.Entity]:
    with remote_errors():
        entities = {entity.key: entity for entity in await all_entities(upstream)}
    close = difflib.get_close_matches(key.upper(), entities, n=6, cutoff=0.4)
    return [entities[match] for match in close]


ROUTES = [
    Route("/", landing, name="landing"),
    Route("/entities", entity_list),
    Route("/e/{key}", entity),
    Route("/diagnostics", diagnostics),
]
