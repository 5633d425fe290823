"""A workplace whose stream breaks: for want of memory it is the check's fault, else ours."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.plans import Folder, plan_of
from services.runner.domain.workplaces import WorkplaceInfo
from services.runner.sessions.outcome import Event, ResultEvent, Verdict
from services.runner.sessions.session import Limits, SessionBrokenError
from services.runner.workplaces.harnessed import HarnessWorkplace


class BrokenSession:
    """A session that breaks as soon as a check runs."""

    broken = True

    async def run(self, *_: object, **__: object) -> AsyncIterator[Event]:
        raise SessionBrokenError("the stream ended")
        yield


async def _events(*, starved: bool) -> list[Event]:
    async def fit(limits: Limits) -> Limits:
        return limits

    async def end() -> None:
        pass

    async def is_starved() -> bool:
        return starved

    session: Any = BrokenSession()
    info = WorkplaceInfo(
        id="w", environment="e", environment_digest="sha256:1", confinement="container+uid"
    )
    workplace = HarnessWorkplace(session, info=info, fit=fit, end=end, starved=is_starved)
    plan = plan_of("MODEL", [Folder(key="MODEL", type="system_model", path="m")])
    return [e async for e in workplace.run(plan, trees=[], limits=Limits(), seed=1, check="c")]


async def test_a_container_that_ends_for_want_of_memory_is_a_limit() -> None:
    """The verdict names the memory, and the workplace is not used again."""
    (event,) = await _events(starved=True)
    assert isinstance(event, ResultEvent)
    assert (Verdict.LIMIT_EXCEEDED, "memory") == (event.outcome.verdict, event.outcome.limit)
    assert not event.outcome.cleanliness.clean


async def test_any_other_end_is_ours() -> None:
    """Without a sign that memory ran out, the session is broken and the check tried again."""
    with pytest.raises(SessionBrokenError):
        await _events(starved=False)
