"""Webhooks through a real scheduler process and real receivers: signed, repeated, never lost."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.scheduler.v1 import (
    check_pb2,
    dispatch_pb2,
    notification_pb2,
    notification_pb2_grpc,
    scheduler_pb2,
)
from services import rpc
from services.errors import InvalidArgumentError, NotFoundError
from tests.nats_servers import NatsServer
from tests.scheduler_runners import FakeRunner
from tests.scheduler_system import System, running_system, until
from tests.webhook_receivers import Received, Receiver, always, answer, receiving

D = notification_pb2.WebhookDelivery
DOCS = Path(__file__).parents[2] / "docs"


class Hooks:
    """Asks a system about webhooks."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.stub = notification_pb2_grpc.NotificationServiceStub(system.channel)
        self.verdicts: dict[str, check_pb2.Verdict.ValueType] = {}
        """What comes out next, by key; success where nothing is said."""

    async def create(self, receiver: Receiver, *events: str) -> tuple[str, str]:
        """Makes a webhook; its name and secret."""
        with rpc.remote_errors():
            made = await self.stub.CreateWebhook(
                notification_pb2.CreateWebhookRequest(url=receiver.url, events=events)
            )
        return made.webhook.name, made.secret

    async def deliveries(self, name: str) -> list[notification_pb2.WebhookDelivery]:
        """The log of a webhook, newest first."""
        request = notification_pb2.ListWebhookDeliveriesRequest(parent=name)
        with rpc.remote_errors():
            found = await self.stub.ListWebhookDeliveries(request, wait_for_ready=True, timeout=20)
        return list(found.deliveries)

    async def in_state(self, name: str, state: int) -> notification_pb2.WebhookDelivery:
        """Waits until the newest delivery of a webhook is in a state."""

        async def there() -> bool:
            found = await self.deliveries(name)
            return bool(found) and found[0].state == state

        await until(there)
        return (await self.deliveries(name))[0]

    async def check(self, key: str, verdict: check_pb2.Verdict.ValueType) -> check_pb2.Check:
        """Runs a check to a verdict."""
        self.verdicts[key] = verdict
        self.system.catalog.entities[key] = f"{key} {time.monotonic_ns()}"
        created = await self.system.create(key)
        return await self.system.finished(created.name)

    async def work(self, lease: dispatch_pb2.Lease) -> check_pb2.Result:
        """What runners of these tests do."""
        key = lease.check.entity.removeprefix("entities/")
        return check_pb2.Result(verdict=self.verdicts.get(key, check_pb2.VERDICT_SUCCESS))


