"""Files of a session on the user's machine: what goes out, what may come back, and where to."""

import os
from pathlib import Path

import pytest

from ackrep.runner.v1 import workbench_pb2
from cli.workbench import paths
from cli.workbench.changes import Changes
from cli.workbench.outgoing import Outgoing
from cli.workbench.restoring import Restoring
from tests.git_repositories import user_git, write

Part = workbench_pb2.WorkbenchFile


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A working copy with a committed, an untracked and an ignored file, and links."""
    folder = tmp_path / "copy"
    folder.mkdir()
    user_git(folder, "init", "--quiet")
    write(folder, {"models/one.py": b"one\n", "run.sh": b"#!/bin/sh\n", ".gitignore": b"out/\n"})
    (folder / "run.sh").chmod(0o755)
    user_git(folder, "add", "--all")
    user_git(folder, "commit", "--quiet", "-m", "first")
    write(folder, {"new.txt": b"new\n", "empty": b"", "out/result": b"1", "large": bytes(700_000)})
    (folder / "inner").symlink_to("models/one.py")
    (folder / "outer").symlink_to("/etc/passwd")
    return folder


def sent(outgoing: Outgoing) -> dict[str, tuple[bytes, bool, str]]:
    """Content, mode and target of all that goes out, by path."""
    found: dict[str, tuple[bytes, bool, str]] = {}
    for part in outgoing.parts():
        data = found.get(part.path, (b"", False, ""))[0] + part.data
        found[part.path] = (data, part.executable, part.link)
    return found


def test_what_git_would_commit_goes_out(copy: Path) -> None:
    """Tracked and untracked files, not ignored ones, and no link that leads out."""
    with Outgoing(copy) as outgoing:
        outgoing.read()
        assert {
            ".gitignore": (b"out/\n", False, ""),
            "empty": (b"", False, ""),
            "inner": (b"", False, "models/one.py"),
            "large": (bytes(700_000), False, ""),
            "models/one.py": (b"one\n", False, ""),
            "new.txt": (b"new\n", False, ""),
            "run.sh": (b"#!/bin/sh\n", True, ""),
        } == sent(outgoing)
        assert ["outer"] == list(outgoing.left_out)


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../up", "a/../../b", "a//b", "./a", ".git/hooks/pre-commit",
     "a/.GIT/config", "git~1/config", ".git ",
     ".git::$INDEX_ALLOCATION/config", "bare/HEAD", "head", "a\x1b[2Jb", "a\\b", "x" * 5000],
)  # fmt: skip
def test_no_such_path_is_written(path: str) -> None:
    """Names that lead out, belong to git, or fool a terminal are refused."""
    assert paths.fault(path)


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "../../x", "../..", "../.git/config", "up/../../x", "../folder/up/../x", ""],
)
def test_no_such_link_is_made(target: str) -> None:
    """A link stays within the working copy."""
    assert paths.link_fault("folder/link", target)
    assert not paths.link_fault("folder/link", "../other/file")


class Story:
    """A working copy that was sent, and changes that came back."""

    def __init__(self, copy: Path) -> None:
        self.copy = copy
        with Outgoing(copy) as outgoing:
            outgoing.read()
            list(outgoing.parts())
            self.changes = Changes(outgoing.sent)

    def restored(self) -> Restoring:
        """Writes what came."""
        restoring = Restoring(self.copy, self.changes.sent)
        with self.changes:
            restoring.apply(self.changes.all)
        return restoring


def test_changes_are_written(copy: Path) -> None:
    """New, changed and removed files end as they were in the session, with plain modes."""
    story = Story(copy)
    story.changes.add(Part(path="a/b/c.txt", data=b"12", more=True))
    story.changes.add(Part(path="a/b/c.txt", data=b"34"))
    story.changes.add(Part(path="models/one.py", data=b"two\n", executable=True))
    story.changes.add(Part(path="new.txt", removed=True))
    story.changes.add(Part(path="run.sh", link="models/one.py"))
    kinds = {change.path: (change.kind, change.size) for change in story.changes.all}
    assert ("new", 4) == kinds["a/b/c.txt"]
    assert ("changed", 4) == kinds["models/one.py"]
    assert ("removed", 0) == kinds["new.txt"]
    restoring = story.restored()
    assert (4, []) == (restoring.written, restoring.remarks)
    assert b"1234" == (copy / "a/b/c.txt").read_bytes()
    assert 0o644 == (copy / "a/b/c.txt").stat().st_mode & 0o7777
    assert 0o755 == (copy / "models/one.py").stat().st_mode & 0o7777
    assert not (copy / "new.txt").exists()
    assert "models/one.py" == str((copy / "run.sh").readlink())
    assert not list(copy.rglob(".ackrep-*"))


def test_what_changed_here_meanwhile_is_kept(copy: Path) -> None:
    """The session's file lies beside it; one that is gone there stays; an ignored one, too."""
    story = Story(copy)
    (copy / "models/one.py").write_text("mine\n")
    (copy / "new.txt").write_text("mine\n")
    story.changes.add(Part(path="models/one.py", data=b"theirs\n"))
    story.changes.add(Part(path="new.txt", removed=True))
    story.changes.add(Part(path="out/result", data=b"theirs\n"))
    restoring = story.restored()
    assert 0 == restoring.written
    assert 3 == len(restoring.remarks)
    assert "mine\n" == (copy / "models/one.py").read_text()
    assert "theirs\n" == (copy / "models/one.py.workbench").read_text()
    assert "mine\n" == (copy / "new.txt").read_text()
    assert "1" == (copy / "out/result").read_text()
    assert "theirs\n" == (copy / "out/result.workbench").read_text()


