"""`/tokens`: who may come in, making and revoking tokens."""

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.scheduler.v1 import access_pb2
from gateway.access.authentication import SCOPES
from gateway.access.viewers import Scope, viewer_of
from gateway.context import context_of
from gateway.forms import read_form
from gateway.pages.rendering import page, see_other
from services.errors import AlreadyExistsError, InvalidArgumentError
from services.rpc import remote_errors

_TIMEOUT = 10.0
_PAGE = 100
_LIFETIMES = {"30": "30 days", "90": "90 days", "365": "a year", "": "for ever"}
"""Days of a new token, and how they are called."""
MEANINGS = {
    Scope.READ: "look at everything",
    Scope.CHECK: "also start and cancel checks",
    Scope.MAINTAIN: "also steer the queue, runners and environments, and see every traceback",
    Scope.ADMIN: "also make and revoke tokens and webhooks, and read the audit log",
}
"""What each scope lets one do."""
_NUMBERS = {scope: number for number, scope in SCOPES.items()}


async def token_list(request: Request) -> Response:
    """All tokens, newest first."""
    return await _page(request)


async def _page(request: Request, *, status: int = 200, **values: Any) -> Response:
    asked = request.query_params.get("page", "") if request.method == "GET" else ""
    with remote_errors():
        found = await context_of(request).upstream.access.ListTokens(
            access_pb2.ListTokensRequest(page_size=_PAGE, page_token=asked), timeout=_TIMEOUT
        )
    shown = {"made": None, "wrong": "", "form": {}, **values}
    return page(
        request,
        "tokens.html",
        status=status,
        data={"tokens": found.tokens, "nextPage": found.next_page_token, "made": shown["made"]},
        tokens=[(token, SCOPES.get(token.scope)) for token in found.tokens],
        next_page=found.next_page_token,
        meanings=MEANINGS,
        lifetimes=_LIFETIMES,
        ACTIVE=access_pb2.Token.STATE_ACTIVE,
        REVOKED=access_pb2.Token.STATE_REVOKED,
        **shown,
    )


async def create(request: Request) -> Response:
    """Makes a token, and shows its secret this once (a form's target).

    The answer is the page itself: no redirection could carry the secret and leave no trace of it.
    """
    form = await read_form(request)
    ask = access_pb2.CreateTokenRequest(
        display_name=form.get("display_name", "").strip(), creator=viewer_of(request).name
    )
    try:
        ask.scope = _NUMBERS[Scope(form.get("scope", ""))]
        if days := form.get("days", ""):
            ask.lifetime.FromTimedelta(timedelta(days=int(days)))
    except (ValueError, OverflowError) as error:
        raise InvalidArgumentError("the form has no such scope or lifetime") from error
    try:
        with remote_errors():
            made = await context_of(request).upstream.access.CreateToken(ask, timeout=_TIMEOUT)
    except (AlreadyExistsError, InvalidArgumentError) as error:
        return await _page(request, status=400, wrong=error.message, form=form)
    return await _page(request, made=made)


async def revoke(request: Request) -> Response:
    """Ends a token (a form's target)."""
    name = f"tokens/{request.path_params['id']}"
    with remote_errors():
        await context_of(request).upstream.access.RevokeToken(
            access_pb2.RevokeTokenRequest(name=name), timeout=_TIMEOUT
        )
    request.app.state.admission.authentication.forget()
    return see_other("/tokens")


ROUTES = [
    Route("/tokens", token_list, methods=["GET"]),
    Route("/tokens", create, methods=["POST"]),
    Route("/tokens/{id}/revoke", revoke, methods=["POST"]),
]
