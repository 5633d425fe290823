"""Webhooks and their deliveries: what is sent to whom, how it is signed, and when again."""

import hashlib
import hmac
import ipaddress
import json
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit

from services.errors import InvalidArgumentError
from services.scheduler.domain.check import RunSummary
from services.scheduler.domain.verdict_changes import ChangeKind, VerdictChange, document_of, stamp

TEST = "test"
RUN_FINISHED = "run.finished"
EVENTS = (*(f"verdict.{kind.name.lower()}" for kind in ChangeKind), RUN_FINISHED)
"""What a webhook can ask for."""
USUAL_EVENTS = ("verdict.broken", "verdict.repaired")
MOST_WEBHOOKS = 100
KEPT_RESPONSE = 2048
"""Characters of an answer that are kept, and bytes of it that are read."""
KEPT_ATTEMPTS = 20
"""Attempts of a delivery that are shown."""

_LONGEST_URL = 2000
_SECRET = re.compile(r"[\x21-\x7e]{16,128}")
_GROWTH = 3.0
_LONGEST_DELAY = timedelta(hours=6)
_JITTER = 0.2


class DeliveryState(IntEnum):
    """Where a delivery stands; numbers are those of the proto."""

    PENDING = 1
    DELIVERED = 2
    FAILED = 3


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Where notifications go."""

    id: str
    url: str
    events: frozenset[str]
    secret: str
    create_time: datetime
    paused: bool = False

    @property
    def hint(self) -> str:
        """The end of its secret, to tell secrets apart."""
        return self.secret[-4:]


@dataclass(frozen=True, kw_only=True)
class WebhookSummary:
    """A webhook and how its deliveries fare."""

    webhook: Webhook
    pending: int = 0
    failed: int = 0
    last_success: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt of a delivery."""

    number: int
    """From 1."""
    start_time: datetime
    seconds: float
    status: int = 0
    """Of the answer; 0 where there was none."""
    response: str = ""
    """Beginning of the answer's body."""
    error: str = ""
    """Why it failed; empty where it was accepted."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One event on its way to one webhook."""

    id: str
    webhook: str
    """Id."""
    event: str
    body: str
    """JSON, the same in all attempts."""
    create_time: datetime
    since: datetime
    """Since when it is tried: when it was made, or asked for again."""
    next_time: datetime
    state: DeliveryState = DeliveryState.PENDING
    attempts: tuple[Attempt, ...] = ()
    """The newest, oldest first."""
    tried: int = 0
    """Attempts that were begun."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When a delivery that failed is tried again."""

    first: timedelta
    """Before the second attempt; the next delays are three times the one before, up to 6 h."""
    give_up: timedelta
    """After so long nothing is tried any more."""

    def next_time(self, delivery: Delivery, *, now: datetime, chance: float) -> datetime | None:
        """Says when an attempt that just failed is repeated; none where it is given up.

        Args:
            delivery: With the attempt that failed counted.
            now: The time.
            chance: From 0 to 1, so that many deliveries do not come at once: up to a fifth more
                or less.
        """
        ends = delivery.since + self.give_up
        if now >= ends:
            return None
        # No power above 3^20: that is more than any longest delay, and floats end.
        growth = _GROWTH ** min(20, max(0, delivery.tried - 1))
        delay = min(self.first * growth, _LONGEST_DELAY)
        return min(now + delay * (1 + _JITTER * (2 * chance - 1)), ends)


def new_secret() -> str:
    """Makes a secret that deliveries are signed with."""
    return f"whsec_{secrets.token_urlsafe(32)}"


def checked_secret(secret: str) -> str:
    """Gives the secret.

    Raises:
        InvalidArgumentError: It is too short, too long or not printable.
    """
    if not _SECRET.fullmatch(secret):
        raise InvalidArgumentError(
            "a secret has 16 to 128 printable characters without spaces; leave it out to have one "
            "made",
            field="secret",
        )
    return secret


