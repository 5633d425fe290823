"""`/ontology` and `/ontology/{concept}`: the concepts as a tree, and what is tagged with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import ontology_pb2, search_pb2
from gateway import failures
from gateway.context import context_of
from gateway.pages import addresses, choices, latest, prose
from gateway.pages.members import grouped
from gateway.pages.moments import Moment, moment_of
from gateway.pages.narrowing import Narrowing, tagged
from gateway.pages.rendering import page
from gateway.upstream import Upstream
from services.errors import NotFoundError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_MOST_PAGES = 10
_MOST_BRANCHES = 3000
"""So many lines a tree has at most: a concept with several parents stands below each."""
_DEEPEST = 24
_FEW = 80
_MOST_ENTITIES = 100


@dataclass(frozen=True)
class Concepts:
    """All concepts of a revision."""

    by_name: Mapping[str, ontology_pb2.Concept]
    """By resource name, in the order of labels."""
    children: Mapping[str, Sequence[str]]
    namespace: str

    @property
    def roots(self) -> Sequence[str]:
        """Those without a superclass here, the one with the most entities first."""
        roots = [
            concept
            for concept in self.by_name.values()
            if not any(parent in self.by_name for parent in concept.parents)
        ]
        return [one.name for one in sorted(roots, key=lambda one: -one.entity_count)]


@dataclass
class Branch:
    """A concept in the tree, with what is below it."""

    concept: ontology_pb2.Concept
    open: bool
    children: list["Branch"] = field(default_factory=list)
    cut: bool = False
    """Whether there is more below it than is drawn."""


async def concepts_of(upstream: Upstream, revision: str) -> Concepts:
    """Lists the concepts of a revision."""
    found: list[ontology_pb2.Concept] = []
    token, namespace = "", ""
    for _ in range(_MOST_PAGES):
        answer = await upstream.ontology.ListConcepts(
            ontology_pb2.ListConceptsRequest(page_size=1000, page_token=token, revision=revision),
            timeout=_TIMEOUT,
        )
        found += answer.concepts
        namespace = namespace or answer.namespace
        token = answer.next_page_token
        if not token:
            break
    found.sort(key=lambda concept: (concept.label or concept.concept_id).casefold())
    children: dict[str, list[str]] = {}
    for concept in found:
        for parent in concept.parents:
            children.setdefault(parent, []).append(concept.name)
    return Concepts({concept.name: concept for concept in found}, children, namespace)


class _Growing:
    """Grows the tree from its roots, within bounds, whatever the hierarchy looks like."""

    def __init__(self, concepts: Concepts, words: Sequence[str]) -> None:
        self._concepts = concepts
        # Roots are open; where there are few concepts, so is what is right below them.
        self._open = 2 if len(concepts.by_name) <= _FEW else 1
        self._left = _MOST_BRANCHES
        self._words = words
        self._kept = self._matching() if words else None

    def _matching(self) -> set[str]:
        """Finds the concepts that have all words, and everything above them."""
        kept: set[str] = set()
        waiting = [
            name
            for name, concept in self._concepts.by_name.items()
            if matches(concept, self._words)
        ]
        while waiting:
            name = waiting.pop()
            concept = self._concepts.by_name.get(name)
            if concept is not None and name not in kept:
                kept.add(name)
                waiting += concept.parents
        return kept

    def grow(self) -> list[Branch]:
        """Grows all of it."""
        roots = [name for name in self._concepts.roots if self._keeps(name)]
        # Where the hierarchy is one big ring, it has no root.
        if not roots and self._concepts.by_name:
            roots = [name for name in self._concepts.by_name if self._keeps(name)][:1]
        return [branch for name in roots if (branch := self._branch(name, ()))]

    def _keeps(self, name: str) -> bool:
        return self._kept is None or name in self._kept

    def _branch(self, name: str, above: tuple[str, ...]) -> Branch | None:
        concept = self._concepts.by_name.get(name)
        if concept is None or self._left <= 0 or name in above:
            return None
        self._left -= 1
        branch = Branch(concept, open=len(above) < self._open or bool(self._words))
        below = [child for child in self._concepts.children.get(name, ()) if self._keeps(child)]
        if len(above) >= _DEEPEST:
            branch.cut = bool(below)
            return branch
        grown = [self._branch(child, (*above, name)) for child in below]
        branch.children = [child for child in grown if child]
        branch.cut = self._left <= 0 and len(branch.children) < len(below)
        return branch


def matches(concept: ontology_pb2.Concept, words: Sequence[str]) -> bool:
    """Whether all words are in a concept's name, label or comment."""
    text = f"{concept.concept_id} {concept.label} {concept.comment}".casefold()
    return all(word in text for word in words)


