"""Tokens, sessions and the audit log in memory."""

import dataclasses
from datetime import datetime

from services.errors import NotFoundError
from services.scheduler.domain.access import AuditEntry, AuditFilter, Session, Token, TokenState


class MemoryTokens:
    """The port `Tokens` in memory."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._sessions: dict[str, Session] = {}

    async def add(self, token: Token, *, now: datetime) -> bool:
        taken = {
            one.display_name for one in self._tokens.values() if one.state(now) is TokenState.ACTIVE
        }
        if token.display_name in taken:
            return False
        self._tokens[token.id] = token
        return True

    async def get(self, token_id: str) -> Token:
        if token_id not in self._tokens:
            name = f"tokens/{token_id}"
            raise NotFoundError(f"there is no token named {name}", name=name)
        return self._tokens[token_id]

    async def by_digest(self, digest: str) -> Token | None:
        return next((one for one in self._tokens.values() if one.digest == digest), None)

    async def list_page(self, *, limit: int, before: str) -> list[Token]:
        newest = sorted(self._tokens.values(), key=lambda one: one.id, reverse=True)
        return [one for one in newest if not before or one.id < before][:limit]

    async def revoke(self, token_id: str, *, now: datetime) -> Token:
        token = await self.get(token_id)
        if token.revoke_time is None:
            token = dataclasses.replace(token, revoke_time=now)
            self._tokens[token_id] = token
        self._sessions = {k: one for k, one in self._sessions.items() if one.token != token_id}
        return token

    async def note_use(self, token_id: str, *, now: datetime) -> None:
        if token_id in self._tokens:
            self._tokens[token_id] = dataclasses.replace(self._tokens[token_id], last_used_time=now)

    async def start_session(self, session: Session, *, instead_of: str) -> None:
        self._sessions.pop(instead_of, None)
        self._sessions[session.digest] = session

    async def session(self, digest: str) -> tuple[Session, Token] | None:
        found = self._sessions.get(digest)
        return None if found is None else (found, self._tokens[found.token])

    async def note_session_use(self, digest: str, *, now: datetime) -> None:
        if digest in self._sessions:
            self._sessions[digest] = dataclasses.replace(self._sessions[digest], last_used_time=now)

    async def end_session(self, digest: str) -> None:
        self._sessions.pop(digest, None)

    async def end_sessions(self, *, now: datetime, idle_since: datetime) -> int:
        over = [
            digest
            for digest, one in self._sessions.items()
            if one.expire_time <= now or one.last_used_time <= idle_since
        ]
        for digest in over:
            del self._sessions[digest]
        return len(over)


class MemoryAuditLog:
    """The port `AuditLog` in memory."""

    def __init__(self) -> None:
        self._entries: list[AuditEntry] = []

    async def add(self, entry: AuditEntry) -> None:
        self._entries.append(entry)

    async def list_page(
        self, condition: AuditFilter, *, limit: int, before: str
    ) -> list[AuditEntry]:
        newest = sorted(self._entries, key=lambda one: one.id, reverse=True)
        return [
            one for one in newest if (not before or one.id < before) and _matches(one, condition)
        ][:limit]

    async def remove(self, *, before: datetime) -> int:
        kept = [one for one in self._entries if one.create_time >= before]
        removed = len(self._entries) - len(kept)
        self._entries = kept
        return removed


def _matches(entry: AuditEntry, condition: AuditFilter) -> bool:
    return (
        (not condition.principal or entry.principal == condition.principal)
        and condition.action.lower() in entry.action.lower()
        and condition.resource.lower() in entry.resource.lower()
        and (not condition.failed_only or entry.status >= 400)  # as HTTP says
        and (condition.since is None or entry.create_time >= condition.since)
    )
