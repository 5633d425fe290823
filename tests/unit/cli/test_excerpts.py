"""The line that a diagnostic is about is shown as it is, harmless, with marks at the place."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cli.excerpts import Files, excerpt


@pytest.mark.parametrize(
    ("line", "column", "marked"),
    [
        ("name: a: b", 8, ":"),
        ("key: ABCDE # own", 6, "ABCDE"),
        ("creation_date: 17 May 2022  # day", 16, "17 May 2022"),
        ("tag_lst: [a]", 1, "tag_lst"),
        ("solved_problem_list: [ABCDE, 'F, H']", 23, "ABCDE"),
        ("solved_problem_list: [ABCDE, 'F, H']", 30, "'F, H'"),
        ('notes: "a \\" b" # c', 8, '"a \\" b"'),
        ("notes: 'it''s' # c", 8, "'it''s'"),
        ("creator: 'open", 10, "'open"),
        ("notes: {a: b}", 8, "{a: b}"),
        ("tags: [倒立, ENVIR]", 12, "ENVIR"),
    ],
)
def test_what_is_marked(line: str, column: int, marked: str) -> None:
    """The word or value at the column, and nothing beside it."""
    found = excerpt(line, column, width=80, whole=len(marked) > 1)

    assert found is not None
    before = line[: line.index(marked, column - 1)]
    assert (cell_len(before), cell_len(marked)) == (found.offset, found.width)


def test_nothing_hides_or_moves_the_cursor() -> None:
    """Tabs become spaces; control and invisible characters are shown by a sign."""
    found = excerpt("a\t\x1b[31m\u202eb\u200b: x", 9, width=80, whole=True)

    assert found is not None
    assert found.text == "a    �[31m�b�: x"


def test_long_lines_are_cut_around_the_marks() -> None:
    """What is marked is in sight, and the line fits."""
    line = "a: " + "x " * 100 + "HERE " + "y " * 100
    found = excerpt(line, line.index("HERE") + 1, width=60, whole=False)

    assert found is not None
    assert cell_len(found.text) <= 60
    assert found.text[found.offset :].startswith("HERE")
    assert found.text.startswith("…")
    assert found.text.endswith("…")


@given(st.text(max_size=200), st.integers(0, 250), st.integers(5, 120), st.booleans())
def test_any_line_fits(line: str, column: int, width: int, whole: bool) -> None:
    """Whatever is in the line: it fits, and so do the marks."""
    found = excerpt(line, column, width=width, whole=whole)

    if found is not None:
        assert cell_len(found.text) <= width
        assert found.offset + found.width <= width + 1
        assert "\n" not in found.text


def test_lines_are_read_below_the_root_only(tmp_path: Path) -> None:
    """Neither links nor `..` lead out of the data repository, and no device blocks."""
    root = tmp_path / "data"
    root.mkdir()
    (tmp_path / "secret.yml").write_text("secret\n")
    (root / "a.yml").write_bytes(b"\xef\xbb\xbffirst\r\nsec\xffond\x85third\n")
    (root / "link.yml").symlink_to(tmp_path / "secret.yml")
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "pipe.yml")
    (root / "huge.yml").write_bytes(b"x" * (1024 * 1024 + 1))
    files = Files(root)

    assert ["first", "sec�ond\ufffdthird", None, None] == [
        files.line("a.yml", number) for number in (1, 2, 4, 0)
    ]
    names = ("../secret.yml", "link.yml", "folder/secret.yml", "pipe.yml", "huge.yml", "none.yml")
    assert [None] * 7 == [files.line(name, 1) for name in (*names, "a\0b")]
    assert Files(None).line("a.yml", 1) is None
