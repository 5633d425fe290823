"""Many readers of one resource: one call upstream, no gap, no repetition, bounded memory."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from ackrep.scheduler.v1 import check_pb2
from gateway.live.hub import Ended
from gateway.live.reader import Batch, Lost, Reader
from gateway.live.sources import Limits, Source
from gateway.live.streams import Streams
from tests.unit.gateway.conftest import eventually

SMALL = Limits(ring_bytes=8_000, batch_bytes=2_000, linger_seconds=0.05, hold_seconds=0.05)
"""A ring holds about twenty lines."""


def failure(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """What a call fails with."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), code.name)


class Service:
    """A service with one check that many watch; its events are kept for ever, or not."""

    def __init__(self) -> None:
        self.lines: list[check_pb2.CheckEvent] = []
        self.done = False
        self.calls: list[str] = []
        self.open = 0
        self.most = 0
        self.refuses: grpc.StatusCode | None = None
        self.grown = asyncio.Condition()
        self._cuts: deque[Call] = deque()

    async def write(self, count: int, *, done: bool = False) -> None:
        """Lets the check write lines."""
        for _ in range(count):
            number = len(self.lines) + 1
            self.lines.append(
                check_pb2.CheckEvent(
                    check="checks/1",
                    attempt=1,
                    sequence=number,
                    resume_token=f"1.{number}",
                    log=check_pb2.LogChunk(text=f"line {number}\n"),
                )
            )
        self.done = self.done or done
        async with self.grown:
            self.grown.notify_all()

    def begin(self, token: str) -> "Call":
        """Opens a call after a token."""
        self.calls.append(token)
        call = Call(self, int(token.removeprefix("1.") or 0) if token else 0)
        self._cuts.append(call)
        return call

    async def cut(self) -> None:
        """Breaks all calls, as a service does that is killed."""
        for call in self._cuts:
            call.broken = True
        self._cuts.clear()
        async with self.grown:
            self.grown.notify_all()

    @property
    def source(self) -> Source:
        """The source of its check."""
        return Source(key="checks/1", open=self.begin, resumes=True)


class Call:
    """One call, as grpc.aio has them."""

    def __init__(self, service: Service, position: int) -> None:
        self._service = service
        self._position = position
        self.broken = False
        self._open = True
        service.open += 1
        service.most = max(service.most, service.open)

    async def read(self) -> Any:
        """Gives the next event."""
        service = self._service
        if service.refuses is not None:
            raise failure(service.refuses)
        async with service.grown:
            while True:
                if self.broken:
                    raise failure(grpc.StatusCode.UNAVAILABLE)
                if self._position < len(service.lines):
                    self._position += 1
                    return service.lines[self._position - 1]
                if service.done:
                    return grpc.aio.EOF
                await service.grown.wait()

    def cancel(self) -> None:
        """Ends it."""
        if self._open:
            self._open = False
            self._service.open -= 1


@pytest.fixture
async def service() -> Service:
    """A check that has written nothing yet."""
    return Service()


@contextlib.contextmanager
def closing(*readers: Reader) -> Any:
    """Closes readers."""
    try:
        yield
    finally:
        for reader in readers:
            reader.close()


async def read(reader: Reader, *, until: int | None = None) -> tuple[list[int], list[Lost]]:
    """Reads to the end, or up to a line: the numbers of the lines, and what was lost."""
    numbers: list[int] = []
    lost: list[Lost] = []
    async with asyncio.timeout(10):
        while not numbers or numbers[-1] != until:
            batch: Batch = await reader.next()
            if batch.lost:
                lost.append(batch.lost)
            numbers += [int(entry.token.removeprefix("1.")) for entry in batch.entries]
            if isinstance(batch.ending, Ended):
                break
            if batch.ending is not None:
                raise batch.ending
    return numbers, lost


def whole(count: int, *, after: int = 0) -> tuple[list[int], list[Lost]]:
    """What a reader without gap or repetition has read."""
    return list(range(after + 1, count + 1)), []


async def test_many_readers_share_one_call(service: Service) -> None:
    """Fifty readers get all of it, and the service is asked once."""
    streams = Streams(SMALL)
    readers = [streams.reader(service.source) for _ in range(50)]
    with closing(*readers):
        reading = [asyncio.ensure_future(read(one)) for one in readers]
        for _ in range(30):
            await service.write(5)
            await asyncio.sleep(0)
        await service.write(0, done=True)
        results: Sequence[Any] = await asyncio.gather(*reading)
    assert [whole(150)] * 50 == results
    assert "" == service.calls[0]
    assert SMALL.catching_up >= service.most - 1
    await eventually(lambda: service.open == 0)


async def test_a_stalled_reader_delays_nobody(service: Service) -> None:
    """The others go on; it gets the rest by a call of its own, and the ring stays small."""
    streams = Streams(SMALL)
    stalled, brisk = streams.reader(service.source), streams.reader(service.source)
    with closing(stalled, brisk):
        await service.write(3)
        assert whole(3) == await read(stalled, until=3)
        for upto in range(100, 1001, 100):
            await service.write(100)
            numbers, lost = await read(brisk, until=upto)
            assert upto == numbers[-1]
            assert [] == lost
        assert 1 == len([call for call in service.calls if call == ""])
        await service.write(0, done=True)
        assert whole(1000 + 3, after=3) == await read(stalled)


