"""Work folders of the process backend: those of killed runners do not stay."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.runner.workplaces.processes import WorkFolder, remove_stale


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_runner_left_is_removed() -> None:
    """The lock ends with its process, however that ended, and with it the folder's right to be."""
    code = (
        "import os, tempfile, sys; tempfile.tempdir = sys.argv[1]\n"
        "from services.runner.workplaces.processes import WorkFolder\n"
        "work = WorkFolder(); (work.path / 'data').mkdir(); print(work.path, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, tempfile.gettempdir()],
        capture_output=True,
        text=True,
        check=False,
    )
    left = Path(killed.stdout.strip())
    assert (left / "data").is_dir()
    assert 1 == remove_stale()
    assert not left.exists()


def test_folders_in_use_and_of_others_stay(temporary: Path) -> None:
    """Neither the folder of a living runner is touched, nor anything that is not surely ours."""
    used = WorkFolder()
    unlocked = temporary / "ackrep-work-other"
    unlocked.mkdir()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    (temporary / "ackrep-work-link").symlink_to(elsewhere)
    assert 0 == remove_stale()
    assert used.path.is_dir()
    assert unlocked.is_dir()
    assert (elsewhere / "lock").is_file()
    used.remove()
    assert not used.path.exists()
    assert os.path.lexists(temporary / "ackrep-work-link")
