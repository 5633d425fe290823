"""How often, from where, and what the audit log says of it."""

from collections.abc import Callable

import httpx
import pytest
from starlette.datastructures import Headers

from gateway.access.clients import Client, client_of, networks
from gateway.access.limits import Buckets
from services.scheduler.domain.access import Scope, new_secret
from tests.unit.gateway.conftest import HOST, Gateway
from tests.unit.gateway.fake_services import FakeServices


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_buckets() -> None:
    """So many at once, then one each so often; keys do not share; nothing taken costs nothing."""
    clock = Hands()
    buckets = Buckets(rate=0.5, burst=2, clock=clock)
    assert [0, 0, 2, 2] == [buckets.take("a") for _ in range(4)]
    assert 0 == buckets.take("b")
    clock.now += 2
    assert 0 == buckets.wait("a")
    assert [0, 2] == [buckets.take("a"), buckets.take("a")]
    clock.now += 1000
    assert [0, 0, 2] == [buckets.take("a") for _ in range(3)]


def test_no_limit() -> None:
    """A rate of zero means none."""
    buckets = Buckets(rate=0, burst=0)
    assert {0} == {buckets.take("a") for _ in range(1000)}


def test_the_table_is_bounded() -> None:
    """Whoever has many addresses fills no memory; who was seen lately stays counted."""
    buckets = Buckets(rate=0.001, burst=1, clock=Hands(), most=10)
    buckets.take("me")
    for number in range(1000):
        buckets.take(str(number))
        assert buckets.take("me") > 0
    assert 10 >= len(buckets._levels)  # what is bounded


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_addresses(peer: str, forwarded: str, address: str) -> None:
    """What a proxy of ours says counts; what a client writes before that does not."""
    headers = Headers({"x-forwarded-for": forwarded, "x-forwarded-proto": "http, https"})
    scope = {"type": "http", "client": (peer, 1), "scheme": "http"}
    found = client_of(scope, headers, proxies=networks(["10.0.0.0/8"]))
    assert Client(address, secure=peer != "198.51.100.7") == found


def test_sites() -> None:
    """All addresses of an IPv6 network that one client has count as one."""
    assert Client("2001:db8::1", secure=False).site == Client("2001:db8::2:3", secure=False).site
    assert Client("10.0.0.1", secure=False).site != Client("10.0.0.2", secure=False).site


