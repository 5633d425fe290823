"""Webhooks: which addresses are called, how deliveries are signed, and when they come again."""

import asyncio
import ipaddress
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.errors import InvalidArgumentError
from services.scheduler.domain.notifications import (
    Delivery,
    RetryPolicy,
    Webhook,
    checked_events,
    checked_secret,
    checked_url,
    is_public,
    new_secret,
    require_public,
    signature,
)
from services.scheduler.notifications.sending import HttpSender
from tests.webhook_receivers import receiving

NOW = datetime(2026, 1, 2, tzinfo=UTC)
POLICY = RetryPolicy(first=timedelta(seconds=10), give_up=timedelta(days=1))


def a_delivery(**fields: object) -> Delivery:
    """A delivery that is due."""
    values = {"id": "d", "webhook": "w", "event": "test", "body": '{"é": 1}', "tried": 1}
    times = {"create_time": NOW, "since": NOW, "next_time": NOW}
    return Delivery(**{**values, **times, **fields})  # type: ignore[arg-type]  # names of fields


def a_webhook(url: str) -> Webhook:
    """A webhook at an address."""
    return Webhook(id="w", url=url, events=frozenset(), secret="s" * 16, create_time=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3",  # noqa: S104  # refused
        "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1",
        "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_special_addresses_are_not_called(text: str) -> None:
    """Loopback, private, link-local, shared, reserved, and IPv6 that stands for such."""
    assert not is_public(ipaddress.ip_address(text))
    with pytest.raises(InvalidArgumentError, match="WEBHOOK_HOSTS"):
        require_public("a.example", ["93.184.215.14", text], allowed=())


@pytest.mark.parametrize("text", ["93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_called(text: str) -> None:
    """Public ones may be; the hosts that a setting names may be anything."""
    assert is_public(ipaddress.ip_address(text))
    require_public("a.example", [text], allowed=())
    require_public("inside", ["10.0.0.1"], allowed={"inside"})


@pytest.mark.parametrize(
    "url",
    [
        "", "hook", "ftp://example.org/", "file:///etc/passwd", "http://", "http:///x",
        "https://user:secret@example.org/", "https://example.org/#x", "http://example.org:0/",
        "http://example.org:99999/", "http://exa mple.org/", "http://example.org\\@10.0.0.1/",
        "http://example.org/\r\nhost: x", "http://[::1/", "http://ex\u0430mple.org/",
        "http://127.0.0.1/", "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/",
        f"https://example.org/{'x' * 2000}",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    """What nothing would ever be sent to is said when the webhook is made."""
    with pytest.raises(InvalidArgumentError):
        checked_url(url, allowed=())


def test_addresses_are_kept_as_they_are() -> None:
    """Ports and queries stay; allowed hosts may be of this machine."""
    for url in ("https://example.org/hook?a=b", "http://example.org:8080"):
        assert url == checked_url(url, allowed=())
    assert checked_url("http://127.0.0.1:1/", allowed={"127.0.0.1"})


def test_secrets_and_events_are_looked_at() -> None:
    """Short secrets and unknown events are refused; made secrets fit and differ."""
    assert new_secret() != checked_secret(new_secret())
    for secret in ("short", "x" * 129, "with a space in it"):
        with pytest.raises(InvalidArgumentError):
            checked_secret(secret)
    with pytest.raises(InvalidArgumentError, match=r"run\.finished"):
        checked_events(["run.done"])
    assert {"verdict.broken", "verdict.repaired"} == checked_events([])


def test_the_signature_is_that_of_stripe() -> None:
    """Computed once by hand: `printf '%s' '1767323045.{}' | openssl dgst -sha256 -hmac …`."""
    expected = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "s" * 16],
        input=b"1767323045.{}",
        capture_output=True,
        check=True,
    ).stdout.split()[-1]
    assert f"t=1767323045,v1={expected.decode()}" == signature(
        b"{}", secret="s" * 16, time=1767323045
    )


def test_delays_grow_for_about_a_day() -> None:
    """10 s, 30 s, 90 s, … up to 6 h; the last attempt is at the end of the day, then none."""
    now, delays = NOW, []
    for tried in range(1, 1000):
        following = POLICY.next_time(a_delivery(tried=tried), now=now, chance=0.5)
        if following is None:
            break
        delays.append((following - now).total_seconds())
        now = following
    assert [10, 30, 90, 270, 810, 2430, 7290, 21600, 21600] == delays[:9]
    assert timedelta(days=1) == now - NOW
    assert 9 < len(delays) < 14


def test_delays_are_spread() -> None:
    """A fifth more or less, so that many that failed together do not come together."""
    early = POLICY.next_time(a_delivery(), now=NOW, chance=0.0)
    late = POLICY.next_time(a_delivery(), now=NOW, chance=1.0)
    assert (NOW + timedelta(seconds=8), NOW + timedelta(seconds=12)) == (early, late)
    assert POLICY.next_time(a_delivery(tried=10**6), now=NOW, chance=1.0) is not None


def a_sender(trust: ssl.SSLContext | None = None) -> HttpSender:
    """A sender that may call `localhost`."""
    return HttpSender(
        clock=lambda: NOW,
        timeout=timedelta(seconds=5),
        allowed={"localhost"},
        version="1",
        trust=trust,
    )


async def test_the_certificate_has_to_be_the_names(tmp_path: Path) -> None:
    """The connection goes to an address, and is one of the name's for TLS and HTTP all the same."""
    for name in ("localhost", "elsewhere.example"):
        await asyncio.to_thread(
            subprocess.run,
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName=DNS:{name}",
             "-keyout", str(tmp_path / f"{name}.key"), "-out", str(tmp_path / f"{name}.pem")],
            check=True, capture_output=True,
        )  # fmt: skip
    trust = ssl.create_default_context()
    for name, accepted in (("localhost", True), ("elsewhere.example", False)):
        trust.load_verify_locations(tmp_path / f"{name}.pem")
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        async with receiving(tls=own) as receiver:
            webhook = a_webhook(f"https://localhost:{receiver.port}/hook")
            attempt = await a_sender(trust).send(webhook, a_delivery())
            assert accepted == (not attempt.error), attempt.error
            assert accepted == bool(receiver.got)
            if accepted:
                assert f"localhost:{receiver.port}" == receiver.got[0].headers["host"]
    unknown = await a_sender().send(a_webhook("https://no-such-host.invalid/"), a_delivery())
    assert "no-such-host.invalid has no address" in unknown.error
