"""Starts the runner: `python -m services.runner`."""

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import AsyncIterator

import grpc

from ackrep.runner.v1 import (
    document_pb2_grpc,
    environment_pb2_grpc,
    runner_pb2_grpc,
    workbench_pb2_grpc,
)
from services import bus, lifetime, logs, rpc
from services import settings as setting
from services.errors import Error, InvalidArgumentError, UnavailableError
from services.runner.app import RunnerApp
from services.runner.checks.attempt import Surroundings
from services.runner.checks.audit import Audit
from services.runner.checks.dispatch import CatalogRepository, SchedulerDispatch
from services.runner.checks.jobs import NatsEvents, NatsJobs, SeveralJobs
from services.runner.checks.slots import Slots
from services.runner.checks.trees import TreeCache
from services.runner.checks.worker import Worker
from services.runner.documents.catalog import CatalogMembers
from services.runner.documents.models import Models
from services.runner.documents.rendering import Documents
from services.runner.documents.workshop import Workshop
from services.runner.domain.pools import PoolPolicy, parse_warm
from services.runner.environments import Environments
from services.runner.ports import Backend, Registration
from services.runner.servicer.documents import DocumentServicer
from services.runner.servicer.environments import EnvironmentServicer
from services.runner.servicer.runner import RunnerServicer
from services.runner.servicer.workbench import WorkbenchServicer
from services.runner.sessions import bundle
from services.runner.settings import Settings
from services.runner.workbench.workbench import Opener
from services.runner.workplaces.pool import Pool

log = logging.getLogger(__name__)

_SERVICES = (
    "ackrep.runner.v1.RunnerService",
    "ackrep.runner.v1.EnvironmentService",
    "ackrep.runner.v1.DocumentService",
    "ackrep.runner.v1.WorkbenchService",
)


