"""A small catalog for tests of other services: entities and closures as the test says."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from services import rpc
from services.errors import NotFoundError, PreconditionError

REVISION = "revisions/" + "a" * 40
COMMIT = "c" * 40


@dataclass
class FakeCatalog(catalog_pb2_grpc.CatalogServiceServicer):
    """Answers what the scheduler asks of a catalog.

    `entities` maps keys to a closure digest; `broken` maps keys to the diagnostic of a dangling
    reference; `packages` are keys of entities that are no checkable ones.
    """

    entities: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    environment: str = "environments/demo_environment"

    async def ListCommits(
        self, request: catalog_pb2.ListCommitsRequest, context: Any
    ) -> catalog_pb2.ListCommitsResponse:
        return catalog_pb2.ListCommitsResponse()

    async def IndexRevision(self, request: Any, context: Any) -> catalog_pb2.Revision:
        raise NotImplementedError

    def WatchCurrentRevision(
        self, request: Any, context: Any
    ) -> AsyncIterator[catalog_pb2.Revision]:
        raise NotImplementedError

    async def ListAffectedEntities(
        self, request: Any, context: Any
    ) -> catalog_pb2.ListAffectedEntitiesResponse:
        raise NotImplementedError

    async def GetRevision(
        self, request: catalog_pb2.GetRevisionRequest, context: Any
    ) -> catalog_pb2.Revision:
        if request.name not in {"revisions/current", REVISION}:
            raise NotFoundError(f"no such revision: {request.name}")
        return catalog_pb2.Revision(name=REVISION, commit=COMMIT)

    async def GetClosure(
        self, request: catalog_pb2.GetClosureRequest, context: Any
    ) -> catalog_pb2.Closure:
        if request.revision not in {"", REVISION}:
            raise NotFoundError(f"no such revision: {request.revision}")
        key = request.entity.removeprefix("entities/")
        if key in self.broken:
            raise PreconditionError(self.broken[key])
        if key not in self.entities and key not in self.packages:
            raise NotFoundError(f"no such entity: {key}")
        kind = (
            catalog_pb2.ENTITY_TYPE_METHOD_PACKAGE
            if key in self.packages
            else catalog_pb2.ENTITY_TYPE_SYSTEM_MODEL
        )
        return catalog_pb2.Closure(
            entity=request.entity,
            revision=REVISION,
            commit=COMMIT,
            digest=self.entities.get(key, "digest"),
            environment=self.environment,
            folders=[catalog_pb2.ClosureFolder(entity=request.entity, type=kind, path=key)],
        )

    async def ListEntities(
        self, request: catalog_pb2.ListEntitiesRequest, context: Any
    ) -> catalog_pb2.ListEntitiesResponse:
        environment = request.filter.partition(" AND environment = ")[2]
        here = environment in ("", self.environment.removeprefix("environments/"))
        keys = sorted([*self.entities, *self.broken]) if here else []
        first = int(request.page_token or 0)
        page = keys[first : first + 3]
        following = str(first + 3) if first + 3 < len(keys) else ""
        return catalog_pb2.ListEntitiesResponse(
            entities=[
                catalog_pb2.Entity(
                    name=f"entities/{key}", type=catalog_pb2.ENTITY_TYPE_SYSTEM_MODEL
                )
                for key in page
            ],
            next_page_token=following,
        )

    async def SyncRevision(
        self, request: catalog_pb2.SyncRevisionRequest, context: Any
    ) -> catalog_pb2.Revision:
        raise NotImplementedError

    async def ListRevisions(
        self, request: catalog_pb2.ListRevisionsRequest, context: Any
    ) -> catalog_pb2.ListRevisionsResponse:
        raise NotImplementedError

    async def GetEntity(
        self, request: catalog_pb2.GetEntityRequest, context: Any
    ) -> catalog_pb2.Entity:
        raise NotImplementedError

    async def ListDiagnostics(
        self, request: catalog_pb2.ListDiagnosticsRequest, context: Any
    ) -> catalog_pb2.ListDiagnosticsResponse:
        raise NotImplementedError

    async def FetchTrees(
        self, request: catalog_pb2.FetchTreesRequest, context: Any
    ) -> AsyncIterator[catalog_pb2.FetchTreesResponse]:
        raise NotImplementedError
        yield  # makes this an async generator, as a stream asks for


@contextlib.asynccontextmanager
async def serving_catalog(catalog: FakeCatalog, *, token: str) -> AsyncIterator[str]:
    """Serves it on a free port while the block runs; gives the address."""

    def register(server: grpc.aio.Server) -> None:
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(catalog, server)

    async with rpc.serving(
        address="127.0.0.1:0",
        token=token,
        register=register,
        services=("ackrep.catalog.v1.CatalogService",),
        grace=0.2,
    ) as port:
        yield f"127.0.0.1:{port}"
