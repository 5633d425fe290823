"""Sessions of browsers: signing in, and that nobody else acts in them."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest

from gateway.access.admission import local_path
from services.scheduler.domain.access import Scope, new_secret
from tests.unit.gateway.conftest import HOST, Gateway
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.signing_in import COOKIE, OURS, login, proof


@pytest.fixture
def door(make_gateway: Callable[..., Gateway]) -> httpx.AsyncClient:
    """A client of a gateway on loopback that wants tokens."""
    return make_gateway(require_login=True, requests_per_second=0).client


# Sessions -----------------------------------------------------------------------------------------


async def test_signing_in_and_out(door: httpx.AsyncClient, services: FakeServices) -> None:
    """A cookie that no script reads stands for the token until signing out ends it."""
    secret = await services.access.token("mira", Scope.CHECK)
    answer = await login(door, secret, next="/queue?a=1")
    assert (303, "/queue?a=1") == (answer.status_code, answer.headers["location"])
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert secret not in cookie
    page = await door.get("/queue", headers={"accept": "text/html"})
    assert "mira" in page.text
    kept = door.cookies[COOKIE]
    answer = await door.post("/logout", data={"csrf": await proof(door)}, headers=OURS)
    assert 303 == answer.status_code
    assert "Max-Age=0" in answer.headers["set-cookie"]
    door.cookies.set(COOKIE, kept)
    assert 401 == (await door.get("/v1/checks")).status_code


async def test_wrong_token_at_the_door(door: httpx.AsyncClient) -> None:
    """People see that it does not work, and get no cookie; what they typed is not shown."""
    secret = new_secret()
    answer = await login(door, secret, next="//evil.example")
    assert 403 == answer.status_code
    assert "does not work" in answer.text
    assert secret not in answer.text
    assert "evil.example" not in answer.text
    assert "set-cookie" not in answer.headers


async def test_session_fixation(door: httpx.AsyncClient, services: FakeServices) -> None:
    """A cookie that somebody else chose is never the session; signing in again makes another."""
    secret = await services.access.token("mira", Scope.CHECK)
    door.cookies.set(COOKIE, "chosen-by-an-attacker")
    await login(door, secret)
    first = httpx.Cookies(door.cookies)
    mine = [one.value for one in first.jar if one.name == COOKIE and one.value]
    assert "chosen-by-an-attacker" != mine[-1]
    door.cookies.clear()
    door.cookies.set(COOKIE, "chosen-by-an-attacker")
    assert 401 == (await door.get("/v1/checks")).status_code
    door.cookies.clear()
    door.cookies.set(COOKIE, mine[-1] or "")
    answer = await login(door, secret, csrf=await proof(door))
    second = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert second not in mine
    door.cookies.clear()
    door.cookies.set(COOKIE, mine[-1] or "")
    assert 401 == (await door.get("/v1/checks")).status_code, "the one before has ended"


async def test_two_cookies_are_none(door: httpx.AsyncClient, services: FakeServices) -> None:
    """Which one is ours cannot be told: another host of the domain may have added one."""
    answer = await login(door, await services.access.token("mira", Scope.READ))
    mine = answer.headers["set-cookie"].partition(";")[0]
    door.cookies.clear()
    both = {"cookie": f"{mine}; {COOKIE}=x"}
    assert 401 == (await door.get("/v1/checks", headers=both)).status_code
    assert 200 == (await door.get("/v1/checks", headers={"cookie": mine})).status_code


@pytest.mark.parametrize("idle", [timedelta(hours=12), timedelta(days=7)])
async def test_sessions_end(
    door: httpx.AsyncClient, services: FakeServices, idle: timedelta
) -> None:
    """Unused for long, or used for too long, they are over."""
    await login(door, await services.access.token("mira", Scope.READ))
    services.access.ahead = idle
    assert 401 == (await door.get("/v1/checks")).status_code


async def test_https(make_gateway: Callable[..., Gateway], services: FakeServices) -> None:
    """Behind a proxy that is believed, cookies are for HTTPS only, and browsers remember that."""
    client = make_gateway(
        require_login=True,
        trusted_proxies=("127.0.0.1",),
        allowed_hosts=("knowledge.example",),
    ).client
    secret = await services.access.token("mira", Scope.READ)
    proxied = {
        "host": "knowledge.example",
        "origin": "https://knowledge.example",
        "x-forwarded-proto": "https",
    }
    answer = await client.post("/login", data={"token": secret}, headers=proxied)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-ackrep_session=")
    assert "Secure" in cookie.split("; ")
    assert "max-age=31536000" == answer.headers["strict-transport-security"]
    mine = cookie.partition(";")[0]
    assert 200 == (await client.get("/v1/checks", headers=proxied | {"cookie": mine})).status_code
    plain = mine.removeprefix("__Host-")
    assert 401 == (await client.get("/v1/checks", headers=proxied | {"cookie": plain})).status_code


async def test_no_login_over_plain_http(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """Elsewhere than on this machine a token is taken over HTTPS only, whatever a client claims."""
    client = make_gateway(require_login=True, allowed_hosts=("knowledge.example",)).client
    secret = await services.access.token("mira", Scope.READ)
    there = {"host": "knowledge.example", "x-forwarded-proto": "https"}
    answer = await client.post("/login", data={"token": secret}, headers=there)
    assert 400 == answer.status_code
    assert "HTTPS" in answer.text
    assert "strict-transport-security" not in answer.headers
    assert 'type="password"' not in (await client.get("/login", headers=there)).text


# Open redirects -----------------------------------------------------------------------------------

ELSEWHERE = (
    *("//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example"),
    *("/\t/evil.example", "/\n/evil.example", " //evil.example", "javascript:alert(1)", ""),
    *("evil.example", "///evil.example", "/%0d%0aSet-Cookie:x\r\nX: y", "/x" * 3000, "/a\\..\\b"),
    "/login?next=/login",
)


@pytest.mark.parametrize("following", ELSEWHERE)
async def test_no_open_redirect(
    door: httpx.AsyncClient, services: FakeServices, following: str
) -> None:
    """After signing in, people are on a page of ours; nothing gets into the headers."""
    secret = await services.access.token("mira", Scope.READ)
    answer = await login(door, secret, next=following)
    assert (303, "/") == (answer.status_code, answer.headers["location"])
    assert "x" not in answer.cookies
    page = await door.get(f"/login?next={quote(following)}", headers={"accept": "text/html"})
    assert 'name="next" value="/"' in page.text


def test_local_paths_stay() -> None:
    """What is ours is gone back to, query and all."""
    for path in ("/", "/e/UXMFA", "/entities?q=a%20b&type=x", "/runs/1/compare/2"):
        assert path == local_path(path)
    assert "/e/%C3%A4" == local_path("/e/\xe4")


# Cross-site requests ------------------------------------------------------------------------------


async def test_forms_carry_a_proof(door: httpx.AsyncClient, services: FakeServices) -> None:
    """Every form of every page that changes something does, and another one each time."""
    services.scheduler.furnish()
    services.queue.furnish()
    await login(door, await services.access.token("mira", Scope.ADMIN))
    forms = 0
    for path in ("/queue", "/queue?ask=pause", "/tokens", "/revisions", "/e/UXMFA", "/login"):
        text = (await door.get(path, headers={"accept": "text/html"})).text
        found = re.findall(r'<form[^>]*method="post"[^>]*>(.{0,60})', text)
        assert found, path
        assert all(one.startswith('<input type="hidden" name="csrf" value="') for one in found)
        forms += len(found)
    assert forms > 10
    assert await proof(door) != await proof(door)


async def test_csrf(door: httpx.AsyncClient, services: FakeServices) -> None:
    """Without the proof of this session nothing is changed, whatever the origin says."""
    services.queue.furnish()
    secret = await services.access.token("mira", Scope.MAINTAIN)
    await login(door, secret)
    mine = await proof(door)
    other = httpx.AsyncClient(transport=door._transport, base_url=HOST)
    await login(other, secret)
    theirs = await proof(other)
    before = len(services.queue.seen)
    for wrong in ("", "0" * 128, "zz", theirs, mine[:-2], mine + "00", mine.upper() + "é"):
        answer = await door.post("/queue/pause", data={"csrf": wrong}, headers=OURS)
        assert 403 == answer.status_code
        assert "present session" in answer.text
    for foreign in ({"origin": "https://evil.example"}, {"sec-fetch-site": "same-site"}):
        answer = await door.post("/queue/pause", data={"csrf": mine}, headers=foreign)
        assert 403 == answer.status_code
    assert before == len(services.queue.seen)
    answer = await door.post("/queue/pause", data={"csrf": mine, "reason": "x"}, headers=OURS)
    assert 303 == answer.status_code
    assert "x" == services.queue.queue.pauses[-1].reason


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/plain", b"csrf=1"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 99)),
        ("", b""),
    ],
)
async def test_csrf_by_other_forms(
    door: httpx.AsyncClient, services: FakeServices, kind: str, content: bytes
) -> None:
    """A body that is no form proves nothing."""
    await login(door, await services.access.token("mira", Scope.MAINTAIN))
    headers = OURS | {"content-type": kind}
    answer = await door.post("/queue/pause", content=content, headers=headers)
    assert answer.status_code in {400, 403}
    assert not services.queue.queue.pauses


async def test_api_with_a_cookie(door: httpx.AsyncClient, services: FakeServices) -> None:
    """Scripts of our pages say where they are from and carry the proof; tokens need neither."""
    secret = await services.access.token("mira", Scope.CHECK)
    await login(door, secret)
    mine = {"x-csrf-token": await proof(door)}
    body = {"entity": "entities/UXMFA"}
    for wrong in ({}, OURS, mine, {"sec-fetch-site": "none"} | mine):
        answer = await door.post("/v1/checks", json=body, headers=wrong)
        assert 403 == answer.status_code
        assert "CSRF_PROOF_MISSING" == answer.json()["error"]["details"][0]["reason"]
    assert not services.scheduler.stories
    assert 200 == (await door.post("/v1/checks", json=body, headers=OURS | mine)).status_code
    bearer = {"authorization": f"Bearer {secret}"}
    assert 200 == (await door.post("/v1/checks", json=body, headers=bearer)).status_code
