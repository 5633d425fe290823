"""The past of the data repository, from the catalog over gRPC."""

from collections.abc import Sequence

import grpc

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from services import rpc
from services.errors import NotCheckableError, PreconditionError
from services.scheduler.ports.bisections import Commit

_PATIENCE = 120.0
"""Seconds: a commit of long ago may have to be indexed."""


class GrpcPast:
    """The port `Past` over the catalog's service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = catalog_pb2_grpc.CatalogServiceStub(channel)

    async def commits(self, *, since: str, until: str, paths: Sequence[str]) -> list[Commit]:
        request = catalog_pb2.ListCommitsRequest(since=since, until=until, paths=paths)
        with rpc.remote_errors():
            found = await self._stub.ListCommits(request, timeout=_PATIENCE, wait_for_ready=True)
        return [Commit(id=commit.id, subject=commit.subject) for commit in found.commits]

    async def index(self, commit: str) -> str:
        request = catalog_pb2.IndexRevisionRequest(ref=commit)
        with rpc.remote_errors():
            found = await self._stub.IndexRevision(request, timeout=_PATIENCE, wait_for_ready=True)
        return found.name.removeprefix("revisions/")

    async def closure_paths(self, *, entity: str, revision: str) -> list[str]:
        request = catalog_pb2.GetClosureRequest(
            entity=f"entities/{entity}", revision=f"revisions/{revision}"
        )
        try:
            with rpc.remote_errors():
                found = await self._stub.GetClosure(request, timeout=_PATIENCE, wait_for_ready=True)
        except PreconditionError as error:
            raise NotCheckableError(error.message, **error.facts) from error
        return [folder.path for folder in found.folders]
