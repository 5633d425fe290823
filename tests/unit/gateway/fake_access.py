"""Tokens, sessions and the audit log, kept in memory by the scheduler's own use cases."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ackrep.scheduler.v1 import access_pb2
from services.scheduler.access.audit import Auditing
from services.scheduler.access.tokens import Access
from services.scheduler.domain.access import AuditEntry, AuditFilter, Scope
from services.scheduler.memory.access import MemoryAuditLog, MemoryTokens
from services.scheduler.servicer.access import AccessServicer


class FakeAccess(AccessServicer):
    """Counts how often it is asked whose a secret is; its clock is set by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self.asked = 0
        self.entries = MemoryAuditLog()
        self.access = Access(
            tokens=MemoryTokens(),
            clock=self.now,
            idle=timedelta(hours=12),
            longest=timedelta(days=7),
        )
        super().__init__(
            access=self.access,
            auditing=Auditing(entries=self.entries, clock=self.now, age=None),
            clock=self.now,
        )

    def now(self) -> datetime:
        """The time that it believes in."""
        return datetime.now(UTC) + self.ahead

    async def token(self, name: str, scope: Scope, *, lasts: timedelta | None = None) -> str:
        """Makes a token, and gives its secret."""
        _, secret = await self.access.create_token(
            display_name=name, scope=scope, expire_time=None, lifetime=lasts, creator="mira"
        )
        return secret

    async def log(self) -> list[AuditEntry]:
        """The audit log, oldest first."""
        return (await self.entries.list_page(AuditFilter(), limit=1000, before=""))[::-1]

    async def Authenticate(
        self, request: access_pb2.AuthenticateRequest, context: Any
    ) -> access_pb2.AuthenticateResponse:
        self.asked += 1
        return await super().Authenticate(request, context)
