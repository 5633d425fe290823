"""What every keeper of tokens, sessions and the audit log promises, whatever it is made of."""

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from services.errors import NotFoundError
from services.scheduler.domain.access import AuditEntry, AuditFilter, Scope, Session, Token
from services.scheduler.memory.access import MemoryAuditLog, MemoryTokens
from services.scheduler.ports.access import AuditLog, Tokens
from services.scheduler.sql import Database
from services.scheduler.sql.access import SqlTokens
from services.scheduler.sql.access_log import SqlAuditLog
from tests.scheduler_stores import KINDS, NOW, SECOND

DAY = timedelta(days=1)

MIRA = Token(
    id="1" * 32,
    display_name="mira",
    scope=Scope.MAINTAIN,
    digest="a" * 64,
    hint="wxyz",
    creator="",
    create_time=NOW,
)
CI = Token(
    id="2" * 32,
    display_name="ci",
    scope=Scope.CHECK,
    digest="b" * 64,
    hint="1234",
    creator="mira",
    create_time=NOW + SECOND,
    expire_time=NOW + DAY,
)
VISIT = Session(
    digest="c" * 64,
    token=MIRA.id,
    create_time=NOW,
    expire_time=NOW + 7 * DAY,
    last_used_time=NOW,
)
ENTRY = AuditEntry(
    id="1" * 32,
    create_time=NOW,
    principal="mira",
    token=MIRA.id,
    address="127.0.0.1",
    scope=2,
    action="SchedulerService.CreateCheck",
    resource="entities/UXMFA",
    status=200,
    request_id="r1",
)


@dataclass(frozen=True)
class Kept:
    """Both ports over one store."""

    tokens: Tokens
    entries: AuditLog


@pytest.fixture(params=KINDS)
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    """Empty ones of each kind."""
    if request.param == "memory":
        yield Kept(MemoryTokens(), MemoryAuditLog())
        return
    url = f"sqlite:///{tmp_path / 'scheduler.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    await database.prepare()
    try:
        yield Kept(SqlTokens(database), SqlAuditLog(database))
    finally:
        await database.close()


async def test_tokens_are_kept_whole(kept: Kept) -> None:
    """All fields stay; they are found by id and by digest, and listed newest first, in pages."""
    assert await kept.tokens.add(MIRA, now=NOW)
    assert await kept.tokens.add(CI, now=NOW)
    assert CI == await kept.tokens.get(CI.id)
    assert MIRA == await kept.tokens.by_digest(MIRA.digest)
    assert None is await kept.tokens.by_digest("d" * 64)
    assert [CI, MIRA] == await kept.tokens.list_page(limit=9, before="")
    assert [CI] == await kept.tokens.list_page(limit=1, before="")
    assert [MIRA] == await kept.tokens.list_page(limit=1, before=CI.id)
    with pytest.raises(NotFoundError):
        await kept.tokens.get("3" * 32)


async def test_names_of_working_tokens_are_unique(kept: Kept) -> None:
    """A name is free again when its token expired or was revoked."""
    another = dataclasses.replace(CI, id="3" * 32, digest="e" * 64)
    await kept.tokens.add(CI, now=NOW)
    assert not await kept.tokens.add(another, now=NOW)
    assert await kept.tokens.add(another, now=NOW + DAY)
    third = dataclasses.replace(another, id="4" * 32, digest="f" * 64, expire_time=None)
    later = dataclasses.replace(another, expire_time=None)
    assert later.display_name == third.display_name
    await kept.tokens.revoke(another.id, now=NOW)
    assert await kept.tokens.add(third, now=NOW + DAY)
    assert not await kept.tokens.add(
        dataclasses.replace(third, id="5" * 32, digest="0" * 64), now=NOW + 999 * DAY
    )


async def test_use_is_noted(kept: Kept) -> None:
    """When a token was used last is kept; of an unknown one it is not."""
    await kept.tokens.add(MIRA, now=NOW)
    await kept.tokens.note_use(MIRA.id, now=NOW + SECOND)
    await kept.tokens.note_use("9" * 32, now=NOW + SECOND)
    used = await kept.tokens.get(MIRA.id)
    assert dataclasses.replace(MIRA, last_used_time=NOW + SECOND) == used


