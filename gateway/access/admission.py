"""Who may do what: a request's viewer, its rule, and how often."""

import time
from collections.abc import Callable
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import Scope as Connection

from gateway.access import clients, credentials, trail, viewers
from gateway.access.authentication import Authentication
from gateway.access.clients import Client
from gateway.access.credentials import Kind
from gateway.access.limits import Buckets
from gateway.access.rules import Rule
from gateway.access.viewers import Scope, Viewer
from gateway.failures import HttpError
from gateway.settings import Settings
from gateway.upstream import Upstream
from services.errors import RETRY_SECONDS

_BURST_SECONDS = 5
"""So many seconds' worth of requests may come at once, and at least `_SMALLEST_BURST`."""
_SMALLEST_BURST = 100
_ATTEMPTS = 10
"""Wrong tokens that an address may show at once, and one more every so often."""
_ATTEMPT_SECONDS = 30.0
_HOUR = 3600.0


class Admission:
    """Decides about requests; shared by all that a gateway answers.

    Args:
        settings: Who may do what without a token, and how often.
        upstream: Its scheduler knows the tokens.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open = settings.open
        self._upstream = upstream
        self.anonymous = viewers.anonymous(settings)
        self.authentication = Authentication(upstream, debug=settings.shows_errors, clock=clock)
        rate = settings.requests_per_second
        self._requests = Buckets(
            rate=rate, burst=max(_SMALLEST_BURST, _BURST_SECONDS * rate), clock=clock
        )
        quota = settings.anonymous_checks_per_hour
        self._checks = Buckets(rate=quota / _HOUR, burst=quota, clock=clock)
        self._no_checks = quota == 0
        self._attempts = Buckets(rate=1 / _ATTEMPT_SECONDS, burst=_ATTEMPTS, clock=clock)

    async def identify(self, headers: Headers, client: Client) -> Viewer:
        """Tells who sent a request.

        A session that is over is nobody's; a token that does not work is an error.

        Raises:
            HttpError: The token does not work (401), or too many did not (429).
            UnavailableError: The scheduler does not answer.
        """
        shown = credentials.credential_of(headers, secure=client.secure)
        if shown is None:
            return self.anonymous
        if not self.authentication.is_known(shown):
            self._hold(self._attempts.wait(client.site), "too many tokens that do not work")
        found = await self.authentication.viewer(shown)
        if found is not None:
            return found
        self._attempts.take(client.site)
        if shown.kind is Kind.SESSION:
            return self.anonymous
        raise HttpError(
            401,
            "this token does not work (unknown, expired or revoked)",
            code="UNAUTHENTICATED",
            reason="TOKEN_INVALID",
        )

    def try_login(self, client: Client) -> None:
        """Counts an attempt to log in.

        Raises:
            HttpError: There were too many (429).
        """
        self._hold(self._attempts.take(client.site), "too many attempts to log in")

    def count(self, viewer: Viewer, client: Client) -> None:
        """Counts a request, for its token or else for its address.

        Raises:
            HttpError: There were too many (429).
        """
        if viewer.token:
            self._hold(self._requests.take(viewer.token), "too many requests with this token")
        elif not self._open:
            self._hold(self._requests.take(f"at {client.site}"), "too many requests")

    def admit(self, viewer: Viewer, rule: Rule, client: Client) -> None:
        """Lets a request through that its viewer may make.

        Raises:
            HttpError: It takes a token (401), another scope (403), or it starts one check too many
                (429).
        """
        if rule.scope is not None and rule.scope not in viewer.scopes:
            raise refusal(viewer, rule.scope)
        if rule.starts and not viewer.token and not self._open:
            if self._no_checks:
                raise refusal(viewer, Scope.CHECK)
            self._hold(
                self._checks.take(client.site),
                "without a token, no more checks can be started from this address for now",
            )

    def admit_rpc(self, connection: Connection, rule: Rule, *, action: str, resource: str) -> None:
        """Lets a request of the API through, once it is known what it asks for.

        Raises:
            HttpError: As `admit` says.
        """
        viewer = viewers.known_viewer(connection)
        follow(connection, rule, action=action, resource=resource)
        self.admit(viewer, rule, clients.known_client(connection))

    @staticmethod
    def _hold(seconds: int, why: str) -> None:
        if seconds:
            raise HttpError(
                429,
                f"{why}: try again in {seconds} s",
                code="RESOURCE_EXHAUSTED",
                reason="RATE_LIMITED",
                **{RETRY_SECONDS: str(seconds)},
            )


def follow(connection: Connection, rule: Rule, *, action: str, resource: str) -> None:
    """Notes for the audit log what a request is about."""
    trailed = trail.trail_of(connection)
    trailed.action = action if rule.changes else ""
    trailed.resource = resource
    trailed.scope = rule.scope


def refusal(viewer: Viewer, scope: Scope) -> HttpError:
    """Says what a request lacks: a token, or a scope of the token."""
    if not viewer.name:
        return HttpError(
            401,
            f"this takes a token with the scope {scope}: send it as `Authorization: Bearer …`, or "
            "log in at /login",
            code="UNAUTHENTICATED",
            reason="TOKEN_REQUIRED",
            scope=scope.value,
        )
    return HttpError(
        403,
        f"this takes the scope {scope}, and {viewer.name} has {viewer.highest}",
        code="PERMISSION_DENIED",
        reason="SCOPE_MISSING",
        scope=scope.value,
    )


def login_address(path: str, query: str = "") -> str:
    """Where to log in, to come back to a page of ours."""
    back = f"{path}?{query}" if query else path
    return "/login" if back == "/" else f"/login?next={quote(back, safe='/')}"


def local_path(text: str) -> str:
    """A path of our own pages, from what an address says; `/` where it leads elsewhere.

    Browsers take two slashes, of either kind, for the beginning of a host, and pass over control
    characters.
    """
    if not text.startswith("/") or text[1:2] in {"/", "\\"} or len(text) > 2000:
        return "/"
    if "\\" in text or not text.isprintable() or text.partition("?")[0] in {"/login", "/logout"}:
        return "/"
    return quote(text, safe="/?&=%:@,;+~!$'()*-._[]#")