def test_a_touched_file_has_not_changed(copy: Path) -> None:
    """Content counts, where times differ."""
    story = Story(copy)
    os.utime(copy / "new.txt", (1, 1))
    story.changes.add(Part(path="new.txt", data=b"theirs\n"))
    assert [] == story.restored().remarks
    assert "theirs\n" == (copy / "new.txt").read_text()


def test_links_do_not_lead_out_together(copy: Path) -> None:
    """One that leads up within the working copy does not help another one out of it."""
    story = Story(copy)
    story.changes.add(Part(path="a/b/up", link="../.."))
    story.changes.add(Part(path="out", link="a/b/up/../secret"))
    story.changes.add(Part(path="fine", link="a/b/up/new.txt"))
    assert ["a/b/up", "fine"] == [change.path for change in story.changes.all]
    assert 1 == len(story.changes.skipped)
    assert [] == story.restored().remarks
    assert (copy / "fine").resolve() == copy / "new.txt"


def test_a_copy_that_went_away_is_told(copy: Path) -> None:
    """Each file that cannot be written is named, and the others are tried."""
    story = Story(copy)
    story.changes.add(Part(path="a.txt", data=b"1"))
    story.changes.add(Part(path="new.txt", removed=True))
    copy.rename(copy.with_name("moved"))
    restoring = story.restored()
    assert 0 == restoring.written
    assert ["a.txt was not written: No such file or directory"] == restoring.remarks


def test_nothing_is_written_through_a_link(copy: Path, tmp_path: Path) -> None:
    """Neither a linked folder nor a linked file leads a change out of the working copy."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")
    (copy / "way").symlink_to(outside)
    (copy / "file").symlink_to(outside / "file")
    story = Story(copy)
    story.changes.add(Part(path="way/file", data=b"x"))
    story.changes.add(Part(path="way/file2", data=b"x"))
    story.changes.add(Part(path="file", data=b"x"))
    restoring = story.restored()
    assert 3 == len(restoring.remarks), restoring.remarks
    assert [outside / "file"] == list(outside.iterdir())
    assert "untouched" == (outside / "file").read_text()
    assert (copy / "file").is_symlink()


def test_hostile_answers_are_left_out(copy: Path) -> None:
    """What a session must not write is named, and never becomes a change."""
    story = Story(copy)
    story.changes.add(Part(path=".git/config", data=b"[core]"))
    story.changes.add(Part(path="../up", data=b"x"))
    story.changes.add(Part(path="link", link="/etc"))
    with story.changes:
        assert 0 == len(story.changes)
        assert 3 == len(story.changes.skipped)
