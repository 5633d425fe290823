"""Search over entities."""

import hashlib
from typing import Final

from ackrep.catalog.v1 import search_pb2 as pb
from ackrep.catalog.v1 import search_pb2_grpc as rpc
from services.catalog.app import Catalog
from services.catalog.domain.filters import parse_filter
from services.catalog.domain.search.queries import parse_query
from services.catalog.domain.search.snippets import Snippet
from services.catalog.ports import Question
from services.catalog.search.searching import Answer, Search
from services.catalog.servicer.messages import entity_message
from services.catalog.servicer.requests import (
    Context,
    PageToken,
    key_of,
    page_size_of,
    tree_of,
)
from services.errors import InvalidArgumentError

SERVICE: Final = pb.DESCRIPTOR.services_by_name["SearchService"].full_name
MAX_ENTITIES: Final = 10_000


class SearchServicer(rpc.SearchServiceServicer):
    """Answers searches."""

    def __init__(self, catalog: Catalog, search: Search) -> None:
        self._catalog = catalog
        self._search = search

    async def SearchEntities(
        self, request: pb.SearchEntitiesRequest, context: Context
    ) -> pb.SearchEntitiesResponse:
        size = page_size_of(request.page_size, default=20, largest=200)
        query = parse_query(request.query)
        filter_ = parse_filter(request.filter)
        keys = _keys_of(request)
        token = PageToken.read(request.page_token, kind=_kind_of(request))
        revision = await self._catalog.revision(token.pinned(tree_of(request.revision)))
        answer = await self._search.search(
            Question(
                query=query,
                filter=filter_,
                keys=keys,
                offset=token.offset,
                limit=size,
                facets=not request.page_token,
            ),
            revision=revision,
        )
        end = token.offset + len(answer.results)
        response = pb.SearchEntitiesResponse(
            results=[
                pb.SearchResult(
                    entity=entity_message(result.placed, revision),
                    score=result.score,
                    snippets=[_snippet_message(snippet) for snippet in result.snippets],
                )
                for result in answer.results
            ],
            next_page_token=token.next(offset=end, tree=revision.tree)
            if answer.results and end < answer.total
            else "",
            total_size=answer.total,
        )
        _add_words(response, answer)
        return response


def _keys_of(request: pb.SearchEntitiesRequest) -> frozenset[str] | None:
    if len(request.entities) > MAX_ENTITIES:
        raise InvalidArgumentError(
            f"entities has {len(request.entities)} names; at most {MAX_ENTITIES} are taken",
            field="entities",
        )
    keys = frozenset(key_of(name, field="entities") for name in request.entities)
    return keys or None


def _kind_of(request: pb.SearchEntitiesRequest) -> str:
    """What a page token is good for: the same question, whatever the page size."""
    asked = pb.SearchEntitiesRequest()
    asked.CopyFrom(request)
    for field in ("page_size", "page_token", "revision"):
        asked.ClearField(field)
    digest = hashlib.sha256(asked.SerializeToString(deterministic=True)).hexdigest()
    return f"search {digest[:24]}"


def _snippet_message(snippet: Snippet) -> pb.Snippet:
    return pb.Snippet(
        field=snippet.field,
        text=snippet.text,
        matches=[pb.Span(start=start, length=length) for start, length in snippet.matches],
    )


def _add_words(response: pb.SearchEntitiesResponse, answer: Answer) -> None:
    for facet in answer.facets:
        values = [pb.FacetValue(value=value, count=count) for value, count in facet.values]
        response.facets.add(field=facet.field, values=values)
    for correction in answer.corrections:
        response.corrections.add(word=correction.word, replacements=correction.replacements)
