"""A service that has one of every kind of field and binding, to try the transcoder with.

`EchoKinds` answers what it understood; `HoldKinds` answers when it is let, and says whether it was
cancelled. Its descriptors are made here, since no rpc of ours has them all.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.api import annotations_pb2, http_pb2, httpbody_pb2
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    json_format,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.message_factory import GetMessageClass

from gateway.routes import RouteTable
from services import rpc

TOKEN = "a-token-of-tests"
_FILE = descriptor_pb2.FileDescriptorProto(
    name="every_kind.proto",
    package="every",
    syntax="proto3",
    dependency=[
        module.DESCRIPTOR.name
        for module in (
            annotations_pb2,
            duration_pb2,
            field_mask_pb2,
            httpbody_pb2,
            timestamp_pb2,
            wrappers_pb2,
        )
    ],
)
_STRING, _INT32, _BOOL, _MESSAGE, _ENUM, _INT64 = 9, 5, 8, 11, 14, 3
_ONE, _MANY = 1, 3

_shade = _FILE.enum_type.add(name="Shade")
_shade.value.add(name="SHADE_UNSPECIFIED", number=0)
_shade.value.add(name="SHADE_DARK", number=1)
_inner = _FILE.message_type.add(name="Inner")
_inner.field.add(name="deep_name", number=1, type=_STRING, label=_ONE, json_name="deepName")
_kinds = _FILE.message_type.add(name="Kinds")
_kinds.oneof_decl.add(name="choice")
for _name in ("Labels", "Counts"):
    _entry = _kinds.nested_type.add(name=f"{_name}Entry")
    _entry.options.map_entry = True
    _entry.field.add(name="key", number=1, type=_STRING, label=_ONE)
    _kind = _STRING if _name == "Labels" else _INT32
    _entry.field.add(name="value", number=2, type=_kind, label=_ONE)
for _number, (_name, _type, _label, _type_name) in enumerate(
    [
        ("name", _STRING, _ONE, None),
        ("texts", _STRING, _MANY, None),
        ("count", _INT32, _ONE, None),
        ("large", _INT64, _ONE, None),
        ("shade", _ENUM, _ONE, ".every.Shade"),
        ("shades", _ENUM, _MANY, ".every.Shade"),
        ("moment", _MESSAGE, _ONE, ".google.protobuf.Timestamp"),
        ("length", _MESSAGE, _ONE, ".google.protobuf.Duration"),
        ("mask", _MESSAGE, _ONE, ".google.protobuf.FieldMask"),
        ("inner", _MESSAGE, _ONE, ".every.Inner"),
        ("labels", _MESSAGE, _MANY, ".every.Kinds.LabelsEntry"),
        ("counts", _MESSAGE, _MANY, ".every.Kinds.CountsEntry"),
        ("maybe_text", _MESSAGE, _ONE, ".google.protobuf.StringValue"),
        ("maybe_count", _MESSAGE, _ONE, ".google.protobuf.Int32Value"),
        ("maybe_flag", _MESSAGE, _ONE, ".google.protobuf.BoolValue"),
        ("left", _STRING, _ONE, None),
        ("right", _INT32, _ONE, None),
    ],
    1,
):
    _field = _kinds.field.add(
        name=_name, number=_number, type=_type, label=_label, type_name=_type_name
    )
    if _name in {"left", "right"}:
        _field.oneof_index = 0

_service = _FILE.service.add(name="KindsService")


def _rpc(name: str, *rules: http_pb2.HttpRule, output: str = ".every.Kinds") -> None:
    method = _service.method.add(name=name, input_type=".every.Kinds", output_type=output)
    rule = method.options.Extensions[annotations_pb2.http]
    rule.CopyFrom(rules[0])
    rule.additional_bindings.extend(rules[1:])


_rpc(
    "EchoKinds",
    http_pb2.HttpRule(get="/v1/echo"),
    http_pb2.HttpRule(get="/v1/echo/{name}"),
    http_pb2.HttpRule(get="/v1/echo/{name=several/**}:deep"),
    http_pb2.HttpRule(post="/v1/echo", body="*"),
    http_pb2.HttpRule(patch="/v1/{name=echo/*}", body="inner"),
    http_pb2.HttpRule(get="/v1/echo/{name}/texts", response_body="texts"),
    http_pb2.HttpRule(get="/v1/echo/{name}/inner", response_body="inner"),
)
_rpc("HoldKinds", http_pb2.HttpRule(get="/v1/hold"))
_rpc("LargeKinds", http_pb2.HttpRule(get="/v1/large"))
_rpc("BodyKinds", http_pb2.HttpRule(get="/v1/body"), output=".google.api.HttpBody")

_pool = descriptor_pool.Default()
_pool.Add(_FILE)
Kinds = GetMessageClass(_pool.FindMessageTypeByName("every.Kinds"))
SERVICE = _pool.FindServiceByName("every.KindsService")


def table() -> RouteTable:
    """The routes of the service, which is asked in the catalog's place."""
    return RouteTable({"catalog": [SERVICE]})


@dataclass
class KindsServer:
    """The service, and what it saw."""

    address: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def echo(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        self.metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
        return request

    async def hold(self, request: Any, context: Any) -> Any:
        self.held.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def large(self, request: Any, context: Any) -> Any:
        return Kinds(texts=["x" * 1024 * 1024] * request.count)

    async def body(self, request: Any, context: Any) -> httpbody_pb2.HttpBody:
        return httpbody_pb2.HttpBody(content_type="image/png", data=b"\x89PNG")


@contextlib.asynccontextmanager
async def kinds_server() -> AsyncIterator[KindsServer]:
    """Serves it on a free port."""
    kinds = KindsServer()
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            method, request_deserializer=Kinds.FromString, response_serializer=_serialised
        )
        for name, method in (
            ("EchoKinds", kinds.echo),
            ("HoldKinds", kinds.hold),
            ("LargeKinds", kinds.large),
            ("BodyKinds", kinds.body),
        )
    }

    def register(server: grpc.aio.Server) -> None:
        handler = grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)
        server.add_generic_rpc_handlers((handler,))

    async with rpc.serving(
        address="127.0.0.1:0", token=TOKEN, register=register, services=[], grace=0.1
    ) as port:
        kinds.address = f"127.0.0.1:{port}"
        yield kinds


def _serialised(message: Any) -> bytes:
    serialised: bytes = message.SerializeToString()
    return serialised


def understood(message: Any) -> dict[str, Any]:
    """A message as JSON, without what was not said."""
    return json_format.MessageToDict(message)
