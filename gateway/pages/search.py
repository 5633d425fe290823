"""`/entities`: all of them, or those that words and filters find."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2, search_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from gateway.context import context_of
from gateway.pages import addresses, latest, words
from gateway.pages import choices as asked
from gateway.pages.choices import Choices
from gateway.pages.members import FEW_ENTITIES, PAGE, grouped
from gateway.pages.moments import moment_of
from gateway.pages.narrowing import FEW, Narrowing, narrowing_of
from gateway.pages.rendering import page
from gateway.upstream import Upstream
from services.rpc import remote_errors

_PAGE_SIZE = 30
_SNIPPETS = 3
_TITLES = {
    "type": "Type",
    "tag": "Tag",
    "creator": "Creator",
    "environment": "Environment",
}


@dataclass(frozen=True)
class Value:
    """One value of a facet."""

    label: str
    count: int | None
    """Entities that have it; None where they were not counted."""
    address: str
    chosen: bool = False
    slug: str = ""
    """Style class of what has a colour."""


@dataclass(frozen=True)
class Facet:
    """How what was found is spread over the values of one field."""

    field: str
    title: str
    values: Sequence[Value]


@dataclass(frozen=True)
class Hit:
    """One entity of a ranked list, with what was found in it marked."""

    entity: catalog_pb2.Entity
    title: Markup | None
    """The title with marks, where words were found in it."""
    description: Markup | None
    others: Sequence[tuple[str, Markup]] = field(default_factory=list)
    """Field and marked text of the other places."""


async def entity_list(request: Request) -> Response:
    """All entities, or those that words and filters find; by type where they are few."""
    upstream = context_of(request).upstream
    moment = await moment_of(request)
    choices = asked.read(request.query_params, revision=moment.name)
    token = request.query_params.get("page", "")
    with remote_errors():
        narrowing = await narrowing_of(upstream, choices)
        answer, is_list = await _answer(upstream, choices, narrowing, token)
        entities = [result.entity for result in answer.results]
        checkable = [entity.name for entity in entities if entity.checkable]
        checks, facets = await asyncio.gather(
            latest.newest_checks(upstream, checkable)
            if is_list
            else latest.known_verdicts(upstream, checkable),
            _facets(upstream, choices, narrowing, answer, token),
        )
    return page(
        request,
        "entities.html",
        moment=moment,
        data={
            "query": choices.query,
            "filter": choices.filter,
            "totalSize": answer.total_size,
            "results": answer.results,
            "facets": answer.facets,
            "corrections": answer.corrections,
            "nextPageToken": answer.next_page_token,
            "verdicts": {
                entity.name: check_pb2.Verdict.Name(found.finished.verdict)
                for entity in entities
                if (found := checks.of(entity.name)).finished
            },
        },
        choices=choices,
        narrowing=narrowing,
        total=answer.total_size,
        groups=grouped(entities) if is_list else [],
        hits=[] if is_list else [_hit(result) for result in answer.results],
        checks=checks,
        facets=facets,
        corrections=answer.corrections,
        next_page=choices.address(page=answer.next_page_token) if answer.next_page_token else "",
        first_page=choices.address() if token else "",
    )


async def _answer(
    upstream: Upstream, choices: Choices, narrowing: Narrowing, token: str
) -> tuple[search_pb2.SearchEntitiesResponse, bool]:
    """Searches; says also whether everything found fits one page, to be shown by type."""
    if not choices.query and not token:
        whole = await _search(upstream, choices, narrowing, size=PAGE)
        if whole.total_size <= FEW_ENTITIES:
            await _complete(upstream, choices, narrowing, whole)
            return whole, True
    return await _search(upstream, choices, narrowing, size=_PAGE_SIZE, token=token), False


async def _complete(
    upstream: Upstream,
    choices: Choices,
    narrowing: Narrowing,
    whole: search_pb2.SearchEntitiesResponse,
) -> None:
    """Adds the further pages to the first one."""
    while whole.next_page_token:
        more = await _search(upstream, choices, narrowing, size=PAGE, token=whole.next_page_token)
        whole.results.extend(more.results)
        whole.next_page_token = more.next_page_token


async def _search(
    upstream: Upstream, choices: Choices, narrowing: Narrowing, *, size: int, token: str = ""
) -> search_pb2.SearchEntitiesResponse:
    if narrowing.empty:
        return search_pb2.SearchEntitiesResponse()
    return await upstream.search.SearchEntities(
        search_pb2.SearchEntitiesRequest(
            query=choices.query,
            filter=choices.filter,
            page_size=size,
            page_token=token,
            revision=choices.revision,
            entities=narrowing.entities or (),
        ),
        timeout=latest.TIMEOUT,
    )


def _hit(result: search_pb2.SearchResult) -> Hit:
    entity = result.entity
    whole: dict[str, Markup] = {}
    others: list[tuple[str, Markup]] = []
    for snippet in result.snippets:
        text = marked(snippet.text, snippet.matches)
        if snippet.field in {"title", "short_description"}:
            whole.setdefault(snippet.field, text)
        elif snippet.matches and snippet.field != "key":
            others.append((snippet.field.replace("_", " "), text))
    return Hit(entity, whole.get("title"), whole.get("short_description"), others[:_SNIPPETS])


def marked(text: str, spans: Iterable[search_pb2.Span]) -> Markup:
    """Escapes a text and marks parts of it; parts that make no sense are left out."""
    parts: list[str] = []
    end = 0
    for span in sorted(spans, key=lambda one: one.start):
        begin, after = max(span.start, end), min(span.start + span.length, len(text))
        if begin >= after:
            continue
        parts += [str(escape(text[end:begin])), f"<mark>{escape(text[begin:after])}</mark>"]
        end = after
    return Markup("".join([*parts, str(escape(text[end:]))]))  # noqa: S704  # escaped piece by piece


# Facets -----------------------------------------------------------------------------------------


async def _facets(
    upstream: Upstream,
    choices: Choices,
    narrowing: Narrowing,
    answer: search_pb2.SearchEntitiesResponse,
    token: str,
) -> Sequence[Facet]:
    """Collects the facets: each value's address chooses it in place of the present one."""
    here = answer if not token else await _search(upstream, choices, narrowing, size=1)
    # Of a type that is chosen, the other types are worth knowing too.
    types, verdicts = await asyncio.gather(
        _search(upstream, choices.but(type=""), narrowing, size=1) if choices.type else _same(here),
        _verdict_facet(upstream, choices, narrowing),
    )
    counted = {facet.field: facet.values for facet in here.facets}
    counted |= {facet.field: facet.values for facet in types.facets if facet.field == "type"}
    found = [_facet(name, counted.get(name, ()), choices) for name in _TITLES]
    found.insert(1, verdicts)
    return [facet for facet in found if facet.values]


