"""The catalog over gRPC."""

import grpc

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from services import rpc
from services.errors import NotCheckableError, PreconditionError
from services.scheduler.domain.check import Folder
from services.scheduler.domain.sampling import Subject
from services.scheduler.ports.inputs import Inputs

_PATIENCE = 30.0
"""Seconds; the catalog may be starting, or indexing a revision for the first time."""
_CHECKABLE = {
    catalog_pb2.ENTITY_TYPE_SYSTEM_MODEL,
    catalog_pb2.ENTITY_TYPE_PROBLEM_SOLUTION,
    catalog_pb2.ENTITY_TYPE_NOTEBOOK,
}


class GrpcCatalog:
    """The port `Catalog` over the catalog's service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = catalog_pb2_grpc.CatalogServiceStub(channel)

    async def inputs(self, *, entity: str, revision: str) -> Inputs:
        request = catalog_pb2.GetClosureRequest(
            entity=f"entities/{entity}", revision=_revision_name(revision)
        )
        try:
            with rpc.remote_errors():
                closure = await self._stub.GetClosure(
                    request, timeout=_PATIENCE, wait_for_ready=True
                )
        except PreconditionError as error:
            raise NotCheckableError(error.message, **error.facts) from error
        kind = closure.folders[0].type if closure.folders else None
        if kind not in _CHECKABLE:
            raise NotCheckableError(
                f"entities/{entity} cannot be checked: only system models, problem solutions and "
                "notebooks can"
            )
        if not closure.environment:
            raise NotCheckableError(
                f"entities/{entity} names no environment that this data repository has"
            )
        return Inputs(
            entity=entity,
            revision=closure.revision.removeprefix("revisions/"),
            commit=closure.commit,
            environment=closure.environment.removeprefix("environments/"),
            digest=closure.digest,
            folders=tuple(
                Folder(
                    key=folder.entity.removeprefix("entities/"), path=folder.path, tree=folder.tree
                )
                for folder in closure.folders
            ),
            untrusted=bool(closure.proposal),
        )

    async def revision(self, name: str) -> tuple[str, str]:
        request = catalog_pb2.GetRevisionRequest(name=_revision_name(name or "current"))
        with rpc.remote_errors():
            found = await self._stub.GetRevision(request, timeout=_PATIENCE, wait_for_ready=True)
        return found.name.removeprefix("revisions/"), found.commit

    async def untrusted(self, *, revision: str) -> bool:
        request = catalog_pb2.GetRevisionRequest(name=_revision_name(revision))
        with rpc.remote_errors():
            found = await self._stub.GetRevision(request, timeout=_PATIENCE, wait_for_ready=True)
        return bool(found.proposal)

    async def checkable(self, *, revision: str) -> list[str]:
        entities = await self._entities("checkable = true", revision=revision)
        return [entity.name.removeprefix("entities/") for entity in entities]

    async def subjects(self, *, environment: str, revision: str) -> list[Subject]:
        condition = f"checkable = true AND environment = {environment}"
        return [
            Subject(
                key=entity.name.removeprefix("entities/"),
                type=catalog_pb2.EntityType.Name(entity.type),
            )
            for entity in await self._entities(condition, revision=revision)
        ]

    async def _entities(self, condition: str, *, revision: str) -> list[catalog_pb2.Entity]:
        found: list[catalog_pb2.Entity] = []
        request = catalog_pb2.ListEntitiesRequest(
            page_size=1000, filter=condition, revision=_revision_name(revision)
        )
        while True:
            with rpc.remote_errors():
                page = await self._stub.ListEntities(
                    request, timeout=_PATIENCE, wait_for_ready=True
                )
            found += page.entities
            request.page_token = page.next_page_token
            if not request.page_token:
                return found


def _revision_name(revision: str) -> str:
    return f"revisions/{revision}" if revision else ""
