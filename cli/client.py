"""Calls to a system: channels, stubs, pages of lists, and errors as `services.errors`."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

import grpc

from ackrep.catalog.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    content_pb2,
    content_pb2_grpc,
    ontology_pb2,
    ontology_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
)
from ackrep.runner.v1 import runner_pb2, runner_pb2_grpc
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2, scheduler_pb2_grpc
from cli.state import System
from services import rpc
from services.errors import Error, NotFoundError, UnavailableError

_CALL_SECONDS = 30.0
_SYNC_SECONDS = 900.0
_UPLOAD_SECONDS = 6 * 3600.0
_RECONNECT_SECONDS = 20.0
_RETRY_SECONDS = 5.0
_PAGE = 500
_SEARCH_PAGE = 200

T = TypeVar("T")


class Client:
    """Talks to the services of one system; an async context manager."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.revision_name = ""
        """Revision that entities are read at; empty means the current one."""
        self._channels: list[grpc.aio.Channel] = []

    async def __aenter__(self) -> Self:
        system = self.system
        catalog = self._dial(system.catalog)
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(catalog)
        self._content = content_pb2_grpc.ContentServiceStub(catalog)
        self._ontology = ontology_pb2_grpc.OntologyServiceStub(catalog)
        self._search = search_pb2_grpc.SearchServiceStub(catalog)
        # Without an address, calls fail with a clear error instead of an attribute missing.
        self._scheduler = scheduler_pb2_grpc.SchedulerServiceStub(self._dial(system.scheduler))
        self._runner = runner_pb2_grpc.RunnerServiceStub(self._dial(system.runner))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for channel in self._channels:
            await channel.close()

    def _dial(self, address: str) -> grpc.aio.Channel:
        channel = rpc.dial(address or "127.0.0.1:1", token=self.system.token)
        self._channels.append(channel)
        return channel

    async def _call(
        self,
        service: str,
        method: Callable[..., Awaitable[T]],
        request: object,
        *,
        timeout: float = _CALL_SECONDS,  # noqa: ASYNC109  # of gRPC, which passes it on as a deadline
    ) -> T:
        """Makes a call that may be repeated; a lost connection is tried again for some seconds.

        A service that crashed is back within a second or two, at the same address.
        """
        patience = _Patience(_RETRY_SECONDS)
        while True:
            try:
                with _errors(service):
                    return await method(request, timeout=timeout)
            except UnavailableError as error:
                # The catalog says so itself of a remote source, which a second try would not mend.
                if service == "catalog" and not _lost(error):
                    raise
                await patience.wait_after(error, self.system)

    # Catalog --------------------------------------------------------------------------------

    async def sync(self) -> catalog_pb2.Revision:
        """Makes the catalog read its source again."""
        return await self._call(
            "catalog",
            self._catalog.SyncRevision,
            catalog_pb2.SyncRevisionRequest(),
            timeout=_SYNC_SECONDS,
        )

    async def revision(self) -> catalog_pb2.Revision:
        """The current revision."""
        return await self._call(
            "catalog",
            self._catalog.GetRevision,
            catalog_pb2.GetRevisionRequest(name="revisions/current"),
        )

    async def watch_revisions(self) -> AsyncIterator[catalog_pb2.Revision]:
        """The current revision, and each that becomes current; survives a lost connection.

        Raises:
            UnavailableError: The connection stays lost.
        """
        patience = _Patience()
        while True:
            try:
                with _errors("catalog"):
                    async for revision in self._catalog.WatchCurrentRevision(
                        catalog_pb2.WatchCurrentRevisionRequest(), wait_for_ready=True
                    ):
                        patience.renew()
                        yield revision
                raise UnavailableError("the catalog ended the stream")
            except UnavailableError as error:
                await patience.wait_after(error, self.system)

    async def entity(self, key: str) -> catalog_pb2.Entity:
        """One entity, in full."""
        return await self._call(
            "catalog",
            self._catalog.GetEntity,
            catalog_pb2.GetEntityRequest(name=f"entities/{key}", revision=self.revision_name),
        )

    async def entities(self, condition: str = "") -> list[catalog_pb2.Entity]:
        """All entities that fulfil a filter."""
        found: list[catalog_pb2.Entity] = []
        request = catalog_pb2.ListEntitiesRequest(
            page_size=_PAGE, filter=condition, revision=self.revision_name
        )
        while True:
            page = await self._call("catalog", self._catalog.ListEntities, request)
            found.extend(page.entities)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def search(
        self, request: search_pb2.SearchEntitiesRequest, *, limit: int
    ) -> search_pb2.SearchEntitiesResponse:
        """The best matches of a search, as one page; facets and corrections are on it."""
        request.page_size = min(limit, _SEARCH_PAGE)
        answer = await self._call("catalog", self._search.SearchEntities, request)
        token = answer.next_page_token
        while token and len(answer.results) < limit:
            request.page_token = token
            page = await self._call("catalog", self._search.SearchEntities, request)
            answer.results.extend(page.results[: limit - len(answer.results)])
            token = page.next_page_token
        return answer

    async def diagnostics(self) -> list[catalog_pb2.Diagnostic]:
        """Everything wrong with the metadata of the current revision."""
        found: list[catalog_pb2.Diagnostic] = []
        request = catalog_pb2.ListDiagnosticsRequest(page_size=_PAGE)
        while True:
            page = await self._call("catalog", self._catalog.ListDiagnostics, request)
            found.extend(page.diagnostics)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def query_ontology(
        self, query: str, *, max_rows: int
    ) -> ontology_pb2.QueryOntologyResponse:
        """Rows of a SELECT, or the answer of an ASK, at the current revision."""
        return await self._call(
            "catalog",
            self._ontology.QueryOntology,
            ontology_pb2.QueryOntologyRequest(query=query, max_rows=max_rows),
            timeout=_SYNC_SECONDS,
        )

    async def missing_blobs(self, blobs: Sequence[str]) -> list[str]:
        """Which of these git blobs the catalog lacks; at most 10,000 are asked for."""
        request = content_pb2.FindMissingBlobsRequest(blobs=blobs)
        return list((await self._call("catalog", self._content.FindMissingBlobs, request)).blobs)

    async def upload(
        self, parts: AsyncIterator[content_pb2.UploadRevisionRequest]
    ) -> catalog_pb2.Revision:
        """Uploads a working copy, in one try: what arrived is kept, and need not be sent again."""
        failures: list[Exception] = []

        async def noticed() -> AsyncIterator[content_pb2.UploadRevisionRequest]:
            try:
                async for part in parts:
                    yield part
            except Exception as error:
                failures.append(error)  # gRPC only says that the call was cancelled
                raise

        try:
            with _errors("catalog"):
                return await self._content.UploadRevision(noticed(), timeout=_UPLOAD_SECONDS)
        except asyncio.CancelledError:
            if failures:
                raise failures[0] from None
            raise

    # Scheduler ------------------------------------------------------------------------------

    async def create_check(self, request: scheduler_pb2.CreateCheckRequest) -> check_pb2.Check:
        """Asks for a check; repeating a lost request does not make a second one."""
        request.request_id = request.request_id or uuid.uuid4().hex
        return await self._call("scheduler", self._scheduler.CreateCheck, request)

    async def create_run(self, request: scheduler_pb2.CreateRunRequest) -> check_pb2.Run:
        """Asks for a run; repeating a lost request does not make a second one."""
        request.request_id = request.request_id or uuid.uuid4().hex
        return await self._call("scheduler", self._scheduler.CreateRun, request, timeout=120.0)

    async def check(self, name: str) -> check_pb2.Check:
        """One check, in full."""
        return await self._call(
            "scheduler", self._scheduler.GetCheck, scheduler_pb2.GetCheckRequest(name=name)
        )

    async def checks(self, condition: str, *, limit: int) -> list[check_pb2.Check]:
        """The newest checks that fulfil a filter."""
        found: list[check_pb2.Check] = []
        request = scheduler_pb2.ListChecksRequest(filter=condition)
        while len(found) < limit:
            request.page_size = min(_PAGE, limit - len(found))
            page = await self._call("scheduler", self._scheduler.ListChecks, request)
            found.extend(page.checks)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        return found

    async def runs(self, *, limit: int) -> list[check_pb2.Run]:
        """The newest runs."""
        request = scheduler_pb2.ListRunsRequest(page_size=min(limit, _PAGE))
        page = await self._call("scheduler", self._scheduler.ListRuns, request)
        return list(page.runs)

    async def cancel(self, name: str) -> check_pb2.Check:
        """Stops a check."""
        return await self._call(
            "scheduler", self._scheduler.CancelCheck, scheduler_pb2.CancelCheckRequest(name=name)
        )

    async def watch_check(self, name: str) -> AsyncIterator[check_pb2.CheckEvent]:
        """What happens in a check, from its beginning to its verdict; survives a lost connection.

        Raises:
            UnavailableError: The connection stays lost.
        """
        request = scheduler_pb2.WatchCheckRequest(name=name)
        patience = _Patience()
        while True:
            try:
                with _errors("scheduler"):
                    async for event in self._scheduler.WatchCheck(request, wait_for_ready=True):
                        patience.renew()
                        if event.resume_token:
                            request.resume_token = event.resume_token
                        yield event
                        if event.check_changed.state == check_pb2.Check.STATE_FINISHED:
                            return
                check = await self.check(name)  # the stream may end at a drain of the scheduler
                if check.state == check_pb2.Check.STATE_FINISHED:
                    yield check_pb2.CheckEvent(check=name, check_changed=check)
                    return
                raise UnavailableError("the scheduler ended the stream too early")
            except UnavailableError as error:
                await patience.wait_after(error, self.system)

    async def watch_run(self, name: str) -> AsyncIterator[check_pb2.RunEvent]:
        """Each change of a check in a run until all are finished; survives a lost connection.

        Raises:
            UnavailableError: The connection stays lost.
        """
        request = scheduler_pb2.WatchRunRequest(name=name)
        patience = _Patience()
        while True:
            try:
                with _errors("scheduler"):
                    async for event in self._scheduler.WatchRun(request, wait_for_ready=True):
                        patience.renew()
                        if event.resume_token:
                            request.resume_token = event.resume_token
                        yield event
                run = await self._call(
                    "scheduler", self._scheduler.GetRun, scheduler_pb2.GetRunRequest(name=name)
                )
                if run.finished_count >= run.check_count:
                    return
                raise UnavailableError("the scheduler ended the stream too early")
            except UnavailableError as error:
                await patience.wait_after(error, self.system)

    async def download(self, artefact: str) -> AsyncIterator[bytes]:
        """The bytes of `artefacts/{sha256}`."""
        request = scheduler_pb2.DownloadArtefactRequest(name=artefact)
        with _errors("scheduler"):
            async for part in self._scheduler.DownloadArtefact(request, timeout=600.0):
                yield part.data

    async def runners(self) -> list[check_pb2.RunnerStatus]:
        """The runners that the scheduler knows."""
        page = await self._call(
            "scheduler", self._scheduler.ListRunners, scheduler_pb2.ListRunnersRequest()
        )
        return list(page.runners)

    # Runner ---------------------------------------------------------------------------------

    async def runner(self) -> runner_pb2.Runner | None:
        """The system's own runner; none where its address is not known."""
        if not self.system.runner:
            return None
        try:
            return await self._call(
                "runner", self._runner.GetRunner, runner_pb2.GetRunnerRequest(name="runners/-")
            )
        except (UnavailableError, NotFoundError):
            return None


class _Patience:
    """How long a lost connection is tried again."""

    def __init__(self, seconds: float = _RECONNECT_SECONDS) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def renew(self) -> None:
        self._since = None

    async def wait_after(self, error: Error, system: System) -> None:
        if system.ended:
            raise UnavailableError(f"the system has ended; its logs are in {system.state}/logs")
        now = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = now
        if now - self._since > self._seconds:
            raise error
        await asyncio.sleep(0.3)


@contextlib.contextmanager
def _errors(service: str) -> Iterator[None]:
    """Raises what the service raised; a lost connection names the service."""
    try:
        with rpc.remote_errors():
            yield
    except UnavailableError as error:
        if not _lost(error):
            raise
        raise UnavailableError(
            f"the {service} does not answer (connection lost); start the command again"
        ) from error.__cause__


def _lost(error: UnavailableError) -> bool:
    """True if it was the connection that failed, not something behind the service."""
    cause = error.__cause__
    return isinstance(cause, grpc.aio.AioRpcError) and not cause.trailing_metadata()
