"""The attached stream of a container: its end is seen while nobody reads."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.runner.engine.channel import ContainerChannel
from tests.requirements import need
from tests.runner_builders import until


def tls_pair(
    folder: Path, near: socket.socket, far: socket.socket
) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Wraps the near end as a client's; the far one is a server with a certificate of its own."""
    need(shutil.which("openssl"), what="openssl")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=engine", "-keyout", key, "-out", certificate],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=str(certificate))
    client.check_hostname = False
    return (
        client.wrap_socket(near, do_handshake_on_connect=False),
        server.wrap_socket(far, server_side=True, do_handshake_on_connect=False),
    )


@pytest.fixture(params=["plain", "tls"])
async def ends(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[ContainerChannel, socket.socket]]:
    """Our channel, and the engine's end of it."""
    near, far = socket.socketpair()
    if request.param == "tls":
        pair = tls_pair(tmp_path, near, far)
        await asyncio.gather(*(asyncio.to_thread(end.do_handshake) for end in pair))
        near, far = pair
    channel = ContainerChannel(near)
    try:
        yield channel, far
    finally:
        await channel.close()
        with contextlib.suppress(OSError):
            far.close()


async def test_it_lives_until_the_other_end_is_gone(
    ends: tuple[ContainerChannel, socket.socket],
) -> None:
    """Asking again and again changes nothing; a container that was killed is noticed."""
    channel, far = ends
    for _ in range(3):
        assert not channel.ended
    far.close()
    await until(lambda: channel.ended)


async def test_asking_loses_nothing(ends: tuple[ContainerChannel, socket.socket]) -> None:
    """What the container said meanwhile is read later, whole."""
    channel, far = ends
    said = b"hello from inside"
    await asyncio.to_thread(far.sendall, struct.pack(">BxxxL", 1, len(said)) + said)
    for _ in range(3):
        assert not channel.ended
    heard = b""
    async with asyncio.timeout(5):
        while len(heard) < len(said):
            heard += await channel.read(1024)
    assert said == heard
    assert not channel.ended


async def test_what_we_closed_has_ended(ends: tuple[ContainerChannel, socket.socket]) -> None:
    """A closed channel is not asked any more."""
    channel, _ = ends
    await channel.close()
    assert channel.ended
