"""What the audit log says of a request: gathered while it is answered, recorded after it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from starlette.types import Scope as Connection

from ackrep.scheduler.v1 import access_pb2
from gateway.access.authentication import SCOPES
from gateway.access.viewers import Scope
from gateway.upstream import Upstream

log = logging.getLogger(__name__)

_KEY = "ackrep.trail"
_TIMEOUT = 5.0
_NUMBERS = {scope: number for number, scope in SCOPES.items()}
NAMING = (
    *("name", "entity", "check", "trial", "environment", "runner", "run", "pool"),
    *("display_name", "source", "ref", "url", "title", "entities"),
)
"""Fields that say what a request is about, the most telling first."""


@dataclass
class Trail:
    """One request that changes something."""

    action: str = ""
    """Empty: nothing that is recorded."""
    resource: str = ""
    scope: Scope | None = None
    principal: str = ""
    token: str = ""


def begin(connection: Connection) -> Trail:
    """Begins the trail of a request."""
    trail = connection[_KEY] = Trail()
    return trail


def trail_of(connection: Connection) -> Trail:
    """The trail of a request; one that nobody follows where none was begun."""
    found: Trail = connection.get(_KEY) or Trail()
    return found


def resource_in(fields: Mapping[str, str]) -> str:
    """What fields of a form, a path or a request say that it is about."""
    name = next((name for name in NAMING if fields.get(name)), "")
    if name == "entity" and "/" not in fields[name]:
        return f"entities/{fields[name]}"
    return fields[name] if name else ""


async def record(
    upstream: Upstream, trail: Trail, *, address: str, status: int, request_id: str
) -> None:
    """Adds a request to the audit log. Failing to is logged, and does not undo the request."""
    entry = access_pb2.AuditEntry(
        principal=trail.principal,
        token=trail.token,
        address=address,
        action=trail.action[:200],
        resource=_printable(trail.resource[:200]),
        status=status,
        request_id=request_id,
    )
    if trail.scope is not None:
        entry.scope = _NUMBERS[trail.scope]
    try:
        await upstream.access.RecordAuditEntry(
            access_pb2.RecordAuditEntryRequest(entry=entry), timeout=_TIMEOUT
        )
    except grpc.aio.AioRpcError as failure:
        log.warning(
            f"the audit log lacks {trail.action} {trail.resource!r} by "
            f"{trail.principal or 'nobody known'} ({status}, request {request_id}): "
            f"{failure.details()}"
        )


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
