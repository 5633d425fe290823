"""`/api`: the reference of the HTTP API, made from its OpenAPI document, with forms to try it.

The forms of what only reads work without a script: they lead to the answer. With one
(`gateway/assets/src/trying.ts`), the answer shows below the form, and what changes something can
be tried too.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.pages.rendering import page, see_other
from services.errors import NotFoundError

_CODE = re.compile(r"`([^`]+)`")
_LIST = re.compile(r"\n\* ")
_REFERENCE = "#/components/schemas/"


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a schema."""

    name: str
    kind: Markup
    description: Markup
    required: bool = False
    place: str = ""
    """`path`, `query` or `header`; empty for a field of a schema."""
    example: str = ""


@dataclass(frozen=True)
class Operation:
    """One route."""

    id: str
    verb: str
    path: str
    summary: Markup
    description: Markup
    """What the summary does not say yet."""
    parameters: Sequence[Field]
    body: Markup
    """Type of its body; empty where it takes none."""
    body_example: str
    answer: Markup
    answers_with: str
    """`json`, `events` or `bytes`."""

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.verb == "GET"


@dataclass(frozen=True)
class Group:
    """The operations of one service."""

    name: str
    title: str
    description: Markup
    operations: Sequence[Operation]


@dataclass(frozen=True)
class Schema:
    """A message or an enum."""

    name: str
    anchor: str
    description: Markup
    fields: Sequence[Field]


async def api(request: Request) -> Response:
    """Shows the reference."""
    groups, schemas = _reference()
    return page(
        request,
        "api.html",
        data=_document(),
        groups=groups,
        schemas=schemas,
        address=str(request.base_url).rstrip("/"),
    )


async def attempt(request: Request) -> Response:
    """Leads from a form to the address that it describes."""
    groups, _ = _reference()
    wanted = request.path_params["operation"]
    found = [one for group in groups for one in group.operations if one.id == wanted and one.reads]
    if not found:
        raise NotFoundError(f"there is no operation {wanted!r} that can be tried so; see /api")
    return see_other(_address(found[0], request.query_params.multi_items()))


def _address(operation: Operation, said: Sequence[tuple[str, str]]) -> str:
    """The address of an operation with what a form says: a path of our own, whatever that is."""
    places = {field.name: field.place for field in operation.parameters}
    path, query = operation.path, []
    for name, value in said:
        if places.get(name) == "path":
            # A file's name keeps its slashes; `..` is a name as others, and never leads elsewhere.
            safe = "/" if name == "path" else ""
            path = path.replace(f"{{{name}}}", quote(value, safe=safe).replace("/..", "/%2E%2E"))
        elif places.get(name) == "query" and value:
            query.append((name, value))
    return f"{path}?{urlencode(query)}" if query else path


@functools.cache
def _document() -> Mapping[str, Any]:
    # Imported on demand: parsing the descriptor image would make the first page wait.
    from gateway.openapi import document  # noqa: PLC0415

    return document()


@functools.cache
def _reference() -> tuple[Sequence[Group], Sequence[Schema]]:
    described = _document()
    titles = {tag["name"]: tag["description"] for tag in described["tags"]}
    operations: dict[str, list[Operation]] = {name: [] for name in titles}
    for path, verbs in described["paths"].items():
        for verb, said in verbs.items():
            operations[said["tags"][0]].append(_operation(verb.upper(), path, said))
    groups = [
        Group(
            name,
            re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Service")),
            _text(titles[name]),
            sorted(found, key=lambda one: (one.path, one.verb)),
        )
        for name, found in operations.items()
    ]
    schemas = [
        Schema(_short(name), name, _text(said.get("description", "")), _fields(said))
        for name, said in described["components"]["schemas"].items()
    ]
    return groups, sorted(schemas, key=lambda schema: schema.name)


def _operation(verb: str, path: str, said: Mapping[str, Any]) -> Operation:
    media, answer = next(iter(said["responses"]["200"]["content"].items()))
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {})
    summary, _, rest = said["description"].partition(". ")
    kinds = {"application/json": "json", "text/event-stream": "events"}
    return Operation(
        id=said["operationId"],
        verb=verb,
        path=path,
        summary=_text(summary.rstrip(".")),
        description=_text(rest),
        parameters=[
            Field(
                one["name"],
                _kind(one["schema"]),
                _text(one["description"]),
                one.get("required", False),
                one["in"],
                str(one.get("example", "")),
            )
            for one in said["parameters"]
        ],
        body=_kind(body["schema"]) if body else Markup(),
        body_example=json.dumps(body.get("example", {}), indent=2, ensure_ascii=False),
        answer=_kind(answer.get("schema", {})) if "schema" in answer else Markup("bytes"),
        answers_with=kinds.get(media, "bytes"),
    )


def _fields(schema: Mapping[str, Any]) -> list[Field]:
    required = schema.get("required", ())
    return [
        Field(name, _kind(said), _text(said.get("description", "")), name in required)
        for name, said in schema.get("properties", {}).items()
    ]


def _kind(schema: Mapping[str, Any]) -> Markup:
    """Names a type, with a link to where it is described."""
    if reference := schema.get("$ref"):
        name = reference.removeprefix(_REFERENCE)
        return Markup('<a href="#{}">{}</a>').format(name, _short(name))
    if schema.get("type") == "array":
        return Markup("{}[]").format(_kind(schema.get("items", {})))
    if schema.get("additionalProperties"):
        return Markup("map of {}").format(_kind(schema["additionalProperties"]))
    if "anyOf" in schema:  # the first says what it is, the others how else it may be written
        return _kind(schema["anyOf"][0])
    words = {"date-time": "time", "int64": "64-bit integer", "uint64": "64-bit integer"}
    kind = schema.get("type", "any value")
    return escape(words.get(schema.get("format", ""), kind))


def _short(name: str) -> str:
    return re.sub(r"^ackrep\.\w+\.v1\.", "", name)


def _text(text: str) -> Markup:
    """The comment of a proto: words between backticks are code, lines with a star a list."""
    first, *items = _LIST.split(text)
    marked = [Markup(_CODE.sub(r"<code>\1</code>", str(escape(part)))) for part in (first, *items)]  # noqa: S704  # escaped before
    if not items:
        return marked[0]
    return marked[0] + Markup("<ul>{}</ul>").format(
        Markup("").join(Markup("<li>{}</li>").format(item) for item in marked[1:])
    )


ROUTES = [Route("/api", api), Route("/api/try/{operation}", attempt)]
