"""Use cases of tokens and sessions."""

import asyncio
import logging
from datetime import datetime, timedelta

from services.errors import AlreadyExistsError, InvalidArgumentError, UnauthenticatedError
from services.scheduler.domain.access import (
    USE_NOTED_EVERY,
    Scope,
    Session,
    Token,
    TokenState,
    checked_name,
    digest_of,
    hint_of,
    is_secret,
    new_secret,
    new_session_secret,
    same_digest,
)
from services.scheduler.domain.listing import after_token, page_size, page_token
from services.scheduler.domain.names import new_id
from services.scheduler.ports.access import Tokens
from services.scheduler.ports.store import Clock

log = logging.getLogger(__name__)

_QUERY = "tokens"
_LONGEST_CREATOR = 64


class Access:
    """Makes, shows and ends tokens and sessions, and tells whose a secret is.

    Args:
        tokens: Where they are kept.
        clock: Tells the time.
        idle: How long a session lasts without being used.
        longest: How long it lasts in any case.
    """

    def __init__(
        self, *, tokens: Tokens, clock: Clock, idle: timedelta, longest: timedelta
    ) -> None:
        self._tokens = tokens
        self._clock = clock
        self._idle = idle
        self._longest = longest

    async def create_token(
        self,
        *,
        display_name: str,
        scope: Scope,
        expire_time: datetime | None,
        lifetime: timedelta | None,
        creator: str,
    ) -> tuple[Token, str]:
        """Makes a token; returns it and its secret, which is nowhere else.

        Raises:
            InvalidArgumentError: Name or expiry cannot be used.
            AlreadyExistsError: A token of that name works.
        """
        now = self._clock()
        if lifetime is not None:
            if expire_time is not None:
                raise InvalidArgumentError(
                    "say either when it expires or how long it lasts", field="lifetime"
                )
            expire_time = _after(now, lifetime)
        if expire_time is not None and expire_time <= now:
            raise InvalidArgumentError(
                f"{expire_time:%Y-%m-%d %H:%M} UTC has passed already", field="expire_time"
            )
        secret = new_secret()
        token = Token(
            id=new_id(),
            display_name=checked_name(display_name),
            scope=scope,
            digest=digest_of(secret),
            hint=hint_of(secret),
            creator=creator[:_LONGEST_CREATOR],
            create_time=now,
            expire_time=expire_time,
        )
        if not await self._tokens.add(token, now=now):
            raise AlreadyExistsError(
                f"a token named {display_name!r} works already: revoke it, or take another name",
                display_name=display_name,
            )
        log.info(f"tokens/{token.id} ({token.display_name}) may {scope.name.lower()}")
        return token, secret

    async def list_tokens(self, *, size: int, token: str) -> tuple[list[Token], str]:
        """Lists a page of tokens, newest first, and the next one's token."""
        limit = page_size(size)
        found = await self._tokens.list_page(
            limit=limit + 1, before=after_token(token, query=_QUERY)
        )
        page = found[:limit]
        return page, page_token(page[-1].id, query=_QUERY) if len(found) > limit else ""

    async def revoke(self, token_id: str) -> Token:
        """Ends a token and its sessions for ever.

        Raises:
            NotFoundError: There is none of that id.
        """
        token = await self._tokens.revoke(token_id, now=self._clock())
        log.info(f"tokens/{token.id} ({token.display_name}) is revoked")
        return token

    async def token_of(self, secret: str) -> Token:
        """Tells whose secret something is.

        Raises:
            UnauthenticatedError: It is nobody's, or no longer.
        """
        now = self._clock()
        # What has no right checksum was never a secret of ours, and needs no look.
        digest = digest_of(secret)
        token = await self._tokens.by_digest(digest) if is_secret(secret) else None
        if (
            token is None
            or not same_digest(token.digest, digest)
            or token.state(now) is not TokenState.ACTIVE
        ):
            raise UnauthenticatedError("this token does not work (unknown, expired or revoked)")
        if token.last_used_time is None or token.last_used_time + USE_NOTED_EVERY <= now:
            await self._tokens.note_use(token.id, now=now)
        return token

    async def token_of_session(self, secret: str) -> Token:
        """Tells whose session something is the secret of.

        Raises:
            UnauthenticatedError: It is none, or no longer.
        """
        now = self._clock()
        digest = digest_of(secret)
        found = await self._tokens.session(digest)
        if found is not None:
            session, token = found
            if (
                same_digest(session.digest, digest)
                and session.lives(now, idle=self._idle)
                and token.state(now) is TokenState.ACTIVE
            ):
                if session.last_used_time + USE_NOTED_EVERY <= now:
                    await self._tokens.note_session_use(digest, now=now)
                    await self._tokens.note_use(token.id, now=now)
                return token
        raise UnauthenticatedError("the session is over: log in again")

    async def start_session(
        self, secret: str, *, previous: str = ""
    ) -> tuple[str, Token, datetime]:
        """Exchanges a token's secret for that of a new session, which ends at a time.

        Raises:
            UnauthenticatedError: The token does not work.
        """
        token = await self.token_of(secret)
        now = self._clock()
        session_secret = new_session_secret()
        ends = now + self._longest
        session = Session(
            digest=digest_of(session_secret),
            token=token.id,
            create_time=now,
            expire_time=min(ends, token.expire_time or ends),
            last_used_time=now,
        )
        await self._tokens.start_session(
            session, instead_of=digest_of(previous) if previous else ""
        )
        return session_secret, token, session.expire_time

    async def end_session(self, secret: str) -> None:
        """Ends a session; does nothing where there is none."""
        await self._tokens.end_session(digest_of(secret))

    async def run(self, *, every: float) -> None:
        """Removes sessions that are over, once and then after so many seconds each, for ever."""
        while True:
            try:
                now = self._clock()
                if gone := await self._tokens.end_sessions(now=now, idle_since=now - self._idle):
                    log.info(f"{gone} sessions were over")
            except Exception:
                log.exception("removing old sessions failed; it goes on")
            await asyncio.sleep(every)


def _after(now: datetime, lifetime: timedelta) -> datetime:
    if lifetime <= timedelta():
        raise InvalidArgumentError("a token has to last for some time", field="lifetime")
    try:
        return now + lifetime
    except OverflowError as error:
        raise InvalidArgumentError(
            "no token lasts that long; leave it out for one that never expires", field="lifetime"
        ) from error
