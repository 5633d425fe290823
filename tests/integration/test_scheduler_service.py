"""The life of checks through a real scheduler process, over real gRPC and a real nats-server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.scheduler.v1 import check_pb2
from tests.nats_servers import NatsServer
from tests.scheduler_system import FakeRunner, System, running_system


@pytest.fixture
async def system(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[System]:
    """A scheduler with one checkable entity, without runners."""
    async with running_system(tmp_path, nats_server) as running:
        running.catalog.entities["AAAAA"] = "digest of AAAAA"
        yield running


async def test_check_goes_from_request_to_verdict(system: System) -> None:
    """A check that is asked for runs on a runner, ends once, and can be watched in order."""
    async with FakeRunner(system).running() as runner:
        created = await system.create("AAAAA")
        events = await system.watch(created.name)
    check = await system.get(created.name)
    assert check_pb2.Check.STATE_FINISHED == check.state
    assert check_pb2.VERDICT_SUCCESS == check.verdict
    assert [(created.name, 1)] == runner.claims
    assert [(0, 1), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5)] == [
        (event.attempt, event.sequence) for event in events
    ]
    assert check == events[-1].check_changed
    assert "queue" == check.result.phases[0].name
