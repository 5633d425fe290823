"""A catalog over the made-up repository."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from services.errors import InvalidArgumentError, NotFoundError
from tests.unit.gateway.fake_repository import (
    EARLIER,
    ENTITIES,
    ENVIRONMENT,
    RELATIONS,
    REVISION,
    TAGS,
    T,
    stamp,
)
from tests.unit.gateway.paging import begin_of

FILES = [
    ("metadata.yml", 812),
    ("simulation.py", 2140),
    ("parameters.py", 933),
    ("README.md", 640),
    ("data/orbit.png", 90),
    ("data/documentation.pdf", 15),
]


class FakeCatalog(catalog_pb2_grpc.CatalogServiceServicer):
    """Answers for the entities above."""

    def __init__(self) -> None:
        self.entities = {key: self._entity(key, *rest) for key, *rest in ENTITIES}  # type: ignore[arg-type]
        self.diagnostics = [
            catalog_pb2.Diagnostic(
                code="dangling-reference",
                severity=catalog_pb2.Diagnostic.SEVERITY_ERROR,
                path="problem_solutions/oscillator_explicit_euler/metadata.yml",
                line=14,
                field="method_package_list",
                message="There is no entity with the key GONE1.",
                remedy="Correct the key, or add the entity. Similar keys: M1LQR.",
                entity="entities/E1EUL",
            ),
            catalog_pb2.Diagnostic(
                code="unknown-field",
                severity=catalog_pb2.Diagnostic.SEVERITY_WARNING,
                path="system_models/lorenz_system/metadata.yml",
                line=9,
                field="colour",
                message="No entity type has a field `colour`.",
                remedy="Remove it.",
                entity="entities/UXMFA",
            ),
        ]
        self.files = list(FILES)
        self.before_sync: Callable[[], Awaitable[None]] | None = None
        self.current = REVISION
        self.revisions = {
            EARLIER: catalog_pb2.Revision(
                name=EARLIER,
                commit="4be1c0de" * 5,
                ref="main",
                source="~/control/demo_data",
                create_time=stamp(time.time() - 90_000),
                entity_count=14,
                warning_count=1,
                title="demo_data",
            )
        }
        self.changed = asyncio.Event()
        self.watchers = 0
        self.seen: list[Any] = []
        self.metadata: list[dict[str, str]] = []
        self.time_remaining: float | None = None

    def _entity(self, key: str, kind: int, title: str, description: str) -> catalog_pb2.Entity:
        folder = T.Name(kind).removeprefix("ENTITY_TYPE_").lower()  # type: ignore[arg-type]
        checkable = kind in {
            T.ENTITY_TYPE_SYSTEM_MODEL,
            T.ENTITY_TYPE_PROBLEM_SOLUTION,
            T.ENTITY_TYPE_NOTEBOOK,
        }
        entity = catalog_pb2.Entity(
            name=f"entities/{key}",
            key=key,
            type=kind,  # type: ignore[arg-type]
            title=title,
            short_description=description,
            path=f"{folder}s/{title.split(maxsplit=1)[0].lower()}",
            tree=hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest(),
            revision=REVISION,
            creator="Ada Lovelace",
            creation_date="2026-03-14",
            version="0.1.0",
            tags=TAGS.get(key, []),
            checkable=checkable,
            environment=ENVIRONMENT if checkable else "",
            estimated_runtime="2s" if checkable else "",
        )
        entity.metadata.update({"key": key, "name": title, "type": folder})
        return entity

    def _whole(self, key: str) -> catalog_pb2.Entity:
        entity = catalog_pb2.Entity()
        entity.CopyFrom(self.entities[key])
        for source, edges in RELATIONS.items():
            for name, target in edges:
                if source == key:
                    entity.references.append(self._edge(name, target))
                if target == key:
                    entity.referrers.append(self._edge(name, source))
        for path, size in self.files[: None if key in {"UXMFA", "DOC01"} else 3]:
            entity.files.add(path=path, size=size, blob="0" * 40)
        return entity

    def _edge(self, name: str, key: str) -> catalog_pb2.Relation:
        other = self.entities.get(key, catalog_pb2.Entity())
        return catalog_pb2.Relation(
            field=name, entity=f"entities/{key}", title=other.title, type=other.type
        )

    async def IndexRevision(self, request: Any, context: Any) -> catalog_pb2.Revision:
        self.seen.append(request)
        if request.ref != "main":
            raise NotFoundError(f"the repository has no branch, tag or commit {request.ref}")
        return self.revisions[EARLIER]

    async def WatchCurrentRevision(
        self, request: Any, context: Any
    ) -> AsyncIterator[catalog_pb2.Revision]:
        self.watchers += 1
        try:
            while True:
                yield self._revision()
                self.changed.clear()
                await self.changed.wait()
        finally:
            self.watchers -= 1

    def change(self) -> None:
        """Makes another revision current."""
        self.current = f"revisions/{'9' * 40}"
        self.changed.set()

    async def ListAffectedEntities(
        self, request: Any, context: Any
    ) -> catalog_pb2.ListAffectedEntitiesResponse:
        self.seen.append(request)
        changes = catalog_pb2.AffectedEntity.Change
        found = [
            ("UXMFA", changes.CHANGE_MODIFIED, ["entities/UXMFA"]),
            ("B2LQR", changes.CHANGE_MODIFIED, ["entities/P3SWG", "entities/M1LQR"]),
            ("N0TBK", changes.CHANGE_ADDED, []),
            ("0LD01", changes.CHANGE_REMOVED, []),
        ]
        gone = catalog_pb2.Entity(title="An old model", type=T.ENTITY_TYPE_SYSTEM_MODEL)
        return catalog_pb2.ListAffectedEntitiesResponse(
            entities=[
                catalog_pb2.AffectedEntity(
                    entity=f"entities/{key}",
                    title=self.entities.get(key, gone).title,
                    type=self.entities.get(key, gone).type,
                    change=change,
                    causes=causes,
                )
                for key, change, causes in found
                if request.base_revision != request.revision
            ],
            total_size=len(found) if request.base_revision != request.revision else 0,
        )

    async def SyncRevision(self, request: Any, context: Any) -> catalog_pb2.Revision:
        if self.before_sync is not None:
            await self.before_sync()
        self.seen.append(request)
        return self._revision()

    async def GetRevision(self, request: Any, context: Any) -> catalog_pb2.Revision:
        self.seen.append(request)
        if request.name in {"revisions/current", self.current}:
            return self._revision()
        for name, revision in self.revisions.items():
            if name.startswith(request.name) and len(request.name) >= len("revisions/") + 7:
                return revision
        raise NotFoundError(f"there is no {request.name}", name=request.name)

    def _revision(self) -> catalog_pb2.Revision:
        return catalog_pb2.Revision(
            name=self.current,
            base_commit="4be1c0de" * 5,
            dirty=True,
            source="~/control/demo_data",
            create_time=stamp(time.time() - 95),
            entity_count=len(self.entities),
            error_count=sum(d.severity == 1 for d in self.diagnostics),
            warning_count=sum(d.severity == 2 for d in self.diagnostics),
            title="demo_data",
        )

    async def ListRevisions(self, request: Any, context: Any) -> catalog_pb2.ListRevisionsResponse:
        self.seen.append(request)
        return catalog_pb2.ListRevisionsResponse(
            revisions=[self._revision(), *self.revisions.values()]
        )

    async def ListCommits(self, request: Any, context: Any) -> catalog_pb2.ListCommitsResponse:
        return catalog_pb2.ListCommitsResponse()

    async def GetEntity(self, request: Any, context: Any) -> catalog_pb2.Entity:
        self.seen.append(request)
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        self.time_remaining = context.time_remaining()
        key = request.name.removeprefix("entities/")
        if key not in self.entities:
            raise NotFoundError(f"no entity has the key {key}", key=key, similar="UXMFA")
        return self._whole(key)

    async def ListEntities(self, request: Any, context: Any) -> catalog_pb2.ListEntitiesResponse:
        self.seen.append(request)
        if request.page_size < 0:
            raise InvalidArgumentError("page_size is negative")
        found = list(self.entities.values())
        for condition in filter(None, request.filter.split(" AND ")):
            name, _, value = condition.partition(" = ")
            if name == "type":
                wanted = T.Value(f"ENTITY_TYPE_{value.upper()}")
                found = [entity for entity in found if entity.type == wanted]
            elif name == "checkable":
                found = [entity for entity in found if entity.checkable == (value == "true")]
            elif name == "text":
                found = [
                    entity
                    for entity in found
                    if value.strip('"').lower() in f"{entity.title} {entity.key}".lower()
                ]
            else:
                raise InvalidArgumentError(f"unknown field {name!r} in the filter")
        return catalog_pb2.ListEntitiesResponse(entities=found, total_size=len(found))

    async def ListDiagnostics(
        self, request: Any, context: Any
    ) -> catalog_pb2.ListDiagnosticsResponse:
        self.seen.append(request)
        found = [d for d in self.diagnostics if request.entity in {"", d.entity}]
        counts = Counter((d.code, d.severity) for d in found)
        chosen = [
            d for d in found if request.severity in {0, d.severity} and request.code in {"", d.code}
        ]
        begin = begin_of(request)
        end = begin + (request.page_size or 100)
        return catalog_pb2.ListDiagnosticsResponse(
            diagnostics=chosen[begin:end],
            next_page_token=str(end) if end < len(chosen) else "",
            total_size=len(chosen),
            counts=[
                catalog_pb2.DiagnosticCount(code=code, severity=severity, count=count)
                for (code, severity), count in counts.most_common()
            ],
        )

    async def GetClosure(self, request: Any, context: Any) -> catalog_pb2.Closure:
        self.seen.append(request)
        return catalog_pb2.Closure(entity=request.entity, revision=REVISION, digest="ab" * 32)

    async def FetchTrees(
        self, request: Any, context: Any
    ) -> AsyncIterator[catalog_pb2.FetchTreesResponse]:
        text = b"import numpy as np\n\n\ndef simulate():\n    return '<script>' * 2  # twice\n"
        tree = request.trees[0]
        for path in ("metadata.yml", "parameters.py", "simulation.py"):
            yield catalog_pb2.FetchTreesResponse(tree=tree, path=path, data=text[:20], more=True)
            yield catalog_pb2.FetchTreesResponse(tree=tree, path=path, data=text[20:])
        yield catalog_pb2.FetchTreesResponse(tree=tree, tree_end=True)