def main() -> None:
    """Runs until it is told to stop."""
    settings = setting.load(Settings, service="runner")
    logs.configure(service="runner", style=settings.log_format)
    lifetime.run(lambda stop: serve(settings, stop))


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop` is set, then finishes or hands back what it holds."""
    incarnation = secrets.token_hex(8)
    warm = parse_warm(settings.warm)
    backend = await choose_backend(settings, incarnation=incarnation)
    log.info(f"backend: {backend.name} ({backend.reason})")
    slots = Slots(settings.slot_count, waiting=settings.slot_count + 4)
    pool = Pool(
        backend,
        policy=PoolPolicy(
            slots=settings.slot_count,
            spare=settings.spare,
            checks_per_workplace=settings.checks_per_workplace,
            idle_seconds=settings.idle_seconds,
            refresh_seconds=settings.refresh_seconds if settings.registry else 0,
            warm=warm,
        ),
    )
    environments = Environments(settings.environment_folders)
    runner = f"runners/{settings.id}"
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(pool.close)
        connection = await stack.enter_async_context(
            bus.lasting(settings.nats, token=settings.token, name=f"runner {settings.id}")
        )
        catalog = await _channel(stack, settings.catalog, settings.token)
        repository = CatalogRepository(catalog)
        audit = Audit(
            backend,
            pool,
            every=settings.audit_every,
            idle=lambda: slots.free == slots.count,
        )
        around = Surroundings(
            audit=audit,
            runner=runner,
            dispatch=SchedulerDispatch(
                await _channel(stack, settings.scheduler, settings.token),
                runner=runner,
                incarnation=incarnation,
                backend=backend.name,
            ),
            repository=repository,
            trees=TreeCache(
                settings.state_folder / "trees",
                repository=repository,
                disk_bytes=settings.tree_cache_bytes,
            ),
            pool=pool,
            environments=environments,
            sink=NatsEvents(connection),
            unconfined=settings.unconfined,
        )
        worker = Worker(
            around,
            jobs=SeveralJobs([NatsJobs(connection, pool=pool) for pool in settings.pools]),
            registration=Registration(
                runner=runner,
                incarnation=incarnation,
                pool=",".join(settings.pools),
                slots=settings.slot_count,
                backend=backend.name,
                runtime_version=bundle.version(),
                host=socket.gethostname(),
                engine_version=backend.engine_version,
            ),
            slots=slots,
        )
        app = RunnerApp(
            worker=worker, pool=pool, backend=backend, environments=environments, audit=audit
        )

        workbenches = _workbenches(settings, backend, pool, incarnation=incarnation)

        workshop = Workshop(pool, environments)
        documents = Documents(
            catalog=CatalogMembers(catalog),
            models=Models(repository, around.trees, workshop),
            workshop=workshop,
        )

        def register(server: grpc.aio.Server) -> None:
            runner_pb2_grpc.add_RunnerServiceServicer_to_server(RunnerServicer(app), server)
            environment_pb2_grpc.add_EnvironmentServiceServicer_to_server(
                EnvironmentServicer(app), server
            )
            document_pb2_grpc.add_DocumentServiceServicer_to_server(
                DocumentServicer(documents), server
            )
            workbench_pb2_grpc.add_WorkbenchServiceServicer_to_server(
                WorkbenchServicer(workbenches, definition=app.definition), server
            )

        await stack.enter_async_context(
            rpc.serving(
                address=settings.address,
                token=settings.token,
                register=register,
                services=_SERVICES,
            )
        )
        if workbenches is not None:
            stack.push_async_callback(workbenches.close)
        async with _running(worker, pool, app, audit, settings):
            await stop.wait()
            log.info("stopping")


def _workbenches(
    settings: Settings, backend: Backend, pool: Pool, *, incarnation: str
) -> Opener | None:
    """Interactive sessions, where checks run in containers."""
    if backend.name != "docker":
        return None
    from services.runner.workbench.workbenches import Workbenches  # noqa: PLC0415  # as docker-py
    from services.runner.workplaces.containers import ContainerBackend  # noqa: PLC0415

    assert isinstance(backend, ContainerBackend)  # noqa: S101  # by its name
    return Workbenches(
        backend.engine,
        runner=settings.id,
        incarnation=incarnation,
        bounds=backend.bounds,
        most=settings.workbenches,
        prepare=pool.prepare,
        idle_seconds=settings.workbench_idle_seconds,
    )


@contextlib.asynccontextmanager
async def _running(
    worker: Worker, pool: Pool, app: RunnerApp, audit: Audit, settings: Settings
) -> AsyncIterator[None]:
    """Runs the loops; on leaving, heartbeats go on until nothing is held any more."""
    registered = asyncio.create_task(_start(worker))
    upkeep = asyncio.create_task(pool.maintain())
    auditing = asyncio.create_task(audit.run())
    warming = asyncio.create_task(_warm(app, list(parse_warm(settings.warm))))
    try:
        yield
    finally:
        loops = registered.result() if registered.done() else []
        registered.cancel()
        warming.cancel()
        auditing.cancel()
        for loop in loops[:1]:
            loop.cancel()  # no more jobs
        await worker.hand_back(seconds=settings.drain_seconds)
        for task in (*loops, upkeep):
            task.cancel()
        await asyncio.gather(*loops, upkeep, warming, auditing, registered, return_exceptions=True)


async def _start(worker: Worker) -> list[asyncio.Task[None]]:
    await worker.register()
    log.info("registered; taking jobs")
    return [asyncio.create_task(worker.pull()), asyncio.create_task(worker.beat())]


async def _warm(app: RunnerApp, names: list[str]) -> None:
    for name in names:
        try:
            async for step in app.prepare(app.definition(name)):
                log.info(step.message)
        except Error as error:
            log.warning(f"{name} cannot be made ready: {error.message}")


async def _channel(stack: contextlib.AsyncExitStack, address: str, token: str) -> grpc.aio.Channel:
    return await stack.enter_async_context(rpc.dial(address, token=token))


async def choose_backend(settings: Settings, *, incarnation: str) -> Backend:
    """The backend that the settings ask for; for `auto`, Docker if an engine answers.

    Raises UnavailableError if Docker is asked for and does not answer.
    """
    if settings.backend not in {"auto", "docker", "process"}:
        raise InvalidArgumentError(
            f"ACKREP_RUNNER_BACKEND is {settings.backend!r}, not auto, docker or process"
        )
    if settings.backend == "process":
        return await _processes(settings, reason="asked for by the settings")
    # Imported late: docker-py alone costs 0.2 s, which the process backend need not wait for.
    from services.runner.engine.containers import Bounds, find_engine  # noqa: PLC0415
    from services.runner.workplaces.containers import ContainerBackend  # noqa: PLC0415

    try:
        engine = await asyncio.to_thread(find_engine)
    except UnavailableError as error:
        if settings.backend == "docker":
            raise
        return await _processes(settings, reason=error.message)
    asked = "asked for by the settings" if settings.backend == "docker" else "an engine answers"
    backend = ContainerBackend(
        engine,
        runner=settings.id,
        incarnation=incarnation,
        bounds=Bounds(
            memory_bytes=settings.memory_bytes,
            cpus=settings.cpus,
            processes=settings.processes,
            shm_bytes=settings.shm_bytes,
            disk_bytes=settings.disk_bytes,
        ),
        reason=f"{asked} at {engine.host}",
        registry=settings.registry,
        pull_seconds=settings.pull_seconds,
        strict=settings.strict,
    )
    if removed := await backend.sweep():
        log.info(f"removed {removed} containers of an earlier start")
    return backend


async def _processes(settings: Settings, *, reason: str) -> Backend:
    from services.runner.workplaces.processes import ProcessBackend  # noqa: PLC0415  # not needed with Docker

    backend = ProcessBackend(settings.state_folder, reason=reason)
    if removed := await backend.sweep():
        log.info(f"removed {removed} folders of runners that were killed")
    return backend


if __name__ == "__main__":
    main()
