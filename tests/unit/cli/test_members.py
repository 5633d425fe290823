"""Files of exports: read safely, with git's own ids."""

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from cli import members
from services.errors import InvalidArgumentError
from tests.git_repositories import user_git


def furnish(folder: Path) -> None:
    """Files whose order and kinds git treats with care."""
    for name in ("a.txt", "a/b.txt", "a0", "ab/c/d.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("a/b.txt")
    (folder / "größe").write_text("x")


def test_tree_ids_are_those_of_git(tmp_path: Path) -> None:
    """Executables, links, folders beside files with the same beginning: as git counts them."""
    furnish(tmp_path)
    user_git(tmp_path, "init", "-q")
    user_git(tmp_path, "add", ".")
    expected = subprocess.run(
        ["git", "write-tree"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.strip()
    found = {
        path: member
        for path, member in members.read(tmp_path).items()
        if not path.startswith(".git/")
    }

    assert expected == members.tree(found, "")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_hold_the_same(tmp_path: Path, kind: str) -> None:
    """A folder packed either way has the same members."""
    folder = tmp_path / "export"
    folder.mkdir()
    for name in ("a.txt", "b/c.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    archive = tmp_path / f"export.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            for path in folder.rglob("*"):
                file.write(path, path.relative_to(tmp_path))
    else:
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(folder, arcname="export")

    assert members.read(folder) == members.read(archive)


@pytest.mark.parametrize("name", ["export/../../etc/passwd", "export//etc/passwd"])
def test_names_that_lead_outside(tmp_path: Path, name: str) -> None:
    """Nothing is written anyway, but such an archive is no export."""
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as file:
        info = tarfile.TarInfo(name)
        file.addfile(info, io.BytesIO())

    with pytest.raises(InvalidArgumentError, match="no export has a file like"):
        members.read(archive)


def test_what_is_no_archive(tmp_path: Path) -> None:
    """Any other file is refused with its name."""
    (tmp_path / "x").write_bytes(b"nonsense" * 200)

    with pytest.raises(InvalidArgumentError, match="neither a folder, nor a zip or tar file"):
        members.read(tmp_path / "x")
