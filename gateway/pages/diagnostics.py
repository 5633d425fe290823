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
    token = request.query_params.get("page", "")
    with remote_errors():
        whole = await _list(upstream, moment, severity, code, token=token)
    shown = whole.diagnostics
    with remote_errors():
        known = await entities_named(upstream, (one.entity for one in shown), revision=moment.name)
    files: dict[str, list[catalog_pb2.Diagnostic]] = {}
    for one in shown:
        files.setdefault(one.path, []).append(one)

    def address(**changes: str) -> str:
        return addresses.at(
            "/diagnostics", moment.name, **{"severity": severity, "code": code, **changes}
        )

    severities: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    for same in whole.counts:
        if not code or same.code == code:
            severities[_slug(same.severity)] += same.count
        if not severity or _slug(same.severity) == severity:
            codes[same.code] += same.count
    return page(
        request,
        "diagnostics.html",
        moment=moment,
        data={
            "revision": moment.revision,
            "diagnostics": shown,
            "totalSize": whole.total_size,
            "nextPageToken": whole.next_page_token,
            "severities": severities,
            "codes": codes,
        },
        revision=moment.revision,
        files=files,
        places={path: _place(path, items, known) for path, items in files.items()},
        total=sum(same.count for same in whole.counts),
        chosen=whole.total_size,
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
        next_page=address(page=whole.next_page_token) if whole.next_page_token else "",
        first_page=address() if token else "",
    )


_SEVERITIES = [words.severity_word(number) for number in (1, 2, 3)]


def _slug(severity: int) -> str:
    return words.severity_word(severity).slug


async def _list(
    upstream: Upstream, moment: Moment, severity: str, code: str, *, token: str
) -> catalog_pb2.ListDiagnosticsResponse:
    chosen = next((number for number in (1, 2, 3) if _slug(number) == severity), 0)
    return await upstream.catalog.ListDiagnostics(
        catalog_pb2.ListDiagnosticsRequest(
            page_size=_PAGE_SIZE,
            page_token=token,
            revision=moment.name,
            severity=chosen,  # type: ignore[arg-type]
            code=code,
        ),
        timeout=TIMEOUT,
    )


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
