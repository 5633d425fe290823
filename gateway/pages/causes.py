"""Why a check probably failed, for its page: what one line of its traceback says beyond doubt."""

import asyncio

import grpc

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from gateway.pages import latest
from gateway.upstream import Upstream
from services import causes

_MOST = 100
"""Method packages that are looked through."""


async def cause_of(
    upstream: Upstream, check: check_pb2.Check, entity: catalog_pb2.Entity | None
) -> causes.Cause | None:
    """The likely cause of a script error; None where there is none, or it cannot be told."""
    if check.verdict != check_pb2.VERDICT_SCRIPT_ERROR or entity is None:
        return None
    listed = frozenset(
        relation.entity.rpartition("/")[2]
        for relation in entity.references
        if relation.field == "method_package_list"
    )
    message = check.result.message
    about = causes.is_about_modules(message)
    around = causes.Surroundings(
        key=entity.key,
        environment=check.environment.rpartition("/")[2],
        packages=await _packages(upstream, check.revision) if about else {},
        listed=listed,
    )
    return causes.likely(message, around)


async def _packages(upstream: Upstream, revision: str) -> dict[str, str]:
    """Modules of the method packages, and the keys of these; nothing if nobody answers."""
    request = catalog_pb2.ListEntitiesRequest(
        filter="type = method_package", page_size=_MOST, revision=revision
    )
    try:
        answer = await upstream.catalog.ListEntities(request, timeout=latest.TIMEOUT)
        packages = await asyncio.gather(
            *(
                upstream.catalog.GetEntity(
                    catalog_pb2.GetEntityRequest(name=listed.name, revision=revision),
                    timeout=latest.TIMEOUT,
                )
                for listed in answer.entities
            )
        )
    except grpc.aio.AioRpcError:
        return {}
    return {
        module: package.key
        for package in packages
        for module in causes.modules_of(file.path for file in package.files)
    }
