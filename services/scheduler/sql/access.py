"""Tokens and sessions in SQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from services.errors import NotFoundError
from services.scheduler.domain.access import Scope, Session, Token
from services.scheduler.sql.access_tables import sessions, tokens
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import from_micros, present, to_micros

_t = tokens.c
_s = sessions.c


class SqlTokens:
    """The port `Tokens` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: Token, *, now: datetime) -> bool:
        working = select(_t.id).where(
            _t.display_name == token.display_name,
            _t.revoke_time.is_(None),
            or_(_t.expire_time.is_(None), _t.expire_time > to_micros(now)),
        )

        def write(connection: Connection) -> bool:
            self._database.take_turn(connection)
            if connection.execute(working).first() is not None:
                return False
            connection.execute(insert(tokens), _values(token))
            return True

        return await self._database.write(write)

    async def get(self, token_id: str) -> Token:
        return await self._database.read(lambda connection: _get(connection, token_id))

    async def by_digest(self, digest: str) -> Token | None:
        query = select(tokens).where(_t.digest == digest)

        def read(connection: Connection) -> Token | None:
            row = connection.execute(query).one_or_none()
            return None if row is None else _token(row)

        return await self._database.read(read)

    async def list_page(self, *, limit: int, before: str) -> list[Token]:
        query = select(tokens).order_by(_t.id.desc()).limit(limit)
        if before:
            query = query.where(_t.id < before)
        return await self._database.read(
            lambda connection: [_token(row) for row in connection.execute(query)]
        )

    async def revoke(self, token_id: str, *, now: datetime) -> Token:
        change = (
            update(tokens)
            .where(_t.id == token_id, _t.revoke_time.is_(None))
            .values(revoke_time=to_micros(now))
        )

        def write(connection: Connection) -> Token:
            self._database.take_turn(connection)
            connection.execute(change)
            connection.execute(delete(sessions).where(_s.token == token_id))
            return _get(connection, token_id)

        return await self._database.write(write)

    async def note_use(self, token_id: str, *, now: datetime) -> None:
        change = update(tokens).where(_t.id == token_id).values(last_used_time=to_micros(now))
        await self._change(change)

    async def start_session(self, session: Session, *, instead_of: str) -> None:
        row = {
            "digest": session.digest,
            "token": session.token,
            "create_time": to_micros(session.create_time),
            "expire_time": to_micros(session.expire_time),
            "last_used_time": to_micros(session.last_used_time),
        }

        def write(connection: Connection) -> None:
            if instead_of:
                connection.execute(delete(sessions).where(_s.digest == instead_of))
            connection.execute(insert(sessions), row)

        await self._database.write(write)

    async def session(self, digest: str) -> tuple[Session, Token] | None:
        query = (
            select(sessions.c.digest.label("session"), sessions.c.create_time.label("started"))
            .add_columns(
                _s.expire_time.label("ends"), _s.last_used_time.label("heard"), *tokens.columns
            )
            .join_from(sessions, tokens, _s.token == _t.id)
            .where(_s.digest == digest)
        )

        def read(connection: Connection) -> tuple[Session, Token] | None:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            session = Session(
                digest=row.session,
                token=row.id,
                create_time=present(row.started),
                expire_time=present(row.ends),
                last_used_time=present(row.heard),
            )
            return session, _token(row)

        return await self._database.read(read)

    async def note_session_use(self, digest: str, *, now: datetime) -> None:
        change = update(sessions).where(_s.digest == digest).values(last_used_time=to_micros(now))
        await self._change(change)

    async def end_session(self, digest: str) -> None:
        await self._change(delete(sessions).where(_s.digest == digest), durable=True)

    async def end_sessions(self, *, now: datetime, idle_since: datetime) -> int:
        gone = delete(sessions).where(
            or_(_s.expire_time <= to_micros(now), _s.last_used_time <= to_micros(idle_since))
        )
        return await self._change(gone)

    async def _change(self, statement: Any, *, durable: bool = False) -> int:
        return await self._database.write(
            lambda connection: int(connection.execute(statement).rowcount), durable=durable
        )


def _get(connection: Connection, token_id: str) -> Token:
    row = connection.execute(select(tokens).where(_t.id == token_id)).one_or_none()
    if row is None:
        name = f"tokens/{token_id}"
        raise NotFoundError(f"there is no token named {name}", name=name)
    return _token(row)


def _values(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "display_name": token.display_name,
        "scope": int(token.scope),
        "digest": token.digest,
        "hint": token.hint,
        "creator": token.creator,
        "create_time": to_micros(token.create_time),
        "expire_time": to_micros(token.expire_time),
        "revoke_time": to_micros(token.revoke_time),
        "last_used_time": to_micros(token.last_used_time),
    }


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        display_name=row.display_name,
        scope=Scope(row.scope),
        digest=row.digest,
        hint=row.hint,
        creator=row.creator,
        create_time=present(row.create_time),
        expire_time=from_micros(row.expire_time),
        revoke_time=from_micros(row.revoke_time),
        last_used_time=from_micros(row.last_used_time),
    )
