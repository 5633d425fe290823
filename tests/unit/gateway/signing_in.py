"""Signing in as a browser does."""

import re

import httpx

from tests.unit.gateway.conftest import HOST

COOKIE = "ackrep_session"
OURS = {"origin": HOST}
"""What browsers say with forms of our own pages."""


async def login(client: httpx.AsyncClient, secret: str, **fields: str) -> httpx.Response:
    """Signs in; the client keeps the cookie."""
    return await client.post("/login", data={"token": secret, **fields}, headers=OURS)


async def proof(client: httpx.AsyncClient, path: str = "/queue") -> str:
    """What the forms of a page carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', (await client.get(path)).text)
    assert found, "a page of a session has a form with a proof: that of signing out"
    return found[1]
