"""What is wrong with entities among each other, before it is known where it is written."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import METADATA_FILE, Entity, EntityType, Reference
from services.catalog.domain.environments import DEFAULT_ENVIRONMENT
from services.catalog.domain.indexing.cycles import LONGEST, cycle_text
from services.catalog.domain.indexing.folder_checks import (
    dockerfile_problem,
    misplacement,
    wanted_files,
)
from services.catalog.domain.indexing.graph import Folder, Graph
from services.catalog.domain.indexing.suggestions import similar_keys
from services.catalog.domain.metadata.documents import REFERENCE_FIELDS, Document
from services.catalog.domain.ontology.concepts import Ontology


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A diagnostic that lacks its line and column."""

    code: str
    field: str
    message: str
    remedy: str
    written: str = ""
    """Item of the list, where the field is one."""

    def at(self, folder: Folder, document: Document) -> Diagnostic:
        """The diagnostic at the field, or at the list's item that reads `written`."""
        item = _item(document, self.field, self.written)
        position = document.position(self.field, item=item)
        return Diagnostic(
            path=f"{folder.path}/{METADATA_FILE}",
            line=position.line,
            column=position.column,
            code=self.code,
            field=self.field,
            message=self.message,
            remedy=self.remedy,
            key=folder.key,
        )


def _item(document: Document, name: str, written: str) -> int | None:
    value = document.values.get(name)
    if not written or isinstance(value, str) or not isinstance(value, Sequence):
        return None
    for index, item in enumerate(value):
        if isinstance(item, str) and item.strip() == written:
            return index
    return None


def reference_faults(folder: Folder, graph: Graph) -> Iterator[Fault]:
    """What is wrong with the references of an entity and with its environment."""
    for reference in folder.references:
        other = graph.entities.get(reference.key)
        if other is None:
            yield _dangling(reference, graph)
            continue
        wanted = REFERENCE_FIELDS[reference.field]
        if wanted is not None and other.type is not wanted:
            yield Fault(
                code="wrong-reference-type",
                field=reference.field,
                message=f"{reference.key} ({other.title}) is a {other.type}, not a {wanted}",
                remedy=f"name the key of a {wanted}",
                written=reference.key,
            )
    if folder.checkable and not folder.environment and graph.default is None:
        yield Fault(
            code="no-environment",
            field="compatible_environment",
            message="the entity names no environment, and the repository has no default one",
            remedy=f"name one, or add an environment specification named {DEFAULT_ENVIRONMENT}",
        )


def _dangling(reference: Reference, graph: Graph) -> Fault:
    wanted = REFERENCE_FIELDS[reference.field]
    environment = wanted is EntityType.ENVIRONMENT_SPECIFICATION

    def fits(key: str) -> bool:
        other = graph.entities.get(key)
        return other is not None and wanted in (None, other.type)

    named = [key for key in graph.titled(reference.key) if fits(key)]
    near = named[:5] or similar_keys(reference.key, fits)
    if near:
        meant = (f"{key} ({graph.entities[key].title})" for key in near)
        remedy = f"did you mean {', '.join(meant)}?"
    elif environment and graph.environments:
        remedy = f"name one of: {', '.join(sorted(graph.environments)[:5])}"
    else:
        remedy = "add the entity it means, or remove the reference"
    what = "environment specification" if environment else "entity"
    return Fault(
        code="unknown-environment" if environment else "dangling-reference",
        field=reference.field,
        message=f"no {what} has the key {reference.key[:40]}",
        remedy=remedy,
        written=reference.key,
    )


def tag_faults(folder: Folder, ontology: Ontology) -> Iterator[Fault]:
    """Tags of an entity that mean nothing in the ontology."""
    for tag in folder.tags:
        problem = ontology.tag_problem(tag)
        if problem is not None:
            message, remedy = problem
            yield Fault(
                code="unknown-tag",
                field="tag_list",
                message=message,
                remedy=remedy,
                written=tag,
            )


def cycle_faults(
    cycle: Sequence[str], graph: Graph, fields: Collection[str]
) -> Iterator[tuple[str, Fault]]:
    """By key: that the references of its entity in some fields go round in a circle."""
    for place, key in enumerate(cycle if len(cycle) <= LONGEST else cycle[:1]):
        following = cycle[(place + 1) % len(cycle)]
        field = next(
            reference.field
            for reference in graph.entities[key].references
            if reference.key == following and graph.needed(key, {reference.field} & {*fields})
        )
        yield (
            key,
            Fault(
                code="reference-cycle",
                field=field,
                message=f"the references go round: {cycle_text((*cycle[place:], *cycle[:place]))}",
                remedy="remove one of them: what is needed first cannot need the others",
                written=following,
            ),
        )


def folder_faults(entity: Entity, files: Collection[str]) -> Iterator[Fault]:
    """Whether an entity's folder is in the right place and holds what its type needs.

    Args:
        entity: The entity.
        files: Paths of all files below its folder, relative to it.
    """
    present = set(files)
    for name, file in wanted_files(entity.type, entity.metadata):
        if file not in present:
            yield Fault(
                code="missing-file",
                field=name,
                message=f"there is no {f'{entity.path}/{file}'[:300]}",
                remedy=f"add the file, or correct `{name}:`",
            )
    if entity.type is EntityType.NOTEBOOK and not entity.metadata.get("notebook_file"):
        found = [path for path in files if path.endswith(".ipynb") and "/" not in path]
        if len(found) != 1:
            many = f"{len(found)} files" if found else "no file"
            yield Fault(
                code="missing-file",
                field="notebook_file",
                message="the metadata names no notebook, and there is "
                f"{many} *.ipynb in {entity.path}",
                remedy="name it with `notebook_file:`",
            )
    misplaced = misplacement(entity.path, entity.type)
    if misplaced is not None:
        message, remedy = misplaced
        yield Fault(code="misplaced-entity", field="type", message=message, remedy=remedy)


def environment_faults(folder: Folder, dockerfiles: Collection[str]) -> Iterator[Fault]:
    """Whether an environment has a Dockerfile, where others have one."""
    problem = dockerfile_problem(folder.title, dockerfiles)
    if problem is not None:
        message, remedy = problem
        yield Fault(code="missing-dockerfile", field="name", message=message, remedy=remedy)
