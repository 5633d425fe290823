"""Types of files of strangers."""

import pytest

from services import media
from services.media import OCTETS, TEXT, UNKNOWN_TEXT

PNG = b"\x89PNG\r\n\x1a\n\0\0"


@pytest.mark.parametrize(
    ("name", "beginning", "expected"),
    [
        ("a.py", b"x = 1\n", TEXT),
        ("Makefile", b"all:\n", TEXT),
        ("a.html", b"<script>alert(1)</script>", TEXT),
        ("a.svg", b"<svg onload='alert(1)'/>", TEXT),
        ("a.xhtml", b"<?xml version='1.0'?>", TEXT),
        ("a.pdf.html", b"<script>", TEXT),
        ("a.js", b"alert(1)", TEXT),
        ("a.css", b"* {}", TEXT),
        ("empty.bin", b"", TEXT),
        ("cut.txt", "ä".encode()[:1], TEXT),
        ("escape.log", b"\x1b[1mbold\x1b[0m", TEXT),
        ("a.png", PNG, "image/png"),
        ("A.PNG", PNG, "image/png"),
        ("a.gif", b"GIF89a...", "image/gif"),
        ("a.jpeg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.webp", b"RIFF\n\0\0\0WEBPVP8 ", "image/webp"),
        ("a.pdf", b"%PDF-1.7\n\xff", "application/pdf"),
        # Neither the name nor the content alone is believed.
        ("a.txt", PNG, OCTETS),
        ("a.png", b"<script>", TEXT),
        ("a.png", b"\0\1\2", OCTETS),
        ("a.gif", PNG, OCTETS),
        ("a.html", b"%PDF-1.7\n", TEXT),
        ("a.webp", b"RIFF....WAVE", TEXT),
        ("a.py", "# Größe".encode("latin-1"), UNKNOWN_TEXT),
        ("a.html", "<p>Größe".encode("latin-1"), UNKNOWN_TEXT),
        ("a.html", "<script>".encode("utf-16"), OCTETS),
        ("a.bin", b"\xff\xfe\xfd", OCTETS),
        ("a.zip", b"PK\3\4", OCTETS),
        ("a.swf", b"FWS\x06", OCTETS),
    ],
)
def test_source_types(name: str, beginning: bytes, expected: str) -> None:
    """A source is an image or PDF by name and content, text by content, or not shown at all."""
    assert expected == media.source_type(name, beginning)


def test_nothing_that_runs_is_shown() -> None:
    """What browsers may show of sources is text, pixels and PDF."""
    assert {"text/plain", "application/pdf", *media.IMAGES} == media.SHOWN_SOURCES
    assert not any("html" in kind or "svg" in kind or "xml" in kind for kind in media.SHOWN_SOURCES)
    assert media.is_shown(TEXT, media.SHOWN_SOURCES)
    assert not media.is_shown(OCTETS, media.SHOWN_SOURCES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.py", "filename=\"a.py\"; filename*=UTF-8''a.py"),
        ("sub/a.py", "filename=\"a.py\"; filename*=UTF-8''a.py"),
        ("größe.py", "filename=\"gr__e.py\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.py"),
        ('a"; x="b', "filename=\"a_; x=_b\"; filename*=UTF-8''a%22%3B%20x%3D%22b"),
        (
            "a\r\nSet-Cookie: x",
            "filename=\"a__Set-Cookie_ x\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x",
        ),
        ("..\\evil", "filename=\".._evil\"; filename*=UTF-8''..%5Cevil"),
        ("odd\udcff", "filename=\"odd_\"; filename*=UTF-8''odd%FF"),
    ],
)
def test_dispositions(name: str, expected: str) -> None:
    """A name stays a name in the header, in ASCII, and whole for who understands UTF-8."""
    assert f"inline; {expected}" == media.disposition(name, inline=True)
    assert f"attachment; {expected}" == media.disposition(name, inline=False)
