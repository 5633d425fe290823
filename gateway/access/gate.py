"""The gate: who sends a request, whether they may, how often; and the audit log of what they did.

It stands between the guard (which holds for everybody) and pages and API. A page's rule follows
from its address. The API finds out by itself which rpc is meant, and asks `Admission` then; until
there, a request takes `read`.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import failures, webhook
from gateway.access import clients, credentials, rules, trail, viewers
from gateway.access.admission import Admission, follow
from gateway.access.viewers import Viewer
from gateway.failures import HttpError
from gateway.forms import MAX_FORM_BYTES
from gateway.settings import Settings
from gateway.upstream import Upstream
from services import errors

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
_GONE = 499
_NEARBY = clients.Client("", secure=False)

_SHOWING = frozenset({b"authorization", b"cookie"})

Refuse = Callable[[Request, Exception], Awaitable[Response]]
"""Shows on a page why a request was refused."""


class Gate:
    """ASGI layer before pages and API.

    Args:
        app: Pages and API.
        admission: Who may do what.
        settings: Which proxies are believed.
        upstream: Its scheduler keeps the audit log.
        refuse: Shows refusals to people.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        admission: Admission,
        settings: Settings,
        upstream: Upstream,
        refuse: Refuse,
    ) -> None:
        self._app = app
        self._admission = admission
        self._proxies = clients.networks(settings.trusted_proxies)
        self._open = settings.open
        self._upstream = upstream
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        path, safe = scope["path"], scope["method"] in rules.SAFE
        if path == webhook.PATH or path.startswith("/static/"):
            viewers.see(scope, self._admission.anonymous)
            await self._app(scope, receive, send)
            return
        if safe and self._open and not self._proxies and _is_plain(scope):
            viewers.see(scope, self._admission.anonymous)
            clients.note(scope, _NEARBY)
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        client = clients.client_of(scope, headers, proxies=self._proxies)
        clients.note(scope, client)
        trailed = None if safe else trail.begin(scope)
        status = _GONE

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if client.secure:
                    MutableHeaders(scope=message).setdefault(
                        "strict-transport-security", "max-age=31536000"
                    )
            await send(message)

        try:
            try:
                receive = await self._admitted(scope, receive, headers, client)
            except errors.Error as failure:
                answer = await self._refusal(scope, receive, failure)
                await answer(scope, receive, watch)
            else:
                await self._app(scope, receive, watch)
        finally:
            if trailed is not None and trailed.action and _is_told(trailed, status):
                await trail.record(
                    self._upstream,
                    trailed,
                    address=client.address,
                    status=status,
                    request_id=scope.get("request_id", ""),
                )

    async def _admitted(
        self, scope: Scope, receive: Receive, headers: Headers, client: clients.Client
    ) -> Receive:
        path, verb = scope["path"], scope["method"]
        viewers.see(scope, self._admission.anonymous)
        if credentials.in_address(scope.get("query_string", b""), path):
            raise HttpError(
                400,
                "the address holds a token, and addresses stand in histories and logs: revoke it, "
                "and send tokens as `Authorization: Bearer …`",
                code="INVALID_ARGUMENT",
                reason="TOKEN_IN_ADDRESS",
            )
        viewer = await self._admission.identify(headers, client)
        viewers.see(scope, viewer)
        trailed = trail.trail_of(scope)
        trailed.principal, trailed.token = viewer.name, viewer.token
        api = path == "/v1" or path.startswith("/v1/")
        if verb == "OPTIONS":
            return receive
        rule, place = rules.of_page(verb, path)
        if rule.scope is not None:
            self._admission.count(viewer, client)
        if api:
            if verb in rules.SAFE:
                self._admission.admit(viewer, rules.of_rpc("", verb), client)
            elif viewer.csrf:
                _require_proof(headers, viewer)
            return receive
        if verb in rules.SAFE:
            self._admission.admit(viewer, rule, client)
            return receive
        receive, form = await _read_form(headers, receive)
        follow(scope, rule, action=place, resource=_resource(path, place, form))
        self._admission.admit(viewer, rule, client)
        if viewer.csrf and not credentials.is_proof(form.get(CSRF_FIELD, ""), viewer.csrf):
            raise _forged()
        if place == "POST /login":
            self._admission.try_login(client)
        return receive

    async def _refusal(self, scope: Scope, receive: Receive, failure: Exception) -> Response:
        if scope["path"] == "/v1" or scope["path"].startswith("/v1/"):
            return failures.response_of(failure)
        return await self._refuse(Request(scope, receive), failure)


def _is_plain(scope: Scope) -> bool:
    """Whether a request shows nothing, so that there is nothing to look at."""
    query = scope.get("query_string", b"")
    return (
        b"ackrep" not in query
        and b"token" not in query
        and "ackrep_" not in scope["path"]
        and not any(name in _SHOWING for name, _ in scope["headers"])
    )


def _is_told(trailed: trail.Trail, status: int) -> bool:
    """Whether the audit log hears of a request: whoever comes without a token cannot fill it."""
    refused = status in {401, 429} or (status == 403 and not trailed.token)
    return not refused or bool(trailed.token)


def _resource(path: str, place: str, form: dict[str, str]) -> str:
    """What a page's form is about: its address where that names something, or its fields."""
    if "{" in place:
        return path.strip("/").rpartition("/")[0]
    return trail.resource_in(form)


def _require_proof(headers: Headers, viewer: Viewer) -> None:
    """Holds a program in a browser to what a form has to show."""
    given = headers.get(CSRF_HEADER, "")
    ours = headers.get("origin") is not None or headers.get("sec-fetch-site") == "same-origin"
    if not ours or not credentials.is_proof(given, viewer.csrf):
        raise _forged()


def _forged() -> HttpError:
    return HttpError(
        403,
        "this form is not from a page of your present session: go back, load it again, and send it "
        f"once more (programs send `{CSRF_HEADER}`, or a token in place of the cookie)",
        code="PERMISSION_DENIED",
        reason="CSRF_PROOF_MISSING",
    )


async def _read_form(headers: Headers, receive: Receive) -> tuple[Receive, dict[str, str]]:
    """Reads a form, and gives it back to be read again.

    Raises:
        HttpError: It is too large (413).
    """
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_FORM_BYTES:
            raise HttpError(
                413,
                f"the form is larger than {MAX_FORM_BYTES} bytes",
                code="RESOURCE_EXHAUSTED",
                reason="BODY_TOO_LARGE",
            )
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return again, {}
    try:
        fields = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=64
        )
    except ValueError as error:
        raise errors.InvalidArgumentError("the form has too many fields") from error
    return again, dict(fields)