def checked_events(events: Collection[str]) -> frozenset[str]:
    """Gives the events that a webhook asks for; the usual ones for none.

    Raises:
        InvalidArgumentError: There is no such event.
    """
    unknown = sorted(set(events) - set(EVENTS))
    if unknown:
        raise InvalidArgumentError(
            f"{unknown[0]!r} is no event; there are {', '.join(EVENTS)}", field="events"
        )
    return frozenset(events or USUAL_EVENTS)


def checked_url(url: str, *, allowed: Collection[str]) -> str:
    """Gives the address of a webhook.

    Names are looked up with every delivery: what a name means can change.

    Args:
        url: The address.
        allowed: Hosts, in lower case, that may be of this machine or network.

    Raises:
        InvalidArgumentError: Nothing would ever be sent there.
    """
    host = host_of(url)
    if host in allowed:
        return url
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return url
    if not is_public(address):
        raise InvalidArgumentError(_not_public(host), field="url")
    return url


def host_of(url: str) -> str:
    """Gives the host of a webhook's address, in lower case.

    Raises:
        InvalidArgumentError: It is no http or https address, or carries a name and password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, 0
    if (
        not host
        or port == 0
        or parts.scheme not in {"http", "https"}
        or len(url) > _LONGEST_URL
        or not url.isascii()
        or not url.isprintable()
        or any(sign in url for sign in " \\")
    ):
        raise InvalidArgumentError(
            f"{url[:200]!r} is no address such as https://example.org/hook", field="url"
        )
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidArgumentError(
            "the address has a user name or a fragment; deliveries are signed instead", field="url"
        )
    return host.rstrip(".").lower()


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address belongs to the internet, and to no machine or network around us.

    IPv6 addresses that stand for IPv4 ones are what these are.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def require_public(host: str, addresses: Collection[str], *, allowed: Collection[str]) -> None:
    """Refuses a host that is of this machine or network, unless it is allowed by name.

    Args:
        host: Of the webhook, in lower case.
        addresses: All that its name stands for now.
        allowed: Hosts that may be.

    Raises:
        InvalidArgumentError: One of the addresses is not public.
    """
    if host in allowed:
        return
    if not all(is_public(ipaddress.ip_address(text.partition("%")[0])) for text in addresses):
        raise InvalidArgumentError(_not_public(host), field="url")


def _not_public(host: str) -> str:
    return (
        f"{host} is an address of this machine or its network, which is not called; name the host "
        "in ACKREP_SCHEDULER_WEBHOOK_HOSTS if it should be"
    )


def signature(body: bytes, *, secret: str, time: int) -> str:
    """Signs a body: the header `Ackrep-Signature`.

    Args:
        body: What is posted.
        secret: Of the webhook.
        time: Seconds since 1970.
    """
    signed = hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256)
    return f"t={time},v1={signed.hexdigest()}"


def change_event(change: VerdictChange) -> str:
    """Names the event of a verdict change."""
    return f"verdict.{change.kind.name.lower()}"


def change_body(delivery: str, change: VerdictChange) -> str:
    """Writes the body of a delivery about a verdict change."""
    return _body(
        delivery,
        change_event(change),
        time=change.after.finish_time,
        said={"change": document_of(change)},
    )


def run_body(delivery: str, summary: RunSummary, *, time: datetime) -> str:
    """Writes the body of a delivery about a run that is finished."""
    run = summary.run
    said = {
        "name": f"runs/{run.id}",
        "title": run.title,
        "revision": f"revisions/{run.revision}",
        "commit": run.commit,
        "createTime": stamp(run.create_time),
        "checkCount": summary.check_count,
        "verdicts": [
            {"verdict": f"VERDICT_{verdict.name}", "count": count}
            for verdict, count in summary.verdicts
        ],
    }
    return _body(delivery, RUN_FINISHED, time=time, said={"run": said})


def sample_body(delivery: str, *, time: datetime) -> str:
    """Writes the body of a delivery that somebody asked for to try a webhook."""
    return _body(delivery, TEST, time=time, said={})


def _body(delivery: str, event: str, *, time: datetime, said: dict[str, Any]) -> str:
    return json.dumps(
        {"id": delivery, "event": event, "createTime": stamp(time), **said}, ensure_ascii=False
    )
