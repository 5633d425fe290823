"""The ontology of a data repository: concepts, their hierarchy, and the tags that mean them."""

import difflib
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import (
    DIRECTORY_MODE,
    SUBMODULE_MODE,
    SYMLINK_MODE,
    EntityType,
    TreeEntry,
)
from services.catalog.domain.ontology.documents import FactValue, PropertyKind

ONTOLOGY_FOLDER: Final = "ontology"
"""Folder at the root of the data repository that holds the files of its ontology."""
ONTOLOGY_SUFFIX: Final = ".owl.yml"
TAG_PREFIX: Final = "ocse:"
"""What a tag begins with that means a concept."""
ENTITY_CLASS: Final = "ACKREP_Entity"
"""Class of which all entities are individuals."""
MAX_ANCESTORS: Final = 100
"""Superclasses of one concept that count."""
KEY_PROPERTY: Final = "has_entity_key"
TAG_PROPERTY: Final = "has_ontology_based_tag"

_MAX_NAME: Final = 200
"""Characters of a tag that are looked at; concepts have no longer names."""
_SIMILARITY: Final = 0.6
"""Below this ratio nobody meant the one by the other."""
_CANDIDATES: Final = 8
"""So many names are compared letter by letter: those that share the most trigrams."""


@dataclass(frozen=True, kw_only=True)
class Concept:
    """A class of the ontology."""

    name: str
    """Class name, e.g. `Linear_State_Space_System`."""
    iri: str
    label: str
    """The name for people."""
    comment: str = ""
    """What the ontology says about it; may be empty."""
    parents: tuple[str, ...] = ()
    """Names of its direct superclasses; empty for a root."""
    individual: str = ""
    """IRI of the individual that stands for it as a tag; empty where no tag can mean it."""
    path: str = ""
    """File that declares it."""
    line: int = 0
    """Line there, from 1."""

    @property
    def tag(self) -> str:
        """The tag that means it; empty where none does."""
        return f"{TAG_PREFIX}{self.name}" if self.individual else ""


@dataclass(frozen=True, kw_only=True)
class Property:
    """A relation between individuals, or between individuals and values. All by IRI."""

    name: str
    iri: str
    kind: PropertyKind
    domain: tuple[str, ...] = ()
    range: tuple[str, ...] = ()
    characteristics: tuple[str, ...] = ()
    inverse: str = ""


