"""Requests of the API: path fields, query parameters and JSON body become one message."""

import base64
import json
import math
from collections.abc import Iterable
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.routes import Match
from services.errors import InvalidArgumentError

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
_NOT_FINITE = {"NaN", "Infinity", "-Infinity"}
_AS_TEXT = {
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "google.protobuf.FieldMask",
    "google.protobuf.StringValue",
    "google.protobuf.BytesValue",
    "google.protobuf.Int64Value",
    "google.protobuf.UInt64Value",
    "google.protobuf.Int32Value",
    "google.protobuf.UInt32Value",
    "google.protobuf.DoubleValue",
    "google.protobuf.FloatValue",
}
"""Messages whose JSON form is a string (or may be one)."""


def build(match: Match, *, query: Iterable[tuple[str, str]], body: bytes) -> Message:
    """Builds the request of a route.

    Raises:
        InvalidArgumentError: A parameter is unknown or has a value that does not fit, or the body
            is no JSON of the request.
    """
    route = match.route
    request = route.request()
    if route.body == "*":
        _parse_json(body, into=request)
    elif route.body:
        _parse_json(body, into=getattr(request, route.body))
    elif body.strip():
        raise InvalidArgumentError(f"{route.verb} {route.template.text} takes no body")
    parameters = list(query)
    if parameters and route.body == "*":
        raise InvalidArgumentError(
            f"unknown query parameter {parameters[0][0]!r}: everything is said in the body",
            parameter=parameters[0][0],
        )
    _apply_query(request, parameters, taken={*match.fields, route.body})
    for path, value in match.fields.items():
        _set_text(request, path, value)
    return request


def _parse_json(body: bytes, *, into: Message) -> None:
    if not body.strip():
        return
    try:
        value = json.loads(body)
        if not isinstance(value, dict):
            raise InvalidArgumentError("the body has to be a JSON object")
        json_format.ParseDict(value, into)
    except (ValueError, RecursionError, json_format.ParseError) as error:
        raise InvalidArgumentError(f"the body is no valid request: {error}") from error


def _set_text(message: Message, path: str, value: str) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        message = getattr(message, parent)
    setattr(message, last, value)


def _apply_query(request: Message, parameters: list[tuple[str, str]], *, taken: set[str]) -> None:
    tree: dict[str, Any] = {}
    for key, text in parameters:
        fields = _resolve(request.DESCRIPTOR, key, taken=taken)
        at = tree
        for parent in fields[:-1]:
            at = at.setdefault(parent.name, {})
        leaf = fields[-1]
        value = _value(leaf, key, text)
        if leaf.is_repeated:
            at.setdefault(leaf.name, []).append(value)
        elif leaf.name in at:
            raise InvalidArgumentError(f"the query parameter {key!r} is given twice", parameter=key)
        else:
            at[leaf.name] = value
    try:
        json_format.ParseDict(tree, request)
    except json_format.ParseError as error:
        raise InvalidArgumentError(f"a query parameter does not fit: {error}") from error


def _resolve(root: Any, key: str, *, taken: set[str]) -> list[FieldDescriptor]:
    fields: list[FieldDescriptor] = []
    at: Any = root
    for part in key.split("."):
        found = at and next((f for f in at.fields if part in {f.name, f.json_name}), None)
        if not found:
            raise InvalidArgumentError(f"unknown query parameter {key!r}", parameter=key)
        fields.append(found)
        well_known = found.message_type and found.message_type.full_name in _AS_TEXT
        at = None if well_known or found.is_repeated else found.message_type
    leaf = fields[-1]
    if ".".join(field.name for field in fields) in taken:
        raise InvalidArgumentError(f"{key!r} is said in the path already", parameter=key)
    if leaf.message_type and leaf.message_type.full_name not in _AS_TEXT:
        raise InvalidArgumentError(
            f"the query parameter {key!r} is a message: name one of its fields", parameter=key
        )
    return fields


def _value(field: FieldDescriptor, key: str, text: str) -> Any:
    kind = field.cpp_type
    try:
        if kind in _INTEGERS:
            if not text.removeprefix("-").isdecimal() or not text.isascii():
                raise ValueError(text)
            return int(text)
        if kind in {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}:
            return text if text in _NOT_FINITE else _finite(text)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return {"true": True, "false": False}[text]
        if kind == FieldDescriptor.CPPTYPE_ENUM and field.enum_type is not None:
            return int(text) if text.isdecimal() else field.enum_type.values_by_name[text].number
        if field.type == FieldDescriptor.TYPE_BYTES:
            base64.b64decode(text, altchars=b"-_", validate=True)
    except (ValueError, KeyError) as error:
        raise InvalidArgumentError(
            f"the query parameter {key!r} is {text!r}, which is no {_kind_name(field)}",
            parameter=key,
        ) from error
    return text


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _kind_name(field: FieldDescriptor) -> str:
    if field.cpp_type in _INTEGERS:
        return "integer"
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "boolean (true or false)"
    if field.enum_type is not None:
        return f"value of {field.enum_type.name}"
    return "base64 text" if field.type == FieldDescriptor.TYPE_BYTES else "number"