async def test_late_readers_get_history_first(service: Service) -> None:
    """From any token on, also where the ring has forgotten it, and then they join the others."""
    streams = Streams(SMALL)
    first = streams.reader(service.source)
    with closing(first):
        await service.write(500)
        await read(first, until=500)
        late = [streams.reader(service.source, token=t) for t in ("", "1.7", "1.499", "1.500")]
        with closing(*late):
            reading = [asyncio.ensure_future(read(one)) for one in late]
            await eventually(lambda: all(one.token == "1.500" for one in late))
            await service.write(20)
            await eventually(lambda: all(one.token == "1.520" for one in late))
            assert all(one.place is not None for one in late)
            await service.write(20, done=True)
            assert [whole(540, after=after) for after in (0, 7, 499, 500)] == await asyncio.gather(
                *reading
            )
            # History of the first two; the others found their places in the ring.
            assert ["", "", "1.7"] == service.calls


async def test_a_killed_service(service: Service) -> None:
    """Readers do not notice: they are read for again, from where it stopped."""
    streams = Streams(SMALL)
    reader = streams.reader(service.source)
    with closing(reader):
        await service.write(10)
        assert whole(10) == await read(reader, until=10)
        service.refuses = grpc.StatusCode.UNAVAILABLE
        await service.cut()
        await service.write(10)
        await eventually(lambda: len(service.calls) > 2)
        service.refuses = None
        await service.write(10, done=True)
        assert whole(30, after=10) == await read(reader)
    assert {"1.10"} == set(service.calls[1:])


async def test_what_is_gone_for_good_is_said(service: Service) -> None:
    """Where the service no longer has it either, one gap counts what is missing."""
    streams = Streams(SMALL)
    stalled, brisk = streams.reader(service.source), streams.reader(service.source)
    with closing(stalled, brisk):
        await service.write(3)
        await read(stalled, until=3)
        for upto in (103, 203, 303):
            await service.write(100)
            await read(brisk, until=upto)
        service.refuses = grpc.StatusCode.NOT_FOUND
        numbers, (lost,) = await read(stalled, until=303)
    assert lost.events == 303 - 3 - len(numbers) > 200
    assert f"1.{3 + lost.events}" == lost.token
    assert list(range(4 + lost.events, 304)) == numbers


async def test_an_early_failure_is_for_whom_it_concerns(service: Service) -> None:
    """A call that cannot begin fails; whoever comes later is not told of it again."""
    streams = Streams(SMALL)
    service.refuses = grpc.StatusCode.NOT_FOUND
    with closing(reader := streams.reader(service.source)):
        assert isinstance((await reader.next()).ending, grpc.aio.AioRpcError)
    service.refuses = None
    await service.write(2, done=True)
    with closing(reader := streams.reader(service.source)):
        assert whole(2) == await read(reader)


async def test_calls_end_with_their_last_reader(service: Service) -> None:
    """Not at once, as one may come back that only reloads its page."""
    streams = Streams(SMALL)
    await service.write(5)
    with closing(reader := streams.reader(service.source)):
        await read(reader, until=5)
    with closing(reader := streams.reader(service.source, token="1.5")):
        await service.write(1)
        assert whole(6, after=5) == await read(reader, until=6)
    assert [""] == service.calls
    await eventually(lambda: service.open == 0)
    assert "ackrep_gateway_stream_sources 0" in streams.metrics()


async def test_few_catch_up_at_a_time(service: Service) -> None:
    """Forty late readers, some of which take nothing, get theirs with two calls at a time."""
    limits = Limits(ring_bytes=8_000, batch_bytes=2_000, catching_up=2)
    streams = Streams(limits)
    first = streams.reader(service.source)
    with closing(first):
        await service.write(400)
        await read(first, until=400)
        idle = [streams.reader(service.source) for _ in range(5)]
        late = [streams.reader(service.source) for _ in range(40)]
        with closing(*idle, *late):
            for one in idle:
                assert (await one.next()).entries  # and nothing more, with a call open
            await service.write(0, done=True)
            assert [whole(400)] * 40 == await asyncio.gather(*map(read, late))
    assert 1 + limits.catching_up >= service.most


async def test_from_now_on(service: Service) -> None:
    """Of a stream that begins now, whoever comes late gets what comes later; or from its token."""
    streams = Streams(SMALL)
    source = Source(key="now", open=service.begin, resumes=True, from_now=True)
    first = streams.reader(source)
    with closing(first):
        await service.write(3)
        await read(first, until=3)
        late, known = streams.reader(source), streams.reader(source, token="1.1")
        with closing(late, known):
            await service.write(2, done=True)
            assert whole(5, after=3) == await read(late)
            assert whole(5, after=1) == await read(known)


async def test_a_present_state_has_no_history(service: Service) -> None:
    """Of a stream that cannot be resumed whoever comes late gets the newest message."""
    streams = Streams(SMALL)
    source = Source(key="state", open=service.begin, resumes=False)
    await service.write(3)
    first = streams.reader(source)
    with closing(first):
        await read(first, until=3)
        with closing(late := streams.reader(source)):
            assert ([3], []) == await read(late, until=3)
            await service.write(200)
            await read(first, until=203)
            numbers, lost = await read(late, until=203)
    assert [] == lost
    assert sorted(numbers) == numbers
