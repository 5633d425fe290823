"""Tokens, sessions of browsers, and entries of the audit log.

Secrets are 256 random bits, so a plain SHA-256 of one is as good as the secret is: nothing that can
be guessed is behind it. Nobody keeps a secret but its owner.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from services.errors import InvalidArgumentError

SECRET_PREFIX = "ackrep_"  # noqa: S105  # what scanners look for
_RANDOM_BYTES = 32
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_LENGTH = 43  # of 256 bits, in 62 digits
_CHECKSUM_LENGTH = 6  # of 32 bits
_SECRET = re.compile(rf"{SECRET_PREFIX}[0-9A-Za-z]{{{_BODY_LENGTH + _CHECKSUM_LENGTH}}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HINT_LENGTH = 4

USE_NOTED_EVERY = timedelta(minutes=1)
"""How exactly the last use of tokens and sessions is known."""

LONGEST_TEXT = 200
"""Characters of a text in the audit log."""


class Scope(IntEnum):
    """What a token allows; each holds those before it."""

    READ = 1
    CHECK = 2
    MAINTAIN = 3
    ADMIN = 4


class TokenState(IntEnum):
    """Whether a token works."""

    ACTIVE = 1
    EXPIRED = 2
    REVOKED = 3


@dataclass(frozen=True, kw_only=True)
class Token:
    """A key that opens the gateway for one person or program."""

    id: str
    display_name: str
    scope: Scope
    digest: str
    """SHA-256 of its secret, as hexadecimal digits."""
    hint: str
    """The last characters of its secret."""
    creator: str
    """Who made it; empty for the command line."""
    create_time: datetime
    expire_time: datetime | None = None
    revoke_time: datetime | None = None
    last_used_time: datetime | None = None

    def state(self, now: datetime) -> TokenState:
        """Whether it works."""
        if self.revoke_time is not None:
            return TokenState.REVOKED
        if self.expire_time is not None and self.expire_time <= now:
            return TokenState.EXPIRED
        return TokenState.ACTIVE


@dataclass(frozen=True, kw_only=True)
class Session:
    """A browser that has shown a token."""

    digest: str
    """SHA-256 of its secret, as hexadecimal digits."""
    token: str
    """Id of the token that it stands for."""
    create_time: datetime
    expire_time: datetime
    """When it ends in any case."""
    last_used_time: datetime

    def lives(self, now: datetime, *, idle: timedelta) -> bool:
        """Whether it goes on: its time is not over, and it was not idle for too long."""
        return now < self.expire_time and now < self.last_used_time + idle


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """Something that somebody did over HTTP, or was refused."""

    id: str
    create_time: datetime
    principal: str
    """Name of the token; empty for whoever had none."""
    token: str
    """Id of that token."""
    address: str
    scope: int
    """What it takes, a `Scope`; 0 where nothing is asked."""
    action: str
    resource: str
    status: int
    """The HTTP status that was answered."""
    request_id: str


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """Conditions on entries, all of which have to hold; empty ones ask for nothing."""

    principal: str = ""
    action: str = ""
    resource: str = ""
    failed_only: bool = False
    since: datetime | None = None


def new_secret() -> str:
    """Makes a token's secret: prefix, 256 random bits, and a checksum that scanners can verify."""
    body = _in_digits(int.from_bytes(secrets.token_bytes(_RANDOM_BYTES)), _BODY_LENGTH)
    return SECRET_PREFIX + body + _checksum(body)


def is_secret(text: str) -> bool:
    """Whether a text has the form of a token's secret, checksum included."""
    if not _SECRET.fullmatch(text):
        return False
    body = text[len(SECRET_PREFIX) : -_CHECKSUM_LENGTH]
    return hmac.compare_digest(text[-_CHECKSUM_LENGTH:], _checksum(body))


def new_session_secret() -> str:
    """Makes a session's secret."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def same_digest(one: str, other: str) -> bool:
    """Compares two digests in constant time."""
    return hmac.compare_digest(one, other)


def hint_of(secret: str) -> str:
    """What is shown of a secret, to tell tokens apart."""
    return secret[-_HINT_LENGTH:]


def checked_name(text: str) -> str:
    """Reads the name of a token.

    Raises:
        InvalidArgumentError: It is no such name.
    """
    if not _NAME.fullmatch(text):
        raise InvalidArgumentError(
            f"{text[:80]!r} is no name for a token: 1 to 64 letters, digits and . _ @ -, "
            "the first one a letter or digit",
            field="display_name",
        )
    return text


def _checksum(body: str) -> str:
    return _in_digits(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def _in_digits(number: int, length: int) -> str:
    found = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found
