"""Concepts and queries."""

from typing import Final

from google.protobuf.duration_pb2 import Duration

from ackrep.catalog.v1 import ontology_pb2 as pb
from ackrep.catalog.v1 import ontology_pb2_grpc as rpc
from services.catalog.domain.ontology.answers import Answer, Term
from services.catalog.domain.ontology.concepts import Concept
from services.catalog.ontology.querying import Concepts, Querying
from services.catalog.servicer.requests import Context, PageToken, page_size_of, tree_of
from services.errors import InvalidArgumentError

SERVICE: Final = pb.DESCRIPTOR.services_by_name["OntologyService"].full_name
DEFAULT_ROWS: Final = 1_000
MAX_ROWS: Final = 10_000


class OntologyServicer(rpc.OntologyServiceServicer):
    """Answers for the ontology."""

    def __init__(self, querying: Querying) -> None:
        self._querying = querying

    async def ListConcepts(
        self, request: pb.ListConceptsRequest, context: Context
    ) -> pb.ListConceptsResponse:
        size = page_size_of(request.page_size, default=500, largest=1000)
        token = PageToken.read(request.page_token, kind="concepts")
        found = await self._querying.concepts(tree=token.pinned(tree_of(request.revision)))
        every = list(found.ontology.concepts.values())
        end = token.offset + size
        return pb.ListConceptsResponse(
            concepts=[_concept_message(concept, found) for concept in every[token.offset : end]],
            next_page_token=token.next(offset=end, tree=found.revision.tree)
            if end < len(every)
            else "",
            total_size=len(every),
            namespace=found.ontology.namespace,
        )

    async def QueryOntology(
        self, request: pb.QueryOntologyRequest, context: Context
    ) -> pb.QueryOntologyResponse:
        if request.max_rows < 0:
            raise InvalidArgumentError(f"max_rows is {request.max_rows}; it cannot be negative")
        rows = min(request.max_rows or DEFAULT_ROWS, MAX_ROWS)
        answer = await self._querying.query(
            request.query, tree=tree_of(request.revision), max_rows=rows
        )
        return _answer_message(answer)


def _concept_message(concept: Concept, found: Concepts) -> pb.Concept:
    return pb.Concept(
        name=f"concepts/{concept.name}",
        concept_id=concept.name,
        iri=concept.iri,
        label=concept.label,
        comment=concept.comment,
        parents=[f"concepts/{parent}" for parent in concept.parents],
        tag=concept.tag,
        direct_entity_count=found.direct.get(concept.name, 0),
        entity_count=found.inherited.get(concept.name, 0),
        source=f"{concept.path}:{concept.line}",
    )


def _answer_message(answer: Answer) -> pb.QueryOntologyResponse:
    elapsed = Duration()
    elapsed.FromNanoseconds(int(answer.elapsed * 1e9))
    return pb.QueryOntologyResponse(
        variables=answer.variables,
        rows=[
            pb.QueryOntologyResponse.Row(terms=[_term_message(term) for term in row])
            for row in answer.rows
        ],
        answer=answer.truth,
        truncated=answer.truncated,
        elapsed=elapsed,
    )


def _term_message(term: Term) -> pb.Term:
    return pb.Term(
        kind=pb.Term.Kind.ValueType(int(term.kind)),
        value=term.value,
        datatype=term.datatype,
        language=term.language,
        entity=f"entities/{term.key}" if term.key else "",
        label=term.label,
        concept=f"concepts/{term.concept}" if term.concept else "",
    )
