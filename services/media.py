"""How files of strangers are handed to browsers: as types that never run.

Two kinds of files: *sources*, which somebody wrote (the catalog), and *artefacts*, which a check
made (the scheduler). A source is shown as it was written, so HTML and SVG are text; an artefact is
shown as what it is, so HTML and SVG render, in an origin of their own and without scripts. All
answers carry `X-Content-Type-Options: nosniff`: what is told as text is no script and no style.
"""

import codecs
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

OCTETS: Final = "application/octet-stream"
TEXT: Final = "text/plain; charset=utf-8"
UNKNOWN_TEXT: Final = "text/plain"
"""Text in some other encoding: browsers guess it."""

POLICY: Final = (
    "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'"
)
"""Content security policy of everything that users produced: an origin of its own, no script."""
PDF_POLICY: Final = (
    "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
)
"""As `POLICY` for PDF: browsers show it in a viewer of their own, which a sandbox keeps out."""

IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Types that hold pixels and nothing that runs."""
INLINE: Final = IMAGES | {"image/svg+xml", "text/html", "text/plain"}
"""Types of artefacts that browsers may show; all others are offered for download."""
SHOWN_SOURCES: Final = IMAGES | {"application/pdf", "text/plain"}
"""Types of sources that browsers may show; all others are offered for download."""
ALLOWED: Final = INLINE | {
    "application/json",
    "application/jsonl",
    "application/pdf",
    "application/x-npy",
    "application/zip",
    "text/csv",
}
"""Types of artefacts that are told as they are; all others are `application/octet-stream`."""

_BY_SUFFIX: Final[Mapping[str, str]] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".csv": "text/csv",
    ".txt": "text/plain",
}
_BY_CONTENT: Final[Mapping[str, tuple[str, re.Pattern[bytes]]]] = {
    ".png": ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ".jpg": ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ".jpeg": ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ".gif": ("image/gif", re.compile(rb"GIF8[79]a")),
    ".webp": ("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ".pdf": ("application/pdf", re.compile(rb"%PDF-")),
}
"""What a source is that has such a suffix and begins like that; neither alone is believed."""
_TEXT_SUFFIX: Final = re.compile(
    r"\.(bib|c|cfg|cpp|csv|h|html?|ini|ipynb|jl|js|json|m|md|py|rst|sh|svg|tex|toml|tsv|txt|xml|ya?ml)"
)
_NO_TEXT: Final = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_UNSAFE_IN_QUOTES: Final = re.compile(r'[^ -~]|["\\%/:*?<>|]')


def artefact_type(stored: str, filename: str) -> str:
    """Chooses an artefact's type: the stored one where allowed, else one by suffix."""
    kind = stored.partition(";")[0].strip().lower()
    if kind in ALLOWED:
        return kind
    return _BY_SUFFIX.get(PurePosixPath(filename).suffix.lower(), OCTETS)


def source_type(filename: str, beginning: bytes) -> str:
    """Chooses a source's type by its suffix and how it begins.

    An image or PDF has to have both right. Whatever is text is `text/plain`, also HTML, SVG and
    scripts; all else is `application/octet-stream`.
    """
    suffix = PurePosixPath(filename).suffix.lower()
    kind, magic = _BY_CONTENT.get(suffix, ("", None))
    if magic is not None and magic.match(beginning):
        return kind
    if _NO_TEXT.search(beginning):
        return OCTETS
    try:
        # The last character may be cut.
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return UNKNOWN_TEXT if _TEXT_SUFFIX.fullmatch(suffix) else OCTETS
    return TEXT


def is_shown(kind: str, shown: frozenset[str]) -> bool:
    """Whether a browser may show a type: whether it is among those shown."""
    return kind.partition(";")[0].strip().lower() in shown


def disposition(filename: str, *, inline: bool) -> str:
    """Value of `Content-Disposition`, in ASCII; the file is named so when it is kept."""
    name = PurePosixPath(filename).name
    plain = _UNSAFE_IN_QUOTES.sub("_", name)
    how = "inline" if inline else "attachment"
    # Surrogates stand for bytes that are no UTF-8.
    encoded = quote(name.encode("utf-8", "surrogateescape"), safe="")
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