async def test_requests_are_counted(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """By address, and by token; whoever was too quick is told when to come again."""
    client = make_gateway(address="0.0.0.0:8642", public_read=True, requests_per_second=0.01).client
    answers = [await client.get("/v1/entities") for _ in range(102)]
    assert 100 == sum(one.status_code == 200 for one in answers)
    refused = answers[-1]
    assert (429, "RATE_LIMITED") == (
        refused.status_code,
        refused.json()["error"]["details"][0]["reason"],
    )
    assert 0 < int(refused.headers["retry-after"]) <= 100
    page = await client.get("/entities", headers={"accept": "text/html"})
    assert (429, True) == (page.status_code, "retry-after" in page.headers)
    headers = {"authorization": f"Bearer {await services.access.token('mira', Scope.READ)}"}
    assert 200 == (await client.get("/v1/entities", headers=headers)).status_code
    assert 200 == (await client.get("/healthz")).status_code
    assert 200 == (await client.get("/static/app.css")).status_code


async def test_loopback_is_not_counted(make_gateway: Callable[..., Gateway]) -> None:
    """On one's own machine one may be quick."""
    client = make_gateway(requests_per_second=0.01).client
    assert {200} == {(await client.get("/v1/entities")).status_code for _ in range(150)}


async def test_checks_without_a_token(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """Whoever comes has a quota of them, by either way; tokens have not."""
    client = make_gateway(
        address="0.0.0.0:8642", public_read=True, public_write=True, anonymous_checks_per_hour=3
    ).client
    body = {"entity": "entities/UXMFA"}
    assert 200 == (await client.post("/v1/checks", json=body)).status_code
    assert 303 == (await client.post("/checks", data={"entity": "UXMFA"})).status_code
    assert 200 == (await client.post("/v1/runs", json={})).status_code
    refused = await client.post("/v1/checks", json=body)
    assert 429 == refused.status_code
    assert 1000 < int(refused.headers["retry-after"]) <= 1200
    assert 429 == (await client.post("/checks", data={"entity": "UXMFA"})).status_code
    headers = {"authorization": f"Bearer {await services.access.token('mira', Scope.CHECK)}"}
    assert 200 == (await client.post("/v1/checks", json=body, headers=headers)).status_code


async def test_no_checks_without_a_token(make_gateway: Callable[..., Gateway]) -> None:
    """A quota of none means that they take a token."""
    client = make_gateway(
        address="0.0.0.0:8642", public_read=True, public_write=True, anonymous_checks_per_hour=0
    ).client
    assert 401 == (await client.post("/v1/checks", json={"entity": "entities/A"})).status_code


async def test_guessing_is_slow(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """After some wrong tokens from an address no more are looked at, at the door and elsewhere."""
    client = make_gateway(require_login=True).client
    right = await services.access.token("mira", Scope.READ)
    for _ in range(10):
        headers = {"authorization": f"Bearer {new_secret()}"}
        assert 401 == (await client.get("/v1/checks", headers=headers)).status_code
    asked = services.access.asked
    headers = {"authorization": f"Bearer {new_secret()}"}
    assert 429 == (await client.get("/v1/checks", headers=headers)).status_code
    assert asked == services.access.asked
    answer = await client.post("/login", data={"token": right}, headers={"origin": HOST})
    assert 429 == answer.status_code


async def test_audit_log(make_gateway: Callable[..., Gateway], services: FakeServices) -> None:
    """Who did what to what, what that takes, and how it ended; reading is not recorded."""
    client = make_gateway(require_login=True).client
    secret = await services.access.token("mira", Scope.CHECK)
    headers = {"authorization": f"Bearer {secret}", "x-request-id": "mine"}
    await client.get("/v1/checks", headers=headers)
    await client.post("/v1/checks", json={"entity": "entities/UXMFA"}, headers=headers)
    await client.post("/checks", data={"entity": "LRHZX"}, headers=headers)
    await client.post("/v1/checks/abc:cancel", json={}, headers=headers)
    await client.post("/v1/queue:pause", json={"pool": "default"}, headers=headers)
    await client.post("/checks/abc/cancel", headers=headers)
    await client.post("/v1/ontology:query", json={"query": "x"}, headers=headers)
    await client.post("/v1/checks", json={"entity": "entities/UXMFA"})
    told = [(e.action, e.resource, e.scope, e.status) for e in await services.access.log()]
    assert [
        ("SchedulerService.CreateCheck", "entities/UXMFA", Scope.CHECK, 200),
        ("POST /checks", "entities/LRHZX", Scope.CHECK, 303),
        ("SchedulerService.CancelCheck", "checks/abc", Scope.CHECK, 404),
        ("QueueService.PauseQueue", "", Scope.MAINTAIN, 403),
        ("POST /checks/{id}/cancel", "checks/abc", Scope.CHECK, 404),
    ] == told
    entry = (await services.access.log())[0]
    assert ("mira", "127.0.0.1", "mine") == (entry.principal, entry.address, entry.request_id)


async def test_signing_in_is_recorded(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """With the name of who came in; what was tried in vain, without."""
    client = make_gateway(require_login=True).client
    secret = await services.access.token("mira", Scope.READ)
    for shown in (secret, new_secret()):
        client.cookies.clear()
        await client.post("/login", data={"token": shown}, headers={"origin": HOST})
    told = [(e.action, e.principal, e.status) for e in await services.access.log()]
    assert [("POST /login", "mira", 303)] == told


async def test_the_audit_page(make_gateway: Callable[..., Gateway], services: FakeServices) -> None:
    """It shows what was recorded, narrows it, and escapes what strangers wrote."""
    client = make_gateway().client
    hostile = "<script>alert(1)</script>"
    await client.post("/checks", data={"entity": hostile})
    await client.post("/v1/checks", json={"entity": "entities/UXMFA"})
    text = (await client.get("/audit", headers={"accept": "text/html"})).text
    assert "SchedulerService.CreateCheck" in text
    assert 'href="/e/UXMFA"' in text
    assert "<script>alert" not in text
    narrowed = await client.get("/audit?resource=uxmfa", headers={"accept": "application/json"})
    assert ["entities/UXMFA"] == [one["resource"] for one in narrowed.json()["entries"]]
    empty = await client.get("/audit?principal=nobody", headers={"accept": "text/html"})
    assert "Nothing of that kind" in empty.text


async def test_requests_outlive_the_audit_log(
    make_gateway: Callable[..., Gateway],
    services: FakeServices,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What cannot be recorded is logged; the answer is not held back."""

    async def fail(entry: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(services.access.entries, "add", fail)
    client: httpx.AsyncClient = make_gateway().client
    answer = await client.post("/v1/checks", json={"entity": "entities/UXMFA"})
    assert 200 == answer.status_code
    assert "the audit log lacks SchedulerService.CreateCheck 'entities/UXMFA'" in caplog.text


async def test_the_token_page(make_gateway: Callable[..., Gateway], services: FakeServices) -> None:
    """A secret is shown once; a name that is taken, or none, is said beside the form."""
    client = make_gateway().client
    form = {"display_name": "ci", "scope": "check", "days": "90"}
    made = await client.post("/tokens", data=form, headers={"accept": "text/html"})
    (token,), _ = await services.access.access.list_tokens(size=5, token="")
    assert token.hint in made.text
    secret = made.text.partition(">ackrep_")[2].partition("<")[0]
    assert 49 == len(secret)
    assert "no-store" == made.headers["cache-control"]
    assert secret not in (await client.get("/tokens", headers={"accept": "text/html"})).text
    again = await client.post("/tokens", data=form)
    assert (400, True) == (again.status_code, "works already" in again.text)
    wrong = await client.post("/tokens", data=form | {"display_name": "<b>"})
    assert (400, False) == (wrong.status_code, "<b>" in wrong.text.replace("<b>default", ""))
    for broken in ({"scope": "root"}, {"days": "99999999999"}, {"days": "x"}):
        assert 400 == (await client.post("/tokens", data=form | broken)).status_code
    answer = await client.post(f"/tokens/{token.id}/revoke")
    assert (303, "/tokens") == (answer.status_code, answer.headers["location"])
    assert "revoked" in (await client.get("/tokens", headers={"accept": "text/html"})).text
