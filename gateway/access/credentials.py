"""What a request shows to say who sent it: a token, or the cookie of a session.

Nothing is read from an address: addresses stand in histories and logs.
"""

import hmac
import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.responses import Response

_COOKIE = "ackrep_session"
_SECRET = re.compile(r"ackrep_[0-9A-Za-z]{49}")
_PARAMETER = re.compile(r"(?:^|[&;])(?:access_token|bearer_token)=", re.IGNORECASE)
_LONGEST = 200
_CSRF_PURPOSE = b"ackrep form"
_CSRF_BYTES = 32


class Kind(StrEnum):
    """Kinds of credentials."""

    TOKEN = "token"  # noqa: S105  # a kind, no secret
    SESSION = "session"


@dataclass(frozen=True)
class Credential:
    """A secret that was shown. It is never printed."""

    kind: Kind
    secret: str = field(repr=False)

    @property
    def csrf(self) -> bytes:
        """What forms of this session prove themselves with; empty for a token."""
        if self.kind is Kind.TOKEN:
            return b""
        return hmac.digest(self.secret.encode(), _CSRF_PURPOSE, "sha256")


def credential_of(headers: Headers, *, secure: bool) -> Credential | None:
    """Reads what a request shows; a token goes before a session.

    `Authorization` with another scheme is somebody else's, e.g. a proxy's.
    """
    given = headers.getlist("authorization")
    bearers = [text[7:].strip() for text in given if text[:7].lower() == "bearer "]
    if bearers:
        # Two of them contradict each other: none can be right.
        return Credential(Kind.TOKEN, bearers[0] if len(bearers) == 1 else "")
    secret = session_secret(headers, secure=secure)
    return Credential(Kind.SESSION, secret) if secret else None


def session_secret(headers: Headers, *, secure: bool) -> str:
    """Reads the cookie of a session; empty where there is none, or several."""
    name = _cookie_name(secure=secure)
    found = [
        value.strip()
        for line in headers.getlist("cookie")
        for key, _, value in (part.partition("=") for part in line.split(";"))
        if key.strip() == name
    ]
    return found[0] if len(found) == 1 and len(found[0]) <= _LONGEST else ""


def set_session(answer: Response, secret: str, *, secure: bool, seconds: int) -> None:
    """Gives a browser the cookie of a session, or takes it away where the secret is empty."""
    answer.set_cookie(
        _cookie_name(secure=secure),
        secret,
        max_age=seconds if secret else 0,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def in_address(query: bytes, path: str) -> bool:
    """Whether an address holds something that looks like a token."""
    text = unquote(query.decode("latin-1"))
    return bool(_SECRET.search(text) or _PARAMETER.search(text) or _SECRET.search(path))


def form_proof(csrf: bytes) -> str:
    """What a form carries: another text each time, so that compression tells nothing of it."""
    mask = secrets.token_bytes(len(csrf))
    return (mask + bytes(a ^ b for a, b in zip(mask, csrf, strict=True))).hex()


def is_proof(text: str, csrf: bytes) -> bool:
    """Whether a form carries what it should."""
    try:
        given = bytes.fromhex(text)
    except ValueError:
        return False
    if not csrf or len(given) != 2 * _CSRF_BYTES:
        return False
    mask, masked = given[:_CSRF_BYTES], given[_CSRF_BYTES:]
    return hmac.compare_digest(bytes(a ^ b for a, b in zip(mask, masked, strict=True)), csrf)


def _cookie_name(*, secure: bool) -> str:
    # With this prefix, browsers take it over HTTPS only, and from no other host of the domain.
    return f"__Host-{_COOKIE}" if secure else _COOKIE
