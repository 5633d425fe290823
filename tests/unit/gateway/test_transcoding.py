"""HTTP/JSON to gRPC, over real channels."""

from collections.abc import Callable
from typing import Any, NoReturn

import httpx
import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    field_mask_pb2,
    json_format,
)
from google.protobuf.message_factory import GetMessageClass

from ackrep.scheduler.v1 import scheduler_pb2
from gateway import paths, requests, routes
from gateway.routes import RouteTable
from gateway.transcoding import MAX_BODY_BYTES
from services.errors import InvalidArgumentError, ResourceExhaustedError
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_services import FakeServices

JSON = {"content-type": "application/json"}


async def test_get(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A resource is answered in lowerCamelCase, with unset fields, 64-bit integers as strings."""
    answer = await client.get("/v1/entities/UXMFA")

    entity = answer.json()
    assert 200 == answer.status_code
    assert "application/json" == answer.headers["content-type"]
    assert "Lorenz system" == entity["title"]
    assert "ENTITY_TYPE_SYSTEM_MODEL" == entity["type"]
    assert "" == entity["notes"]
    assert "812" == entity["files"][0]["size"]
    assert "entities/UXMFA" == services.catalog.seen[-1].name


async def test_head(client: httpx.AsyncClient) -> None:
    """HEAD is answered as GET is."""
    assert 200 == (await client.head("/v1/entities/UXMFA")).status_code


@pytest.mark.parametrize("spelling", ["pageSize", "page_size"])
async def test_both_spellings_in_the_query(
    client: httpx.AsyncClient, services: FakeServices, spelling: str
) -> None:
    """A query parameter may be spelled as in JSON or as in the proto."""
    assert 200 == (await client.get(f"/v1/entities?{spelling}=7")).status_code
    assert 7 == services.catalog.seen[-1].page_size


@pytest.mark.parametrize("spelling", ["requestId", "request_id"])
async def test_both_spellings_in_the_body(
    client: httpx.AsyncClient, services: FakeServices, spelling: str
) -> None:
    """A body's field may be spelled as in JSON or as in the proto."""
    answer = await client.post("/v1/checks", json={"entity": "entities/UXMFA", spelling: "r1"})

    assert 200 == answer.status_code
    assert "STATE_QUEUED" == answer.json()["state"]
    assert "r1" == services.scheduler.seen[-1].request_id


async def test_path_with_suffix(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A variable in the middle of a path fills its field."""
    assert 200 == (await client.get("/v1/entities/UXMFA/closure")).status_code
    assert "entities/UXMFA" == services.catalog.seen[-1].entity


async def test_verb(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A custom verb reaches its rpc; the path wins over the body."""
    name = services.scheduler.add("UXMFA", 1).check.name
    answer = await client.post(f"/v1/{name}:cancel", json={"name": "checks/other"})

    assert 200 == answer.status_code
    assert name == services.scheduler.seen[-1].name


async def test_empty_body(client: httpx.AsyncClient) -> None:
    """A body may be left out where nothing has to be said."""
    assert 200 == (await client.post("/v1/revisions:sync")).status_code


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "reason"),
    [
        ("GET", "/v1/entities/NOPE1", None, 404, "RESOURCE_NOT_FOUND"),
        ("GET", "/v1/nothing", None, 404, "RESOURCE_NOT_FOUND"),
        ("GET", "/v1", None, 404, "RESOURCE_NOT_FOUND"),
        ("GET", "/v1/checks/%ff", None, 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/entities?page_size=-1", None, 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/entities?pageSize=ten", None, 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/entities?pageSize=99999999999", None, 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/entities?pageSize=1&pageSize=2", None, 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/entities?colour=red", None, 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/entities?filter.deep=x", None, 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/entities/UXMFA?name=entities/LRHZX", None, 400, "INVALID_ARGUMENT"),
        ("POST", "/v1/checks?force=true", b"{}", 400, "INVALID_ARGUMENT"),
        ("POST", "/v1/checks", b"{", 400, "INVALID_ARGUMENT"),
        ("POST", "/v1/checks", b"[]", 400, "INVALID_ARGUMENT"),
        ("POST", "/v1/checks", b"[" * 100_000, 400, "INVALID_ARGUMENT"),
        ("POST", "/v1/checks", b'{"entity": 3}', 400, "INVALID_ARGUMENT"),
        ("POST", "/v1/checks", b'{"colour": "red"}', 400, "INVALID_ARGUMENT"),
        ("POST", "/v1/checks", b"\xff", 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/checks", b"{}", 400, "INVALID_ARGUMENT"),
        ("DELETE", "/v1/checks", None, 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/v1/entities/UXMFA", b"{}", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/v1/checks", b" " * (MAX_BODY_BYTES + 1), 413, "BODY_TOO_LARGE"),
    ],
)
async def test_errors(  # noqa: PLR0917  # a row of the table
    client: httpx.AsyncClient, verb: str, path: str, body: bytes | None, status: int, reason: str
) -> None:
    """Every error has its status and the one shape of AIP-193 with one ErrorInfo."""
    answer = await client.request(verb, path, content=body, headers=JSON)

    error = answer.json()["error"]
    assert status == answer.status_code
    assert status == error["code"]
    assert error["message"]
    assert [reason] == [detail["reason"] for detail in error["details"]]
    assert ["ackrep.dev"] == [detail["domain"] for detail in error["details"]]
    assert error["details"][0]["@type"].endswith("google.rpc.ErrorInfo")


async def test_facts_of_an_error(client: httpx.AsyncClient) -> None:
    """Facts of a service's error arrive as fields."""
    error = (await client.get("/v1/entities/NOPE1")).json()["error"]

    assert "NOT_FOUND" == error["status"]
    assert {"key": "NOPE1", "similar": "UXMFA"} == error["details"][0]["metadata"]


async def test_wrong_verb_names_the_right_one(client: httpx.AsyncClient) -> None:
    """A wrong verb is answered with those that the path understands."""
    assert "GET, HEAD, OPTIONS, POST" == (await client.put("/v1/checks")).headers["allow"]


async def test_body_is_no_json(client: httpx.AsyncClient) -> None:
    """A form is no request of the API, so that no foreign page's form can send one."""
    answer = await client.post("/v1/checks", data={"entity": "entities/UXMFA"})

    assert 415 == answer.status_code


async def test_body_without_declared_length(client: httpx.AsyncClient) -> None:
    """The size limit also holds where the length is not said beforehand."""

    async def endless() -> Any:
        for _ in range(40):
            yield b" " * 65_536

    answer = await client.post("/v1/checks", content=endless(), headers=JSON)

    assert 413 == answer.status_code


async def test_no_runner(make_gateway: Callable[..., Gateway]) -> None:
    """Without a runner its part of the API says UNAVAILABLE."""
    answer = await make_gateway(runner=None).client.get("/v1/environments")

    assert 503 == answer.status_code
    assert "UNAVAILABLE" == answer.json()["error"]["status"]


async def test_service_away(make_gateway: Callable[..., Gateway]) -> None:
    """A service that does not answer is UNAVAILABLE, and the client is told to come again."""
    gateway = make_gateway(runner="127.0.0.1:1")
    answer = await gateway.client.get("/v1/environments")

    assert 503 == answer.status_code
    assert "1" == answer.headers["retry-after"]


async def test_a_full_queue(client: httpx.AsyncClient, services: FakeServices) -> None:
    """When to try again is told in a header too, as the other side said it."""

    def refuse(*_: object) -> NoReturn:
        raise ResourceExhaustedError("30 checks would wait", retry_seconds="42")

    services.scheduler._start = refuse  # type: ignore[method-assign, assignment]
    answer = await client.post("/v1/checks", json={"entity": "entities/UXMFA"})

    assert 429 == answer.status_code
    assert "42" == answer.headers["retry-after"]
    assert "30 checks would wait" == answer.json()["error"]["message"]


async def test_deadline_and_request_id(client: httpx.AsyncClient, services: FakeServices) -> None:
    """The deadline and the request's id travel with the call."""
    headers = {"grpc-timeout": "5S", "x-request-id": "abc-1"}
    answer = await client.get("/v1/entities/UXMFA", headers=headers)

    assert "abc-1" == answer.headers["x-request-id"]
    assert "abc-1" == services.catalog.metadata[-1]["x-request-id"]
    assert services.catalog.time_remaining is not None
    assert 3 < services.catalog.time_remaining < 6


async def test_default_deadline(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A call without a deadline of its own gets 30 seconds."""
    await client.get("/v1/entities/UXMFA")

    assert services.catalog.time_remaining is not None
    assert 28 < services.catalog.time_remaining < 31


async def test_bad_deadline(client: httpx.AsyncClient) -> None:
    """A deadline that is none is refused."""
    answer = await client.get("/v1/entities/UXMFA", headers={"grpc-timeout": "soon"})

    assert 400 == answer.status_code


def test_every_annotated_rpc_has_a_route() -> None:
    """Each annotation is a route, and no two routes are the same."""
    table = RouteTable().routes

    assert 21 <= len(table)
    assert len(table) == len({(route.verb, route.template.text) for route in table})
    assert {"catalog", "scheduler", "runner"} == {route.peer for route in table}


# Typed query parameters, with a message that has every kind ----------------------------------

# Its dependencies have to be loaded before it.
_LOADED = field_mask_pb2.DESCRIPTOR
_KINDS = descriptor_pb2.FileDescriptorProto(
    name="kinds.proto",
    package="kinds",
    syntax="proto3",
    dependency=[
        "google/protobuf/timestamp.proto",
        "google/protobuf/duration.proto",
        "google/protobuf/field_mask.proto",
    ],
)
_inner = _KINDS.message_type.add(name="Inner")
_inner.field.add(name="deep_name", number=1, type=9, label=1, json_name="deepName")
_colour = _KINDS.enum_type.add(name="Colour")
_colour.value.add(name="COLOUR_UNSPECIFIED", number=0)
_colour.value.add(name="COLOUR_RED", number=1)
_kinds = _KINDS.message_type.add(name="Kinds")
for _number, (_name, _type, _label, _type_name) in enumerate(
    [
        ("text", 9, 1, ""),
        ("small", 5, 1, ""),
        ("large", 4, 1, ""),
        ("real", 1, 1, ""),
        ("flag", 8, 1, ""),
        ("raw", 12, 1, ""),
        ("colour", 14, 1, ".kinds.Colour"),
        ("texts", 9, 3, ""),
        ("moment", 11, 1, ".google.protobuf.Timestamp"),
        ("length", 11, 1, ".google.protobuf.Duration"),
        ("mask", 11, 1, ".google.protobuf.FieldMask"),
        ("inner", 11, 1, ".kinds.Inner"),
        ("inners", 11, 3, ".kinds.Inner"),
    ],
    1,
):
    _kinds.field.add(
        name=_name,
        number=_number,
        type=_type,
        label=_label,
        type_name=_type_name or None,
    )
_pool = descriptor_pool.Default()
_pool.Add(_KINDS)
Kinds = GetMessageClass(_pool.FindMessageTypeByName("kinds.Kinds"))


class _KindsRoute:
    """As much of a route as building a request needs."""

    request = Kinds
    body = ""
    verb = "GET"
    template = paths.parse("/v1/kinds")


def _built(*query: tuple[str, str]) -> Any:
    route: Any = _KindsRoute()
    return requests.build(routes.Match(route, {}), query=query, body=b"")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([("text", "a=b&c")], {"text": "a=b&c"}),
        ([("small", "-3")], {"small": -3}),
        ([("large", "18446744073709551615")], {"large": "18446744073709551615"}),
        ([("real", "2.5e-3")], {"real": 0.0025}),
        ([("real", "NaN")], {"real": "NaN"}),
        ([("flag", "true")], {"flag": True}),
        ([("flag", "false")], {}),
        ([("raw", "aGk=")], {"raw": "aGk="}),
        ([("colour", "COLOUR_RED")], {"colour": "COLOUR_RED"}),
        ([("colour", "1")], {"colour": "COLOUR_RED"}),
        ([("texts", "a"), ("texts", "b")], {"texts": ["a", "b"]}),
        ([("moment", "2026-11-22T15:00:00Z")], {"moment": "2026-11-22T15:00:00Z"}),
        ([("length", "1.5s")], {"length": "1.500s"}),
        ([("mask", "text,innerName")], {"mask": "text,innerName"}),
        ([("inner.deepName", "x")], {"inner": {"deepName": "x"}}),
        ([("inner.deep_name", "x")], {"inner": {"deepName": "x"}}),
    ],
)
def test_query_kinds(query: list[tuple[str, str]], expected: dict[str, Any]) -> None:
    """Each kind of field can be said in the query, in protobuf's JSON spelling."""
    assert expected == json_format.MessageToDict(_built(*query))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("small", "1.5"),
        ("small", "٣"),
        ("large", "-1"),
        ("real", "much"),
        ("real", "nan"),
        ("flag", "yes"),
        ("raw", "?"),
        ("colour", "COLOUR_BLUE"),
        ("moment", "yesterday"),
        ("length", "1 hour"),
        ("inner", "x"),
        ("inner.nothing", "x"),
        ("inners.deep_name", "x"),
        ("text.more", "x"),
        ("", "x"),
    ],
)
def test_query_refusals(key: str, value: str) -> None:
    """A parameter that is unknown or does not fit is refused, never ignored."""
    with pytest.raises(InvalidArgumentError):
        _built((key, value))


def test_requests_are_those_of_the_protos() -> None:
    """Routes build the generated classes, which is what the stubs send."""
    create = next(r for r in RouteTable().routes if r.rpc.name == "CreateCheck")

    assert create.request is scheduler_pb2.CreateCheckRequest
    assert "/ackrep.scheduler.v1.SchedulerService/CreateCheck" == create.method
