"""What access needs of the world: tokens, sessions, and the audit log."""

from datetime import datetime
from typing import Protocol

from services.scheduler.domain.access import AuditEntry, AuditFilter, Session, Token


class Tokens(Protocol):
    """Tokens and their sessions. Each method is one transaction."""

    async def add(self, token: Token, *, now: datetime) -> bool:
        """Adds a token, unless one of its name works; says whether it did."""

    async def get(self, token_id: str) -> Token:
        """Gets a token.

        Raises:
            NotFoundError: There is none of that id.
        """

    async def by_digest(self, digest: str) -> Token | None:
        """Finds the token whose secret has a digest."""

    async def list_page(self, *, limit: int, before: str) -> list[Token]:
        """Lists tokens, newest first.

        Args:
            limit: At most so many.
            before: Only those older than the token of this id; empty means all.
        """

    async def revoke(self, token_id: str, *, now: datetime) -> Token:
        """Revokes a token and ends its sessions; a revoked one stays as it is.

        Raises:
            NotFoundError: There is none of that id.
        """

    async def note_use(self, token_id: str, *, now: datetime) -> None:
        """Keeps when a token was used last."""

    async def start_session(self, session: Session, *, instead_of: str) -> None:
        """Adds a session, and ends the one of the digest `instead_of`, if that is not empty."""

    async def session(self, digest: str) -> tuple[Session, Token] | None:
        """Finds the session whose secret has a digest, and its token."""

    async def note_session_use(self, digest: str, *, now: datetime) -> None:
        """Keeps when a session was used last."""

    async def end_session(self, digest: str) -> None:
        """Ends a session; does nothing where there is none."""

    async def end_sessions(self, *, now: datetime, idle_since: datetime) -> int:
        """Removes sessions whose time is over, or that were last used before; says how many."""


class AuditLog(Protocol):
    """The audit log. Entries are added and grow old; they are never changed."""

    async def add(self, entry: AuditEntry) -> None:
        """Adds an entry."""

    async def list_page(
        self, condition: AuditFilter, *, limit: int, before: str
    ) -> list[AuditEntry]:
        """Lists entries, newest first.

        Args:
            condition: Only such entries.
            limit: At most so many.
            before: Only those older than the entry of this id; empty means all.
        """

    async def remove(self, *, before: datetime) -> int:
        """Removes entries that are older; says how many."""
