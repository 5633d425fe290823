"""Whose a credential is, asked of the scheduler and kept for a few seconds."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from ackrep.scheduler.v1 import access_pb2
from gateway.access.credentials import Credential, Kind
from gateway.access.viewers import Scope, Viewer, up_to
from gateway.upstream import Upstream
from services import rpc
from services.errors import UnauthenticatedError

KEPT_SECONDS = 3.0
"""So long an answer is believed; a revocation holds after that."""

_MOST = 2048
"""Answers that are kept at once."""
_TIMEOUT = 5.0

SCOPES = {
    access_pb2.ACCESS_SCOPE_READ: Scope.READ,
    access_pb2.ACCESS_SCOPE_CHECK: Scope.CHECK,
    access_pb2.ACCESS_SCOPE_MAINTAIN: Scope.MAINTAIN,
    access_pb2.ACCESS_SCOPE_ADMIN: Scope.ADMIN,
}
"""Scope by its number in messages."""


@dataclass(frozen=True)
class _Known:
    viewer: Viewer | None
    until: float


class Authentication:
    """Tells whose credentials are. It keeps digests of them, and no secret.

    Args:
        upstream: Its scheduler knows.
        debug: Whether everybody sees errors.
        clock: Seconds that only grow.
    """

    def __init__(
        self, upstream: Upstream, *, debug: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._upstream = upstream
        self._debug = debug
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def is_known(self, credential: Credential) -> bool:
        """Whether it can be told without asking."""
        known = self._known.get(_key(credential))
        return known is not None and known.until > self._clock()

    async def viewer(self, credential: Credential) -> Viewer | None:
        """Tells whose a credential is; None where it is nobody's, or no longer.

        Raises:
            UnavailableError: The scheduler does not answer.
        """
        key = _key(credential)
        known = self._known.get(key)
        if known is None or known.until <= self._clock():
            known = _Known(await self._ask(credential), self._clock() + KEPT_SECONDS)
            self._known[key] = known
            self._known.move_to_end(key)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        if known.viewer is None:
            return None
        return replace(known.viewer, csrf=credential.csrf)

    def forget(self) -> None:
        """Asks again about everybody: something was revoked, or ended, here."""
        self._known.clear()

    async def _ask(self, credential: Credential) -> Viewer | None:
        request = access_pb2.AuthenticateRequest()
        if credential.kind is Kind.TOKEN:
            request.token_secret = _text(credential.secret)
        else:
            request.session_secret = _text(credential.secret)
        try:
            with rpc.remote_errors():
                answer = await self._upstream.access.Authenticate(request, timeout=_TIMEOUT)
        except UnauthenticatedError:
            return None
        scope = SCOPES.get(answer.token.scope)
        return Viewer(
            scopes=up_to(scope) if scope else frozenset(),
            debug=self._debug,
            name=answer.token.display_name,
            token=answer.token.name,
        )


def _key(credential: Credential) -> bytes:
    text = f"{credential.kind} {credential.secret}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _text(secret: str) -> str:
    """Headers are Latin-1, and no secret is longer than this."""
    return secret[:256]
