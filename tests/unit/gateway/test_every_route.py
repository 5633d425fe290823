"""Every route of the API refuses what is wrong in the same way, and none of them breaks."""

import httpx
import pytest

from gateway.openapi import document
from gateway.routes import Route, RouteTable
from gateway.transcoding import MAX_BODY_BYTES

ROUTES = RouteTable().routes
WRITING = [route for route in ROUTES if route.body]
READING = [route for route in ROUTES if not route.body]
JSON = {"content-type": "application/json"}


def named(route: Route) -> str:
    """How a row is called in the report."""
    return f"{route.verb} {route.template.text}"


def address(route: Route, *, part: str = "NOPE1") -> str:
    """A path of the route, with a name that nothing has."""
    path = route.template.text
    for variable in route.template.variables:
        said = variable.pattern.replace("**", part).replace("*", part)
        for spelled in (f"{{{variable.field}={variable.pattern}}}", f"{{{variable.field}}}"):
            path = path.replace(spelled, said)
    return path


def told(answer: httpx.Response, status: int) -> None:
    """Asserts that an answer is an error of the one form."""
    error = answer.json()["error"]
    assert status == answer.status_code == error["code"], answer.text
    assert "application/json" == answer.headers["content-type"]
    assert error["status"].isupper()
    assert error["message"]
    (info,) = [one for one in error["details"] if one["@type"].endswith("ErrorInfo")]
    assert "ackrep.dev" == info["domain"]
    assert info["reason"].isupper()
    assert "no-store" == answer.headers["cache-control"]


@pytest.mark.parametrize("route", ROUTES, ids=named)
async def test_wrong_verb(client: httpx.AsyncClient, route: Route) -> None:
    """A verb that no route of the path has is 405, with those that it has."""
    answer = await client.put(address(route), json={})

    told(answer, 405)
    assert route.verb in answer.headers["allow"]


@pytest.mark.parametrize("route", ROUTES, ids=named)
async def test_unknown_parameter(client: httpx.AsyncClient, route: Route) -> None:
    """A parameter that the request does not have is refused before anything is asked."""
    answer = await client.request(route.verb, f"{address(route)}?nothing=1")

    told(answer, 400)
    assert "nothing" in answer.json()["error"]["message"]


@pytest.mark.parametrize("route", ROUTES, ids=named)
@pytest.mark.parametrize("deadline", ["soon", "-1S"])
async def test_bad_deadline(client: httpx.AsyncClient, route: Route, deadline: str) -> None:
    """A deadline that is none is refused."""
    told(await client.request(route.verb, address(route), headers={"grpc-timeout": deadline}), 400)


@pytest.mark.parametrize("route", READING, ids=named)
async def test_body_where_none_is_taken(client: httpx.AsyncClient, route: Route) -> None:
    """What only reads takes no body."""
    told(await client.request(route.verb, address(route), content=b"{}", headers=JSON), 400)


@pytest.mark.parametrize("route", WRITING, ids=named)
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"nothing": 1}', "application/json", 400),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b" " * (MAX_BODY_BYTES + 1), "application/json", 413),
    ],
    ids=["cut", "list", "no-text", "unknown-field", "form", "large"],
)
async def test_bad_body(
    client: httpx.AsyncClient, route: Route, body: bytes, kind: str, status: int
) -> None:
    """A body that is no request of the route is refused."""
    headers = {"content-type": kind}
    told(await client.request(route.verb, address(route), content=body, headers=headers), status)


def test_the_document_has_every_route() -> None:
    """OpenAPI describes every route once, by a name of its own, and every way it may fail."""
    operations = [
        operation for verbs in document()["paths"].values() for operation in verbs.values()
    ]

    assert len(ROUTES) == len(operations)
    assert len(operations) == len({operation["operationId"] for operation in operations})
    for operation in operations:
        assert {"200", "400", "401", "403", "404", "default"} <= operation["responses"].keys()
        assert operation["summary"]
        assert all(parameter["description"] for parameter in operation["parameters"])
