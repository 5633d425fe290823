"""Templates and static files."""

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import jinja2
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from ackrep.catalog.v1 import catalog_pb2
from gateway.context import context_of
from gateway.pages import formats, words

TEMPLATES = Path(__file__).parent.parent / "templates"
STATIC = Path(__file__).parent.parent / "static"


@functools.cache
def _asset(name: str) -> str:
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def _relations(entity: catalog_pb2.Entity) -> list[tuple[catalog_pb2.Relation, bool]]:
    """Lists the edges of an entity, and whether they point at it."""
    return [(edge, False) for edge in entity.references] + [
        (edge, True) for edge in entity.referrers
    ]


@functools.cache
def environment() -> jinja2.Environment:
    """Makes the template environment: everything is escaped, and nothing undefined is printed."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(formats.FILTERS)
    env.globals.update(
        asset=_asset,
        verdict_word=words.verdict_word,
        check_word=words.check_word,
        type_word=words.type_word,
        severity_word=words.severity_word,
        relation_word=words.relation_word,
        finished=words.finished,
        relations=_relations,
        between=formats.between,
        VERDICTS=words.VERDICTS,
        TYPES=words.TYPES,
    )
    return env


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Renders a page. Pages show what is now, so no cache keeps them."""
    request.scope.setdefault("route_name", template)
    html = (
        environment()
        .get_template(template)
        .render(
            path=request.url.path,
            settings=context_of(request).settings,
            **values,
        )
    )
    return HTMLResponse(html, status_code=status, headers={"cache-control": "no-store"})


def see_other(address: str) -> Response:
    """Sends the browser on after a form (303, so that it does not send the form again)."""
    return Response(status_code=303, headers={"location": address})


def struct_lines(metadata: Message | dict[str, Any]) -> str:
    """Prints metadata for reading."""
    from google.protobuf import json_format  # noqa: PLC0415

    value = metadata if isinstance(metadata, dict) else json_format.MessageToDict(metadata)
    return json.dumps(value, ensure_ascii=False, indent=2)


class Assets(StaticFiles):
    """Our own files; their addresses carry a digest, so browsers may keep them for ever."""

    async def get_response(self, path: str, scope: Any) -> Response:
        """Answers with one file."""
        scope["route_name"] = "/static"
        response = await super().get_response(path, scope)
        versioned = b"v=" in scope.get("query_string", b"")
        age = "public, max-age=31536000, immutable" if versioned else "public, max-age=300"
        response.headers["cache-control"] = age
        return response