async def ontology(request: Request) -> Response:
    """The tree of concepts, each with the number of entities tagged with it or below it."""
    upstream = context_of(request).upstream
    moment = await moment_of(request)
    query = " ".join(request.query_params.get("q", "").split())[: choices.MAX_QUERY]
    with remote_errors():
        concepts = await concepts_of(upstream, moment.name)
    words = query.casefold().split()
    found = sum(matches(one, words) for one in concepts.by_name.values()) if words else 0
    return page(
        request,
        "ontology.html",
        moment=moment,
        data={
            "query": query,
            "namespace": concepts.namespace,
            "concepts": [
                one for one in concepts.by_name.values() if not words or matches(one, words)
            ],
        },
        query=query,
        words=words,
        found=found,
        total=len(concepts.by_name),
        namespace=concepts.namespace,
        tree=_Growing(concepts, words).grow(),
        matches=matches,
    )


async def concept(request: Request) -> Response:
    """One concept: what it means, what is above and below it, and the entities tagged with it."""
    upstream = context_of(request).upstream
    moment = await moment_of(request)
    name = f"concepts/{request.path_params['concept']}"
    with remote_errors():
        concepts = await concepts_of(upstream, moment.name)
    found = concepts.by_name.get(name)
    if found is None:
        return _missing(request, name.removeprefix("concepts/"), concepts, moment)
    with remote_errors():
        answer = await _entities(upstream, found, moment)
    entities = [result.entity for result in answer.results]
    checks = await latest.known_verdicts(upstream, [e.name for e in entities if e.checkable])
    return page(
        request,
        "concept.html",
        moment=moment,
        data={
            "concept": found,
            "children": concepts.children.get(name, ()),
            "entities": entities,
            "totalSize": max(found.entity_count, answer.total_size),
        },
        concept=found,
        comment=prose.markdown(found.comment) if found.comment else "",
        parents=[concepts.by_name[one] for one in found.parents if one in concepts.by_name],
        children=[concepts.by_name[one] for one in concepts.children.get(name, ())],
        trail=_trail(concepts, found),
        groups=grouped(entities),
        total=max(found.entity_count, answer.total_size),
        checks=checks,
    )


async def _entities(
    upstream: Upstream, concept: ontology_pb2.Concept, moment: Moment
) -> search_pb2.SearchEntitiesResponse:
    """Gets the entities that are tagged with a concept or any subclass."""
    narrowing = Narrowing(())
    if concept.entity_count:
        narrowing = await tagged(upstream, concept.concept_id, moment.name, most=_MOST_ENTITIES)
    if narrowing.empty:
        return search_pb2.SearchEntitiesResponse()
    return await upstream.search.SearchEntities(
        search_pb2.SearchEntitiesRequest(
            entities=narrowing.entities, page_size=_MOST_ENTITIES, revision=moment.name
        ),
        timeout=_TIMEOUT,
    )


def _trail(concepts: Concepts, concept: ontology_pb2.Concept) -> Sequence[ontology_pb2.Concept]:
    """Leads from a root to a concept, by the first parents."""
    trail: list[ontology_pb2.Concept] = []
    seen = {concept.name}
    here: ontology_pb2.Concept | None = concept
    while here is not None:
        above = [one for one in here.parents if one in concepts.by_name and one not in seen]
        here = concepts.by_name[above[0]] if above else None
        if here is not None:
            seen.add(here.name)
            trail.insert(0, here)
    return trail


def _missing(request: Request, name: str, concepts: Concepts, moment: Moment) -> Response:
    import difflib  # noqa: PLC0415  # needed nowhere else

    known = {concept.concept_id: concept for concept in concepts.by_name.values()}
    near = difflib.get_close_matches(name[:100], known, n=6, cutoff=0.5)
    error = NotFoundError(f"there is no concept {name}", similar=", ".join(near))
    return page(
        request,
        "no_concept.html",
        status=404,
        data=failures.describe(error)[1],
        moment=moment,
        concept=name,
        tag=f"{addresses.TAG_PREFIX}{name}",
        similar=[known[one] for one in near],
        total=len(known),
    )


ROUTES = [
    Route("/ontology", ontology),
    Route("/ontology/{concept}", concept),
]
