"""A catalog that is away for a moment costs no attempt."""

from pathlib import Path

import pytest

from services.errors import Error, NotFoundError, UnavailableError
from services.runner.checks.patience import patiently
from services.runner.sessions.outcome import Verdict
from tests.runner_builders import assignment, small_runner


async def test_a_catalog_that_restarts_is_waited_for(tmp_path: Path) -> None:
    """The attempt goes on when the catalog is back; its watchers are told why it waited."""
    async with small_runner(tmp_path) as runner:
        runner.catalog.away = 3
        runner.add(assignment())
        report = await runner.dispatch.report("checks/1")
        assert Verdict.SUCCESS == report.outcome.verdict
        said = [event.progress.message for event in runner.sent() if event.HasField("progress")]
        assert "waiting for the catalog: the catalog does not answer" in said


async def test_patience_ends() -> None:
    """What never comes back is an error after that time; other errors are raised at once."""
    told: list[Error] = []

    async def away() -> None:
        raise UnavailableError("away")

    async def unknown() -> None:
        raise NotFoundError("no such tree")

    with pytest.raises(UnavailableError):
        await patiently(away, tell=told.append, seconds=0.4)
    assert 2 == len(told)
    with pytest.raises(NotFoundError):
        await patiently(unknown, tell=told.append)
    assert 2 == len(told)
