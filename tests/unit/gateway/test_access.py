"""Tokens at the gateway."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from services.scheduler.domain.access import Scope, new_secret
from tests.unit.gateway import page_addresses
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.signing_in import COOKIE, login


@pytest.fixture
def door(make_gateway: Callable[..., Gateway]) -> httpx.AsyncClient:
    """A client of a gateway on loopback that wants tokens."""
    return make_gateway(require_login=True, requests_per_second=0).client


# Tokens -------------------------------------------------------------------------------------------


async def test_tokens_open(door: httpx.AsyncClient, services: FakeServices) -> None:
    """A token opens what its scope says; the name is the requester, whatever the body says."""
    secret = await services.access.token("mira", Scope.CHECK)
    headers = {"authorization": f"bearer  {secret}"}
    body = {"entity": "entities/UXMFA", "requester": "somebody else"}
    assert 200 == (await door.post("/v1/checks", json=body, headers=headers)).status_code
    assert "mira" == services.scheduler.seen[-1].requester
    body = {"requester": "somebody else"}
    assert 200 == (await door.post("/v1/runs", json=body, headers=headers)).status_code
    assert "mira" == services.scheduler.seen[-1].requester


@pytest.mark.parametrize(
    "shown",
    [
        *("Bearer zzqx", "Bearer ", "Bearer ackrep_", f"Bearer {new_secret()}", "bearer \xe4"),
        f"Bearer {'x' * 5000}",
    ],
)
async def test_wrong_tokens(door: httpx.AsyncClient, shown: str) -> None:
    """What is no token of ours is refused, and not even repeated."""
    answer = await door.get("/v1/entities", headers=[(b"authorization", shown.encode("latin-1"))])
    assert 401 == answer.status_code
    assert 'Bearer realm="ackrep"' == answer.headers["www-authenticate"]
    assert "TOKEN_INVALID" == answer.json()["error"]["details"][0]["reason"]
    assert shown[7:] == "" or shown[7:] not in answer.text


async def test_a_wrong_token_is_worse_than_none(client: httpx.AsyncClient) -> None:
    """Also where everybody may read: who shows a token wants to know that it does not work."""
    answer = await client.get("/v1/entities", headers={"authorization": f"Bearer {new_secret()}"})
    assert 401 == answer.status_code


async def test_other_schemes_are_others_business(client: httpx.AsyncClient) -> None:
    """A proxy before the gateway may have a login of its own."""
    answer = await client.get("/v1/entities", headers={"authorization": "Basic eDp5"})
    assert 200 == answer.status_code


async def test_answers_are_kept_for_seconds(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """The scheduler is not asked each time, and a revocation holds within five seconds."""
    gateway = make_gateway(require_login=True, requests_per_second=0)
    secret = await services.access.token("mira", Scope.READ)
    headers = {"authorization": f"Bearer {secret}"}
    for _ in range(20):
        assert 200 == (await gateway.client.get("/v1/entities", headers=headers)).status_code
    assert 1 == services.access.asked
    (token,), _ = await services.access.access.list_tokens(size=1, token="")
    await services.access.access.revoke(token.id)
    revoked = time.monotonic()

    async with asyncio.timeout(8):
        while 200 == (await gateway.client.get("/v1/entities", headers=headers)).status_code:  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.05)
    assert time.monotonic() - revoked < 5


async def test_revoked_here_is_revoked_at_once(
    door: httpx.AsyncClient, services: FakeServices
) -> None:
    """Whoever revokes over HTTP sees it with the next request."""
    gone = {"authorization": f"Bearer {await services.access.token('ci', Scope.READ)}"}
    admin = {"authorization": f"Bearer {await services.access.token('mira', Scope.ADMIN)}"}
    assert 200 == (await door.get("/v1/entities", headers=gone)).status_code
    tokens = (await door.get("/v1/tokens", headers=admin)).json()["tokens"]
    name = next(one["name"] for one in tokens if one["displayName"] == "ci")
    answer = await door.post(f"/v1/{name}:revoke", json={}, headers=admin)
    assert "STATE_REVOKED" == answer.json()["state"]
    assert 401 == (await door.get("/v1/entities", headers=gone)).status_code


async def test_tokens_over_http(door: httpx.AsyncClient, services: FakeServices) -> None:
    """An admin makes tokens; whose work it was is what the token says, not the body."""
    admin = {"authorization": f"Bearer {await services.access.token('mira', Scope.ADMIN)}"}
    body = {"displayName": "ci", "scope": "ACCESS_SCOPE_CHECK", "creator": "nobody"}
    made = (await door.post("/v1/tokens", json=body, headers=admin)).json()
    assert "mira" == made["token"]["creator"]
    headers = {"authorization": f"Bearer {made['secret']}"}
    assert 200 == (await door.get("/v1/checks", headers=headers)).status_code
    assert made["secret"] not in (await door.get("/v1/tokens", headers=admin)).text
    assert 409 == (await door.post("/v1/tokens", json=body, headers=admin)).status_code


async def test_expired_tokens(door: httpx.AsyncClient, services: FakeServices) -> None:
    """A token ends by itself."""
    secret = await services.access.token("mira", Scope.READ, lasts=timedelta(hours=1))
    services.access.ahead = timedelta(hours=1)
    answer = await door.get("/v1/entities", headers={"authorization": f"Bearer {secret}"})
    assert 401 == answer.status_code


# Leaks --------------------------------------------------------------------------------------------


async def test_tokens_in_addresses(client: httpx.AsyncClient) -> None:
    """They are refused, and not repeated: addresses stand in histories and logs."""
    secret = new_secret()
    for address in (
        f"/entities?q={secret}",
        f"/v1/entities?access_token={secret}",
        "/v1/entities?access_token=x",
        f"/e/{secret}",
        f"/?x={secret.replace('_', '%5F')}",
    ):
        answer = await client.get(address, headers={"accept": "application/json"})
        assert 400 == answer.status_code, address
        assert "TOKEN_IN_ADDRESS" == answer.json()["error"]["details"][0]["reason"]
        assert secret not in answer.text


async def test_nothing_leaks(
    door: httpx.AsyncClient, services: FakeServices, caplog: pytest.LogCaptureFixture
) -> None:
    """No log line, no error, no audit entry and no page holds a secret."""
    caplog.set_level(logging.DEBUG)
    secrets = [await services.access.token(name, Scope.ADMIN) for name in ("mira", "ci")]
    await login(door, secrets[0])
    cookie = door.cookies[COOKIE]
    texts = []
    bearer = {"authorization": f"Bearer {secrets[1]}"}
    for path in ("/v1/nothing", "/v1/checks/none", "/nothing", "/tokens", "/audit", "/metrics"):
        texts += [(await door.get(path, headers=head)).text for head in ({}, bearer)]
    texts.append((await door.post("/v1/checks", content=b"{", headers=bearer)).text)
    texts.append((await login(door, "ackrep_wrong", csrf="00")).text)
    texts += [repr(entry) for entry in await services.access.log()]
    texts += [record.getMessage() for record in caplog.records if record.name != "hpack"]
    for secret in (*secrets, cookie):
        assert not [text for text in texts if secret in text]


async def test_pages_are_walked_with_a_session(
    door: httpx.AsyncClient, services: FakeServices
) -> None:
    """Every page of the front door answers who is signed in."""
    await login(door, await services.access.token("mira", Scope.ADMIN))
    for path in ("/login", "/tokens", "/audit"):
        assert path in page_addresses.PAGES
        assert 200 == (await door.get(path, headers={"accept": "text/html"})).status_code
