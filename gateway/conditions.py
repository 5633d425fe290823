"""Conditional requests: what an `ETag` is here, and whether a client has it already (RFC 9110)."""

import hashlib


def etag_of(body: bytes) -> str:
    """Makes a strong tag: the same bytes have the same, whichever gateway answers."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def matches(asked: str, etag: str) -> bool:
    """Whether `If-None-Match` names what is there; weak comparison, as RFC 9110 says."""
    wanted = etag.removeprefix("W/")
    return any(
        tag.strip() == "*" or tag.strip().removeprefix("W/") == wanted for tag in asked.split(",")
    )