async def _same(answer: search_pb2.SearchEntitiesResponse) -> search_pb2.SearchEntitiesResponse:
    return answer


def _facet(name: str, counts: Iterable[search_pb2.FacetValue], choices: Choices) -> Facet:
    values = []
    for one in counts:
        label, slug = one.value.removeprefix("environments/"), ""
        if name == "type":
            word = next((w for w in words.TYPES.values() if w.slug == one.value), None)
            label, slug = (word.plural, f"type-{word.slug}") if word else (one.value, "")
        if name == "tag":
            label = addresses.tag_label(one.value)
            chosen = one.value in choices.tags
            changed = choices.but(tags=(*choices.tags, one.value))
        else:
            value = label if name == "environment" else one.value
            chosen = getattr(choices, name).casefold() == value.casefold()
            changed = choices.but(**{name: "" if chosen else value})
        if not (chosen and name == "tag") and one.value:
            values.append(Value(label, one.count, changed.address(), chosen, slug))
    # What all have in common tells nothing apart.
    useful = len(values) > 1 or any(value.chosen for value in values) or name == "tag"
    return Facet(name, _TITLES[name], values if useful else ())


async def _verdict_facet(upstream: Upstream, choices: Choices, narrowing: Narrowing) -> Facet:
    """Counts what was found by latest verdict; only names the verdicts where they are many."""
    answer = await upstream.scheduler.ListEntityVerdicts(
        scheduler_pb2.ListEntityVerdictsRequest(page_size=FEW), timeout=latest.TIMEOUT
    )
    shown = [word for word in words.VERDICTS.values() if word.slug != "cancelled"]
    counts: Mapping[words.Word, int | None] = dict.fromkeys(shown)
    if not answer.next_page_token:
        counts = await _counts(upstream, choices, narrowing, _by_word(answer.verdicts))
    values = []
    for word in (*shown, words.UNCHECKED):
        chosen = word.slug == choices.verdict
        count = counts.get(word, 0)
        if count != 0 or chosen:
            address = choices.but(verdict="" if chosen else word.slug).address()
            values.append(Value(word.label, count, address, chosen, word.slug))
    return Facet("verdict", "Latest verdict", values)


def _by_word(
    verdicts: Iterable[scheduler_pb2.EntityVerdict],
) -> dict[words.Word, list[str]]:
    found: dict[words.Word, list[str]] = {}
    for one in verdicts:
        found.setdefault(words.verdict_word(one.verdict), []).append(one.entity)
    return found


async def _counts(
    upstream: Upstream,
    choices: Choices,
    narrowing: Narrowing,
    by_word: Mapping[words.Word, list[str]],
) -> Counter[words.Word]:
    """Counts what is found with each verdict, and without one, whichever is chosen now."""
    base = narrowing
    if choices.verdict:
        base = await narrowing_of(upstream, choices, verdict=False)
    within = None if base.entities is None else set(base.entities)

    async def count(names: Sequence[str]) -> int:
        kept = [name for name in names if within is None or name in within]
        limited = Narrowing(kept)
        return (await _search(upstream, choices, limited, size=1)).total_size

    checkable = choices.but(verdict="")
    totals = await asyncio.gather(
        _checkable_count(upstream, checkable, base), *map(count, by_word.values())
    )
    counts = Counter(dict(zip(by_word, totals[1:], strict=True)))
    counts[words.UNCHECKED] = max(0, totals[0] - sum(totals[1:]))
    return counts


async def _checkable_count(upstream: Upstream, choices: Choices, narrowing: Narrowing) -> int:
    if narrowing.empty:
        return 0
    condition = f"{choices.filter} AND checkable = true" if choices.filter else "checkable = true"
    answer = await upstream.search.SearchEntities(
        search_pb2.SearchEntitiesRequest(
            query=choices.query,
            filter=condition,
            page_size=1,
            revision=choices.revision,
            entities=narrowing.entities or (),
        ),
        timeout=latest.TIMEOUT,
    )
    return answer.total_size


async def search(request: Request) -> Response:
    """Leads to `/entities`, which searches."""
    query = request.url.query
    return RedirectResponse(f"/entities?{query}" if query else "/entities", status_code=307)


ROUTES = [
    Route("/entities", entity_list),
    Route("/search", search),
]
