"""Requests of the API: path fields, query parameters and JSON body become one message."""

import base64
import json
import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

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
    "google.protobuf.BoolValue",
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
_BOOLEANS = {"true": True, "false": False}
_MAP_KEY = re.compile(r"(.+)\[([^\[\]]*)\]")


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


class _Leaf(NamedTuple):
    """A field that query parameters fill."""

    path: tuple[str, ...]
    """Names of the fields that lead to it, and its own."""
    field: FieldDescriptor
    parameter: str
    """How the request spells it."""


def _apply_query(request: Message, parameters: list[tuple[str, str]], *, taken: set[str]) -> None:
    leaves: dict[tuple[str, ...], _Leaf] = {}
    values: dict[tuple[str, ...], Any] = {}
    for parameter, text in parameters:
        key, entry = parameter, None
        if found := _MAP_KEY.fullmatch(parameter):
            key, entry = found.groups()
        leaf = _resolve(request.DESCRIPTOR, key, parameter=parameter, taken=taken)
        if _is_map(leaf.field) != (entry is not None):
            raise InvalidArgumentError(
                f"the query parameter {parameter!r} is {'a' if entry is None else 'no'} map: an "
                "entry of a map is said as name[key]=value",
                parameter=parameter,
            )
        if entry is not None:
            entries = values.setdefault(leaf.path, {})
            if entry in entries:
                raise _twice(parameter)
            entries[entry] = _value(_map_value(leaf.field), parameter, text)
        elif leaf.field.is_repeated:
            values.setdefault(leaf.path, []).append(_value(leaf.field, parameter, text))
        elif leaf.path in values:
            raise _twice(parameter)
        else:
            values[leaf.path] = _value(leaf.field, parameter, text)
        leaves.setdefault(leaf.path, leaf)
    _refuse_alternatives(leaves.values())
    for path, leaf in leaves.items():
        tree: Any = values[path]
        for name in reversed(path):
            tree = {name: tree}
        try:  # one by one, so that an error can say of which
            json_format.ParseDict(tree, request)
        except (json_format.ParseError, ValueError) as error:
            raise InvalidArgumentError(
                f"the query parameter {leaf.parameter!r} does not fit: {error}",
                parameter=leaf.parameter,
            ) from error


def _refuse_alternatives(leaves: Iterable[_Leaf]) -> None:
    """Refuses two members of one oneof, of which the later would win silently."""
    said: dict[tuple[tuple[str, ...], str], str] = {}
    for leaf in leaves:
        if leaf.field.containing_oneof is None:
            continue
        alternatives = (leaf.path[:-1], leaf.field.containing_oneof.name)
        if alternatives in said:
            raise InvalidArgumentError(
                f"{said[alternatives]!r} and {leaf.parameter!r} exclude each other",
                parameter=leaf.parameter,
            )
        said[alternatives] = leaf.parameter


def _twice(parameter: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"the query parameter {parameter!r} is given twice", parameter=parameter
    )


def _resolve(root: Any, key: str, *, parameter: str, taken: set[str]) -> _Leaf:
    fields: list[FieldDescriptor] = []
    at: Any = root
    for part in key.split("."):
        found = at and next((f for f in at.fields if part in {f.name, f.json_name}), None)
        if not found:
            raise InvalidArgumentError(
                f"unknown query parameter {parameter!r}", parameter=parameter
            )
        fields.append(found)
        well_known = found.message_type and found.message_type.full_name in _AS_TEXT
        at = None if well_known or found.is_repeated else found.message_type
    leaf = fields[-1]
    path = tuple(field.name for field in fields)
    if ".".join(path) in taken:
        raise InvalidArgumentError(
            f"{parameter!r} is said in the path already", parameter=parameter
        )
    if leaf.message_type and not _is_map(leaf) and leaf.message_type.full_name not in _AS_TEXT:
        raise InvalidArgumentError(
            f"the query parameter {parameter!r} is a message: name one of its fields",
            parameter=parameter,
        )
    return _Leaf(path, leaf, parameter)


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _map_value(field: FieldDescriptor) -> FieldDescriptor:
    value: FieldDescriptor = field.message_type.fields_by_name["value"]  # type: ignore[union-attr]
    return value


def _value(field: FieldDescriptor, key: str, text: str) -> Any:
    kind = field.cpp_type
    try:
        if field.message_type and field.message_type.full_name == "google.protobuf.BoolValue":
            return _BOOLEANS[text]
        if kind in _INTEGERS:
            if not text.removeprefix("-").isdecimal() or not text.isascii():
                raise ValueError(text)
            return int(text)
        if kind in {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}:
            return text if text in _NOT_FINITE else _finite(text)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return _BOOLEANS[text]
        if kind == FieldDescriptor.CPPTYPE_ENUM and field.enum_type is not None:
            known = field.enum_type
            if text.isdecimal():
                return known.values_by_number[int(text)].number
            return known.values_by_name[text].number
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
    if field.message_type or field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "boolean (true or false)"
    if field.enum_type is not None:
        return f"value of {field.enum_type.name}"
    return "base64 text" if field.type == FieldDescriptor.TYPE_BYTES else "number"
