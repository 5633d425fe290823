"""The address that the browser of a session is started with."""

import asyncio

import httpx
import pytest

from cli.workbench.invitation import invitation

TARGET = "http://127.0.0.1:1/lab?token=secret"


async def test_it_leads_there_once() -> None:
    """The first to come is sent on; the address says nothing, and is worth nothing afterwards."""
    async with invitation(TARGET) as address, httpx.AsyncClient() as browser:
        assert "secret" not in address
        wrong = await browser.get(address.rpartition("/")[0] + "/favicon.ico")
        assert (404, None) == (wrong.status_code, wrong.headers.get("location"))
        assert 404 == (await browser.head(address)).status_code
        first = await browser.get(address)
        assert (302, TARGET) == (first.status_code, first.headers["location"])
        assert "no-store" == first.headers["cache-control"]
        second = await browser.get(address)
        assert (404, None) == (second.status_code, second.headers.get("location"))
    async with httpx.AsyncClient() as browser:
        with pytest.raises(httpx.ConnectError):
            await browser.get(address)


async def test_nonsense_gets_no_answer() -> None:
    """A head without end closes the connection; the next one is answered."""
    async with invitation(TARGET) as address:
        port = int(address.split(":")[2].partition("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /" + b"x" * 100_000)
        async with asyncio.timeout(5):
            assert b"" == await reader.read()
        writer.close()
        async with httpx.AsyncClient() as browser:
            assert 302 == (await browser.get(address)).status_code
