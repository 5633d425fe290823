"""Search over the made-up repository: plain, but with ranks, facets, snippets and corrections."""

import asyncio
import difflib
import re
from collections import Counter
from typing import Any

from ackrep.catalog.v1 import catalog_pb2, search_pb2, search_pb2_grpc
from services.errors import InvalidArgumentError
from tests.unit.gateway.fake_catalog import FakeCatalog
from tests.unit.gateway.fake_repository import T
from tests.unit.gateway.paging import begin_of

_CONDITION = re.compile(r'(\w+) = (?:"((?:[^"\\]|\\.)*)"|(\S+))(?: AND |$)')


class FakeSearch(search_pb2_grpc.SearchServiceServicer):
    """Finds entities of the fake catalog."""

    def __init__(self, catalog: FakeCatalog) -> None:
        self._catalog = catalog
        self.seen: list[search_pb2.SearchEntitiesRequest] = []
        self.pauses: dict[str, float] = {}
        """Seconds that a search for some words takes."""

    async def SearchEntities(self, request: Any, context: Any) -> search_pb2.SearchEntitiesResponse:
        self.seen.append(request)
        await asyncio.sleep(self.pauses.get(request.query, 0))
        found = [
            entity
            for entity in self._catalog.entities.values()
            if (not request.entities or entity.name in request.entities)
            and all(_holds(entity, *one) for one in _conditions(request.filter))
        ]
        words = request.query.casefold().split()
        answer = search_pb2.SearchEntitiesResponse()
        known = {word for entity in found for word in re.findall(r"\w+", _text(entity).casefold())}
        for index, word in enumerate(words):
            if not any(word in other for other in known):
                near = difflib.get_close_matches(word, known, n=1)
                if near:
                    words[index] = near[0]
                    answer.corrections.add(word=word, replacements=near)
        found = [e for e in found if all(word in _text(e).casefold() for word in words)]
        found.sort(key=lambda e: (not any(word in e.title.casefold() for word in words), e.key))
        begin = begin_of(request)
        size = min(request.page_size or 20, 200)
        for entity in found[begin : begin + size]:
            result = answer.results.add(entity=entity, score=1.0)
            for field in ("title", "short_description", "tags"):
                text = " ".join(entity.tags) if field == "tags" else getattr(entity, field)
                spans = [_span(text, word) for word in words if word in text.casefold()]
                if spans:
                    result.snippets.add(field=field, text=text, matches=spans)
        if begin + size < len(found):
            answer.next_page_token = str(begin + size)
        answer.total_size = len(found)
        if not request.page_token:
            answer.facets.extend(_facets(found))
        return answer


def _span(text: str, word: str) -> search_pb2.Span:
    return search_pb2.Span(start=text.casefold().index(word), length=len(word))


def _text(entity: catalog_pb2.Entity) -> str:
    return " ".join((entity.title, entity.key, entity.short_description, *entity.tags))


def _conditions(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while position < len(text):
        match = _CONDITION.match(text, position)
        if match is None:
            raise InvalidArgumentError(f"the filter is not understood at {text[position:]!r}")
        value = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        found.append((match[1], value))
        position = match.end()
    return found


def _holds(entity: catalog_pb2.Entity, field: str, value: str) -> bool:
    if field == "type":
        return entity.type == T.Value(f"ENTITY_TYPE_{value.upper()}")
    if field == "tag":
        return value in entity.tags
    if field == "creator":
        return value.casefold() in entity.creator.casefold()
    if field == "environment":
        return entity.environment.endswith(f"/{value}")
    if field == "checkable":
        return entity.checkable == (value == "true")
    raise InvalidArgumentError(f"unknown field {field!r} in the filter")


def _facets(found: list[catalog_pb2.Entity]) -> list[search_pb2.Facet]:
    counts = {
        "type": Counter(T.Name(e.type).removeprefix("ENTITY_TYPE_").lower() for e in found),
        "tag": Counter(tag for entity in found for tag in entity.tags),
        "creator": Counter(entity.creator for entity in found),
        "environment": Counter(
            e.environment.removeprefix("environments/") for e in found if e.environment
        ),
    }
    return [
        search_pb2.Facet(
            field=field,
            values=[
                search_pb2.FacetValue(value=value, count=count)
                for value, count in counter.most_common(50)
            ],
        )
        for field, counter in counts.items()
    ]
