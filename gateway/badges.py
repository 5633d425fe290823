"""`/badge.svg` and `/e/{KEY}/badge.svg`: how things are, as pictures for pages elsewhere.

The same as JSON (`.json`) is what shields.io draws from: its endpoint schema.
"""

import json
import unicodedata
from dataclasses import dataclass
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from gateway import conditions
from gateway.context import context_of
from gateway.pages import latest, words
from gateway.pages.balance import passing
from services.errors import InvalidArgumentError, NotFoundError
from services.rpc import remote_errors

_LONGEST_LABEL = 64
_SIZE = 11
"""Of the letters, pixels."""
_PADDING = 6
_HEIGHT = 20
_LABEL_COLOUR = "#444d59"
_COLOURS = {
    "success": "#0b7a4b",
    "inaccurate": "#8f5a00",
    "script-error": "#b4231b",
    "timed-out": "#7138a8",
    "limit-exceeded": "#93346f",
    "infrastructure-error": "#44536a",
}
"""White letters have a contrast of 4.5 and more on each."""
_GREY = "#566274"
_HEADERS = {
    "cache-control": "max-age=60",
    # Shown by pages of others: the one thing here that is made for that.
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-origin": "*",
    "content-security-policy": "default-src 'none'; sandbox",
}
# Widths of Verdana, thousandths of its size, of the characters from space to tilde.
_WIDTHS = (
    352, 394, 459, 818, 636, 1076, 727, 269, 454, 454, 636, 818, 364, 454, 364, 454, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 454, 454, 818, 818, 818, 545, 1000, 684, 686, 698, 771, 632,
    575, 775, 751, 421, 455, 693, 557, 843, 748, 787, 603, 787, 695, 684, 616, 732, 684, 989, 685,
    615, 685, 454, 454, 454, 818, 636, 636, 601, 623, 521, 623, 596, 352, 623, 633, 274, 344, 592,
    274, 973, 633, 607, 623, 623, 427, 521, 394, 633, 592, 818, 592, 592, 525, 635, 454, 635, 818,
)  # fmt: skip


@dataclass(frozen=True)
class Badge:
    """Two words on two colours."""

    label: str
    message: str
    colour: str
    known: bool = True
    """Whether there is what was asked for."""


def drawn(badge: Badge) -> str:
    """Draws a badge."""
    label, message = _width(badge.label), _width(badge.message)
    left, right = label + 2 * _PADDING, message + 2 * _PADDING
    if not badge.label:
        left = 0
    title = escape(f"{badge.label}: {badge.message}" if badge.label else badge.message)
    texts = [(badge.label, label, left / 2)] if left else []
    texts.append((badge.message, message, left + right / 2))
    written = "".join(
        f'<text x="{middle:g}" y="14" textLength="{width}" lengthAdjust="spacingAndGlyphs">'
        f"{escape(text)}</text>"
        for text, width, middle in texts
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" '
        f'viewBox="0 0 {left + right} {_HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>"
        f'<clipPath id="r"><rect width="{left + right}" height="{_HEIGHT}" rx="4"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="{_HEIGHT}" fill="{_LABEL_COLOUR}"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{badge.colour}"/></g>'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" '
        f'font-size="{_SIZE}">{written}</g></svg>'
    )


def shield(badge: Badge) -> dict[str, Any]:
    """Describes a badge in the endpoint schema of shields.io."""
    return {
        "schemaVersion": 1,
        "label": badge.label,
        "message": badge.message,
        "color": badge.colour.removeprefix("#"),
        "labelColor": _LABEL_COLOUR.removeprefix("#"),
        "isError": not badge.known,
    }


def _width(text: str) -> int:
    """How wide a text is in Verdana, pixels."""
    thousandths = 0
    for sign in text:
        if " " <= sign <= "~":
            thousandths += _WIDTHS[ord(sign) - 32]
        elif unicodedata.east_asian_width(sign) in "WF":
            thousandths += 1000
        elif not unicodedata.combining(sign):
            thousandths += 700
    return -(-thousandths * _SIZE // 1000)


async def repository(request: Request) -> Response:
    """How many of the checkable entities are a success."""
    with remote_errors():
        good, checked, checkable = await passing(context_of(request).upstream)
    if not checked:
        badge = Badge("ackrep", "not checked" if checkable else "nothing to check", _GREY)
    else:
        slug = "success" if good == checkable else "inaccurate"
        if good < checked / 2:
            slug = "script-error"
        badge = Badge("ackrep", f"{good}/{checkable} pass", _COLOURS[slug])
    return _answer(request, badge)


async def entity(request: Request) -> Response:
    """How one entity is."""
    upstream = context_of(request).upstream
    name = f"entities/{request.path_params['key']}"
    try:
        with remote_errors():
            found = await upstream.catalog.GetEntity(
                catalog_pb2.GetEntityRequest(name=name), timeout=latest.TIMEOUT
            )
            verdicts = await latest.entity_verdicts(upstream, [name])
    except (NotFoundError, InvalidArgumentError):
        return _answer(request, Badge("ackrep", "unknown entity", _GREY, known=False))
    word = words.verdict_word(verdicts[0].verdict) if verdicts else words.UNCHECKED
    return _answer(request, Badge(found.key, word.label, _COLOURS.get(word.slug, _GREY)))


def _answer(request: Request, badge: Badge) -> Response:
    asked = request.query_params.get("label")
    if asked is not None:
        label = "".join(sign for sign in asked if sign.isprintable()).strip()[:_LONGEST_LABEL]
        badge = Badge(label, badge.message, badge.colour, badge.known)
    as_json = request.url.path.endswith(".json")
    request.scope["route_name"] = "badge.json" if as_json else "badge.svg"
    text = json.dumps(shield(badge), ensure_ascii=False) if as_json else drawn(badge)
    body = text.encode()
    headers = {**_HEADERS, "etag": conditions.etag_of(body)}
    if badge.known and conditions.matches(
        request.headers.get("if-none-match", ""), headers["etag"]
    ):
        return Response(status_code=304, headers=headers)
    return Response(
        body,
        status_code=200 if badge.known else 404,
        media_type="application/json" if as_json else "image/svg+xml",
        headers=headers,
    )


ROUTES = [
    Route("/badge.svg", repository),
    Route("/badge.json", repository),
    Route("/e/{key}/badge.svg", entity),
    Route("/e/{key}/badge.json", entity),
]
