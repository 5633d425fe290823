"""`/login` and `/logout`: a browser shows a token once, and a cookie from then on."""

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.scheduler.v1 import access_pb2
from gateway.access import clients, credentials, trail
from gateway.access.admission import Admission, local_path
from gateway.access.clients import Client
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.failures import HttpError
from gateway.forms import read_form
from gateway.pages.rendering import page, see_other
from gateway.settings import LOOPBACK_NAMES
from services.errors import UnauthenticatedError
from services.rpc import remote_errors

_TIMEOUT = 10.0


async def login(request: Request) -> Response:
    """Asks for a token."""
    return _form(request, following=request.query_params.get("next", "/"))


def _form(request: Request, *, following: str, wrong: bool = False) -> Response:
    viewer = viewer_of(request)
    return page(
        request,
        "login.html",
        status=403 if wrong else 200,
        data={"name": viewer.name, "scopes": sorted(viewer.scopes), "next": local_path(following)},
        following=local_path(following),
        wrong=wrong,
        possible=_is_possible(request),
    )


async def begin(request: Request) -> Response:
    """Exchanges a token for a session (a form's target).

    The session is a new one, whatever cookie came with the form; that one's session ends.
    """
    form = await read_form(request)
    client = clients.known_client(request.scope)
    if not _is_possible(request):
        raise HttpError(
            400,
            "over plain HTTP, whoever is between could read the token: log in over HTTPS "
            "(ACKREP_GATEWAY_TRUSTED_PROXIES names the proxy that provides it), or on localhost",
            code="FAILED_PRECONDITION",
            reason="HTTPS_REQUIRED",
        )
    ask = access_pb2.CreateSessionRequest(
        token_secret=form.get("token", "").strip()[:256],
        previous_session_secret=credentials.session_secret(request.headers, secure=client.secure),
    )
    try:
        with remote_errors():
            made = await context_of(request).upstream.access.CreateSession(ask, timeout=_TIMEOUT)
    except UnauthenticatedError:
        return _form(request, following=form.get("next", "/"), wrong=True)
    trailed = trail.trail_of(request.scope)
    trailed.principal, trailed.token = made.token.display_name, made.token.name
    _admission(request).authentication.forget()
    answer = see_other(local_path(form.get("next", "/")))
    seconds = max(1, int(made.expire_time.seconds - time.time()))
    credentials.set_session(answer, made.session_secret, secure=client.secure, seconds=seconds)
    return answer


async def end(request: Request) -> Response:
    """Ends the session (a form's target)."""
    client = clients.known_client(request.scope)
    secret = credentials.session_secret(request.headers, secure=client.secure)
    if secret:
        with remote_errors():
            await context_of(request).upstream.access.EndSession(
                access_pb2.EndSessionRequest(session_secret=secret), timeout=_TIMEOUT
            )
        _admission(request).authentication.forget()
    answer = see_other("/login")
    credentials.set_session(answer, "", secure=client.secure, seconds=0)
    return answer


def _admission(request: Request) -> Admission:
    found: Admission = request.app.state.admission
    return found


def _is_possible(request: Request) -> bool:
    client: Client = clients.known_client(request.scope)
    return client.secure or (request.url.hostname or "").rstrip(".").lower() in LOOPBACK_NAMES


ROUTES = [
    Route("/login", login, methods=["GET"]),
    Route("/login", begin, methods=["POST"]),
    Route("/logout", end, methods=["POST"]),
]
