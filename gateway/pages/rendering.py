"""Templates and static files."""

import functools
import hashlib
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from gateway.access.credentials import form_proof
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.pages import addresses, formats, navigation, negotiation, prose, words
from gateway.pages.moments import Moment

TEMPLATES = Path(__file__).parent.parent / "templates"
STATIC = Path(__file__).parent.parent / "static"


_FORM = re.compile(r'<form\b[^>]*\bmethod="post"[^>]*>')
"""Forms that change something. Under a session each carries a proof, put in here so that no
template can forget it; texts of strangers are escaped, and hold no form."""


@functools.cache
def _asset(name: str) -> str:
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


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
    env.filters.update(formats.FILTERS, maths=prose.maths)
    env.globals.update(
        asset=_asset,
        verdict_word=words.verdict_word,
        check_word=words.check_word,
        type_word=words.type_word,
        severity_word=words.severity_word,
        relation_word=words.relation_word,
        finished=words.finished,
        at=addresses.at,
        entity_address=addresses.entity,
        source_address=addresses.source,
        content_address=addresses.content,
        archive_address=addresses.archive,
        concept_address=addresses.concept,
        tag_address=addresses.tag,
        tag_label=addresses.tag_label,
        between=formats.between,
        VERDICTS=words.VERDICTS,
        TYPES=words.TYPES,
        drawn=lambda: time.time_ns() // 1_000_000,
        PLACES=navigation.PLACES,
        place_of=navigation.place_of,
    )
    return env


def page(
    request: Request,
    template: str,
    *,
    data: Mapping[str, Any],
    status: int = 200,
    moment: Moment | None = None,
    **values: Any,
) -> Response:
    """Renders a page. Pages show what is now, so no cache keeps them.

    Args:
        request: What is answered.
        template: Name of the template.
        status: HTTP status.
        moment: The revision that the page shows; its links keep it.
        data: The same for programs that ask for JSON: messages, records, and what JSON has.
        values: What the template shows.
    """
    request.scope.setdefault("route_name", template)
    viewer = viewer_of(request)
    if negotiation.wants_json(request):
        return negotiation.json_response(data, status=status, sees_errors=viewer.sees_errors)
    html = (
        environment()
        .get_template(template)
        .render(
            path=request.url.path,
            base_address=f"{request.url.scheme}://{request.url.netloc}",
            settings=context_of(request).settings,
            viewer=viewer,
            moment=moment,
            revision_name=moment.name if moment else "",
            **values,
        )
    )
    if viewer.csrf:
        html = _FORM.sub(
            rf'\g<0><input type="hidden" name="csrf" value="{form_proof(viewer.csrf)}">', html
        )
    headers = {"cache-control": "no-store", "vary": "Accept"}
    return HTMLResponse(html, status_code=status, headers=headers)


def see_other(address: str) -> Response:
    """Sends the browser on after a form (303, so that it does not send the form again)."""
    return Response(status_code=303, headers={"location": address})


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
