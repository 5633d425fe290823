"""JSON answers to GET: tagged, conditional, and compressed where the client likes it."""

from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from gateway import compression, conditions

CHANGES = "no-cache"
"""`Cache-Control` of what may be another in a moment: kept, but asked for again each time."""

NEVER_CHANGES = "private, max-age=31536000, immutable"
"""`Cache-Control` of what names its content: private, since not everybody may see it."""


class _Form(NamedTuple):
    """One representation: its bytes as they are sent, and what is said of them."""

    body: bytes
    etag: str
    headers: list[tuple[bytes, bytes]]
    not_modified: list[tuple[bytes, bytes]]


class Answer:
    """One JSON document as an ASGI application, which can answer any number of requests."""

    __slots__ = ("_cache_control", "_etag", "_forms", "body", "route")

    def __init__(self, body: bytes, *, route: str, cache_control: str = CHANGES) -> None:
        self.body = body
        self.route = route
        """Template of its route, for counting."""
        self._cache_control = cache_control
        self._etag = conditions.etag_of(body)
        self._forms: dict[str, _Form] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        coding, known = "", ""
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                coding = compression.preferred(value)
            elif name == b"if-none-match":
                known = value.decode("latin-1")
        form = self._forms.get(coding) or await self._form(coding)
        # The lists are copied: layers around this one add their own headers to them.
        if known and conditions.matches(known, form.etag):
            status, headers, body = 304, [*form.not_modified], b""
        else:
            status, headers, body = 200, [*form.headers], form.body
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _form(self, coding: str) -> _Form:
        if len(self.body) < compression.SMALLEST:
            coding = ""
        etag = f'{self._etag[:-1]}-{coding}"' if coding else self._etag
        body = await compression.encode(self.body, coding) if coding else self.body
        told = {
            "etag": etag,
            "cache-control": self._cache_control,
            "vary": "Accept-Encoding",
        }
        sent = {
            **told,
            "content-type": "application/json",
            "content-length": str(len(body)),
            **({"content-encoding": coding} if coding else {}),
        }
        form = _Form(body, etag, _raw(sent), _raw(told))
        self._forms[coding] = form
        return form


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
