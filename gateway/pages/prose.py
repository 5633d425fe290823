"""Markdown and maths of strangers, made safe: text, a few tags, links that lead where they say."""

import functools
import html
import posixpath
import re
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape
from mdit_py_plugins.dollarmath import dollarmath_plugin

from gateway.pages import addresses

MAX_CHARACTERS = 64 * 1024
"""Longer texts are shown as they are."""
_MAX_MARKS = 12_000
"""Texts with more brackets, stars and ticks than that are made to be slow; shown as they are."""
_SCHEMES = {"http", "https", "mailto"}
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_LINK = 'rel="nofollow noopener"'
_KEY = re.compile(r"`([A-Z0-9]{5})`")
_MARKS = re.compile(r"[\[\]*_`<>$!|\\~]")

# As in Pandoc: an opening dollar has no space after it, a closing one none before and no digit
# after, so that prices stay prices.
_MATHS = re.compile(
    r"\$\$(?=\S)([^$\n]{1,2000}?)(?<=\S)\$\$|(?<![\\$])\$(?=[^\s$])([^$\n]{1,1000}?)(?<=[^\s\\])\$(?![\d$])"
)


@dataclass(frozen=True)
class Place:
    """Whose text it is: what its relative links and its keys mean."""

    entity: str = ""
    """`entities/{KEY}`; without it relative links lead nowhere."""
    folder: str = ""
    """Folder of the text's file, below the entity's."""
    revision: str = ""
    files: Collection[str] = ()
    """Paths of the entity's files."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Titles of entities by key: these keys become links where they are written as code."""


def keys_in(text: str) -> list[str]:
    """Lists what may be keys of entities in a text: five letters and digits written as code."""
    return _KEY.findall(text)


def maths(text: str) -> Markup:
    """Escapes a text; formulas between dollars are marked, for the script that sets them."""
    parts: list[str] = []
    end = 0
    for found in _MATHS.finditer(text):
        parts += [str(escape(text[end : found.start()])), _formula(found.group())]
        end = found.end()
    return Markup("".join([*parts, str(escape(text[end:]))]))  # noqa: S704  # escaped piece by piece


def markdown(text: str, place: Place | None = None) -> Markup:
    """Renders Markdown: no HTML, no foreign pictures, links only where they may lead."""
    return _render(text, place or Place(), inline=False)


def line(text: str, place: Place | None = None) -> Markup:
    """Renders a single line of Markdown: emphasis, code, links, formulas."""
    return _render(text, place or Place(), inline=True)


def _render(text: str, place: Place, *, inline: bool) -> Markup:
    if len(text) > MAX_CHARACTERS or len(_MARKS.findall(text)) > _MAX_MARKS:
        return Markup("<pre>{}</pre>").format(text)
    renderer = _renderer()
    env: MutableMapping[str, Any] = {"place": place}
    try:
        made = renderer.renderInline(text, env) if inline else renderer.render(text, env)
    except (RecursionError, ValueError, IndexError):  # nothing a text may say is a failure of ours
        return Markup("<pre>{}</pre>").format(text)
    return Markup(made)  # noqa: S704  # made of escaped text by the rules below


@functools.cache
def _renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Safe)
    renderer.enable(["table", "strikethrough"])
    dollarmath_plugin(
        renderer, allow_space=False, allow_digits=False, allow_labels=False, double_inline=True
    )
    for kind in ("math_inline", "math_inline_double", "math_block"):
        renderer.add_render_rule(kind, getattr(_Safe, kind))  # in place of the plugin's own
    # What a link may be is decided where it is drawn: with the text's place at hand.
    renderer.validateLink = _every  # type: ignore[method-assign]
    return renderer


def _every(url: str) -> bool:
    return isinstance(url, str)


def _formula(text: str) -> str:
    return f'<span class="math">{html.escape(text)}</span>'


class _Safe(RendererHTML):
    """Draws tokens; every attribute is written here, none is taken over."""

    def math_inline(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return _formula(f"${tokens[index].content}$")

    def math_inline_double(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return _formula(f"$${tokens[index].content}$$")

    def math_block(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return f"<p>{_formula(f'$${tokens[index].content.strip()}$$')}</p>\n"

    def heading_open(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return f"<{_below(tokens[index].tag)}>"

    def heading_close(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return f"</{_below(tokens[index].tag)}>\n"

    def link_open(self, tokens: Sequence[Token], index: int, _: Any, env: Any) -> str:
        address = _link(str(tokens[index].attrGet("href") or ""), env["place"])
        if not address:
            return "<span>"
        relation = "" if address.startswith(("/", "#")) else f" {_LINK}"
        return f'<a href="{html.escape(address)}"{relation}>'

    def link_close(self, tokens: Sequence[Token], index: int, _: Any, env: Any) -> str:
        depth = 0
        for before in range(index, -1, -1):
            depth += {"link_close": 1, "link_open": -1}.get(tokens[before].type, 0)
            if depth == 0:
                href = str(tokens[before].attrGet("href") or "")
                return "</a>" if _link(href, env["place"]) else "</span>"
        return ""

    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        text = html.escape(self.renderInlineAsText(tokens[index].children or [], options, env))
        place: Place = env["place"]
        path = _file(str(tokens[index].attrGet("src") or ""), place)
        if not path or not path.lower().endswith(_IMAGES):
            return f'<span class="soft">{text}</span>'
        address = addresses.content(place.entity, path, place.revision)
        return f'<img src="{html.escape(address)}" alt="{text}" loading="lazy">'

    def code_inline(self, tokens: Sequence[Token], index: int, _: Any, env: Any) -> str:
        place: Place = env["place"]
        content = tokens[index].content
        code = f"<code>{html.escape(content)}</code>"
        if content not in place.titles:
            return code
        address = html.escape(addresses.entity(content, place.revision))
        return f'<a href="{address}" title="{html.escape(place.titles[content])}">{code}</a>'

    def fence(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return f'<pre tabindex="0"><code>{html.escape(tokens[index].content)}</code></pre>\n'

    def code_block(self, tokens: Sequence[Token], index: int, *rest: Any) -> str:
        return self.fence(tokens, index, *rest)

    def table_open(self, *_: Any) -> str:
        return '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>\n'

    def table_close(self, *_: Any) -> str:
        return "</table></div>\n"

    def th_open(self, *_: Any) -> str:
        return "<th>"  # an alignment would be an inline style

    def td_open(self, *_: Any) -> str:
        return "<td>"

    def ordered_list_open(self, *_: Any) -> str:
        return "<ol>\n"


def _below(tag: str) -> str:
    """Headings of a text stand below those of the page."""
    return f"h{min(6, int(tag[1:]) + 2)}"


def _link(target: str, place: Place) -> str:
    """Gives where a link leads; empty where it may not be one."""
    target = target.strip()
    if any(ord(character) < 33 for character in target):  # control and space
        return ""
    try:
        parts = urlsplit(target)
    except ValueError:
        return ""
    if parts.scheme:
        return target if parts.scheme.lower() in _SCHEMES else ""
    path = _file(target, place)
    return addresses.source(place.entity, path, place.revision) if path else ""


def _file(target: str, place: Place) -> str:
    """Gives the entity's file that a relative address means; empty where it means none."""
    if not place.entity or not target or target.startswith(("/", "\\", "#")):
        return ""
    try:
        parts = urlsplit(target)
    except ValueError:
        return ""
    if parts.scheme or parts.netloc:
        return ""
    path = posixpath.normpath(posixpath.join(place.folder, unquote(parts.path)))
    return path if path in place.files else ""