@pytest.fixture
async def hooks(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[Hooks]:
    """A scheduler that may call loopback and is impatient, with a runner."""
    async with running_system(
        tmp_path,
        nats_server,
        reconcile_seconds="0.2",
        webhook_hosts="127.0.0.1",
        webhook_timeout_seconds="1",
        webhook_retry_seconds="0.05",
        webhook_give_up_seconds="30",
    ) as system:
        found = Hooks(system)
        system.catalog.entities = {"AAAAA": "1", "BBBBB": "1"}
        async with FakeRunner(system, work=found.work).running():
            yield found


def verify(body: bytes, header: str, secret: str) -> bool:
    """The example of the docs, as it stands there."""
    text = (DOCS / "notifications.md").read_text()
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example is not None
    names: dict[str, object] = {}
    exec(example[1], names)  # noqa: S102  # what readers run
    found = names["is_genuine"](body, header, secret)  # type: ignore[operator]
    assert isinstance(found, bool)
    return found


async def test_a_break_is_told_signed_and_once(hooks: Hooks) -> None:
    """Who asks for breaks and repairs hears of these, in order, and can prove who said it."""
    async with receiving() as receiver:
        name, secret = await hooks.create(receiver)
        await hooks.check("AAAAA", check_pb2.VERDICT_SUCCESS)
        broken = await hooks.check("AAAAA", check_pb2.VERDICT_SCRIPT_ERROR)
        await hooks.check("AAAAA", check_pb2.VERDICT_SCRIPT_ERROR)
        await hooks.check("AAAAA", check_pb2.VERDICT_INACCURATE)
        await hooks.check("AAAAA", check_pb2.VERDICT_SUCCESS)

        async def all_told() -> bool:
            return len(receiver.got) == 2

        await until(all_told)
        first = receiver.got[0]
        delivered = await hooks.in_state(name, D.STATE_DELIVERED)
    assert ["verdict.broken", "verdict.repaired"] == [one.data["event"] for one in receiver.got]
    assert "POST /hook?for=tests HTTP/1.1" == first.line
    change = first.data["change"]
    assert ("entities/AAAAA", broken.name) == (change["entity"], change["after"]["check"])
    assert ("VERDICT_SUCCESS", "KIND_BROKEN") == (change["before"]["verdict"], change["kind"])
    assert first.data["id"] == first.delivery == first.headers["ackrep-delivery"]
    assert verify(first.body, first.headers["ackrep-signature"], secret)
    assert not verify(first.body + b" ", first.headers["ackrep-signature"], secret)
    assert not verify(first.body, first.headers["ackrep-signature"], secret + "x")
    [attempt] = delivered.attempts
    assert (1, 200, "thanks", "") == (
        attempt.attempt, attempt.status, attempt.response, attempt.error,
    )  # fmt: skip


async def test_failing_receivers_are_tried_again(hooks: Hooks) -> None:
    """Errors, redirections, silence and endless answers are noted, and the body comes again."""
    async with receiving() as receiver, receiving() as elsewhere:
        replies = [
            answer(500, b"no disk"),
            answer(302, b"", f"location: {elsewhere.url}"),
            b"",
            b"HTTP/1.1 503 Busy\r\n\r\n" + b"x" * 5_000_000,
            answer(204, b""),
        ]

        async def reply(received: Received) -> bytes:
            return replies[len(receiver.got) - 1]

        receiver.reply = reply
        name, _ = await hooks.create(receiver, "verdict.first")
        await hooks.check("AAAAA", check_pb2.VERDICT_SUCCESS)
        found = await hooks.in_state(name, D.STATE_DELIVERED)
        assert [] == elsewhere.got
    assert [500, 302, 0, 503, 204] == [attempt.status for attempt in found.attempts]
    assert "no disk" == found.attempts[0].response
    assert "not followed" in found.attempts[1].error
    assert 2048 == len(found.attempts[3].response)
    assert 1 == len({one.body for one in receiver.got})
    assert 1 == len({one.delivery for one in receiver.got})
    assert [*"12345"] == [one.headers["ackrep-attempt"] for one in receiver.got]


async def test_a_slow_receiver_holds_up_nobody(hooks: Hooks) -> None:
    """One that never answers is left after its time; another one hears at once."""
    forever = asyncio.Event()

    async def silent(_: Received) -> bytes:
        await forever.wait()
        return b""

    async with receiving() as slow, receiving() as quick:
        slow.reply = silent
        slow_name, _ = await hooks.create(slow, "verdict.first")
        await hooks.create(quick, "verdict.first")
        await hooks.check("AAAAA", check_pb2.VERDICT_SUCCESS)
        await hooks.check("BBBBB", check_pb2.VERDICT_SUCCESS)

        async def both() -> bool:
            return len(quick.got) == 2

        await until(both, seconds=5)

        async def tried() -> bool:
            log = await hooks.deliveries(slow_name)
            return all(one.attempts for one in log)

        await until(tried)
        found = (await hooks.deliveries(slow_name))[0]
        assert "there was no answer within 1 s" == found.attempts[0].error
        assert D.STATE_PENDING == found.state


async def test_nothing_is_lost_where_the_scheduler_is_killed(hooks: Hooks) -> None:
    """Killed in the middle of a delivery, it delivers again when it is back, under the same id."""
    forever = asyncio.Event()

    async def silent(_: Received) -> bytes:
        await forever.wait()
        return b""

    async with receiving() as receiver:
        receiver.reply = silent
        name, _ = await hooks.create(receiver, "verdict.first")
        await hooks.check("AAAAA", check_pb2.VERDICT_SUCCESS)

        async def begun() -> bool:
            return bool(receiver.got)

        await until(begun)
        await hooks.system.scheduler.kill()
        receiver.reply = always()
        count = len(receiver.got)
        await hooks.system.scheduler.start()
        found = await hooks.in_state(name, D.STATE_DELIVERED)
    assert len(receiver.got) > count
    assert 1 == len({one.delivery for one in receiver.got})
    assert 200 == found.attempts[-1].status


async def test_what_never_works_is_given_up_and_can_be_asked_for_again(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """After its time a delivery is given up, visibly; asked for again, it starts anew."""
    async with (
        running_system(
            tmp_path,
            nats_server,
            webhook_hosts="127.0.0.1",
            webhook_retry_seconds="0.05",
            webhook_give_up_seconds="2",
        ) as system,
        receiving() as receiver,
    ):
        hooks = Hooks(system)
        receiver.reply = always(500)
        name, _ = await hooks.create(receiver)
        await hooks.stub.TestWebhook(notification_pb2.TestWebhookRequest(name=name))
        failed = await hooks.in_state(name, D.STATE_FAILED)
        assert len(failed.attempts) >= 2
        listed = await hooks.stub.ListWebhooks(notification_pb2.ListWebhooksRequest())
        assert (1, 0) == (listed.webhooks[0].failed_count, listed.webhooks[0].pending_count)
        receiver.reply = always()
        await hooks.stub.RedeliverWebhook(
            notification_pb2.RedeliverWebhookRequest(name=failed.name)
        )
        again = await hooks.in_state(name, D.STATE_DELIVERED)
    assert failed.name == again.name
    assert "test" == receiver.got[-1].data["event"]


async def test_a_paused_webhook_misses_nothing(hooks: Hooks) -> None:
    """What happens meanwhile waits, but for tests; deleted, it hears nothing more."""
    async with receiving() as receiver:
        name, _ = await hooks.create(receiver, "verdict.first")
        await hooks.stub.PauseWebhook(notification_pb2.PauseWebhookRequest(name=name))
        await hooks.check("AAAAA", check_pb2.VERDICT_SUCCESS)
        await hooks.stub.TestWebhook(notification_pb2.TestWebhookRequest(name=name))
        await hooks.in_state(name, D.STATE_DELIVERED)
        assert ["test"] == [one.data["event"] for one in receiver.got]
        await hooks.stub.ResumeWebhook(notification_pb2.ResumeWebhookRequest(name=name))

        async def told() -> bool:
            return len(receiver.got) == 2

        await until(told)
        await hooks.stub.DeleteWebhook(notification_pb2.DeleteWebhookRequest(name=name))
        await hooks.check("BBBBB", check_pb2.VERDICT_SUCCESS)
        with pytest.raises(NotFoundError):
            await hooks.deliveries(name)
        assert 2 == len(receiver.got)


async def test_finished_runs_are_told(hooks: Hooks) -> None:
    """Once, with what came out; also where all results were at hand already."""
    async with receiving() as receiver:
        await hooks.create(receiver, "run.finished")
        hooks.verdicts["BBBBB"] = check_pb2.VERDICT_INACCURATE
        run = await hooks.system.users.CreateRun(scheduler_pb2.CreateRunRequest(title="all"))

        async def told() -> bool:
            return bool(receiver.got)

        await until(told)
        said = receiver.got[0].data["run"]
        assert (run.name, "all", 2) == (said["name"], said["title"], said["checkCount"])
        assert [
            {"verdict": "VERDICT_SUCCESS", "count": 1},
            {"verdict": "VERDICT_INACCURATE", "count": 1},
        ] == said["verdicts"]


async def test_addresses_of_this_machine_are_not_called(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """Without a setting, neither addresses nor names of this machine or its network are called."""
    async with running_system(tmp_path, nats_server) as system, receiving() as receiver:
        hooks = Hooks(system)
        for host in ("127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]"):
            request = notification_pb2.CreateWebhookRequest(url=f"http://{host}:{receiver.port}/")
            with pytest.raises(InvalidArgumentError, match="not called"), rpc.remote_errors():
                await hooks.stub.CreateWebhook(request)
        made = await hooks.stub.CreateWebhook(
            notification_pb2.CreateWebhookRequest(url=f"http://localhost:{receiver.port}/")
        )
        name = made.webhook.name
        await hooks.stub.TestWebhook(notification_pb2.TestWebhookRequest(name=name))

        async def tried() -> bool:
            return bool((await hooks.deliveries(name))[0].attempts)

        await until(tried)
        found = (await hooks.deliveries(name))[0]
        assert "localhost is an address of this machine" in found.attempts[0].error
        assert [] == receiver.got


async def test_changes_are_followed_without_gap(hooks: Hooks) -> None:
    """A watcher hears of each change as it happens, and goes on where it was."""
    call = hooks.stub.WatchVerdictChanges(notification_pb2.WatchVerdictChangesRequest(), timeout=60)
    place = await call.read()
    assert isinstance(place, notification_pb2.WatchVerdictChangesResponse)
    assert not place.HasField("change")
    await hooks.check("AAAAA", check_pb2.VERDICT_SUCCESS)
    first = await call.read()
    assert isinstance(first, notification_pb2.WatchVerdictChangesResponse)
    assert "entities/AAAAA" == first.change.entity
    call.cancel()
    await hooks.check("BBBBB", check_pb2.VERDICT_SUCCESS)
    for token, expected in (
        (place.resume_token, ["entities/AAAAA", "entities/BBBBB"]),
        (first.resume_token, ["entities/BBBBB"]),
    ):
        again = hooks.stub.WatchVerdictChanges(
            notification_pb2.WatchVerdictChangesRequest(resume_token=token), timeout=60
        )
        seen = []
        async for message in again:
            seen.append(message.change.entity)
            if len(seen) == len(expected):
                break
        again.cancel()
        assert expected == seen
