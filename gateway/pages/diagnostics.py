"""`/diagnostics`: what is wrong in the data repository, and what to do about it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from gateway.context import context_of
from gateway.pages import addresses, words
from gateway.pages.latest import TIMEOUT
from gateway.pages.members import entities_named
from gateway.pages.moments import Moment, moment_of
from gateway.pages.rendering import page
from gateway.upstream import Upstream
from services.rpc import remote_errors

_MOST = 20_000
"""So many diagnostics are looked through and counted."""
_PAGE_SIZE = 100


@dataclass(frozen=True)
class _Choice:
    """A value to filter by."""

    label: str
    count: int
    address: str
    chosen: bool
    slug: str = ""


async def diagnostics(request: Request) -> Response:
    """What is wrong with the metadata, file by file; by severity and code."""
    upstream = context_of(request).upstream
    moment = await moment_of(request)
    severity = request.query_params.get("severity", "")
    code = request.query_params.get("code", "")[:100]
    number = _number(request.query_params.get("page", ""))
    with remote_errors():
        found, cut = await _all(upstream, moment)
    by_severity = [one for one in found if not severity or _slug(one) == severity]
    by_code = [one for one in found if not code or one.code == code]
    chosen = [one for one in by_severity if not code or one.code == code]
    shown = chosen[(number - 1) * _PAGE_SIZE : number * _PAGE_SIZE]
    with remote_errors():
        known = await entities_named(upstream, (one.entity for one in shown), revision=moment.name)
    files: dict[str, list[catalog_pb2.Diagnostic]] = {}
    for one in shown:
        files.setdefault(one.path, []).append(one)

    def address(**changes: str) -> str:
        return addresses.at(
            "/diagnostics", moment.name, **{"severity": severity, "code": code, **changes}
        )

    severities = Counter(map(_slug, by_code))
    codes = Counter(one.code for one in by_severity)
    return page(
        request,
        "diagnostics.html",
        moment=moment,
        data={
            "revision": moment.revision,
            "diagnostics": shown,
            "totalSize": len(chosen),
            "severities": severities,
            "codes": codes,
        },
        revision=moment.revision,
        files=files,
        places={path: _place(path, items, known) for path, items in files.items()},
        total=len(found),
        chosen=len(chosen),
        cut=cut,
        filtered=bool(severity or code),
        severities=[
            _Choice(
                f"{word.label}s",
                severities[word.slug],
                address(severity="" if severity == word.slug else word.slug),
                severity == word.slug,
                word.slug,
            )
            for word in _SEVERITIES
            if severities[word.slug] or severity == word.slug
        ],
        codes=[
            _Choice(name, count, address(code="" if code == name else name), code == name)
            for name, count in codes.most_common(40)
        ],
        next_page=address(page=str(number + 1)) if len(chosen) > number * _PAGE_SIZE else "",
        previous_page=address(page=str(number - 1)) if number > 1 else "",
    )


_SEVERITIES = [words.severity_word(number) for number in (1, 2, 3)]


def _slug(one: catalog_pb2.Diagnostic) -> str:
    return words.severity_word(one.severity).slug


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 6 else 1


async def _all(upstream: Upstream, moment: Moment) -> tuple[Sequence[catalog_pb2.Diagnostic], bool]:
    found: list[catalog_pb2.Diagnostic] = []
    token = ""
    while len(found) < _MOST:
        answer = await upstream.catalog.ListDiagnostics(
            catalog_pb2.ListDiagnosticsRequest(
                page_size=1000, page_token=token, revision=moment.name
            ),
            timeout=TIMEOUT,
        )
        found += answer.diagnostics
        token = answer.next_page_token
        if not token:
            return found, False
    return found, True


def _place(
    path: str,
    items: Sequence[catalog_pb2.Diagnostic],
    known: Mapping[str, catalog_pb2.Entity],
) -> tuple[str, str]:
    """Finds which entity's file it is: its name and the path below its folder, or nothing.

    Of two folders with one key only one is the entity: the other's files have no page.
    """
    for item in items:
        entity = known.get(item.entity)
        if entity is not None and path.startswith(f"{entity.path}/"):
            return entity.name, path.removeprefix(f"{entity.path}/")
    return "", ""


ROUTES = [Route("/diagnostics", diagnostics)]
