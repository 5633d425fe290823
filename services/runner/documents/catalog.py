"""The catalog over gRPC, as the documents' port."""

from collections.abc import Sequence

import grpc

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from services import rpc
from services.errors import PreconditionError
from services.runner.documents.ports import Member

_CALL_SECONDS = 30.0
_PAGE = 500


class CatalogMembers:
    """`Catalog` over a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = catalog_pb2_grpc.CatalogServiceStub(channel)

    async def revision(self, name: str) -> str:
        request = catalog_pb2.GetRevisionRequest(name=name or "revisions/current")
        with rpc.remote_errors():
            found = await self._stub.GetRevision(request, timeout=_CALL_SECONDS)
        if found.proposal:
            # Its code would run beside the checks of the main line, on whatever rung there is.
            raise PreconditionError(
                f"{found.name} is the overlay of {found.proposal}: documents are made of the main "
                "line alone, as they run an entity's code",
                proposal=found.proposal,
            )
        return found.name

    async def member(self, entity: str, revision: str) -> Member:
        request = catalog_pb2.GetEntityRequest(name=entity, revision=revision)
        with rpc.remote_errors():
            return _member(await self._stub.GetEntity(request, timeout=_CALL_SECONDS))

    async def models(self, revision: str) -> Sequence[Member]:
        request = catalog_pb2.ListEntitiesRequest(
            page_size=_PAGE, filter="type = system_model", revision=revision
        )
        found: list[Member] = []
        while True:
            with rpc.remote_errors():
                page = await self._stub.ListEntities(request, timeout=_CALL_SECONDS)
            found.extend(map(_member, page.entities))
            if not page.next_page_token:
                return sorted(found, key=lambda member: member.key)
            request.page_token = page.next_page_token


def _member(entity: catalog_pb2.Entity) -> Member:
    return Member(
        key=entity.key,
        type=catalog_pb2.EntityType.Name(entity.type).removeprefix("ENTITY_TYPE_").lower(),
        title=entity.title,
        description=entity.short_description,
        path=entity.path,
        tree=entity.tree,
        environment=entity.environment,
    )
