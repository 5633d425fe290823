"""`/e/{KEY}`: what an entity is, what it has to do with others, and how it is."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from gateway import failures
from gateway.context import context_of
from gateway.pages import contents, graphs, latest, plots, prose
from gateway.pages.history import over_time
from gateway.pages.members import entities_named
from gateway.pages.moments import Moment, moment_of
from gateway.pages.rendering import page
from gateway.upstream import Upstream
from services.errors import InvalidArgumentError, NotFoundError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_HISTORY = 60
_LISTED = 200
"""So many relations the list beside the graph names."""
_TOLD = {
    "key", "name", "type", "short_description", "version", "tag_list", "creator", "creation_date",
    "notes", "estimated_runtime", "external_references", "editor_list",
}  # fmt: skip
"""Fields of the metadata that the page shows in places of their own."""


async def entity(request: Request) -> Response:
    """One entity: metadata, relations, texts, files, and how it is."""
    upstream = context_of(request).upstream
    key = request.path_params["key"]
    name = f"entities/{key}"
    moment = await moment_of(request)
    try:
        with remote_errors():
            found = await upstream.catalog.GetEntity(
                catalog_pb2.GetEntityRequest(name=name, revision=moment.name), timeout=_TIMEOUT
            )
    except (NotFoundError, InvalidArgumentError) as failure:
        return await _missing(request, key, moment, failure.facts.get("similar", ""))
    with remote_errors():
        diagnostics, history, texts, over = await asyncio.gather(
            upstream.catalog.ListDiagnostics(
                catalog_pb2.ListDiagnosticsRequest(entity=name, revision=moment.name),
                timeout=_TIMEOUT,
            ),
            upstream.scheduler.ListChecks(
                scheduler_pb2.ListChecksRequest(filter=f"entity = {name}", page_size=_HISTORY),
                timeout=_TIMEOUT,
            ),
            contents.texts(upstream, found, revision=moment.name),
            over_time(upstream, name),
        )
    newest = latest.Latest()
    for check in history.checks:
        latest.note(newest, check)
    success = await _last_success(upstream, name, history.checks) if found.checkable else None
    # Where the newest check made none, the last success's say more than nothing.
    shown = newest.finished if newest.finished and newest.finished.result.artefacts else success
    written = (found.short_description, found.notes, *(text.content for text in texts))
    place = await contents.place_of(upstream, found, written, revision=moment.name)
    metadata = json_format.MessageToDict(found.metadata)
    around = graphs.neighbours(found)
    return page(
        request,
        "entity.html",
        moment=moment,
        data={
            "entity": found,
            "diagnostics": diagnostics.diagnostics,
            "checks": history.checks,
            "latest": {"finished": newest.finished, "active": newest.active},
            "lastSuccess": success,
        },
        entity=found,
        description=prose.line(found.short_description, place),
        notes=prose.markdown(found.notes, place) if found.notes else "",
        references=_texts(metadata, "external_references", place),
        editors=[text for text in _values(metadata.get("editor_list")) if text],
        others=_others(metadata),
        neighbours=around,
        listed=[*around][:_LISTED],
        drawings=[
            ("wide", graphs.wide(found.title or key, around)),
            ("narrow", graphs.narrow(found.title or key, around)),
        ],
        texts=[
            (text.path, await asyncio.to_thread(contents.rendered, text, place)) for text in texts
        ],
        documents=contents.documents(found),
        diagnostics=diagnostics.diagnostics,
        history=history.checks,
        over=over,
        latest=newest,
        success=success,
        shown=shown,
        plots=await plots.kept(upstream, shown.result.artefacts if shown else ()),
    )


async def _last_success(
    upstream: Upstream, name: str, recent: Sequence[check_pb2.Check]
) -> check_pb2.Check | None:
    """Finds the newest check of an entity that was a success."""
    found = next((one for one in recent if one.verdict == check_pb2.VERDICT_SUCCESS), None)
    if found is not None or len(recent) < _HISTORY:
        return found
    with remote_errors():
        answer = await upstream.scheduler.ListChecks(
            scheduler_pb2.ListChecksRequest(
                filter=f"entity = {name} AND verdict = success", page_size=1
            ),
            timeout=_TIMEOUT,
        )
    return next(iter(answer.checks), None)


def _values(value: Any) -> list[str]:
    """Lists the texts of a field that holds one or many."""
    if isinstance(value, list):
        return [text for item in value for text in _values(item)]
    if isinstance(value, dict):
        return [f"{name}: {text}" for name, item in value.items() for text in _values(item)]
    if isinstance(value, float) and value.is_integer():
        return [str(int(value))]
    return [] if value is None else [str(value)]


def _texts(metadata: Mapping[str, Any], field: str, place: prose.Place) -> list[Any]:
    found = (prose.line(_linked(text), place) for text in _values(metadata.get(field)) if text)
    return [text for text in found if text]


def _linked(text: str) -> str:
    """Makes a bare address a link, as Markdown writes it."""
    return " ".join(
        f"<{word}>" if word.startswith(("https://", "http://")) and ">" not in word else word
        for word in text.split(" ")
    )


def _others(metadata: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Lists the fields that have no place of their own, empty ones left out."""
    fields = ((name, _values(value)) for name, value in metadata.items() if name not in _TOLD)
    return [(name, texts) for name, texts in fields if any(texts)]


async def _missing(request: Request, key: str, moment: Moment, similar: str) -> Response:
    keys = [one.strip() for one in similar.split(",") if one.strip()]
    near = await _named(context_of(request).upstream, keys, moment)
    error = NotFoundError(f"there is no entity {key}", similar=similar)
    return page(
        request,
        "missing.html",
        status=404,
        data=failures.describe(error)[1],
        key=key,
        moment=moment,
        similar=near,
    )


async def _named(upstream: Upstream, keys: list[str], moment: Moment) -> list[catalog_pb2.Entity]:
    with remote_errors():
        found = await entities_named(
            upstream, (f"entities/{key}" for key in keys), revision=moment.name
        )
    return list(found.values())


ROUTES = [Route("/e/{key}", entity)]
