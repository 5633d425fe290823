"""The steps of an update; see `indexing`."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, TypeVar

from services.catalog.domain.entities import (
    METADATA_FILE,
    SYMLINK_MODE,
    Entity,
    Placed,
    TreeEntry,
    is_printable,
)
from services.catalog.domain.indexing.contents import Contents
from services.catalog.domain.indexing.deltas import Delta
from services.catalog.domain.indexing.entry_checks import (
    check_entry,
    check_metadata_entry,
    missing_content,
    rival_diagnostics,
)
from services.catalog.domain.indexing.faults import (
    Fault,
    cycle_faults,
    environment_faults,
    folder_faults,
    reference_faults,
    tag_faults,
)
from services.catalog.domain.indexing.folder_checks import (
    check_folders,
    check_listing,
    check_path,
    folder_form,
)
from services.catalog.domain.indexing.graph import PREDECESSOR_FIELDS, Folder, Place
from services.catalog.domain.indexing.groups import Groups
from services.catalog.domain.indexing.reader import Reader
from services.catalog.domain.indexing.reports import Check
from services.catalog.domain.indexing.scanning import Scan
from services.catalog.domain.metadata.documents import CLOSURE_FIELDS, Document
from services.catalog.domain.metadata.reading import read_entity
from services.catalog.domain.ontology.concepts import ontology_entries

_METADATA: Final = f"/{METADATA_FILE}"


class Update:
    """State of one update; the steps follow each other in the order of the methods."""

    def __init__(self, contents: Contents, scan: Scan, reader: Reader) -> None:
        self._contents = contents
        self._graph = contents.graph
        self._reports = contents.reports
        self._scan = scan
        self._reader = reader
        self._rivals = Groups(contents.rivals)
        self._forms = Groups(contents.forms)
        self._entities: dict[str, Entity] = {}
        """Read in this update, by path."""
        self._changed: dict[str, tuple[Folder | None, Folder | None]] = {}
        """The folder of a key before and now."""
        self._before: dict[str, Place | None] = {}
        """Places before of keys that may have another one now."""
        self._faults: dict[Check, tuple[Folder, list[Fault]]] = {}
        self._fine_tags: set[str] = set()
        self._new_ontology = False
        self._new_dockerfiles = False

    # Entries by themselves

    def check_entries(self) -> None:
        """Checks names, links and submodules, and notes what the store lacks."""
        lacking, missing = self._contents.lacking, self._scan.missing
        links = [change.id for change in self._scan.odd if change.mode == SYMLINK_MODE]
        targets = self._reader.targets(links) if links else {}
        for path, _, _, mode, id_ in self._scan.odd:
            found = check_entry(path, mode, target=targets.get(id_, "")) if mode else ()
            self._reports.put(("entry", path), found)
        for path, old_mode, _, mode, id_ in self._scan.files:
            if id_ in missing and is_printable(path):
                lacking[path] = id_
            elif lacking:
                lacking.pop(path, None)
            if not old_mode:
                bad_names = tuple(check_path(path))
                if bad_names:
                    self._reports.put(("path", path), bad_names)
            elif not mode:
                self._reports.put(("path", path))
        dockerfiles = self._contents.dockerfiles
        for path, _, _, mode, _ in self._scan.dockerfiles:
            self._new_dockerfiles = True
            (dockerfiles.add if mode else dockerfiles.discard)(path)

    def read_ontology(self) -> None:
        """Reads the ontology if its files changed."""
        known = self._contents.ontology_files
        before = dict(known)
        for change in self._scan.ontology:
            known.pop(change.path, None)
        entries = [
            TreeEntry(path=change.path, mode=change.mode, id=change.id)
            for change in self._scan.ontology
            if change.mode
        ]
        known.update((entry.path, entry.id) for entry in ontology_entries(entries))
        if known != before:
            self._contents.ontology = self._reader.ontology(dict(sorted(known.items())))
            self._reports.put(("ontology", ""), self._contents.ontology.diagnostics)
            self._new_ontology = True

    # Folders by themselves

    def read_folders(self) -> None:
        """Reads the metadata of changed folders, and checks each of them by itself."""
        scan, folders = self._scan, self._contents.folders
        wanted: dict[str, list[str]] = {}
        for path, (file, _, _, mode, blob) in scan.metadata.items():
            self._forget(path)
            refused = check_metadata_entry(file, mode) if mode else None
            self._reports.put(("metadata", path), [refused] if refused is not None else ())
            if mode and refused is None:
                wanted.setdefault(blob, []).append(path)
        for path in scan.trees.keys() & folders.keys():
            blob = folders[path].blob
            self._forget(path)
            wanted.setdefault(blob, []).append(path)
        listed = [
            scan.trees[path]
            for paths in wanted.values()
            for path in paths
            if path not in scan.added
        ]
        listings = self._reader.listings(list(dict.fromkeys(listed))) if listed else {}
        for blob, document in self._reader.documents(list(wanted)):
            for path in wanted.pop(blob):
                files = scan.added.pop(path, None)
                self._read_folder(
                    path, blob, document, listings[scan.trees[path]] if files is None else files
                )
        for paths in wanted.values():
            for path in paths:
                self._reports.put(("metadata", path), [missing_content(f"{path}{_METADATA}")])

    def _forget(self, path: str) -> None:
        folder = self._contents.folders.pop(path, None)
        if folder is not None:
            self._rivals.leave(folder.key, path)
            self._forms.leave(folder_form(path), path)
            for kind in ("folder", "tags", "form", "environment"):
                self._reports.put((kind, path))

    def _read_folder(self, path: str, blob: str, document: Document, files: Sequence[str]) -> None:
        entity, problems = read_entity(document, path=path, tree=self._scan.trees[path])
        key = entity.key if entity is not None else ""
        found = [problem.at(f"{path}{_METADATA}", key=key) for problem in problems]
        if entity is not None:
            found += check_listing(path, files, key=key)
            folder = Folder.of(entity, blob=blob)
            self._contents.folders[path] = folder
            self._entities[path] = entity
            self._rivals.come(key, path)
            self._forms.come(folder_form(path), path)
            self._find(("folder", path), folder, folder_faults(entity, files))
            self._check_meaning(path, folder)
        self._reports.put(("metadata", path), found)

    def _check_meaning(self, path: str, folder: Folder) -> None:
        if not self._fine_tags.issuperset(folder.tags):
            bad = list(tag_faults(folder, self._contents.ontology))
            self._fine_tags.update({*folder.tags} - {fault.written for fault in bad})
            self._find(("tags", path), folder, bad)
        elif folder.tags:
            self._find(("tags", path), folder, ())
        if folder.is_environment:
            faults = environment_faults(folder, self._contents.dockerfiles)
            self._find(("environment", path), folder, faults)

    # Among each other

    def elect(self) -> None:
        """Chooses the folder of each key that is concerned: the first path, if there are rivals."""
        self._rivals.settle()
        self._forms.settle()
        rivals = self._contents.rivals
        for key in sorted(self._rivals.changed):
            old = self._graph.entities.get(key)
            new = self._contents.folders[rivals[key][0]] if key in rivals else None
            if old is not new:
                self._changed[key] = (old, new)
                self._before[key] = self._graph.places.get(key)
                self._graph.put(key, new)

    def check_relations(self) -> None:
        """Checks the references of all that a change can touch, and finds their environments."""
        graph, contents = self._graph, self._contents
        noticed = {
            key: [folder for folder in pair if folder is not None]
            for key, pair in self._changed.items()
            if _seen(pair[0]) != _seen(pair[1])
        }
        concerned, edged = set(self._changed), set(self._changed)
        for key, folders in noticed.items():
            referrers = graph.referrers(key)
            concerned.update(referrers)
            edged.update(referrers)
            for folder in folders:
                concerned.update(graph.misspelling(key, folder.title))
        if any(folder.is_environment for folders in noticed.values() for folder in folders):
            concerned.update(graph.lost())
            if graph.choose_default():
                concerned.update(graph.without_environment())
        for key in sorted(concerned):
            self._check_references(key)
        self._check_cycles(edged)
        if self._new_ontology or self._new_dockerfiles:
            for path, folder in contents.folders.items():
                if path not in self._entities:  # those that were read now are checked
                    self._check_meaning(path, folder)

    def _check_references(self, key: str) -> None:
        graph = self._graph
        folder = graph.entities.get(key)
        if folder is None:
            graph.set_loose(key, ())
            graph.places.pop(key, None)
            self._reports.put(("references", key))
            return
        graph.set_loose(
            key, [one.key for one in folder.references if one.key not in graph.entities]
        )
        self._find(("references", key), folder, reference_faults(folder, graph))
        place = graph.place_of(folder)
        if graph.places.get(key) != place:
            self._before.setdefault(key, graph.places.get(key))
            graph.places[key] = place

    def _check_cycles(self, edged: Iterable[str]) -> None:
        graph, contents = self._graph, self._contents
        for kind, cycles, fields in (
            ("closure-cycle", contents.closure_cycles, CLOSURE_FIELDS),
            ("predecessor-cycle", contents.predecessor_cycles, PREDECESSOR_FIELDS),
        ):
            over, told = cycles.update(edged, partial(graph.needed, fields=fields))
            for first in over:
                for key in contents.told_cycles.pop((kind, first), ()):
                    self._reports.put((kind, key))
            for first, cycle in told.items():
                faults = dict(cycle_faults(cycle, graph, fields))
                for key in contents.told_cycles.pop((kind, first), ()):
                    self._reports.put((kind, key))
                contents.told_cycles[kind, first] = tuple(faults)
                for key, fault in faults.items():
                    self._find((kind, key), graph.entities[key], [fault])

    # Where it is written

    def _find(self, check: Check, folder: Folder, faults: Iterable[Fault]) -> None:
        found = list(faults)
        if found:
            self._faults[check] = (folder, found)
        else:
            self._faults.pop(check, None)
            self._reports.put(check)

    def locate_faults(self) -> None:
        """Finds out where faults are written: only what is wrong is read again for that."""
        waiting: dict[str, list[Check]] = {}
        for check, (folder, _) in self._faults.items():
            waiting.setdefault(folder.blob, []).append(check)
        for blob, document in self._reader.documents(list(waiting)):
            for check in waiting[blob]:
                folder, faults = self._faults[check]
                self._reports.put(check, [fault.at(folder, document) for fault in faults])
        self._report_rivals()
        self._report_forms()
        self._reports.put(("lacking", ""), self._contents.lacking_diagnostics())

    def _report_rivals(self) -> None:
        folders, rivals = self._contents.folders, self._contents.rivals
        keys = [key for key in self._rivals.changed if len(rivals.get(key, ())) > 1]
        waiting: dict[str, list[str]] = {}
        for key in keys:
            for path in rivals[key]:
                waiting.setdefault(folders[path].blob, []).append(path)
        positions = {
            path: document.position("key")
            for blob, document in self._reader.documents(list(waiting))
            for path in waiting[blob]
        }
        for key in self._rivals.changed:
            paths = rivals.get(key, ())
            places = [(path, positions[path]) for path in paths] if len(paths) > 1 else []
            self._reports.put(("rivals", key), rival_diagnostics(key, places) if places else ())

    def _report_forms(self) -> None:
        folders, forms = self._contents.folders, self._contents.forms
        for form in self._forms.changed:
            paths = forms.get(form, ())
            for path in paths:
                others = [other for other in paths[:2] if other != path]
                found = check_folders(path, others, key=folders[path].key) if others else ()
                self._reports.put(("form", path), found)

    # Outcome

    def delta(self, base: str) -> Delta:
        """What changed since the revision `base`."""
        placed, moved, removed = [], {}, []
        for key, was in self._before.items():
            now = self._graph.places.get(key)
            if now is None:
                removed.append(key)
            elif was is None or (was.path, was.tree) != (now.path, now.tree):
                placed.append((key, now))
            elif was != now:
                moved[key] = (now.environment, now.environment_key)
        self._read_successors([now.path for _, now in placed])
        noted, resolved = self._reports.take()
        return Delta(
            base=base,
            placed=tuple(
                Placed(
                    entity=self._entities[now.path],
                    environment=now.environment,
                    environment_key=now.environment_key,
                )
                for _, now in sorted(placed, key=_first)
            ),
            moved=moved,
            removed=tuple(sorted(removed)),
            noted=tuple(noted),
            resolved=tuple(resolved),
        )

    def _read_successors(self, paths: Sequence[str]) -> None:
        """Reads unchanged folders that took the place of a rival."""
        waiting: dict[str, list[Folder]] = {}
        for path in paths:
            if path not in self._entities:
                folder = self._contents.folders[path]
                waiting.setdefault(folder.blob, []).append(folder)
        if not waiting:
            return
        for blob, document in self._reader.documents(list(waiting)):
            for folder in waiting[blob]:
                entity, _ = read_entity(document, path=folder.path, tree=folder.tree)
                assert entity is not None  # noqa: S101  # it was read before
                self._entities[folder.path] = entity


T = TypeVar("T")


def _first(pair: tuple[str, T]) -> str:
    return pair[0]


def _seen(folder: Folder | None) -> tuple[str, str] | None:
    """What others see of a folder."""
    return (folder.type, folder.title) if folder is not None else None
