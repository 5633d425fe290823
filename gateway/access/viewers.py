"""Who looks at a page or asks the API, and what they may do there."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import HTTPConnection
from starlette.types import Scope as Connection

from gateway.context import context_of
from gateway.settings import Settings

_KEY = "ackrep.viewer"


class Scope(StrEnum):
    """What one may do; each holds those before it."""

    READ = "read"
    """Look at everything that pages and API show."""
    CHECK = "check"
    """Start and cancel checks and runs, and have the source read again."""
    MAINTAIN = "maintain"
    """Steer the queue, the runners, schedules and environments; see every traceback."""
    ADMIN = "admin"
    """Make and revoke tokens and webhooks, and read the audit log."""


_ORDER = tuple(Scope)


def up_to(highest: Scope) -> frozenset[Scope]:
    """The scopes that one holds with all those before it."""
    return frozenset(_ORDER[: _ORDER.index(highest) + 1])


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Whoever sent a request."""

    scopes: AbstractSet[Scope]
    debug: bool
    """Whether everybody sees tracebacks and logs of script errors here (setting `debug`)."""
    name: str = ""
    """Name of the token; empty for whoever has none."""
    token: str = ""
    """That token, `tokens/{id}`."""
    csrf: bytes = b""
    """What proves that a form of this viewer's session is from our own page; empty without a
    session."""

    @property
    def highest(self) -> str:
        """The most that they may do, in one word."""
        return max(self.scopes, key=_ORDER.index).value if self.scopes else "nothing"

    @property
    def may_read(self) -> bool:
        """Whether they may look at anything at all."""
        return Scope.READ in self.scopes

    @property
    def may_check(self) -> bool:
        """Whether checks may be started and cancelled."""
        return Scope.CHECK in self.scopes

    @property
    def may_maintain(self) -> bool:
        """Whether queue, runners and environments may be steered."""
        return Scope.MAINTAIN in self.scopes

    @property
    def may_administer(self) -> bool:
        """Whether tokens, webhooks and the audit log are theirs."""
        return Scope.ADMIN in self.scopes

    @property
    def sees_errors(self) -> bool:
        """Whether tracebacks and logs of script errors are shown.

        Who came without a token may do all on loopback, and still wants what `debug` says.
        """
        return self.debug or bool(self.name and self.may_maintain)


def anonymous(settings: Settings) -> Viewer:
    """Whoever shows no token."""
    if settings.open:
        scopes = up_to(Scope.ADMIN)
    elif settings.public_write:
        scopes = up_to(Scope.MAINTAIN)
    elif settings.public_read:
        scopes = up_to(Scope.READ)
    else:
        scopes = frozenset()
    return Viewer(scopes=scopes, debug=settings.shows_errors)


def viewer_of(connection: HTTPConnection) -> Viewer:
    """Tells who sent a request."""
    found: Viewer | None = connection.scope.get(_KEY)
    return anonymous(context_of(connection).settings) if found is None else found


def known_viewer(connection: Connection) -> Viewer:
    """Tells who sent a request that has passed the gate."""
    found: Viewer = connection[_KEY]
    return found


def see(connection: Connection, viewer: Viewer) -> None:
    """Notes who sent a request."""
    connection[_KEY] = viewer
