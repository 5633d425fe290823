"""Markdown and formulas of strangers: what they become, and how long that takes."""

import time

import pytest

from gateway.pages.prose import MAX_CHARACTERS, Place, line, markdown, maths

PLACE = Place(
    entity="entities/UXMFA",
    folder="docs",
    revision="revisions/abc",
    files={"docs/a.png", "docs/b c.md", "top.py", "docs/v.svg"},
    titles={"MSRK4": "Runge & Kutta"},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a *b* **c** `d`", "a <em>b</em> <strong>c</strong> <code>d</code>"),
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        (
            "[x](https://a.example/?b=1&c)",
            '<a href="https://a.example/?b=1&amp;c" rel="nofollow noopener">x</a>',
        ),
        ("[x](mailto:a@b.example)", '<a href="mailto:a@b.example" rel="nofollow noopener">x</a>'),
        ("[x](javascript:alert(1))", "<span>x</span>"),
        ("[x](vbscript:y) [z](data:text/html,w)", "<span>x</span> <span>z</span>"),
        ("[x](//evil.example) [y](/etc/passwd)", "<span>x</span> <span>y</span>"),
        ("[x](file:///etc/passwd)", "<span>x</span>"),
        ("[x](b%20c.md)", '<a href="/e/UXMFA/files/docs/b%20c.md?revision=abc">x</a>'),
        ("[x](../top.py)", '<a href="/e/UXMFA/files/top.py?revision=abc">x</a>'),
        ("[x](../../other/secret)", "<span>x</span>"),
        ("[a ![i](a.png)](javascript:b)", None),
        (
            "![i](a.png)",
            (
                '<img src="/v1/entities/UXMFA/files/docs/a.png?revision=revisions/abc" alt="i" '
                'loading="lazy">'
            ),
        ),
        ("![i](https://a.example/b.png)", '<span class="soft">i</span>'),
        ("![i](v.svg)", '<span class="soft">i</span>'),
        (
            "`MSRK4`",
            '<a href="/e/MSRK4?revision=abc" title="Runge &amp; Kutta"><code>MSRK4</code></a>',
        ),
        ("$x<y$", '<span class="math">$x&lt;y$</span>'),
        ("$$x$$", '<span class="math">$$x$$</span>'),
        ("it costs $5 and $6", "it costs $5 and $6"),
        ("`$x$`", "<code>$x$</code>"),
    ],
)  # fmt: skip
def test_line(text: str, expected: str | None) -> None:
    """One line: emphasis, code, links that may lead there, pictures of the entity, formulas."""
    made = line(text, PLACE)

    if expected is not None:
        assert expected == made
    assert "javascript" not in made


def test_markdown() -> None:
    """Whole texts: headings below those of the page, tables, lists, blocks of code and formulas."""
    made = markdown('# A\n\n$$\na_1\n$$\n\n| b |\n|:-:|\n| c |\n\n3. d\n\n```x" y\n<e>\n```\n')

    assert "<h3>A</h3>" in made
    assert '<span class="math">$$a_1$$</span>' in made
    assert "<th>b</th>" in made
    assert "<td>c</td>" in made
    assert "&lt;e&gt;" in made
    assert "style=" not in made
    assert 'x"' not in made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$x$ and $y$", '<span class="math">$x$</span> and <span class="math">$y$</span>'),
        ("$5 to $6", "$5 to $6"),
        ("US$ 5 $ x $", "US$ 5 $ x $"),
        ("$$z$$ <b>", '<span class="math">$$z$$</span> &lt;b&gt;'),
        (r"\$x$", r"\$x$"),
        ("$\\mathbb{C}$", '<span class="math">$\\mathbb{C}$</span>'),
        ("$<script>$", '<span class="math">$&lt;script&gt;$</span>'),
    ],
)
def test_maths(text: str, expected: str) -> None:
    """In titles only formulas are marked; prices stay prices."""
    assert expected == maths(text)


@pytest.mark.parametrize(
    "piece",
    ["[", "![", "*a ", "**a*", "_a__b", "`", "$a ", "$$a ", "> ", "- ", "1. ", "<a:", "|", "\\",
     "#", "[a](", "[a]: b\n", "\t- a\n", "a\n", "\n", "|a|b|\n|-|-|\n", "&", "~~", "<", "http://"],
)  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    """Texts made to be slow are not; longer ones are shown as they are."""
    begin = time.monotonic()
    text = (piece * MAX_CHARACTERS)[:MAX_CHARACTERS]

    markdown(text, PLACE)
    markdown(piece * (6000 // len(piece)), PLACE)
    maths(text)

    assert time.monotonic() - begin < 4
    assert markdown(text + "*a*").startswith("<pre>")
