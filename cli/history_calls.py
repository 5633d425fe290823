"""Calls about history: groups of failures, the matrix, lives of entities, exchange of runs."""

import re
from collections.abc import AsyncIterator, Sequence

from ackrep.scheduler.v1 import (
    check_pb2,
    history_pb2,
    history_pb2_grpc,
    scheduler_pb2,
    scheduler_pb2_grpc,
)
from cli.calls import Calls
from services.errors import InvalidArgumentError, NotFoundError

_PAGE = 500
_ROWS = 1000
_ID = re.compile(r"(?:runs/)?([0-9a-f]{32})")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EXCHANGE_SECONDS = 120.0
_SHOWN = 5
"""Runs that an ambiguous time names in its message."""


class HistoryCalls:
    """Asks the scheduler about the past."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        channel = calls.channel("scheduler")
        self._stub = history_pb2_grpc.HistoryServiceStub(channel)
        self._scheduler = scheduler_pb2_grpc.SchedulerServiceStub(channel)

    async def run_named(self, text: str) -> str:
        """The name of a run: given by its id, or by the time when it began, or its beginning.

        Raises:
            NotFoundError: No run began then.
            InvalidArgumentError: Several did, or it is neither an id nor a time.
        """
        if match := _ID.fullmatch(text.strip()):
            return f"runs/{match.group(1)}"
        request = history_pb2.FindRunsRequest(time=text)
        found = (await self._calls.call("scheduler", self._stub.FindRuns, request)).runs
        if not found:
            raise NotFoundError(f"no run began at {text}; `ackrep runs` lists runs")
        if len(found) > 1:
            times = [f"{run.create_time.ToDatetime():%Y-%m-%dT%H:%M:%S}" for run in found[:_SHOWN]]
            more = ", ..." if len(found) > _SHOWN else ""
            raise InvalidArgumentError(
                f"{len(found)} runs began at {text}: name one of {', '.join(times)}{more}"
            )
        return found[0].name

    async def run_id(self, text: str) -> str:
        """The id of the run that began at a time; whatever is no time stays as it is.

        Raises:
            NotFoundError: No run began then.
            InvalidArgumentError: Several did.
        """
        return (await self.run_named(text)).removeprefix("runs/") if _DAY.match(text) else text

    async def groups(self, run: str) -> history_pb2.ListFailureGroupsResponse:
        """Causes of failures of a run, or of the present state where empty."""
        request = history_pb2.ListFailureGroupsRequest(run=run)
        return await self._calls.call("scheduler", self._stub.ListFailureGroups, request)

    async def entity(self, key: str) -> history_pb2.EntityHistory:
        """How an entity fared."""
        request = history_pb2.GetEntityHistoryRequest(name=f"entities/{key}")
        return await self._calls.call("scheduler", self._stub.GetEntityHistory, request)

    async def points(self, key: str, *, limit: int) -> list[history_pb2.HistoryPoint]:
        """The newest finished checks of an entity."""
        found: list[history_pb2.HistoryPoint] = []
        request = history_pb2.ListEntityHistoryRequest(entity=f"entities/{key}")
        while len(found) < limit:
            request.page_size = min(_PAGE, limit - len(found))
            page = await self._calls.call("scheduler", self._stub.ListEntityHistory, request)
            found.extend(page.points)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        return found

    async def matrix(
        self, *, runs: Sequence[str], count: int, entities: Sequence[str]
    ) -> history_pb2.VerdictMatrix:
        """Runs beside each other, all entities of them."""
        request = history_pb2.GetVerdictMatrixRequest(
            runs=runs, run_count=count, entities=entities, page_size=_ROWS
        )
        whole = await self._calls.call("scheduler", self._stub.GetVerdictMatrix, request)
        token = whole.next_page_token
        while token:
            request.page_token = token
            page = await self._calls.call("scheduler", self._stub.GetVerdictMatrix, request)
            whole.rows.extend(page.rows)
            token = page.next_page_token
        whole.next_page_token = ""
        return whole

    async def runs(self) -> AsyncIterator[check_pb2.Run]:
        """Every run, newest first."""
        request = scheduler_pb2.ListRunsRequest(page_size=_PAGE)
        while True:
            page = await self._calls.call("scheduler", self._scheduler.ListRuns, request)
            for run in page.runs:
                yield run
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def import_run(self, file_name: str, content: bytes) -> history_pb2.ImportRunResponse:
        """Takes over a results file."""
        request = history_pb2.ImportRunRequest(file_name=file_name, content=content)
        return await self._calls.call(
            "scheduler", self._stub.ImportRun, request, timeout=_EXCHANGE_SECONDS
        )

    async def export_run(self, name: str) -> history_pb2.ExportRunResponse:
        """Writes a run as a results file."""
        request = history_pb2.ExportRunRequest(name=name)
        return await self._calls.call(
            "scheduler", self._stub.ExportRun, request, timeout=_EXCHANGE_SECONDS
        )
