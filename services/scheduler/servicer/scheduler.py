"""What users ask of the scheduler: messages in, use cases, messages out."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from google.api import httpbody_pb2

from ackrep.scheduler.v1 import check_pb2, scheduler_pb2, scheduler_pb2_grpc
from services.scheduler.app import Scheduler
from services.scheduler.artefacts.content_types import sniffed
from services.scheduler.checks.registry import Runners
from services.scheduler.checks.selecting import NEWEST
from services.scheduler.checks.watch import Watch
from services.scheduler.domain.names import (
    artefact_id,
    check_id,
    entity_key,
    environment_image,
    run_id,
    runner_id,
)
from services.scheduler.domain.promotion import read_candidate
from services.scheduler.domain.runners import KnownRunner
from services.scheduler.domain.selection import Selection
from services.scheduler.messages import (
    check_message,
    entity_verdict_message,
    run_message,
    runner_message,
    verdict_of,
)
from services.scheduler.ports.store import Artefacts, Store


class SchedulerServicer(scheduler_pb2_grpc.SchedulerServiceServicer):
    """`ackrep.scheduler.v1.SchedulerService`."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        runners: Runners,
        watch: Watch,
        store: Store,
        artefacts: Artefacts,
    ) -> None:
        self._scheduler = scheduler
        self._runners = runners
        self._watch = watch
        self._store = store
        self._artefacts = artefacts

    async def CreateCheck(
        self, request: scheduler_pb2.CreateCheckRequest, context: Any
    ) -> check_pb2.Check:
        check = await self._scheduler.create_check(
            entity=entity_key(request.entity),
            revision=request.revision.removeprefix("revisions/"),
            environment=_environment(request.environment),
            request_id=request.request_id,
            force=request.force,
            requester=request.requester,
        )
        return check_message(check)

    async def GetCheck(
        self, request: scheduler_pb2.GetCheckRequest, context: Any
    ) -> check_pb2.Check:
        found = check_message(await self._scheduler.get_check(check_id(request.name)))
        provenance = found.result.provenance
        if not provenance.packages:  # results of earlier versions carry them
            image = await self._store.environments.image(provenance.environment_digest)
            if image is not None:
                provenance.packages.extend(image.packages)
        return found

    async def ListChecks(
        self, request: scheduler_pb2.ListChecksRequest, context: Any
    ) -> scheduler_pb2.ListChecksResponse:
        checks, token = await self._scheduler.list_checks(
            filter_text=request.filter, size=request.page_size, token=request.page_token
        )
        return scheduler_pb2.ListChecksResponse(
            checks=map(check_message, checks), next_page_token=token
        )

    async def ListEntityVerdicts(
        self, request: scheduler_pb2.ListEntityVerdictsRequest, context: Any
    ) -> scheduler_pb2.ListEntityVerdictsResponse:
        verdicts, token = await self._scheduler.list_verdicts(
            verdict=verdict_of(request.verdict, field="verdict"),
            entities=[entity_key(name) for name in request.entities],
            size=request.page_size,
            token=request.page_token,
        )
        return scheduler_pb2.ListEntityVerdictsResponse(
            verdicts=map(entity_verdict_message, verdicts), next_page_token=token
        )

    async def CancelCheck(
        self, request: scheduler_pb2.CancelCheckRequest, context: Any
    ) -> check_pb2.Check:
        return check_message(await self._scheduler.cancel_check(check_id(request.name)))

    async def WatchCheck(
        self, request: scheduler_pb2.WatchCheckRequest, context: Any
    ) -> AsyncIterator[check_pb2.CheckEvent]:
        events = self._watch.check(check_id(request.name), token=request.resume_token)
        async with contextlib.aclosing(events):  # a watcher that goes away ends its subscription
            async for event in events:
                yield event

    async def CreateRun(
        self, request: scheduler_pb2.CreateRunRequest, context: Any
    ) -> check_pb2.Run:
        summary = await self._scheduler.create_run(
            title=request.title,
            revision=request.revision.removeprefix("revisions/"),
            selection=Selection(
                entities=tuple(entity_key(name) for name in request.entities),
                filter=request.filter,
                affected_since=request.affected_since.removeprefix("revisions/"),
                failed_in=_run(request.failed_in),
            ),
            environment=_environment(request.environment),
            request_id=request.request_id,
            force=request.force,
            requester=request.requester,
        )
        return run_message(summary)

    async def CancelRun(
        self, request: scheduler_pb2.CancelRunRequest, context: Any
    ) -> check_pb2.Run:
        return run_message(await self._scheduler.cancel_run(run_id(request.name)))

    async def GetRun(self, request: scheduler_pb2.GetRunRequest, context: Any) -> check_pb2.Run:
        return run_message(await self._scheduler.get_run(run_id(request.name)))

    async def ListRuns(
        self, request: scheduler_pb2.ListRunsRequest, context: Any
    ) -> scheduler_pb2.ListRunsResponse:
        runs, token = await self._scheduler.list_runs(
            size=request.page_size,
            token=request.page_token,
            revision=request.revision.removeprefix("revisions/"),
        )
        return scheduler_pb2.ListRunsResponse(runs=map(run_message, runs), next_page_token=token)

    async def WatchRun(
        self, request: scheduler_pb2.WatchRunRequest, context: Any
    ) -> AsyncIterator[check_pb2.RunEvent]:
        events = self._watch.run(run_id(request.name), token=request.resume_token)
        async with contextlib.aclosing(events):
            async for check, summary in events:
                yield check_pb2.RunEvent(
                    resume_token=str(check.change),
                    check=check_message(check, full=False),
                    run=run_message(summary),
                )

    async def DownloadArtefact(
        self, request: scheduler_pb2.DownloadArtefactRequest, context: Any
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        digest = artefact_id(request.name)
        known = await self._store.checks.artefact(digest)
        content_type = known.content_type if known else ""
        first = True
        async for chunk in self._artefacts.read(digest):
            content_type = content_type or sniffed(chunk)
            yield httpbody_pb2.HttpBody(content_type=content_type if first else "", data=chunk)
            first = False
        if first:  # an empty file
            yield httpbody_pb2.HttpBody(content_type=content_type or sniffed(b""))

    async def ListRunners(
        self, request: scheduler_pb2.ListRunnersRequest, context: Any
    ) -> scheduler_pb2.ListRunnersResponse:
        found, token = await self._runners.listed(size=request.page_size, token=request.page_token)
        return scheduler_pb2.ListRunnersResponse(
            runners=map(self._runner, found), next_page_token=token
        )

    async def DrainRunner(
        self, request: scheduler_pb2.DrainRunnerRequest, context: Any
    ) -> check_pb2.RunnerStatus:
        return self._runner(
            await self._runners.drain(runner_id(request.name), reason=request.reason)
        )

    async def ResumeRunner(
        self, request: scheduler_pb2.ResumeRunnerRequest, context: Any
    ) -> check_pb2.RunnerStatus:
        return self._runner(await self._runners.resume(runner_id(request.name)))

    def _runner(self, known: KnownRunner) -> check_pb2.RunnerStatus:
        return runner_message(known, lost=self._runners.lost(known))


def _environment(name: str) -> str:
    """Reads an environment, or one image of it."""
    if not name:
        return ""
    plain, reference = environment_image(name)
    return read_candidate(plain, reference).name if reference else plain


def _run(name: str) -> str:
    if not name:
        return ""
    return NEWEST if name == f"runs/{NEWEST}" else run_id(name)
