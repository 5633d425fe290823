"""Asking for checks as clients do that insist: the same request id until there is an answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import httpx

from ackrep.scheduler.v1 import scheduler_pb2, scheduler_pb2_grpc
from tests.chaos.plan import Batch
from tests.chaos.world import World, deadline

_INSIST_SECONDS = 120.0
_FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""What no repetition changes."""


class Requests:
    """Creates and cancels checks over gRPC and HTTP."""

    def __init__(self, world: World, *, seed: int) -> None:
        self._world = world
        self._seed = seed
        self.checks: dict[str, str] = {}
        """Check id by entity key."""

    async def ask(self, batch: Batch) -> None:
        """Asks for all checks of a batch, each until it is there; then cancels some."""
        async with self._world.channel("scheduler") as channel:
            stub = scheduler_pb2_grpc.SchedulerServiceStub(channel)
            match batch.way:
                case "run":
                    await self._by_run(stub, batch.keys)
                case "grpc":
                    await asyncio.gather(*(self._by_grpc(stub, key) for key in batch.keys))
                case _:
                    async with httpx.AsyncClient(
                        base_url=f"http://127.0.0.1:{self._world.ports['gateway']}", timeout=10
                    ) as client:
                        await asyncio.gather(*(self._by_http(client, key) for key in batch.keys))
            for key in sorted(batch.cancelled):
                await self._cancel(stub, key)

    def _id(self, key: str) -> str:
        return f"chaos-{self._seed}-{key}"

    async def _cancel(self, stub: scheduler_pb2_grpc.SchedulerServiceStub, key: str) -> None:
        request = scheduler_pb2.CancelCheckRequest(name=f"checks/{self.checks[key]}")
        await _insist(lambda: stub.CancelCheck(request, timeout=5))

    async def _by_grpc(self, stub: scheduler_pb2_grpc.SchedulerServiceStub, key: str) -> None:
        request = scheduler_pb2.CreateCheckRequest(
            entity=f"entities/{key}", force=True, request_id=self._id(key)
        )
        check = await _insist(lambda: stub.CreateCheck(request, timeout=5))
        self.checks[key] = check.name.removeprefix("checks/")

    async def _by_run(
        self, stub: scheduler_pb2_grpc.SchedulerServiceStub, keys: tuple[str, ...]
    ) -> None:
        request = scheduler_pb2.CreateRunRequest(
            title=keys[0],
            entities=[f"entities/{key}" for key in keys],
            force=True,
            request_id=self._id(keys[0]),
        )
        run = await _insist(lambda: stub.CreateRun(request, timeout=10))
        listing = scheduler_pb2.ListChecksRequest(page_size=500, filter=f"run = {run.name}")
        page = await _insist(lambda: stub.ListChecks(listing, timeout=10))
        for check in page.checks:
            self.checks[check.entity.removeprefix("entities/")] = check.name.removeprefix("checks/")

    async def _by_http(self, client: httpx.AsyncClient, key: str) -> None:
        body = {"entity": f"entities/{key}", "force": True, "requestId": self._id(key)}
        late = deadline(_INSIST_SECONDS)
        while True:
            try:
                answer = await client.post("/v1/checks", json=body)
            except httpx.TransportError as error:
                said = repr(error)
            else:
                if answer.is_success:
                    self.checks[key] = answer.json()["name"].removeprefix("checks/")
                    return
                assert answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR, answer.text
                said = answer.text
            assert not late(), f"no check of {key}: {said}"
            await asyncio.sleep(0.2)


async def _insist(call: Callable[[], Awaitable[Any]]) -> Any:
    late = deadline(_INSIST_SECONDS)
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if late() or error.code() in _FINAL:
                raise AssertionError(f"{error.code()}: {error.details()}") from error
            await asyncio.sleep(0.2)
