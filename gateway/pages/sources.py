"""`/e/{KEY}/files/{path}`: one file of an entity, with line numbers to link to."""

import asyncio
import html
import time
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from gateway.context import context_of
from gateway.pages import contents
from gateway.pages.latest import TIMEOUT
from gateway.pages.moments import moment_of
from gateway.pages.rendering import page
from services.errors import NotFoundError
from services.rpc import remote_errors

MAX_BYTES = 512 * 1024
"""Larger files are not shown."""
_COLOURED_BYTES = 128 * 1024
_COLOURED_LINE = 5_000
_COLOURING_SECONDS = 0.5
"""Beyond these a text stays plain: lexers take quadratic time over what is made for that."""

# The first part of a Pygments token decides; the page's style sheet knows these only.
_STYLES = {"Keyword": "k", "Literal": "s", "Comment": "c", "Operator": "", "Name": ""}


async def source(request: Request) -> Response:
    """Shows one file; it is data of a stranger, so it is escaped text, or a picture."""
    upstream = context_of(request).upstream
    key, path = request.path_params["key"], request.path_params["path"]
    moment = await moment_of(request)
    with remote_errors():
        entity = await upstream.catalog.GetEntity(
            catalog_pb2.GetEntityRequest(name=f"entities/{key}", revision=moment.name),
            timeout=TIMEOUT,
        )
    listed = next((file for file in entity.files if file.path == path), None)
    if listed is None:
        raise NotFoundError(f"{key} has no file {path}")
    shown = not contents.is_image(path) and not contents.is_pdf(path)
    text = None
    if shown and listed.size <= MAX_BYTES:
        data = await contents.read(
            upstream, entity.name, path, revision=entity.revision, limit=MAX_BYTES
        )
        text = None if b"\0" in data else data.decode("utf-8", "replace")
    return page(
        request,
        "source.html",
        moment=moment,
        data={"entity": entity, "file": listed, "text": text},
        entity=entity,
        file=listed,
        image=contents.is_image(path),
        document=contents.is_pdf(path),
        lines=None if text is None else await asyncio.to_thread(highlighted, text, path),
    )


def highlighted(text: str, path: str) -> list[Markup]:
    """Escapes a text line by line, with style classes where its language is known."""
    # Imported on demand: most pages show no source.
    from pygments import lex  # noqa: PLC0415
    from pygments.lexers import get_lexer_for_filename  # noqa: PLC0415
    from pygments.util import ClassNotFound  # noqa: PLC0415

    plain = text.splitlines()
    try:
        if len(text) > _COLOURED_BYTES or any(len(line) > _COLOURED_LINE for line in plain):
            raise ClassNotFound
        tokens = _in_time(lex(text, get_lexer_for_filename(path, stripnl=False)))
    except (ClassNotFound, TimeoutError):
        return [Markup(html.escape(line)) for line in plain]  # noqa: S704  # escaped
    lines = [""]
    for kind, value in tokens:
        style = _style(tuple(kind))
        for number, piece in enumerate(value.split("\n")):
            if number:
                lines.append("")
            if piece:
                escaped = html.escape(piece)
                lines[-1] += f'<span class="{style}">{escaped}</span>' if style else escaped
    if lines[-1] == "":
        lines.pop()
    return [Markup(line) for line in lines]  # noqa: S704  # escaped above


def _in_time(tokens: Iterable[tuple[Any, str]]) -> list[tuple[Any, str]]:
    end = time.monotonic() + _COLOURING_SECONDS
    found = []
    for token in tokens:
        found.append(token)
        if time.monotonic() > end:
            raise TimeoutError
    return found


def _style(kind: tuple[str, ...]) -> str:
    if kind[:2] == ("Literal", "Number"):
        return "n"
    if kind[:1] == ("Name",):
        return "d" if kind[1:2] in {("Function",), ("Class",), ("Decorator",), ("Tag",)} else ""
    return _STYLES.get(kind[0], "") if kind else ""


class _FilePath(PathConvertor):
    """Path of a file, whose name may have line breaks in it."""

    regex = "(?s:.*)"


register_url_convertor("file", _FilePath())

ROUTES = [Route("/e/{key}/files/{path:file}", source)]
