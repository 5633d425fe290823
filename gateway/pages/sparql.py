"""`/search-sparql`: questions to the ontology and its entities, as in 2022."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import ontology_pb2, search_pb2
from gateway.context import context_of
from gateway.pages import addresses
from gateway.pages.latest import TIMEOUT
from gateway.pages.moments import Moment, moment_of
from gateway.pages.narrowing import PATIENCE
from gateway.pages.ontology import Concepts, concepts_of
from gateway.pages.rendering import page
from gateway.upstream import Upstream
from services.errors import DeadlineExceededError, Error, InvalidArgumentError
from services.rpc import remote_errors

MAX_QUERY = 20_000
"""Characters of a query."""
_ROWS = 1000
_PREFIXES = {
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf:",
    "http://www.w3.org/2000/01/rdf-schema#": "rdfs:",
    "http://www.w3.org/2002/07/owl#": "owl:",
    "http://www.w3.org/2001/XMLSchema#": "xsd:",
}
_PLACE = re.compile(r"^line \d{1,7}, column \d{1,7}: ")


@dataclass(frozen=True)
class Example:
    """A query to begin with."""

    question: str
    query: str


@dataclass(frozen=True)
class Mistake:
    """Why a query has no answer."""

    message: str
    line: int = 0
    """From 1; 0 where it is unknown."""
    column: int = 0
    text: str = ""
    """The line in question, or a part of it."""
    mark: int = 0
    """Where in the text it is, from 1."""


async def sparql(request: Request) -> Response:
    """Answers a SPARQL query in a table, and explains how to ask one."""
    upstream = context_of(request).upstream
    moment = await moment_of(request)
    query = request.query_params.get("query", "").replace("\r\n", "\n")
    with remote_errors():
        concepts, solutions = await asyncio.gather(
            concepts_of(upstream, moment.name),
            upstream.search.SearchEntities(
                search_pb2.SearchEntitiesRequest(
                    page_size=1, filter="type = problem_solution", revision=moment.name
                ),
                timeout=TIMEOUT,
            ),
        )
    examples = _examples(concepts, solutions)
    answer, mistake = await _answer(upstream, query, moment) if query.strip() else (None, None)
    return page(
        request,
        "sparql.html",
        moment=moment,
        data={
            "query": query,
            "answer": answer,
            "mistake": mistake,
            "examples": examples,
            "namespace": concepts.namespace,
        },
        query=query or examples[0].query,
        asked=bool(query.strip()),
        answer=answer,
        mistake=mistake,
        examples=examples,
        namespace=concepts.namespace,
        total=len(concepts.by_name),
        shortened=lambda iri: shortened(iri, concepts.namespace),
        json_address=_json_address(query, moment),
        most_characters=MAX_QUERY,
    )


async def _answer(
    upstream: Upstream, query: str, moment: Moment
) -> tuple[ontology_pb2.QueryOntologyResponse | None, Mistake | None]:
    if len(query) > MAX_QUERY:
        return None, Mistake(f"The query is longer than {MAX_QUERY:,} characters.")
    try:
        with remote_errors():
            return await upstream.ontology.QueryOntology(
                ontology_pb2.QueryOntologyRequest(
                    query=query, revision=moment.name, max_rows=_ROWS
                ),
                timeout=PATIENCE,
            ), None
    except (InvalidArgumentError, DeadlineExceededError) as failure:
        return None, _mistake(failure, query)


def _mistake(failure: Error, query: str) -> Mistake:
    line, column = (_number(failure.facts.get(name)) for name in ("line", "column"))
    lines = query.split("\n")
    if not 0 < line <= len(lines):
        return Mistake(failure.message)
    # The message has the place too, and a drawing of it for terminals.
    message = _PLACE.sub("", failure.message.partition("\n")[0])
    begin = max(0, column - 80)
    text = lines[line - 1].rstrip("\r")[begin : begin + 160].replace("\t", " ")
    return Mistake(message, line, column, text, min(column - begin, len(text) + 1))


def _number(text: str | None) -> int:
    return int(text) if text and re.fullmatch("[0-9]{1,7}", text) else 0


def shortened(iri: str, namespace: str) -> str:
    """Writes an IRI with the prefix that queries use for it."""
    for begin, prefix in {**_PREFIXES, **({namespace: "P:"} if namespace else {})}.items():
        if iri.startswith(begin) and len(iri) > len(begin):
            return prefix + iri.removeprefix(begin)
    return iri


def _json_address(query: str, moment: Moment) -> str:
    pairs = {"query": query, **({"revision": moment.name} if moment.name else {})}
    return f"/v1/ontology:query?{urlencode(pairs)}"


def _examples(
    concepts: Concepts, solutions: search_pb2.SearchEntitiesResponse
) -> Sequence[Example]:
    """Makes queries that have answers here: of what is used most."""
    key = solutions.results[0].entity.key if solutions.results else "UXMFA"
    tagged = [
        one.value.removeprefix(addresses.TAG_PREFIX)
        for facet in solutions.facets
        for one in facet.values
        if facet.field == "tag" and one.value.startswith(addresses.TAG_PREFIX)
    ]
    solving = next((name for name in tagged if f"concepts/{name}" in concepts.by_name), "")
    used = sorted(
        (one for one in concepts.by_name.values() if one.tag and one.entity_count),
        key=lambda one: (-one.entity_count, one.concept_id),
    )
    # The general ones say little: take those in the middle of the tree.
    leaves = [one for one in used if one.direct_entity_count] or used
    tags = [one.concept_id for one in leaves[:2]]
    middle = next(
        (one.concept_id for one in used if one.entity_count > one.direct_entity_count > 0),
        tags[0] if tags else "",
    )
    root = next(
        (addresses.last(name) for name in concepts.roots if concepts.children.get(name)),
        "OCSE_Entity",
    )
    found = [
        Example(
            "All concepts, with what is above them",
            f"SELECT ?concept ?parent\nWHERE {{\n  ?concept rdfs:subClassOf ?parent.\n"
            f"  ?concept rdfs:subClassOf* P:{root}.\n}}\nORDER BY ?concept",
        ),
        Example(
            f"The entity with the key {key}",
            f'SELECT ?entity\nWHERE {{\n  ?entity P:has_entity_key "{key}".\n}}',
        ),
    ]
    if tags:
        found.append(
            Example(
                f"Everything tagged with {_words(middle)}, also by a more special tag",
                "SELECT ?entity\nWHERE {\n"
                f"  ?entity P:has_ontology_based_tag P:i{middle}.\n}}\nORDER BY ?entity",
            )
        )
    if solving:
        found.append(
            Example(
                f"Problem solutions with {_words(solving)}",
                "SELECT ?entity\nWHERE {\n  ?entity rdf:type P:ACKREP_ProblemSolution.\n"
                f"  ?entity P:has_ontology_based_tag P:i{solving}.\n}}",
            )
        )
    if len(tags) > 1:
        found.append(
            Example(
                f"Is anything tagged with both {_words(tags[0])} and {_words(tags[1])}?",
                f"ASK {{\n  ?entity P:has_ontology_based_tag P:i{tags[0]}.\n"
                f"  ?entity P:has_ontology_based_tag P:i{tags[1]}.\n}}",
            )
        )
    found.append(
        Example(
            "How many entities each tag has",
            "SELECT ?tag (COUNT(DISTINCT ?entity) AS ?entities)\nWHERE {\n"
            "  ?entity P:has_ontology_based_tag ?tag.\n}\nGROUP BY ?tag\nORDER BY DESC(?entities)",
        )
    )
    return found


def _words(name: str) -> str:
    return name.replace("_", " ")


ROUTES = [Route("/search-sparql", sparql)]
