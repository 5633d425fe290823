"""The OpenAPI 3.1 document, made from the descriptors that the routes are made from.

Descriptions are the comments of the protos. Generated modules carry none, so they are read from
the descriptor image beside this file (`make protos` writes both).
"""

import functools
import json
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.openapi_schemas import Schemas, field_schema
from gateway.routes import Route, RouteTable

IMAGE = Path(__file__).parent / "ackrep.binpb"

_ERROR = {
    "type": "object",
    "description": "An error, as AIP-193 writes it.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "status", "message"],
            "properties": {
                "code": {"type": "integer", "description": "HTTP status."},
                "status": {"type": "string", "description": "Canonical status, e.g. `NOT_FOUND`."},
                "message": {"type": "string", "description": "What is wrong, for people."},
                "details": {
                    "type": "array",
                    "description": "One `google.rpc.ErrorInfo` with a stable `reason`.",
                    "items": {"type": "object"},
                },
            },
        }
    },
}


@functools.cache
def document_bytes() -> bytes:
    """Prints the document; it is the same for the life of the process."""
    return json.dumps(document(), ensure_ascii=False).encode()


def document() -> dict[str, Any]:
    """Makes the document."""
    comments = read_comments(IMAGE.read_bytes())
    schemas = Schemas(comments)
    paths: dict[str, dict[str, Any]] = {}
    tags = {}
    named = set()
    for route in RouteTable().routes:
        path, parameters = _path(route)
        operation = _operation(route, parameters, comments, schemas)
        if operation["operationId"] in named:  # a further way to reach the same rpc
            operation["operationId"] += route.verb.capitalize()
        named.add(operation["operationId"])
        paths.setdefault(path, {})[route.verb.lower()] = operation
        service = route.rpc.containing_service
        tags[service.name] = comments.get(service.full_name, "")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ACKREP",
            "version": metadata.version("ackrep"),
            "description": "Checks every entity of a data repository, and remembers what came "
            "out. JSON follows protobuf's mapping: 64-bit integers are strings, names are "
            "lowerCamelCase (snake_case is understood too).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in sorted(tags.items())],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": {**schemas.components(), "Error": _ERROR}},
    }


def read_comments(image: bytes) -> dict[str, str]:
    """Reads the comment of each element of an image, by its full name."""
    found: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(image).file:
        for location in file.source_code_info.location:
            text = " ".join(location.leading_comments.split())
            name = _element_name(file, list(location.path))
            if text and name:
                found[f"{file.package}.{name}"] = text
    return found


# Numbers of the fields of descriptor.proto that lead from an element to those in it.
_CHILDREN = {
    "file": {4: ("message_type", "message"), 5: ("enum_type", "enum"), 6: ("service", "service")},
    "message": {
        2: ("field", "field"),
        3: ("nested_type", "message"),
        4: ("enum_type", "enum"),
        8: ("oneof_decl", "oneof"),
    },
    "enum": {2: ("value", "value")},
    "service": {2: ("method", "method")},
}


def _element_name(file: Any, path: list[int]) -> str:
    at, kind, names = file, "file", []
    for number, index in zip(path[::2], path[1::2], strict=False):
        children = _CHILDREN.get(kind, {}).get(number)
        if children is None:
            return ""
        at = getattr(at, children[0])[index]
        kind = children[1]
        names.append(at.name)
    return ".".join(names) if len(path) % 2 == 0 else ""


def _path(route: Route) -> tuple[str, list[dict[str, Any]]]:
    """Writes a template as OpenAPI does: `/v1/{name=checks/*}` is `/v1/checks/{check}`."""
    path = route.template.text
    parameters = []
    for variable in route.template.variables:
        *collections, _ = variable.pattern.split("/")
        singular = {"entities": "entity"}.get(
            collections[-1] if collections else "",
            (collections or [variable.field])[-1].rstrip("s"),
        )
        path = re.sub(
            rf"\{{{re.escape(variable.field)}(=[^}}]*)?\}}",
            "/".join([*collections, f"{{{singular}}}"]),
            path,
            count=1,
        )
        parameters.append(
            {
                "name": singular,
                "in": "path",
                "required": True,
                "description": f"Last part of `{variable.field}`, which is `{variable.pattern}`.",
                "schema": {
                    "type": "string",
                    "pattern": "^.+$" if "**" in variable.pattern else "^[^/:]+$",
                },
            }
        )
    return path, parameters


def _operation(
    route: Route, parameters: list[dict[str, Any]], comments: dict[str, str], schemas: Schemas
) -> dict[str, Any]:
    description = comments.get(route.rpc.full_name, "")
    operation: dict[str, Any] = {
        "operationId": route.rpc.name[0].lower() + route.rpc.name[1:],
        "tags": [route.rpc.containing_service.name],
        "summary": description.partition(". ")[0].rstrip("."),
        "description": description,
        "parameters": list(parameters),
        "responses": {
            "200": _success(route, schemas),
            "default": {
                "description": "An error.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    taken = {variable.field for variable in route.template.variables}
    if route.body:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas.body(route.rpc.input_type, taken)}},
        }
    else:
        operation["parameters"] += list(_query(route.rpc.input_type, taken, comments, schemas))
    if route.raw:
        operation["parameters"].append(
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "`ETag` of what is had already: if it is the same, 304 is answered.",
                "schema": {"type": "string"},
            }
        )
        operation["responses"]["304"] = {"description": "Not modified."}
    elif route.streams:
        operation["parameters"].append(
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "`id` of the last event that was seen: the stream goes on after it.",
                "schema": {"type": "string"},
            }
        )
    return operation


def _success(route: Route, schemas: Schemas) -> dict[str, Any]:
    if route.raw:
        return {
            "description": "The bytes. A connection that closes early did not send them all.",
            "headers": {
                "ETag": {"description": "Names these bytes.", "schema": {"type": "string"}},
                "Content-Disposition": {
                    "description": "Whether browsers may show it, and its name.",
                    "schema": {"type": "string"},
                },
            },
            # Without a schema, as OpenAPI 3.1 writes bytes of any kind.
            "content": {"*/*": {}},
        }
    reference = schemas.reference(route.rpc.output_type)
    if not route.streams:
        return {"description": "Done.", "content": {"application/json": {"schema": reference}}}
    return {
        "description": "Server-sent events. The `data` of each is a message of this schema and "
        "its `id` resumes; `event: end` says that the stream is complete, `event: error` carries "
        "an error.",
        "content": {"text/event-stream": {"schema": reference}},
    }


def _query(
    message: Descriptor, taken: set[str], comments: dict[str, str], schemas: Schemas
) -> Iterator[dict[str, Any]]:
    field: FieldDescriptor
    for field in message.fields:
        if field.name in taken:
            continue
        yield {
            "name": field.json_name,
            "in": "query",
            "description": comments.get(field.full_name, ""),
            "schema": field_schema(field, schemas),
        }
