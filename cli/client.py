"""Calls to a system: channels, stubs, pages of lists, and errors as `services.errors`."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

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
from ackrep.scheduler.v1 import (
    check_pb2,
    record_pb2,
    record_pb2_grpc,
    scheduler_pb2,
    scheduler_pb2_grpc,
)
from cli.calls import Calls, Patience, errors
from cli.state import System
from services.errors import NotFoundError, UnavailableError

_SYNC_SECONDS = 900.0
_UPLOAD_SECONDS = 6 * 3600.0
_PAGE = 500
_SEARCH_PAGE = 200

T = TypeVar("T")


class Client(Calls):
    """Talks to the services of one system; an async context manager."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.revision_name = ""
        """Revision that entities are read at; empty means the current one."""
        catalog, scheduler = self.channel("catalog"), self.channel("scheduler")
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(catalog)
        self._content = content_pb2_grpc.ContentServiceStub(catalog)
        self._ontology = ontology_pb2_grpc.OntologyServiceStub(catalog)
        self._search = search_pb2_grpc.SearchServiceStub(catalog)
        self._scheduler = scheduler_pb2_grpc.SchedulerServiceStub(scheduler)
        self._runner = runner_pb2_grpc.RunnerServiceStub(self.channel("runner"))

    # Catalog --------------------------------------------------------------------------------

    async def sync(self) -> catalog_pb2.Revision:
        """Makes the catalog read its source again."""
        return await self.call(
            "catalog",
            self._catalog.SyncRevision,
            catalog_pb2.SyncRevisionRequest(),
            timeout=_SYNC_SECONDS,
        )

    async def revision(self) -> catalog_pb2.Revision:
        """The current revision."""
        return await self.call(
            "catalog",
            self._catalog.GetRevision,
            catalog_pb2.GetRevisionRequest(name="revisions/current"),
        )

    async def watch_revisions(self) -> AsyncIterator[catalog_pb2.Revision]:
        """The current revision, and each that becomes current; survives a lost connection.

        Raises:
            UnavailableError: The connection stays lost.
        """
        patience = Patience()
        while True:
            try:
                with errors("catalog"):
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
        return await self.call(
            "catalog",
            self._catalog.GetEntity,
            catalog_pb2.GetEntityRequest(name=f"entities/{key}", revision=self.revision_name),
        )

    async def closure(self, key: str) -> catalog_pb2.Closure:
        """The folders that a check of an entity depends on."""
        return await self.call(
            "catalog",
            self._catalog.GetClosure,
            catalog_pb2.GetClosureRequest(entity=f"entities/{key}", revision=self.revision_name),
        )

    async def affected(self, *, since: str, revision: str) -> set[str]:
        """Keys of the entities whose checks differ between two revisions, `revisions/{id}` each."""
        request = catalog_pb2.ListAffectedEntitiesRequest(
            base_revision=since, revision=revision, page_size=_PAGE
        )
        found: set[str] = set()
        while True:
            page = await self.call("catalog", self._catalog.ListAffectedEntities, request)
            found.update(one.entity.rpartition("/")[2] for one in page.entities)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def entities(self, condition: str = "") -> list[catalog_pb2.Entity]:
        """All entities that fulfil a filter."""
        found: list[catalog_pb2.Entity] = []
        request = catalog_pb2.ListEntitiesRequest(
            page_size=_PAGE, filter=condition, revision=self.revision_name
        )
        while True:
            page = await self.call("catalog", self._catalog.ListEntities, request)
            found.extend(page.entities)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def search(
        self, request: search_pb2.SearchEntitiesRequest, *, limit: int
    ) -> search_pb2.SearchEntitiesResponse:
        """The best matches of a search, as one page; facets and corrections are on it."""
        request.page_size = min(limit, _SEARCH_PAGE)
        answer = await self.call("catalog", self._search.SearchEntities, request)
        token = answer.next_page_token
        while token and len(answer.results) < limit:
            request.page_token = token
            page = await self.call("catalog", self._search.SearchEntities, request)
            answer.results.extend(page.results[: limit - len(answer.results)])
            token = page.next_page_token
        return answer

    async def diagnostics(self) -> list[catalog_pb2.Diagnostic]:
        """Everything wrong with the metadata of the current revision."""
        found: list[catalog_pb2.Diagnostic] = []
        request = catalog_pb2.ListDiagnosticsRequest(page_size=_PAGE)
        while True:
            page = await self.call("catalog", self._catalog.ListDiagnostics, request)
            found.extend(page.diagnostics)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def query_ontology(
        self, query: str, *, max_rows: int
    ) -> ontology_pb2.QueryOntologyResponse:
        """Rows of a SELECT, or the answer of an ASK, at the current revision."""
        return await self.call(
            "catalog",
            self._ontology.QueryOntology,
            ontology_pb2.QueryOntologyRequest(query=query, max_rows=max_rows),
            timeout=_SYNC_SECONDS,
        )

    async def missing_blobs(self, blobs: Sequence[str]) -> list[str]:
        """Which of these git blobs the catalog lacks; at most 10,000 are asked for."""
        request = content_pb2.FindMissingBlobsRequest(blobs=blobs)
        return list((await self.call("catalog", self._content.FindMissingBlobs, request)).blobs)

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
            with errors("catalog"):
                return await self._content.UploadRevision(noticed(), timeout=_UPLOAD_SECONDS)
        except asyncio.CancelledError:
            if failures:
                raise failures[0] from None
            raise

    # Scheduler ------------------------------------------------------------------------------

    async def create_check(self, request: scheduler_pb2.CreateCheckRequest) -> check_pb2.Check:
        """Asks for a check; repeating a lost request does not make a second one."""
        request.request_id = request.request_id or uuid.uuid4().hex
        return await self.call("scheduler", self._scheduler.CreateCheck, request)

    async def create_run(self, request: scheduler_pb2.CreateRunRequest) -> check_pb2.Run:
        """Asks for a run; repeating a lost request does not make a second one."""
        request.request_id = request.request_id or uuid.uuid4().hex
        return await self.call("scheduler", self._scheduler.CreateRun, request, timeout=120.0)

    async def check(self, name: str) -> check_pb2.Check:
        """One check, in full."""
        return await self.call(
            "scheduler", self._scheduler.GetCheck, scheduler_pb2.GetCheckRequest(name=name)
        )

    async def checks(self, condition: str, *, limit: int) -> list[check_pb2.Check]:
        """The newest checks that fulfil a filter."""
        found: list[check_pb2.Check] = []
        request = scheduler_pb2.ListChecksRequest(filter=condition)
        while len(found) < limit:
            request.page_size = min(_PAGE, limit - len(found))
            page = await self.call("scheduler", self._scheduler.ListChecks, request)
            found.extend(page.checks)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        return found

    async def runs(self, *, limit: int) -> list[check_pb2.Run]:
        """The newest runs."""
        request = scheduler_pb2.ListRunsRequest(page_size=min(limit, _PAGE))
        page = await self.call("scheduler", self._scheduler.ListRuns, request)
        return list(page.runs)

    async def cancel(self, name: str) -> check_pb2.Check:
        """Stops a check."""
        return await self.call(
            "scheduler", self._scheduler.CancelCheck, scheduler_pb2.CancelCheckRequest(name=name)
        )

    async def watch_check(self, name: str) -> AsyncIterator[check_pb2.CheckEvent]:
        """What happens in a check, from its beginning to its verdict; survives a lost connection.

        Raises:
            UnavailableError: The connection stays lost.
        """
        request = scheduler_pb2.WatchCheckRequest(name=name)
        patience = Patience()
        while True:
            try:
                with errors("scheduler"):
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
        patience = Patience()
        while True:
            try:
                with errors("scheduler"):
                    async for event in self._scheduler.WatchRun(request, wait_for_ready=True):
                        patience.renew()
                        if event.resume_token:
                            request.resume_token = event.resume_token
                        yield event
                run = await self.call(
                    "scheduler", self._scheduler.GetRun, scheduler_pb2.GetRunRequest(name=name)
                )
                if run.finished_count >= run.check_count:
                    return
                raise UnavailableError("the scheduler ended the stream too early")
            except UnavailableError as error:
                await patience.wait_after(error, self.system)

    async def record(self, name: str) -> record_pb2.Record:
        """The signed record of a check."""
        stub = record_pb2_grpc.RecordServiceStub(self.channel("scheduler"))
        return await self.call("scheduler", stub.GetRecord, record_pb2.GetRecordRequest(name=name))

    async def signing_key(self) -> record_pb2.SigningKey:
        """The public key of the installation."""
        stub = record_pb2_grpc.RecordServiceStub(self.channel("scheduler"))
        return await self.call("scheduler", stub.GetSigningKey, record_pb2.GetSigningKeyRequest())

    async def archive(self, key: str) -> AsyncIterator[bytes]:
        """An entity with all that it depends on, as a tar.gz."""
        request = content_pb2.DownloadArchiveRequest(
            entity=f"entities/{key}",
            format=content_pb2.DownloadArchiveRequest.FORMAT_TAR_GZ,
            revision=self.revision_name,
        )
        with errors("catalog"):
            async for piece in self._content.DownloadArchive(request):
                yield piece.data

    async def download(self, artefact: str) -> AsyncIterator[bytes]:
        """The bytes of `artefacts/{sha256}`."""
        request = scheduler_pb2.DownloadArtefactRequest(name=artefact)
        with errors("scheduler"):
            async for part in self._scheduler.DownloadArtefact(request, timeout=600.0):
                yield part.data

    async def runners(self) -> list[check_pb2.RunnerStatus]:
        """The runners that the scheduler knows."""
        page = await self.call(
            "scheduler", self._scheduler.ListRunners, scheduler_pb2.ListRunnersRequest()
        )
        return list(page.runners)

    # Runner ---------------------------------------------------------------------------------

    async def runner(self) -> runner_pb2.Runner | None:
        """The system's own runner; none where its address is not known."""
        if not self.system.runner:
            return None
        try:
            return await self.call(
                "runner", self._runner.GetRunner, runner_pb2.GetRunnerRequest(name="runners/-")
            )
        except (UnavailableError, NotFoundError):
            return None
