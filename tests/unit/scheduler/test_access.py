"""Use cases of tokens, sessions and the audit log."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from services.errors import AlreadyExistsError, InvalidArgumentError, UnauthenticatedError
from services.scheduler.access.audit import Auditing
from services.scheduler.access.tokens import Access
from services.scheduler.domain.access import (
    AuditEntry,
    AuditFilter,
    Scope,
    Token,
    TokenState,
    digest_of,
    is_secret,
    new_secret,
)
from services.scheduler.memory.access import MemoryAuditLog, MemoryTokens

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)


class Desk:
    """The use cases, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.tokens = MemoryTokens()
        self.access = Access(tokens=self.tokens, clock=lambda: self.now, idle=IDLE, longest=LONGEST)

    async def token(self, name: str = "mira", **fields: object) -> tuple[Token, str]:
        """Makes a token."""
        asked = {"scope": Scope.CHECK, "expire_time": None, "lifetime": None, "creator": ""}
        return await self.access.create_token(display_name=name, **{**asked, **fields})  # type: ignore[arg-type]


@pytest.fixture
def desk() -> Desk:
    """An empty one."""
    return Desk()


def test_secrets_are_known_by_their_form() -> None:
    """A secret has prefix and checksum, so that scanners find it; one wrong letter breaks it."""
    secret = new_secret()
    assert re.fullmatch(r"ackrep_[0-9A-Za-z]{49}", secret)
    assert is_secret(secret)
    assert secret != new_secret()
    wrong = ("B" if secret[10] == "A" else "A").join((secret[:10], secret[11:]))
    assert not is_secret(wrong)
    assert not is_secret(secret + "\n")
    assert not is_secret("")


async def test_a_secret_is_kept_nowhere(desk: Desk) -> None:
    """Only its digest and its last four characters are stored."""
    token, secret = await desk.token()
    assert digest_of(secret) == token.digest
    assert secret[-4:] == token.hint
    assert secret not in repr(vars(desk.tokens))


async def test_whose_a_secret_is(desk: Desk) -> None:
    """Its token's; of what is unknown, expired or revoked nobody's, in the same words."""
    token, secret = await desk.token(lifetime=timedelta(hours=1))
    other, gone = await desk.token("other")
    await desk.access.revoke(other.id)
    assert token.id == (await desk.access.token_of(secret)).id
    said = set()
    desk.now += timedelta(hours=1)
    for wrong in (secret, gone, new_secret(), "", "x" * 10_000, "\ud800"):
        with pytest.raises(UnauthenticatedError) as caught:
            await desk.access.token_of(wrong)
        said.add(caught.value.message)
    assert 1 == len(said)


async def test_expiry_has_to_come(desk: Desk) -> None:
    """A token lasts for some time, until some time, or for ever; what has passed is refused."""
    token, _ = await desk.token("a", lifetime=timedelta(days=2))
    assert BEGIN + timedelta(days=2) == token.expire_time
    token, _ = await desk.token("b")
    assert token.expire_time is None
    for wrong in (
        {"expire_time": BEGIN},
        {"lifetime": timedelta()},
        {"lifetime": timedelta(days=9_999_999)},
        {"lifetime": timedelta(1), "expire_time": BEGIN + timedelta(1)},
    ):
        with pytest.raises(InvalidArgumentError):
            await desk.token("c", **wrong)


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "ä", "a\r\nSet-Cookie:x", "a" * 65, "a\n"])
async def test_names(desk: Desk, name: str) -> None:
    """A name has nothing in it that a log or a header could stumble over."""
    with pytest.raises(InvalidArgumentError):
        await desk.token(name)


async def test_a_name_is_used_once_at_a_time(desk: Desk) -> None:
    """The audit log would otherwise not say who it was."""
    token, _ = await desk.token()
    with pytest.raises(AlreadyExistsError):
        await desk.token()
    await desk.access.revoke(token.id)
    await desk.token()