@dataclass(frozen=True, kw_only=True)
class Individual:
    """An individual that the ontology itself declares; types by IRI."""

    name: str
    iri: str
    types: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What the ontology states of an individual; IRIs, but for a value that is none."""

    subject: str
    property: str
    value: FactValue
    is_iri: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Ontology:
    """All ontology files of a revision as one. Equal and hashed by `id`: the same files."""

    id: str = ""
    """Names the content of its files; empty where there are none."""
    namespace: str = ""
    """Where the vocabulary of entities lives; empty where there is no ontology."""
    comment: str = ""
    concepts: Mapping[str, Concept] = field(default_factory=dict)
    """By name, in the order of names."""
    properties: tuple[Property, ...] = ()
    individuals: tuple[Individual, ...] = ()
    facts: tuple[Fact, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    """What is wrong with its files, in order of file and line."""
    complete: bool = True
    """False where a file could not be read: then nothing is said about unknown tags."""
    _problems: dict[str, tuple[str, str] | None] = field(default_factory=dict, repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ontology) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    # Hierarchy

    def ancestors(self, name: str) -> tuple[str, ...]:
        """Names of the superclasses of a concept, nearest first, without itself.

        At most `MAX_ANCESTORS`: more has only what was written to be in the way.
        """
        known = self._ancestors.get(name)
        if known is None and name in self.concepts:
            known = self._ancestors[name] = self._found_ancestors(name)
        return known or ()

    def _found_ancestors(self, name: str) -> tuple[str, ...]:
        seen: dict[str, None] = {}
        layer = list(self.concepts[name].parents)
        while layer and len(seen) < MAX_ANCESTORS:
            fresh = [parent for parent in dict.fromkeys(layer) if parent not in seen]
            seen.update(dict.fromkeys(fresh))
            layer = [above for parent in fresh for above in self.concepts[parent].parents]
        seen.pop(name, None)
        return tuple(seen)[:MAX_ANCESTORS]

    @cached_property
    def _ancestors(self) -> dict[str, tuple[str, ...]]:
        return {}

    @cached_property
    def concept_names(self) -> Mapping[str, str]:
        """Name of the concept that an IRI stands for: that of the class, or of its individual."""
        found = {concept.iri: name for name, concept in self.concepts.items()}
        for name, concept in self.concepts.items():
            if concept.individual:
                found.setdefault(concept.individual, name)
        return found

    # Tags

    def tagged_concept(self, tag: str) -> Concept | None:
        """The concept that a tag means, or None."""
        if not tag.startswith(TAG_PREFIX):
            return None
        concept = self.concepts.get(tag.removeprefix(TAG_PREFIX))
        return concept if concept is not None and concept.individual else None

    def implied_concepts(self, tag: str) -> tuple[str, ...]:
        """Names of the concept that a tag means and of all its superclasses that can be tags.

        An entity about linear state space systems is one about state space systems too, so that a
        query for the general term finds what carries the special one.
        """
        known = self._implied.get(tag)
        if known is None:
            concept = self.tagged_concept(tag)
            names = () if concept is None else (concept.name, *self.ancestors(concept.name))
            known = tuple(name for name in names if self.concepts[name].individual)
            if concept is not None:  # other tags are without bound
                self._implied[tag] = known
        return known

    @cached_property
    def _implied(self) -> dict[str, tuple[str, ...]]:
        return {}

    def tag_problem(self, tag: str) -> tuple[str, str] | None:
        """What is wrong with a tag of an entity: message and remedy, or None if it is fine.

        Only tags that claim to mean a concept (`ocse:...`) can be wrong, and nothing is said where
        the repository has no ontology or not all of it could be read. Remembered by tag: the same
        few tags come with every entity.
        """
        if not self.concepts or not self.complete or not _claims_concept(tag):
            return None
        if tag not in self._problems:
            if len(self._problems) >= _MAX_REMEMBERED:
                self._problems.clear()
            self._problems[tag] = self._tag_problem(tag)
        return self._problems[tag]

    def _tag_problem(self, tag: str) -> tuple[str, str] | None:
        if self.tagged_concept(tag) is not None:
            return None
        name = tag[len(TAG_PREFIX) :].strip()[:_MAX_NAME]
        shown = tag[:100]
        exact = self.tagged_concept(f"{TAG_PREFIX}{name}")
        if exact is not None:
            return f"the tag {shown!r} means nothing as it is written", f"write `{exact.tag}`"
        if name in self.concepts:
            return (
                f"the concept {name} is no term that entities are tagged with",
                "use a concept below one that has `__create_proxy_individual: recursive`",
            )
        near = [f"`{TAG_PREFIX}{other}`" for other in self.similar_concepts(name)]
        if near:
            return (
                f"the ontology has no concept {name!r}",
                f"did you mean {', '.join(near)}?",
            )
        return (
            f"the ontology has no concept {name!r}",
            f"add it to the ontology, or drop `{TAG_PREFIX}` for a free tag",
        )

    def similar_concepts(self, name: str, *, limit: int = 3) -> list[str]:
        """Names of concepts that can be tags and that somebody may have meant, best first."""
        wanted = _folded(name[:_MAX_NAME])
        shared: Counter[str] = Counter()
        for gram in _trigrams(wanted):
            shared.update(self._grams.get(gram, ()))
        same = [other for other in shared if _folded(other) == wanted]
        if same:
            return sorted(same)[:limit]
        scores = []
        for other, _ in sorted(shared.items(), key=lambda item: (-item[1], item[0]))[:_CANDIDATES]:
            score = difflib.SequenceMatcher(None, wanted, _folded(other)).ratio()
            if score >= _SIMILARITY:
                scores.append((-score, other))
        return [other for _, other in sorted(scores)[:limit]]

    @cached_property
    def _grams(self) -> dict[str, list[str]]:
        grams: dict[str, list[str]] = defaultdict(list)
        for name, concept in self.concepts.items():
            if concept.individual:
                for gram in _trigrams(_folded(name)):
                    grams[gram].append(name)
        return grams


_MAX_REMEMBERED: Final = 50_000

NO_ONTOLOGY: Final = Ontology()
"""That of a data repository without one."""


def ontology_entries(entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    """The files of a tree that make its ontology, in order of their names."""
    return sorted(
        (
            entry
            for entry in entries
            if entry.path.endswith(ONTOLOGY_SUFFIX)
            and posixpath.dirname(entry.path) == ONTOLOGY_FOLDER
            and entry.mode not in (DIRECTORY_MODE, SYMLINK_MODE, SUBMODULE_MODE)
        ),
        key=lambda entry: entry.path,
    )


def entity_class(type_: EntityType) -> str:
    """Name of the class of which the entities of a type are individuals."""
    return "ACKREP_" + "".join(part.capitalize() for part in type_.split("_"))


def _claims_concept(tag: str) -> bool:
    return tag[: len(TAG_PREFIX)].lower() == TAG_PREFIX


def _folded(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def _trigrams(name: str) -> set[str]:
    padded = f"  {name} "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}
