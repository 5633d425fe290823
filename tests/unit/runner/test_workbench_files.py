"""The working copy inside a session: what is laid out, and what is told of its changes."""

import os
from pathlib import Path
from typing import Any

import pytest

from services.runner.runtime.workbench import files


def sent(path: str, *, link: str = "", executable: bool = False, more: bool = False) -> Any:
    """The header of a file."""
    return {"path": path, "link": link, "executable": executable, "more": more}


@pytest.fixture
def copy(tmp_path: Path) -> files.WorkingCopy:
    """A small working copy, laid out."""
    found = files.WorkingCopy(str(tmp_path), None, 10_000)
    found.add(sent("a/one.py", more=True), b"on")
    found.add(sent("a/one.py"), b"e\n")
    found.add(sent("run.sh", executable=True), b"#!\n")
    found.add(sent("link", link="a/one.py"), b"")
    found.finish()
    return found


def changes(
    copy: files.WorkingCopy, *, file_bytes: int = 1000, all_bytes: int = 10_000, count: int = 10
) -> tuple[dict[str, Any], list[str]]:
    """What changed, by path: content, `gone` or a link's target; and what was left out."""
    found: dict[str, Any] = {}
    for header, body in copy.changes(file_bytes, all_bytes, count):
        if header["type"] == "collected":
            assert len(found) == header["files"]
            return found, header["skipped"]
        if header["removed"]:
            found[header["path"]] = "gone"
        else:
            found[header["path"]] = header["link"] or found.get(header["path"], b"") + body
    raise AssertionError("no end")


def test_what_stays_is_not_told(copy: files.WorkingCopy, tmp_path: Path) -> None:
    """Files are laid out with their modes, and no change is no answer."""
    assert "one\n" == (tmp_path / "a/one.py").read_text()
    assert os.access(tmp_path / "run.sh", os.X_OK)
    assert "one\n" == (tmp_path / "link").read_text()
    os.utime(tmp_path / "a/one.py", (1, 1))
    assert ({}, []) == changes(copy)


def test_changes_are_told(copy: files.WorkingCopy, tmp_path: Path) -> None:
    """New, changed, removed, made executable, and a link turned elsewhere; not caches."""
    (tmp_path / "a/one.py").write_text("two\n")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/new").write_bytes(b"")
    (tmp_path / "run.sh").unlink()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("b/new")
    (tmp_path / "a/__pycache__").mkdir()
    (tmp_path / "a/__pycache__/x.pyc").write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("x")
    expected = {"a/one.py": b"two\n", "b/new": b"", "link": "b/new", "run.sh": "gone"}
    assert (expected, []) == changes(copy)


def test_what_is_no_file_is_named(copy: files.WorkingCopy, tmp_path: Path) -> None:
    """Links that lead out, pipes, and what is too large, too much or too many."""
    (tmp_path / "evil").symlink_to("/etc/passwd")
    (tmp_path / "up").symlink_to("../../x")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(1001))
    found, skipped = changes(copy)
    assert {} == found
    assert ["evil", "large", "pipe", "up"] == [line.partition(":")[0] for line in skipped]
    for number in range(4):
        (tmp_path / f"n{number}").write_bytes(bytes(10))
    assert 2 == len(changes(copy, count=2)[0])
    assert 3 == len(changes(copy, all_bytes=35)[0])


def test_a_folder_that_became_a_link_is_not_followed(
    copy: files.WorkingCopy, tmp_path: Path
) -> None:
    """Its files are gone; what the link leads to is nobody's change."""
    (tmp_path / "a/one.py").unlink()
    (tmp_path / "a").rmdir()
    (tmp_path / "a").symlink_to("/etc")
    found, skipped = changes(copy)
    assert {"a/one.py": "gone"} == found
    assert 1 == len(skipped)


@pytest.mark.parametrize(
    "header",
    [
        sent("../up"),
        sent("/etc/x"),
        sent(""),
        sent("a/../../x"),
        sent(".git/config"),
        sent("l", link="/etc/passwd"),
        sent("l", link="../x"),
    ],
)
def test_paths_that_lead_out_are_refused(copy: files.WorkingCopy, header: Any) -> None:
    """Nothing is written outside of the folder, whoever asks."""
    with pytest.raises(files.Refused):
        copy.add(header, b"x")


def test_too_much_is_refused(copy: files.WorkingCopy) -> None:
    """The bound counts all files."""
    copy.add(sent("large"), bytes(9000))
    with pytest.raises(files.Refused, match="larger than"):
        copy.add(sent("more"), bytes(2000))