async def test_revoking_ends_sessions(kept: Kept) -> None:
    """A revoked token keeps the time of the first revocation, and has no session any more."""
    await kept.tokens.add(MIRA, now=NOW)
    await kept.tokens.add(CI, now=NOW)
    other = dataclasses.replace(VISIT, digest="d" * 64, token=CI.id)
    await kept.tokens.start_session(VISIT, instead_of="")
    await kept.tokens.start_session(other, instead_of="")
    first = await kept.tokens.revoke(MIRA.id, now=NOW + SECOND)
    assert NOW + SECOND == first.revoke_time
    assert first == await kept.tokens.revoke(MIRA.id, now=NOW + DAY)
    assert None is await kept.tokens.session(VISIT.digest)
    assert (other, CI) == await kept.tokens.session(other.digest)
    with pytest.raises(NotFoundError):
        await kept.tokens.revoke("9" * 32, now=NOW)


async def test_sessions(kept: Kept) -> None:
    """A session takes the place of the one before it, tells when it was used, and ends."""
    await kept.tokens.add(MIRA, now=NOW)
    await kept.tokens.start_session(VISIT, instead_of="")
    following = dataclasses.replace(VISIT, digest="d" * 64)
    await kept.tokens.start_session(following, instead_of=VISIT.digest)
    assert None is await kept.tokens.session(VISIT.digest)
    await kept.tokens.note_session_use(following.digest, now=NOW + SECOND)
    found = await kept.tokens.session(following.digest)
    assert found is not None
    assert NOW + SECOND == found[0].last_used_time
    await kept.tokens.end_session(following.digest)
    await kept.tokens.end_session(following.digest)
    assert None is await kept.tokens.session(following.digest)


@pytest.mark.parametrize(
    ("now", "idle_since", "ended"),
    [
        (NOW, NOW - DAY, 0),
        (NOW + 7 * DAY, NOW - DAY, 1),
        (NOW + DAY, NOW, 1),
        (NOW + DAY, NOW - SECOND, 0),
    ],
)
async def test_sessions_that_are_over_go(
    kept: Kept, now: object, idle_since: object, ended: int
) -> None:
    """They end by their own time, and when nobody used them."""
    await kept.tokens.add(MIRA, now=NOW)
    await kept.tokens.start_session(VISIT, instead_of="")
    gone = await kept.tokens.end_sessions(now=now, idle_since=idle_since)  # type: ignore[arg-type]
    assert ended == gone
    assert (ended == 0) == (await kept.tokens.session(VISIT.digest) is not None)


async def test_audit_log(kept: Kept) -> None:
    """Entries come back whole, newest first, in pages; conditions all have to hold."""
    refused = dataclasses.replace(
        ENTRY,
        id="2" * 32,
        create_time=NOW + DAY,
        principal="",
        token="",
        action="POST /queue/pause",
        resource="100%_sure",
        status=401,
    )
    await kept.entries.add(ENTRY)
    await kept.entries.add(refused)

    async def found(*, limit: int = 9, before: str = "", **fields: object) -> list[AuditEntry]:
        condition = AuditFilter(**fields)  # type: ignore[arg-type]  # names of fields
        return await kept.entries.list_page(condition, limit=limit, before=before)

    assert [refused, ENTRY] == await found()
    assert [refused] == await found(limit=1)
    assert [ENTRY] == await found(before=refused.id)
    assert [ENTRY] == await found(principal="mira")
    assert [ENTRY] == await found(action="createcheck")
    assert [refused] == await found(resource="100%_")
    assert [] == await found(resource="100_")
    assert [refused] == await found(failed_only=True)
    assert [refused] == await found(since=NOW + DAY)
    assert [] == await found(principal="mira", failed_only=True)


async def test_old_entries_go(kept: Kept) -> None:
    """What is older than asked for is removed, and nothing else."""
    await kept.entries.add(ENTRY)
    await kept.entries.add(dataclasses.replace(ENTRY, id="2" * 32, create_time=NOW + DAY))
    assert 1 == await kept.entries.remove(before=NOW + SECOND)
    left = await kept.entries.list_page(AuditFilter(), limit=9, before="")
    assert ["2" * 32] == [one.id for one in left]
