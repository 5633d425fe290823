"""What everything promises that tells of changes in folders."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.catalog.ports import FolderChanges, FolderEvents
from services.catalog.sources.recursive_events import RecursiveEvents
from tests.git_repositories import write

QUIET = 0.05


@pytest.fixture(params=["inotify", "recursive"])
async def events(request: pytest.FixtureRequest) -> AsyncIterator[FolderEvents]:
    """Watches nothing yet."""
    if request.param == "inotify":
        if sys.platform != "linux":
            pytest.skip("Linux only")
        from services.catalog.sources.inotify import InotifyEvents  # Linux only

        made: FolderEvents = InotifyEvents(quiet=QUIET)
    else:
        made = RecursiveEvents(quiet=QUIET)
    yield made
    made.close()


async def changes(events: FolderEvents) -> FolderChanges:
    """The next changes, soon."""
    found = await events.next(timeout=10)
    assert found is not None
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file and a folder in it."""
    write(tmp_path / "data", {"file": "1", "below/file": "2"})
    return tmp_path / "data"


async def test_changes_are_told(events: FolderEvents, folder: Path) -> None:
    """Writing, replacing, changing the mode of, and removing a file are told with its path."""
    events.watch([str(folder)])
    file = folder / "file"
    for change in (
        lambda: file.write_text("new"),
        lambda: file.chmod(0o755),
        lambda: os.replace(folder / "below" / "file", file),  # noqa: PTH105
        file.unlink,
    ):
        change()
        assert str(file) in (await changes(events)).paths


async def test_reading_is_no_change(events: FolderEvents, folder: Path) -> None:
    """Who reads the folder because it changed is not told again for that."""
    events.watch([str(folder), str(folder / "below")])
    (folder / "file").read_text()
    list((folder / "below").iterdir())

    assert await events.next(timeout=0.3) is None


async def test_a_burst_is_one_change(events: FolderEvents, folder: Path) -> None:
    """Many files at once are told together."""
    events.watch([str(folder)])
    write(folder, {f"new{number}": "x" for number in range(300)})
    found = await changes(events)

    assert {str(folder / f"new{number}") for number in range(300)} <= found.paths
    assert await events.next(timeout=0.3) is None


async def test_new_folders_are_told(events: FolderEvents, folder: Path) -> None:
    """A folder that is made or moved here is told as such, and can be watched from then on."""
    events.watch([str(folder)])
    (folder.parent / "elsewhere").mkdir()
    (folder / "made").mkdir()
    (folder.parent / "elsewhere").rename(folder / "moved")
    both = {str(folder / "made"), str(folder / "moved")}
    assert both == (await changes(events)).new_folders
    events.watch(both)
    for name in ("made", "moved"):
        write(folder, {f"{name}/file": "x"})
        assert str(folder / name / "file") in (await changes(events)).paths


async def test_the_end_of_a_folder_is_told(events: FolderEvents, folder: Path) -> None:
    """A folder that is moved away or removed is told; what happens to it elsewhere is not."""
    events.watch([str(folder)])
    away = folder.rename(folder.with_name("away"))
    assert str(folder) in (await changes(events)).paths
    away.rename(folder)
    events.watch([str(folder)])
    (folder / "file").unlink()
    (folder / "below" / "file").unlink()
    (folder / "below").rmdir()
    folder.rmdir()
    assert str(folder / "file") in (await changes(events)).paths


async def test_folders_that_are_gone_are_left_out(events: FolderEvents, folder: Path) -> None:
    """What disappears between looking and watching is no error."""
    events.watch([str(folder / "none"), str(folder)])
    write(folder, {"new": "x"})

    assert str(folder / "new") in (await changes(events)).paths
