"""Reads pages as tests look at them: their words, the titles they list, where links lead."""

import re
from html import unescape


def text_of(html: str) -> str:
    """Leaves tags out of a page's content."""
    main = re.search("<main.*</main>", html, re.DOTALL)
    assert main
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", main.group()))


def titles(html: str) -> list[str]:
    """Titles of the entities that a page lists, in order."""
    found = re.findall(r'<a class="entity-name"[^>]*>(.*?)</a>', html)
    return [unescape(re.sub("<[^>]+>", "", title)) for title in found]


def links(html: str, label: str) -> list[str]:
    """Addresses of the links that say something."""
    found = re.findall(r'<a [^>]*?href="([^"]*)"[^>]*>(.*?)</a>', html, re.DOTALL)
    return [unescape(address) for address, text in found if label in re.sub("<[^>]+>", "", text)]
