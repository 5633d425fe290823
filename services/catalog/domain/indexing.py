"""Indexes one revision: from the entries of its tree and its parsed metadata to its entities."""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.catalog.domain.diagnostics import Diagnostic, Severity
from services.catalog.domain.documents import FILE_FIELDS, REFERENCE_FIELDS, Document
from services.catalog.domain.entities import (
    DIRECTORY_MODE,
    METADATA_FILE,
    SUBMODULE_MODE,
    SYMLINK_MODE,
    Entity,
    EntityType,
    Placed,
    Reference,
    TreeEntry,
    is_printable,
    printable,
    similar_keys,
)
from services.catalog.domain.environments import DEFAULT_ENVIRONMENT, default_environment
from services.catalog.domain.reading import read_entity

TEMPLATE_FOLDER: Final = "_template"
"""Folders that begin with `_` and end so hold patterns for new entities, and are skipped."""
MAX_LINK_BYTES: Final = 4096
"""Longer link targets are no paths."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """Everything the catalog knows of one revision."""

    entities: tuple[Placed, ...]
    """Ordered by key."""
    diagnostics: tuple[Diagnostic, ...]
    """Ordered by file and line."""

    def count(self, severity: Severity) -> int:
        """Number of diagnostics of a severity."""
        return sum(1 for diagnostic in self.diagnostics if diagnostic.severity is severity)


def metadata_entries(entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    """The files that make entities: every `metadata.yml` outside of templates."""
    return [
        entry
        for entry in entries
        if posixpath.basename(entry.path) == METADATA_FILE
        and entry.mode != DIRECTORY_MODE
        and not _in_template(entry.path)
    ]


def link_entries(entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    """Symbolic links, whose targets `index_revision` wants to know."""
    return [entry for entry in entries if entry.mode == SYMLINK_MODE]


def index_revision(
    entries: Sequence[TreeEntry],
    *,
    documents: Mapping[str, Document],
    links: Mapping[str, str],
    found: Sequence[Diagnostic] = (),
) -> Index:
    """Indexes a revision. One bad entity never hides a good one.

    Args:
        entries: Everything in the tree, folders included.
        documents: Parsed metadata by blob id; a blob the store does not hold has none.
        links: Target of each symbolic link, by blob id.
        found: What was found wrong before, while reading the source.
    """
    indexer = _Indexer(entries, documents=documents, links=links)
    indexer.diagnostics.extend(found)
    return indexer.run()


def _in_template(path: str) -> bool:
    return any(part.startswith("_") and part.endswith(TEMPLATE_FOLDER) for part in path.split("/"))


_MISSING_CONTENT: Final = (
    "the object store of the source does not hold this file",
    "fetch the whole repository (it may be a partial clone)",
)


class _Indexer:
    """State of one run; each step fills `entities` or `diagnostics`."""

    def __init__(
        self,
        entries: Sequence[TreeEntry],
        *,
        documents: Mapping[str, Document],
        links: Mapping[str, str],
    ) -> None:
        self.entries = entries
        self.documents = documents
        self.links = links
        self.trees = {entry.path: entry.id for entry in entries if entry.mode == DIRECTORY_MODE}
        self.files = {entry.path: entry for entry in entries if entry.mode != DIRECTORY_MODE}
        self.notebooks: dict[str, list[str]] = defaultdict(list)
        for path in self.files:
            if path.endswith(".ipynb"):
                self.notebooks[posixpath.dirname(path)].append(posixpath.basename(path))
        self.diagnostics: list[Diagnostic] = []
        self.entities: dict[str, Entity] = {}
        self.sources: dict[str, Document] = {}

    def run(self) -> Index:
        self._read_entities()
        self._check_entries()
        default = default_environment(self.entities)
        placed = []
        for key in sorted(self.entities):
            entity = self.entities[key]
            self._check_references(entity)
            self._check_files(entity)
            placed.append(self._place(entity, default))
        return Index(entities=tuple(placed), diagnostics=tuple(sorted(set(self.diagnostics))))

    # Entities

    def _read_entities(self) -> None:
        by_key: dict[str, list[Entity]] = defaultdict(list)
        for entry in metadata_entries(self.entries):
            entity = self._read_entity(entry)
            if entity is not None:
                by_key[entity.key].append(entity)
        for key, rivals in by_key.items():
            rivals.sort(key=lambda entity: entity.path)
            self.entities[key] = rivals[0]
            if len(rivals) > 1:
                self._report_duplicates(key, rivals)

    def _read_entity(self, entry: TreeEntry) -> Entity | None:
        folder = posixpath.dirname(entry.path)
        if entry.mode in (SYMLINK_MODE, SUBMODULE_MODE):
            self._report(
                entry.path,
                "metadata-not-a-file",
                "metadata.yml is a link; it is not followed",
                "put a real file in its place",
            )
            return None
        if not is_printable(folder):
            self._report(
                entry.path,
                "odd-entity-path",
                f"the folder's name {printable(folder)!r} holds bytes that are no UTF-8",
                "rename the folder",
            )
            return None
        if not folder:
            self._report(
                entry.path,
                "entity-at-root",
                "metadata.yml at the root of the repository makes no entity",
                "move the entity into a folder of its own",
            )
            return None
        document = self.documents.get(entry.id)
        if document is None:
            self._report(entry.path, "missing-content", *_MISSING_CONTENT)
            return None
        entity, problems = read_entity(document, path=folder, tree=self.trees[folder])
        key = entity.key if entity else ""
        self.diagnostics.extend(problem.at(entry.path, key=key) for problem in problems)
        if entity is not None:
            self.sources[folder] = document
        return entity

    def _report_duplicates(self, key: str, rivals: Sequence[Entity]) -> None:
        kept = rivals[0]
        for entity in rivals:
            others = [other for other in rivals if other is not entity]
            where = ", ".join(
                f"{_file(other)}:{self.sources[other.path].position('key').line}"
                for other in others[:5]
            )
            outcome = "this one is used" if entity is kept else f"{_file(kept)} is used instead"
            self._report_field(
                entity,
                "duplicate-key",
                "key",
                f"the key {key} stands in {where} too; {outcome}",
                "give one of them a new key (`ackrep key` makes one)",
            )

    # Checks

    def _check_entries(self) -> None:
        for entry in self.entries:
            if entry.mode == DIRECTORY_MODE:
                continue
            if not is_printable(entry.path):
                self._report(
                    entry.path,
                    "odd-name",
                    "the name holds bytes that are no UTF-8; checks do not see this file",
                    "rename the file",
                )
            elif entry.size < 0:
                self._report_missing_content(entry)
            elif entry.mode == SUBMODULE_MODE:
                self._report(
                    entry.path,
                    "submodule-ignored",
                    "submodules are not fetched; checks do not see this folder",
                    "commit its files into the data repository itself",
                )
            elif entry.mode == SYMLINK_MODE:
                self._check_link(entry)

    def _report_missing_content(self, entry: TreeEntry) -> None:
        """Reports a file of an entity that the store does not hold; others are nobody's loss."""
        folder = posixpath.dirname(entry.path)
        while folder and folder not in self.sources:
            folder = posixpath.dirname(folder)
        if folder:
            key = str(self.sources[folder].values.get("key", "")).strip()
            self._report(entry.path, "missing-content", *_MISSING_CONTENT, key=key)

    def _check_link(self, entry: TreeEntry) -> None:
        target = self.links.get(entry.id, "")
        if not target:
            return
        end = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), target))
        if target.startswith("/") or end == ".." or end.startswith("../"):
            self._report(
                entry.path,
                "symlink-outside",
                f"the link leads out of the repository, to {printable(target)[:200]}",
                "put a copy of what it points at in its place",
            )
        else:
            self._report(
                entry.path,
                "symlink",
                f"a link to {printable(target)[:200]}; only checks with both ends see through it",
                "nothing, if its target lies in the same entity",
            )

    def _check_references(self, entity: Entity) -> None:
        for reference in entity.references:
            other = self.entities.get(reference.key)
            if other is None:
                self._report_dangling(entity, reference)
                continue
            wanted = REFERENCE_FIELDS[reference.field]
            if wanted is not None and other.type is not wanted:
                self._report_field(
                    entity,
                    "wrong-reference-type",
                    reference.field,
                    f"{reference.key} ({other.title}) is a {other.type}, not a {wanted}",
                    f"name the key of a {wanted}",
                    written=reference.key,
                )

    def _report_dangling(self, entity: Entity, reference: Reference) -> None:
        wanted = REFERENCE_FIELDS[reference.field]
        environment = wanted is EntityType.ENVIRONMENT_SPECIFICATION
        fitting = {
            key: other for key, other in self.entities.items() if wanted in (None, other.type)
        }
        named = [key for key, other in fitting.items() if other.title == reference.key]
        near = named or similar_keys(reference.key, fitting)
        if near:
            remedy = f"did you mean {', '.join(f'{key} ({fitting[key].title})' for key in near)}?"
        elif environment and fitting:
            remedy = f"name one of: {', '.join(sorted(fitting)[:5])}"
        else:
            remedy = "add the entity it means, or remove the reference"
        what = "environment specification" if environment else "entity"
        self._report_field(
            entity,
            "unknown-environment" if environment else "dangling-reference",
            reference.field,
            f"no {what} has the key {reference.key[:40]}",
            remedy,
            written=reference.key,
        )

    def _check_files(self, entity: Entity) -> None:
        for name, usual in FILE_FIELDS.get(entity.type, {}).items():
            written = entity.metadata.get(name)
            file = written if isinstance(written, str) and written else usual
            self._check_file(entity, name, file)
        if entity.type is EntityType.NOTEBOOK:
            self._check_notebook(entity)

    def _check_file(self, entity: Entity, name: str, file: str) -> None:
        path = f"{entity.path}/{file}"
        if path not in self.files:
            self._report_field(
                entity,
                "missing-file",
                name,
                f"there is no {path[:300]}",
                f"add the file, or correct `{name}:`",
            )

    def _check_notebook(self, entity: Entity) -> None:
        written = entity.metadata.get("notebook_file")
        if isinstance(written, str) and written:
            self._check_file(entity, "notebook_file", written)
            return
        found = self.notebooks.get(entity.path, [])
        if len(found) != 1:
            many = f"{len(found)} files" if found else "no file"
            self._report_field(
                entity,
                "missing-file",
                "notebook_file",
                f"the metadata names no notebook, and there is {many} *.ipynb in {entity.path}",
                "name it with `notebook_file:`",
            )

    # Environments

    def _place(self, entity: Entity, default: Entity | None) -> Placed:
        if not entity.checkable:
            return Placed(entity=entity)
        environment = default
        named = entity.metadata.get("compatible_environment")
        if named:
            environment = self.entities.get(str(named))
            if environment is None or environment.type is not EntityType.ENVIRONMENT_SPECIFICATION:
                return Placed(entity=entity)  # said already, with the reference
        if environment is None:
            self._report_field(
                entity,
                "no-environment",
                "compatible_environment",
                "the entity names no environment, and the repository has no default one",
                f"name one, or add an environment specification named {DEFAULT_ENVIRONMENT}",
            )
            return Placed(entity=entity)
        return Placed(entity=entity, environment=environment.title, environment_key=environment.key)

    # Reports

    def _report(self, path: str, code: str, message: str, remedy: str, *, key: str = "") -> None:
        self.diagnostics.append(
            Diagnostic(path=printable(path), code=code, message=message, remedy=remedy, key=key)
        )

    def _report_field(
        self,
        entity: Entity,
        code: str,
        name: str,
        message: str,
        remedy: str,
        *,
        written: str = "",
    ) -> None:
        """Reports at the field, or at the list's item that reads `written`."""
        document = self.sources[entity.path]
        position = document.position(name, item=_item(document, name, written))
        self.diagnostics.append(
            Diagnostic(
                path=_file(entity),
                line=position.line,
                column=position.column,
                code=code,
                field=name,
                message=message,
                remedy=remedy,
                key=entity.key,
            )
        )


def _item(document: Document, name: str, written: str) -> int | None:
    value = document.values.get(name)
    if not written or isinstance(value, str) or not isinstance(value, Sequence):
        return None
    for index, item in enumerate(value):
        if isinstance(item, str) and item.strip() == written:
            return index
    return None


def _file(entity: Entity) -> str:
    return f"{entity.path}/{METADATA_FILE}"
