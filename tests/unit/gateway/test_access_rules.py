"""The table of what each request takes, and that it is held to."""

import re
from collections.abc import Callable, Iterator

import pytest
from starlette.routing import Route

import gateway.app
from gateway import routes
from gateway.access import rules
from gateway.access.viewers import Scope, up_to
from gateway.routes import RouteTable
from services.scheduler.domain import access
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_services import FakeServices


def an_address(route: routes.Route) -> str:
    """An address that leads to a route."""
    text = re.sub(r"\{[^}=]+=([^}]+)\}", r"\1", route.template.text)
    return re.sub(r"\{[^}]+\}|\*+", "x", text)


def pages() -> Iterator[str]:
    """Verb and path of all pages that change something."""
    for module in vars(gateway.app).values():
        for route in getattr(module, "ROUTES", ()):
            if isinstance(route, Route):
                for verb in (route.methods or set()) - rules.SAFE:
                    yield f"{verb} {route.path}"


def test_every_change_stands_in_the_table() -> None:
    """No rpc and no page that changes something goes without a rule."""
    rpcs = {
        route.method.removeprefix("/")
        for route in RouteTable().routes
        if route.verb not in rules.SAFE
    }
    assert set() == rpcs - set(rules.RPCS), "add it to gateway/access/rules.py"
    assert set() == set(pages()) - set(rules.PAGES), "add it to gateway/access/rules.py"
    assert len(rpcs) > 20


def test_what_is_not_in_the_table() -> None:
    """Reading takes `read`; a change that were forgotten would take all there is."""
    assert Scope.READ is rules.of_rpc("/x.Y/Get", "GET").scope
    assert Scope.ADMIN is rules.of_rpc("/x.Y/Set", "POST").scope
    assert Scope.READ is rules.of_page("HEAD", "/nothing")[0].scope
    assert Scope.ADMIN is rules.of_page("POST", "/nothing")[0].scope
    assert Scope.CHECK is rules.of_page("POST", "/checks/0123/cancel")[0].scope
    assert "POST /checks/{id}/cancel" == rules.of_page("POST", "/checks/0123/cancel")[1]


def test_scopes_hold_those_before() -> None:
    """They are the scheduler's, in its order."""
    assert [one.name for one in access.Scope] == [one.name for one in Scope]
    assert up_to(Scope.MAINTAIN) == {Scope.READ, Scope.CHECK, Scope.MAINTAIN}


@pytest.mark.parametrize("scope", list(access.Scope))
async def test_every_rule_is_held(
    make_gateway: Callable[..., Gateway], services: FakeServices, scope: access.Scope
) -> None:
    """With each scope, each rpc is open or says which scope it takes, and the same for pages."""
    client = make_gateway(require_login=True, requests_per_second=0).client
    secret = await services.access.token("mira", scope)
    headers = {"authorization": f"Bearer {secret}"}
    held = list(Scope)[: scope.value]
    for route in RouteTable().routes:
        if route.streams:
            continue
        rule = rules.of_rpc(route.method, route.verb)
        address = an_address(route)
        answer = await client.request(route.verb, address, headers=headers)
        refused = 403 == answer.status_code and "SCOPE_MISSING" in answer.text
        assert refused == (rule.scope not in held), (route.rpc.full_name, answer.text)
        if refused:
            assert f"this takes the scope {rule.scope}" in answer.json()["error"]["message"]
    for place in dict.fromkeys(pages()):
        verb, _, path = place.partition(" ")
        rule, _ = rules.of_page(verb, path)
        if rule.scope is None or rule.scope in held:
            continue
        answer = await client.request(verb, re.sub(r"[{}]", "", path), headers=headers)
        assert 403 == answer.status_code, place
        assert f"this takes the scope {rule.scope}" in answer.text


@pytest.mark.parametrize(
    ("settings", "read", "write"),
    [
        ({}, 200, 200),
        ({"require_login": True}, 401, 401),
        ({"require_login": True, "public_read": True}, 200, 401),
        ({"address": "0.0.0.0:80", "require_login": True}, 401, 401),
        ({"address": "0.0.0.0:80", "public_read": True}, 200, 401),
        ({"address": "0.0.0.0:80", "public_read": True, "public_write": True}, 200, 200),
    ],
)
async def test_without_a_token(
    make_gateway: Callable[..., Gateway], settings: dict[str, object], read: int, write: int
) -> None:
    """What whoever comes may do follows from the settings; administering is for loopback only."""
    client = make_gateway(**settings).client
    answer = await client.get("/v1/checks")
    assert read == answer.status_code
    assert (read == 401) == ("www-authenticate" in answer.headers)
    answer = await client.post("/v1/checks", json={"entity": "entities/UXMFA"})
    assert write == answer.status_code
    assert (200 if not settings else 401) == (await client.get("/v1/tokens")).status_code
    for path in ("/healthz", "/readyz", "/login", "/static/app.css"):
        assert 200 == (await client.get(path)).status_code


async def test_every_page_asks_to_log_in(make_gateway: Callable[..., Gateway]) -> None:
    """People come back to where they wanted; programs are told what they lack."""
    client = make_gateway(require_login=True).client
    html = {"accept": "text/html"}
    for path, login in (
        ("/", "/login"),
        ("/entities?q=a b&x=1", "/login?next=/entities%3Fq%3Da%2520b%26x%3D1"),
        ("/e/UXMFA", "/login?next=/e/UXMFA"),
    ):
        answer = await client.get(path, headers=html)
        assert (303, login) == (answer.status_code, answer.headers["location"])
        answer = await client.get(path, headers={"accept": "application/json"})
        assert 401 == answer.status_code
        assert "TOKEN_REQUIRED" == answer.json()["error"]["details"][0]["reason"]
    answer = await client.post("/checks", data={"entity": "UXMFA"}, headers=html)
    assert (303, "/login") == (answer.status_code, answer.headers["location"])
