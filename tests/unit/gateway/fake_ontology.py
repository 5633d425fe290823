"""The ontology of the made-up repository, and a SPARQL engine that knows a few questions."""

import re
from typing import Any

from ackrep.catalog.v1 import ontology_pb2, ontology_pb2_grpc
from services.errors import InvalidArgumentError
from tests.unit.gateway.fake_catalog import FakeCatalog
from tests.unit.gateway.fake_repository import CONCEPTS, NAMESPACE, length


class FakeOntology(ontology_pb2_grpc.OntologyServiceServicer):
    """Answers for the concepts of the fake repository."""

    def __init__(self, catalog: FakeCatalog) -> None:
        self._catalog = catalog
        self.concepts = list(CONCEPTS)
        self.seen: list[Any] = []

    def _below(self, name: str) -> set[str]:
        below = {name}
        while grown := {c for c, p, _ in self.concepts if p in below and c not in below}:
            below |= grown
        return below

    def _tagged(self, names: set[str]) -> list[str]:
        tags = {f"ocse:{name}" for name in names}
        return [e.key for e in self._catalog.entities.values() if tags & set(e.tags)]

    async def ListConcepts(self, request: Any, context: Any) -> ontology_pb2.ListConceptsResponse:
        self.seen.append(request)
        return ontology_pb2.ListConceptsResponse(
            concepts=[
                ontology_pb2.Concept(
                    name=f"concepts/{name}",
                    concept_id=name,
                    iri=NAMESPACE + name,
                    label=name.replace("_", " "),
                    comment=comment,
                    parents=[f"concepts/{parent}"] if parent else [],
                    tag=f"ocse:{name}",
                    direct_entity_count=len(self._tagged({name})),
                    entity_count=len(self._tagged(self._below(name))),
                    source="ontology/demo.owl.yml:12",
                )
                for name, parent, comment in sorted(self.concepts)
            ],
            total_size=len(self.concepts),
            namespace=NAMESPACE if self.concepts else "",
        )

    async def QueryOntology(self, request: Any, context: Any) -> ontology_pb2.QueryOntologyResponse:
        self.seen.append(request)
        query = request.query
        if "SELECT" not in query and "ASK" not in query:
            raise InvalidArgumentError(
                "the query is not understood at line 1, column 1: expected SELECT or ASK",
                line="1",
                column="1",
            )
        answer = ontology_pb2.QueryOntologyResponse(elapsed=length(0.0031))
        tag = re.search(r"has_ontology_based_tag P:i([\w.-]+?)\.\s", query)
        if "ASK" in query:
            answer.answer = True
            return answer
        keys = self._tagged(self._below(tag[1])) if tag else ["UXMFA"]
        if "subClassOf" in query:
            answer.variables.extend(["concept", "parent"])
            for name, parent, _ in self.concepts:
                row = answer.rows.add()
                row.terms.append(self._concept(name))
                row.terms.append(self._concept(parent) if parent else ontology_pb2.Term())
            return answer
        answer.variables.extend(["entity", "label"])
        for key in keys:
            title = self._catalog.entities[key].title
            answer.rows.add(
                terms=[
                    ontology_pb2.Term(
                        kind=ontology_pb2.Term.KIND_IRI,
                        value=f"{NAMESPACE}e{key}",
                        entity=f"entities/{key}",
                        label=title,
                    ),
                    ontology_pb2.Term(
                        kind=ontology_pb2.Term.KIND_LITERAL, value=title, language="en"
                    ),
                ]
            )
        answer.truncated = "truncate" in query
        return answer

    @staticmethod
    def _concept(name: str) -> ontology_pb2.Term:
        return ontology_pb2.Term(
            kind=ontology_pb2.Term.KIND_IRI,
            value=NAMESPACE + name,
            concept=f"concepts/{name}",
            label=name.replace("_", " "),
        )
