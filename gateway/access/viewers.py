"""Who looks at a page or asks the API, and what they may do there."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import HTTPConnection

from gateway.context import context_of


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


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Whoever sent a request."""

    scopes: AbstractSet[Scope]
    debug: bool
    """Whether everybody sees tracebacks and logs of script errors here (setting `debug`)."""
    name: str = ""
    """Name of the token; empty for whoever has none."""

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


def viewer_of(connection: HTTPConnection) -> Viewer:
    """Tells who sent a request."""
    settings = context_of(connection).settings
    scopes = frozenset(Scope) if settings.writable else frozenset({Scope.READ})
    return Viewer(scopes=scopes, debug=settings.shows_errors)
