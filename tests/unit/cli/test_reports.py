"""Diagnostics read well in a terminal, in a log, and beside a change on GitHub."""

from pathlib import Path

import pytest

from ackrep.catalog.v1 import catalog_pb2
from cli import reports
from cli.excerpts import Files

ERROR = catalog_pb2.Diagnostic.SEVERITY_ERROR
WARNING = catalog_pb2.Diagnostic.SEVERITY_WARNING
INFO = catalog_pb2.Diagnostic.SEVERITY_INFO


def diagnostic(
    path: str = "notebooks/a/metadata.yml",
    *,
    line: int = 2,
    column: int = 7,
    severity: catalog_pb2.Diagnostic.Severity.ValueType = ERROR,
    message: str = "'note-book' is no type",
    remedy: str = "did you mean notebook?",
) -> catalog_pb2.Diagnostic:
    """A diagnostic as the catalog tells it."""
    return catalog_pb2.Diagnostic(
        code="unknown-type",
        severity=severity,
        path=path,
        line=line,
        column=column,
        message=message,
        remedy=remedy,
    )


def said(one: catalog_pb2.Diagnostic, *, root: Path | None = None, shown: bool = False) -> str:
    """The diagnostic for people."""
    places = reports.Places(root, folder=root or Path("/"))
    files = Files(root if shown else None)
    return reports.text(one, places=places, files=files, width=80).plain


def test_in_a_log() -> None:
    """Place, severity, message and code in one line, the remedy below it."""
    assert (
        "notebooks/a/metadata.yml:2:7: error: 'note-book' is no type [unknown-type]\n"
        "    did you mean notebook?"
    ) == said(diagnostic())


@pytest.mark.parametrize(
    ("line", "column", "place"), [(0, 0, "a"), (3, 0, "a:3"), (3, 4, "a:3:4"), (0, 4, "a")]
)
def test_places(line: int, column: int, place: str) -> None:
    """What is not known of the place is left out."""
    assert said(diagnostic("a", line=line, column=column)).startswith(f"{place}: error: ")


def test_in_a_terminal(tmp_path: Path) -> None:
    """The line stands below, with marks under what is wrong."""
    (tmp_path / "a.yml").write_text("key: AAAAA\ntype: note-book # x\n")
    expected = """\
a.yml:2:7: error: 'note-book' is no type [unknown-type]
  |
2 | type: note-book # x
  |       ^^^^^^^^^
  = help: did you mean notebook?
"""
    assert expected == said(diagnostic("a.yml"), root=tmp_path, shown=True)


def test_text_of_others_is_one_harmless_line() -> None:
    """Neither names of files nor texts can control the terminal or forge a line."""
    forged = diagnostic("a\x1b[2J\nb", message="x\ny\x1b]0;t\x07", remedy="r\x9b1m\rs")

    assert "a b:2:7: error: x y [unknown-type]\n    r1m s" == said(forged)


def test_on_github() -> None:
    """A workflow command, in which nothing of the text can end a part of it."""
    one = diagnostic(
        "a,b:c/50%.yml", severity=WARNING, message="100% \x1b[1mx\n::error::y", remedy="a\rb"
    )
    places = reports.Places(None, folder=Path("/"))

    assert (
        "::warning file=a%2Cb%3Ac/50%25.yml,line=2,col=7,title=unknown-type"
        "::100%25 x%0A::error::y%0Aa%0Ab"
    ) == reports.github(one, places=places)
    info = diagnostic(line=0, column=0, severity=INFO, remedy="")
    assert (
        "::notice file=notebooks/a/metadata.yml,title=unknown-type::'note-book' is no type"
    ) == reports.github(info, places=places)


@pytest.mark.parametrize(
    ("root", "folder", "expected"),
    [
        ("/data", "/data", "a/metadata.yml"),
        ("/srv/data", "/srv", "data/a/metadata.yml"),
        ("/data", "/data/b", "../a/metadata.yml"),
        ("/data", "/elsewhere", "a/metadata.yml"),
        (None, "/data", "a/metadata.yml"),
    ],
)
def test_names_lead_to_the_file(root: str | None, folder: str, expected: str) -> None:
    """From around or within the repository, the name is one that an editor finds from there."""
    places = reports.Places(Path(root) if root else None, folder=Path(folder))

    assert expected == places.name("a/metadata.yml")


def test_order_and_summary() -> None:
    """By file and line; counts in words, and what is hidden is not forgotten."""
    found = [
        diagnostic("b", line=1, severity=WARNING),
        diagnostic("a", line=10),
        diagnostic("a", line=2, severity=INFO),
        diagnostic("a", line=2, column=1, severity=INFO),
    ]

    assert [("a", 2, 1), ("a", 2, 7), ("a", 10, 7), ("b", 1, 7)] == [
        (one.path, one.line, one.column) for one in reports.ordered(found)
    ]
    assert "1 error, 1 warning, 2 infos in 2 files (3 not shown)" == reports.summary(
        found, hidden=3
    )
    assert "0 errors, 0 warnings" == reports.summary([])
