"""Hostile values as every parameter and in every path: no failure, no markup, no header."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote, urlsplit

import httpx
import pytest
from starlette.datastructures import QueryParams

from tests.unit.gateway import page_addresses
from tests.unit.gateway.conftest import HOST
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.hostile import CORPUS, VALUES, plain

_ENDLESS = {"/live", "/metrics"}
ROUTES = sorted(set(page_addresses.routes()) - _ENDLESS)
_ELEMENT = re.compile(r"<[A-Za-z][^>]*>")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)\s*=\s*"([^"]*)\"""")
_RUNS = re.compile(r"(?i)\s*(javascript|data|vbscript|blob|file|view-source):|\s*[/\\]{2}")
_ADDRESSES = {"href", "src", "action", "formaction", "data", "xlink:href"}


def faults(html: str) -> Iterator[str]:
    """Finds markup that no page of ours has; a fast look at what `offences` looks at closely."""
    for element in _ELEMENT.findall(html):
        names = _ATTRIBUTE.sub(r" \1 ", element).lower().split()
        if any(name.startswith("on") for name in names[1:]):
            yield element
        if names[0] in {"<script", "<iframe", "<style", "<base", "<object"}:
            source = dict(_ATTRIBUTE.findall(element)).get("src", "")
            if not source.startswith("/") or source.startswith("//"):
                yield element
        for name, value in _ATTRIBUTE.findall(element):
            if name in _ADDRESSES and _RUNS.match(unescape(value)):
                yield element


def look(answer: httpx.Response, text: str) -> None:
    """Asserts that an answer is none that harms anybody."""
    where = str(answer.url)[:300]
    assert answer.status_code < 500, where
    assert "hostile" not in str(answer.headers.multi_items()).lower(), where
    for value in answer.headers.values():
        assert "\r" not in value, where
        assert "\n" not in value, where
    if location := answer.headers.get("location", "").removeprefix(HOST):
        assert location.startswith("/"), (where, location)
        if location == answer.headers["location"]:
            assert not location.startswith(("//", "/\\")), (where, location)
            assert not urlsplit(location).netloc, (where, location)
    kind = answer.headers.get("content-type", "")
    assert "nosniff" == answer.headers["x-content-type-options"], where
    if kind.startswith("text/html"):
        assert [] == list(faults(answer.text)), where
    elif "svg" in kind or "atom" in kind:
        assert "<script" not in answer.text, where
        assert text not in answer.text or not set(text) & set("<&"), where


@pytest.fixture
async def names(
    client: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> dict[str, set[str]]:
    """The parameters that each route asks for, as its code asks for them."""
    found: dict[str, set[str]] = {}
    asking = [""]
    for method in ("get", "getlist", "__contains__", "__getitem__"):
        original = getattr(QueryParams, method)

        def noted(
            self: QueryParams, key: str, *more: object, original: object = original
        ) -> object:
            found.setdefault(asking[0], set()).add(key)
            return original(self, key, *more)  # type: ignore[operator]

        monkeypatch.setattr(QueryParams, method, noted, raising=False)
    await page_addresses.furnish(services)
    for asking[0] in ROUTES:
        for more in ("", "?ask=pause", "?ask=drain"):
            await client.get(address_of(asking[0], services).partition("?")[0] + more)
    monkeypatch.undo()
    return found


def address_of(route: str, services: FakeServices) -> str:
    """An address of a route."""
    if route in page_addresses.PAGES:
        return page_addresses.filled(page_addresses.PAGES[route], services)
    return re.sub(r"\{[^}]+\}", "UXMFA", route)


@pytest.mark.timeout(600)  # thousands of pages, on a machine that may be busy
async def test_parameters(
    client: httpx.AsyncClient, services: FakeServices, names: dict[str, set[str]]
) -> None:
    """Every value as every parameter: each name with all values, shared out among its routes."""
    assert {"q", "verdict", "revision", "page", "tag"} <= names["/entities"]
    assert {"next"} == names["/login"]
    routes: dict[str, list[str]] = {}
    for route, parameters in names.items():
        for parameter in parameters:
            routes.setdefault(parameter, []).append(route)
    assert 20 <= len(routes)
    for parameter, taking in sorted(routes.items()):
        paths = [address_of(route, services).partition("?")[0] for route in taking]
        for number, one in enumerate(CORPUS):
            value = quote(plain(one.text), safe="")
            look(await client.get(f"{paths[number % len(paths)]}?{parameter}={value}"), one.text)
        for path in paths:  # the worst of them everywhere
            for text in VALUES[:3]:
                look(await client.get(f"{path}?{parameter}={quote(text, safe='')}"), text)


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route])
async def test_paths(client: httpx.AsyncClient, services: FakeServices, route: str) -> None:
    """Every value as every part of a path that the one who asks chooses."""
    await page_addresses.furnish(services)
    pieces = re.split(r"(\{[^}]+\})", route)
    for one in CORPUS:
        part = quote(plain(one.text), safe="")
        path = "".join(part if piece.startswith("{") else piece for piece in pieces)
        look(await client.get(path), one.text)