async def test_last_use_is_known_to_a_minute(desk: Desk) -> None:
    """Not each request writes."""
    token, secret = await desk.token()
    await desk.access.token_of(secret)
    desk.now += timedelta(seconds=59)
    await desk.access.token_of(secret)
    assert BEGIN == (await desk.tokens.get(token.id)).last_used_time
    desk.now += timedelta(seconds=1)
    await desk.access.token_of(secret)
    assert desk.now == (await desk.tokens.get(token.id)).last_used_time


async def test_a_session_is_always_a_new_one(desk: Desk) -> None:
    """Nobody can choose a session for somebody else, and the one before a login ends with it."""
    _, secret = await desk.token()
    first, token, _ = await desk.access.start_session(secret, previous="chosen by another")
    assert "chosen by another" != first
    second, _, _ = await desk.access.start_session(secret, previous=first)
    assert token.id == (await desk.access.token_of_session(second)).id
    for dead in (first, "chosen by another", secret, ""):
        with pytest.raises(UnauthenticatedError):
            await desk.access.token_of_session(dead)
    await desk.access.end_session(second)
    with pytest.raises(UnauthenticatedError):
        await desk.access.token_of_session(second)


async def test_sessions_end(desk: Desk) -> None:
    """When they were idle, when their time is over, with their token."""
    _, secret = await desk.token()
    idle, _, _ = await desk.access.start_session(secret)
    desk.now += IDLE
    with pytest.raises(UnauthenticatedError):
        await desk.access.token_of_session(idle)
    used, _, ends = await desk.access.start_session(secret)
    while desk.now + IDLE / 2 < ends:
        desk.now += IDLE / 2
        await desk.access.token_of_session(used)
    desk.now = ends
    with pytest.raises(UnauthenticatedError):
        await desk.access.token_of_session(used)
    _, brief = await desk.token("brief", lifetime=timedelta(minutes=5))
    _, _, ends = await desk.access.start_session(brief)
    assert desk.now + timedelta(minutes=5) == ends


async def test_state(desk: Desk) -> None:
    """What was revoked stays revoked when it expires."""
    token, _ = await desk.token(lifetime=timedelta(hours=1))
    assert TokenState.ACTIVE is token.state(desk.now)
    assert TokenState.EXPIRED is token.state(desk.now + timedelta(hours=1))
    token = await desk.access.revoke(token.id)
    assert TokenState.REVOKED is token.state(desk.now + timedelta(hours=1))


async def test_lists_have_pages(desk: Desk) -> None:
    """All tokens come, newest first; a token of another list is refused."""
    for name in "abc":
        await desk.token(name)
    page, following = await desk.access.list_tokens(size=2, token="")
    assert ["c", "b"] == [one.display_name for one in page]
    page, end = await desk.access.list_tokens(size=2, token=following)
    assert (["a"], "") == ([one.display_name for one in page], end)
    auditing = Auditing(entries=MemoryAuditLog(), clock=lambda: BEGIN, age=None)
    with pytest.raises(InvalidArgumentError):
        await auditing.list_page(AuditFilter(), size=2, token=following)


async def test_entries_are_cut() -> None:
    """Nobody fills the audit log with one request."""
    entries = MemoryAuditLog()
    auditing = Auditing(entries=entries, clock=lambda: BEGIN, age=None)
    long = "x" * 5000
    entry = await auditing.record(
        AuditEntry(
            id="",
            create_time=BEGIN - LONGEST,
            principal=long,
            token="",
            address=long,
            scope=0,
            action=long,
            resource=long,
            status=200,
            request_id=long,
        )
    )
    assert BEGIN == entry.create_time
    assert ([entry], "") == await auditing.list_page(AuditFilter(), size=0, token="")
    assert max(len(entry.action), len(entry.resource)) == 200
    assert max(len(entry.principal), len(entry.address), len(entry.request_id)) == 64
