"""The revision that a page shows: the present one, or a past one that its address names."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request

from ackrep.catalog.v1 import catalog_pb2
from gateway.context import context_of
from gateway.pages.latest import TIMEOUT
from gateway.upstream import Upstream
from services.rpc import remote_errors


@dataclass(frozen=True)
class Moment:
    """At which revision a page looks at the data repository."""

    revision: catalog_pb2.Revision
    current: catalog_pb2.Revision

    @property
    def past(self) -> bool:
        """Whether it is not the current one."""
        return self.revision.name != self.current.name

    @property
    def name(self) -> str:
        """For requests and addresses: the revision's name, empty for the current one."""
        return self.revision.name if self.past else ""


async def moment_of(request: Request) -> Moment:
    """Reads which revision a request is about (`?revision=`).

    Raises:
        NotFoundError: It was never indexed.
        InvalidArgumentError: No revision can have that name.
    """
    upstream = context_of(request).upstream
    asked = request.query_params.get("revision", "").strip().removeprefix("revisions/")
    with remote_errors():
        if not asked or asked == "current":
            current = await revision_named(upstream, "current")
            return Moment(current, current)
        current, found = await asyncio.gather(
            revision_named(upstream, "current"), revision_named(upstream, asked)
        )
    return Moment(found, current)


async def revision_named(upstream: Upstream, name: str) -> catalog_pb2.Revision:
    """Gets a revision by its id, or the beginning of it, or of its commit."""
    return await upstream.catalog.GetRevision(
        catalog_pb2.GetRevisionRequest(name=f"revisions/{name.removeprefix('revisions/')}"),
        timeout=TIMEOUT,
    )
