"""`/feed.atom` and `/e/{KEY}/feed.atom`: verdict changes for feed readers (RFC 4287)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import urlencode
from xml.etree import ElementTree

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import notification_pb2
from gateway import conditions
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.pages.change_lines import KINDS, ChangeLine, lines
from gateway.pages.formats import last
from gateway.pages.latest import TIMEOUT
from gateway.pages.members import entities_named
from gateway.pages.moments import revision_named
from services.errors import DOMAIN, InvalidArgumentError
from services.rpc import remote_errors

ATOM = "http://www.w3.org/2005/Atom"
TYPE = "application/atom+xml"
_ENTRIES = 50
_AGE = "max-age=60"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_AUTHORITY = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_YEAR = "2026"
"""From which on the names below are ours to give (RFC 4151)."""


async def feed(request: Request) -> Response:
    """The newest verdict changes, of all entities or of one."""
    request.scope["route_name"] = "feed.atom"
    upstream = context_of(request).upstream
    key = request.path_params.get("key", "") or request.query_params.get("entity", "")
    key = key.strip().removeprefix("entities/")
    kinds = _kinds(request.query_params.getlist("kind"))
    with remote_errors():
        if key:  # so that a key that nobody has is told as such
            await upstream.catalog.GetEntity(
                catalog_pb2.GetEntityRequest(name=f"entities/{key}"), timeout=TIMEOUT
            )
        answer = await upstream.notifications.ListVerdictChanges(
            notification_pb2.ListVerdictChangesRequest(
                page_size=_ENTRIES,
                kinds=[KINDS[kind] for kind in kinds],
                entity=f"entities/{key}" if key else "",
            ),
            timeout=TIMEOUT,
        )
        revision = await revision_named(upstream, "current")
        known = await entities_named(upstream, (change.entity for change in answer.changes))
    written = lines(answer.changes, viewer=viewer_of(request), known=known)
    title = revision.title or "Data repository"
    entity = known.get(f"entities/{key}")
    body = _document(
        request,
        written,
        title=f"{(entity.title if entity else '') or key} in {title}" if key else title,
        path=f"/e/{key}" if key else "/",
        query=[("kind", kind) for kind in kinds],
    )
    return _answer(request, body, newest=written[0].change.change_time if written else None)


def _kinds(asked: Sequence[str]) -> list[str]:
    found = sorted({kind for text in asked for kind in text.lower().split(",") if kind})
    for kind in found:
        if kind not in KINDS:
            raise InvalidArgumentError(
                f"{kind!r} is no kind of change; there are {', '.join(KINDS)}", field="kind"
            )
    return found


def _document(
    request: Request,
    written: Sequence[ChangeLine],
    *,
    title: str,
    path: str,
    query: Sequence[tuple[str, str]],
) -> bytes:
    """Writes the feed. Its links lead where it was asked for: the guard knows all our hosts."""
    base = f"{request.url.scheme}://{request.url.netloc}"
    address = f"{path.rstrip('/')}/feed.atom" + (f"?{urlencode(query)}" if query else "")
    host = (request.url.hostname or "").lower()
    authority = host if _AUTHORITY.fullmatch(host) else "localhost"
    ElementTree.register_namespace("", ATOM)
    root = ElementTree.Element(f"{{{ATOM}}}feed")
    _text(root, "title", f"{title}: verdict changes")
    _text(root, "id", f"tag:{authority},{_YEAR}:{address}")
    newest = max((_time(line) for line in written), default="1970-01-01T00:00:00Z")
    _text(root, "updated", newest)
    _link(root, rel="self", href=base + address, type=TYPE)
    _link(root, rel="alternate", href=base + path, type="text/html")
    author = ElementTree.SubElement(root, f"{{{ATOM}}}author")
    _text(author, "name", title)
    _text(root, "generator", "ACKREP")
    for line in written:
        _entry(root, line, base=base)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _entry(root: ElementTree.Element, line: ChangeLine, *, base: str) -> None:
    change = line.change
    entry = ElementTree.SubElement(root, f"{{{ATOM}}}entry")
    _text(entry, "title", f"{line.title} {line.verb}: {line.word.label}")
    _text(entry, "id", f"tag:{DOMAIN},{_YEAR}:changes/{last(change.after.check)}")
    _text(entry, "updated", _time(line))
    _text(entry, "published", _time(line))
    _link(entry, rel="alternate", href=f"{base}/{change.after.check}", type="text/html")
    _link(entry, rel="related", href=f"{base}/e/{last(change.entity)}", type="text/html")
    kind = notification_pb2.VerdictChange.Kind.Name(change.kind).removeprefix("KIND_").lower()
    ElementTree.SubElement(entry, f"{{{ATOM}}}category", term=kind)
    _text(entry, "summary", line.sentence + (f". {line.said}" if line.said else ""))


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    # What checks said may hold characters that no XML can.
    ElementTree.SubElement(parent, f"{{{ATOM}}}{name}").text = _NO_XML.sub("\ufffd", text)


def _link(parent: ElementTree.Element, **attributes: str) -> None:
    ElementTree.SubElement(parent, f"{{{ATOM}}}link", attributes)


def _time(line: ChangeLine) -> str:
    """To the microsecond and always as long, so that times sort as texts."""
    return line.change.change_time.ToDatetime().isoformat(timespec="microseconds") + "Z"


def _answer(request: Request, body: bytes, *, newest: Timestamp | None) -> Response:
    etag = conditions.etag_of(body)
    headers = {"etag": etag, "cache-control": _AGE}
    changed = newest.ToDatetime(tzinfo=UTC).replace(microsecond=0) if newest else None
    if changed is not None:
        headers["last-modified"] = format_datetime(changed, usegmt=True)
    if _is_known(request.headers, etag=etag, changed=changed):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=TYPE, headers=headers)


def _is_known(headers: Headers, *, etag: str, changed: datetime | None) -> bool:
    """Whether the reader has it; the tag counts before the time, as RFC 9110 says."""
    if (tags := headers.get("if-none-match")) is not None:
        return conditions.matches(tags, etag)
    try:
        since = parsedate_to_datetime(headers.get("if-modified-since", ""))
    except (TypeError, ValueError):
        return False
    return changed is not None and since.tzinfo is not None and changed <= since


ROUTES = [Route("/feed.atom", feed), Route("/e/{key}/feed.atom", feed)]
