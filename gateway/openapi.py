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

from gateway import openapi_examples as examples
from gateway.openapi_schemas import Schemas, field_schema, query_schema
from gateway.routes import SERVICES, Route, RouteTable

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


_SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token (`ackrep token create`), which has scopes and an expiry.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "ackrep_session",
        "description": "The session of a browser; what changes something takes a token against "
        "cross-site requests beside it.",
    },
}


def _refusal(description: str) -> dict[str, Any]:
    media = {"schema": {"$ref": "#/components/schemas/Error"}, "example": examples.ERROR}
    return {"description": description, "content": {"application/json": media}}


_REFUSALS = {
    "Invalid": _refusal("The request does not fit; the message says what of it."),
    "Denied": _refusal("It takes a token, or one with another scope."),
    "NotFound": _refusal("There is no resource of that name."),
    "Refused": _refusal("Any other error; `reason` says which (docs/http-api.md)."),
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
        "tags": [
            {"name": service.name, "description": tags[service.name]}
            for services in SERVICES.values()
            for service in services
            if service.name in tags
        ],
        "paths": dict(sorted(paths.items())),
        # Each may be enough, and on loopback none is needed.
        "security": [{}, {"token": []}, {"session": []}],
        "components": {
            "schemas": {**schemas.components(), "Error": _ERROR},
            "responses": _REFUSALS,
            "securitySchemes": _SECURITY,
        },
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
        parts = variable.pattern.split("/")
        names = []
        for index, part in enumerate(parts):
            if "*" in part:
                name = _singular(parts[index - 1] if index else variable.field)
                parts[index] = f"{{{name}}}"
                names.append(name)
        path = re.sub(
            rf"\{{{re.escape(variable.field)}(=[^}}]*)?\}}", "/".join(parts), path, count=1
        )
        parameters += [
            {
                "name": name,
                "in": "path",
                "required": True,
                **({"example": examples.PATHS[name]} if name in examples.PATHS else {}),
                "description": f"A part of `{variable.field}`, which is `{variable.pattern}`.",
                "schema": {
                    "type": "string",
                    "pattern": "^.+$" if "**" in variable.pattern else "^[^/:]+$",
                },
            }
            for name in names
        ]
    return path, parameters


def _singular(plural: str) -> str:
    return re.sub("ies$", "y", plural) if plural.endswith("ies") else plural.removesuffix("s")


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
            **{
                status: {"$ref": f"#/components/responses/{name}"}
                for status, name in (
                    ("400", "Invalid"),
                    ("401", "Denied"),
                    ("403", "Denied"),
                    ("404", "NotFound"),
                    ("default", "Refused"),
                )
            },
        },
    }
    taken = {variable.field for variable in route.template.variables}
    if route.body:
        operation["requestBody"] = {
            "required": False,  # no body is an empty one
            "content": {"application/json": _body(route, taken, schemas)},
        }
    if route.body != "*":
        taken |= {route.body}
        operation["parameters"] += list(_query(route, taken, comments, schemas))
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


def _body(route: Route, taken: set[str], schemas: Schemas) -> dict[str, Any]:
    message = route.rpc.input_type
    if route.body == "*":
        described: dict[str, Any] = {"schema": schemas.body(message, taken)}
    else:
        described = {"schema": field_schema(message.fields_by_name[route.body], schemas)}
    if route.rpc.name in examples.BODIES:
        described["example"] = examples.BODIES[route.rpc.name]
    return described


def _query(
    route: Route, taken: set[str], comments: dict[str, str], schemas: Schemas
) -> Iterator[dict[str, Any]]:
    message: Descriptor = route.rpc.input_type
    field: FieldDescriptor
    for field in message.fields:
        if field.name in taken:
            continue
        parameter = {
            "name": field.json_name,
            "in": "query",
            "description": comments.get(field.full_name, ""),
            "schema": query_schema(field, schemas),
        }
        example = examples.QUERIES.get(route.rpc.name, {}).get(field.json_name)
        yield parameter if example is None else {**parameter, "example": example}
