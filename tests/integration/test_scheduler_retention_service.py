"""Retention in a real scheduler process, as its settings say."""

from pathlib import Path

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2, scheduler_pb2
from services import rpc
from services.errors import ArtefactExpiredError
from tests.nats_servers import NatsServer
from tests.scheduler_runners import FakeRunner
from tests.scheduler_system import System, running_system, until


async def download(system: System, name: str) -> bytes:
    """Reads an artefact."""
    request = scheduler_pb2.DownloadArtefactRequest(name=name)
    with rpc.remote_errors():
        return b"".join(
            [part.data async for part in system.users.DownloadArtefact(request, timeout=10)]
        )


async def test_who_asks_for_an_expired_artefact_is_told(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """An old plot is `ARTEFACT_EXPIRED`, that of the last success is there, results are too."""
    plots: list[str] = []

    async def work(lease: dispatch_pb2.Lease) -> check_pb2.Result:
        plots.append(await runner.upload(f"plot {len(plots)}".encode()))
        return check_pb2.Result(
            verdict=check_pb2.VERDICT_SUCCESS,
            artefacts=[check_pb2.Artefact(name=plots[-1], path="plot.png")],
        )

    async with running_system(
        tmp_path,
        nats_server,
        retention_age_seconds="1",
        retention_grace_seconds="1",
        retention_every_seconds="0.2",
    ) as system:
        runner = FakeRunner(system, work=work)
        async with runner.running():
            names = []
            for content in ("old", "new"):
                system.catalog.entities["AAAAA"] = content
                names.append((await system.create("AAAAA")).name)
                await system.finished(names[-1])

        async def expired() -> bool:
            try:
                await download(system, plots[0])
            except ArtefactExpiredError as error:
                return "--force" in error.message and error.facts["name"] == plots[0]
            return False

        await until(expired)
        assert b"plot 1" == await download(system, plots[1])
        first = await system.get(names[0])
        assert [plots[0]] == [one.name for one in first.result.artefacts]
