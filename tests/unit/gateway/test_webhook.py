"""Deliveries of a forge: which are believed, and what they cause."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from ackrep.catalog.v1 import catalog_pb2
from gateway import webhook
from gateway.settings import Settings
from services.errors import InvalidArgumentError, UnavailableError
from tests.unit.gateway.conftest import Gateway, eventually
from tests.unit.gateway.fake_services import FakeServices

SECRET = "a-secret-that-a-forge-knows-too-ü"  # of these tests
BODY = b'{"ref":"refs/heads/main"}'


def signature(body: bytes = BODY, *, secret: str = SECRET) -> str:
    """What GitHub writes into `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def readings(services: FakeServices) -> int:
    """How often the source was read."""
    return sum(
        isinstance(request, catalog_pb2.SyncRevisionRequest) for request in services.catalog.seen
    )


@pytest.fixture
def client(make_gateway: Callable[..., Gateway]) -> httpx.AsyncClient:
    """A client of a gateway that takes deliveries."""
    return make_gateway(webhook_secret=SECRET).client


async def deliver(client: httpx.AsyncClient, body: bytes = BODY, /, **headers: str) -> int:
    """Sends a delivery; underscores in names of headers stand for hyphens."""
    named = [(name.replace("_", "-"), value.encode()) for name, value in headers.items()]
    answer = await client.post(
        webhook.PATH, content=body, headers=[(n.encode(), v) for n, v in named]
    )
    return answer.status_code


async def test_genuine_deliveries_have_the_source_read(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """A right signature or token is accepted, and the source is read, once for each."""
    assert 202 == await deliver(client, x_hub_signature_256=signature(), x_github_event="push")
    await eventually(lambda: readings(services) == 1)
    assert 202 == await deliver(client, x_gitlab_token=SECRET, x_gitlab_event="Push Hook")
    await eventually(lambda: readings(services) == 2)
    assert 202 == await deliver(client, b"", x_hub_signature_256=signature(b""))
    await eventually(lambda: readings(services) == 3)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_hub_signature_256": ""},
        {"x_hub_signature_256": "sha256="},
        {"x_hub_signature_256": signature()[:-1]},
        {"x_hub_signature_256": signature()[: len("sha256=") + 32]},
        {"x_hub_signature_256": signature() + "0"},
        {"x_hub_signature_256": signature() + " "},
        {"x_hub_signature_256": signature().upper()},
        {"x_hub_signature_256": signature().removeprefix("sha256=")},
        {"x_hub_signature_256": signature().replace("sha256", "sha1")},
        {"x_hub_signature_256": signature(secret="another secret that is long")},
        {"x_hub_signature_256": signature(b"another body")},
        {"x_hub_signature_256": "sha256=" + "ü" * 64},
        {"x_hub_signature": "sha1=" + "0" * 40},
        {"x_hub_signature_256": signature(), "x_gitlab_token": "wrong"},
        {"x_hub_signature_256": "wrong", "x_gitlab_token": SECRET},
        {"x_gitlab_token": ""},
        {"x_gitlab_token": SECRET[:-1]},
        {"x_gitlab_token": SECRET + "x"},
        {"x_gitlab_token": "ackrep"},
        {"authorization": f"Bearer {SECRET}"},
    ],
)
async def test_others_have_no_effect(
    client: httpx.AsyncClient, services: FakeServices, headers: dict[str, str]
) -> None:
    """Missing, wrong, truncated and doubled proofs are refused alike."""
    assert 401 == await deliver(client, **headers)
    await asyncio.sleep(0)
    assert 0 == readings(services)


async def test_a_header_given_twice_proves_nothing(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """Where two proofs are given, it is not for us to choose."""
    both = [("x-hub-signature-256", signature()), ("x-hub-signature-256", signature(b"x"))]
    for headers in (both, both[::-1], [both[0], both[0]]):
        answer = await client.post(webhook.PATH, content=BODY, headers=headers)
        assert 401 == answer.status_code
    assert 0 == readings(services)


async def test_without_a_secret_there_is_no_such_address(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """Nothing is taken from anybody before a secret is agreed on; not even an empty one."""
    client = make_gateway().client
    for headers in (
        {},
        {"x_hub_signature_256": signature(secret="")},
        {"x_gitlab_token": ""},
        {"x_hub_signature_256": signature()},
    ):
        assert 404 == await deliver(client, **headers)
    assert 404 == (await client.get(webhook.PATH)).status_code
    assert 0 == readings(services)


async def test_large_bodies_are_refused(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body beyond the limit is refused, whether it says its length or not."""
    monkeypatch.setattr(webhook, "MAX_BODY_BYTES", 1000)
    body = b"x" * 1001

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield body[:100]

    assert 413 == await deliver(client, body, x_hub_signature_256=signature(body))
    answer = await client.post(
        webhook.PATH, content=chunks(), headers={"x-hub-signature-256": signature(body)}
    )
    assert 413 == answer.status_code
    assert 202 == await deliver(client, body[:-1], x_hub_signature_256=signature(body[:-1]))


async def test_slow_bodies_are_given_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends its body too slowly is not waited for."""
    monkeypatch.setattr(webhook, "_BODY_SECONDS", 0.05)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        answer = await client.post(webhook.PATH, content=chunks())
    assert 408 == answer.status_code


async def test_a_storm_is_two_readings(client: httpx.AsyncClient, services: FakeServices) -> None:
    """While one reading runs, any number of deliveries cause one more; all are answered at once."""
    running, gate = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        running.set()
        await gate.wait()

    services.catalog.before_sync = slowly
    async with asyncio.timeout(10):
        assert 202 == await deliver(client, x_gitlab_token=SECRET)
        await running.wait()
        statuses = await asyncio.gather(
            *(deliver(client, x_hub_signature_256=signature()) for _ in range(50))
        )
        gate.set()
        await eventually(lambda: readings(services) == 2)
        assert {202} == set(statuses)
        assert 202 == await deliver(client, x_gitlab_token=SECRET)
        await eventually(lambda: readings(services) == 3)


async def test_a_catalog_that_is_away_is_asked_again(
    client: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery is not lost because the catalog starts again at that moment."""
    monkeypatch.setattr(webhook, "_RETRY_SECONDS", (0.01, 0.01))
    failures = [UnavailableError("starting")]

    async def failing() -> None:
        if failures:
            raise failures.pop()

    services.catalog.before_sync = failing
    assert 202 == await deliver(client, x_gitlab_token=SECRET)
    await eventually(lambda: readings(services) == 1)


async def test_a_gateway_for_reading_takes_deliveries(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """They prove who they are, so that they pass where no browser may write; hosts still count."""
    client = make_gateway(
        webhook_secret=SECRET,
        address="0.0.0.0:8642",
        public_read=True,
        allowed_hosts=("knowledge.example",),
    ).client
    proof = {"x_hub_signature_256": signature()}

    assert 401 == (await client.post("/v1/revisions:sync")).status_code
    assert 202 == await deliver(client, **proof, host="knowledge.example")
    await eventually(lambda: readings(services) == 1)
    assert 421 == await deliver(client, **proof, host="evil.example")
    assert 403 == await deliver(client, **proof, origin="http://evil.example")
    assert 405 == (await client.put(webhook.PATH)).status_code


def test_short_secrets_are_refused() -> None:
    """A secret that could be guessed stops the gateway at its start."""
    settings = Settings(catalog="a:1", scheduler="b:2", token="t", webhook_secret="short")
    with pytest.raises(InvalidArgumentError, match="openssl rand"):
        settings.validate()
