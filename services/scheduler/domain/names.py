"""Ids and resource names."""

import re
import secrets
import time

from services.errors import InvalidArgumentError

_HEX = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[A-Z0-9]{5}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")

_last = 0


def new_id() -> str:
    """Makes an id of 32 hexadecimal digits that sorts by time (as UUID version 7).

    Ids of one process rise strictly: the fraction of the millisecond is part of the time.
    """
    global _last  # noqa: PLW0603  # the one counter of the process
    stamp = time.time_ns() * 4096 // 1_000_000
    _last = stamp = max(stamp, _last + 1)
    milliseconds, fraction = divmod(stamp, 4096)
    tail = secrets.randbits(62) | 1 << 63
    return f"{milliseconds & (1 << 48) - 1:012x}7{fraction:03x}{tail:016x}"


def check_id(name: str) -> str:
    """Reads `checks/{id}`."""
    return _id(name, "checks", _HEX)


def run_id(name: str) -> str:
    """Reads `runs/{id}`."""
    return _id(name, "runs", _HEX)


def runner_id(name: str) -> str:
    """Reads `runners/{id}`."""
    return _id(name, "runners", _WORD)


def artefact_id(name: str) -> str:
    """Reads `artefacts/{sha256}`."""
    return _id(name, "artefacts", _SHA256)


def entity_key(name: str) -> str:
    """Reads `entities/{KEY}`."""
    return _id(name, "entities", _KEY)


def environment_name(name: str) -> str:
    """Reads `environments/{name}`."""
    return _id(name, "environments", _WORD)


def environment_image(name: str) -> tuple[str, str]:
    """Reads `environments/{name}` or `environments/{name}@{reference}`: name, and reference."""
    plain, at, reference = name.partition("@")
    if at and not reference:
        raise InvalidArgumentError(f"{name!r} names no image after the @", name=name)
    return environment_name(plain), reference


def trial_id(name: str) -> str:
    """Reads `trials/{id}`."""
    return _id(name, "trials", _HEX)


def schedule_id(name: str) -> str:
    """Reads `schedules/{id}`."""
    return _id(name, "schedules", _HEX)


def bisection_id(name: str) -> str:
    """Reads `bisections/{id}`."""
    return _id(name, "bisections", _HEX)


def failure_group_id(name: str) -> str:
    """Reads `failureGroups/{fingerprint}`."""
    return _id(name, "failureGroups", _HEX)


def token_id(name: str) -> str:
    """Reads `tokens/{id}`."""
    return _id(name, "tokens", _HEX)


def webhook_id(name: str) -> str:
    """Reads `webhooks/{id}`."""
    return _id(name, "webhooks", _HEX)


def delivery_ids(name: str) -> tuple[str, str]:
    """Reads `webhooks/{id}/deliveries/{id}`."""
    parent, _, rest = name.partition("/deliveries/")
    return webhook_id(parent), _id(f"deliveries/{rest}", "deliveries", _HEX)


def image_digits(name: str) -> str:
    """Reads `environmentImages/{hex}`."""
    return _id(name, "environmentImages", _SHA256)


def _id(name: str, collection: str, pattern: re.Pattern[str]) -> str:
    prefix, _, tail = name.partition("/")
    if prefix != collection or not pattern.fullmatch(tail):
        raise InvalidArgumentError(f"{name!r} is no name of the form {collection}/…", name=name)
    return tail
