"""When a watched source is read again, with real files, real git and the real system."""

import asyncio
import contextlib
import itertools
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from services.catalog.ports import FolderChanges, FolderEvents, WatchLimitError
from services.catalog.sources.git import Git
from services.catalog.sources.local import LocalSource
from services.catalog.sources.watching import folder_events, poll, watch
from services.errors import UnavailableError
from tests.git_repositories import repository_at, store_at, user_git, write

NOTHING = 0.6
"""Seconds after which a change that was not read will not be."""


class Reader:
    """Reads a source as the catalog does, and counts."""

    def __init__(self, source: LocalSource) -> None:
        self.source = source
        self.count = 0
        self.trees: list[str] = []
        self._ended = asyncio.Condition()

    async def __call__(self) -> None:
        """Reads once."""
        try:
            self.trees.append((await self.source.snapshot()).revision.tree)
        finally:
            self.count += 1
            async with self._ended:
                self._ended.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for a condition that a reading makes true."""
        async with asyncio.timeout(10), self._ended:
            await self._ended.wait_for(condition)

    async def changed_by(self, change: Callable[[], object]) -> None:
        """Makes a change, and waits until it was read."""
        before = self.trees[-1]
        change()
        await self.until(lambda: self.trees[-1] != before)

    async def unread(self, change: Callable[[], object]) -> bool:
        """Makes a change; says whether it is never read."""
        await self.quiet()
        before = self.count
        change()
        try:
            async with asyncio.timeout(NOTHING), self._ended:
                await self._ended.wait_for(lambda: self.count > before)
        except TimeoutError:
            return True
        return False

    def _more_than(self, count: int) -> bool:
        return self.count > count

    async def quiet(self) -> None:
        """Waits until what happened before was read."""
        before = -1
        while before != self.count:
            before = self.count
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NOTHING), self._ended:
                    await self._ended.wait_for(partial(self._more_than, before))


@pytest.fixture
async def git(tmp_path: Path) -> Git:
    """Our own store."""
    return await store_at(tmp_path / "state")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A committed repository that ignores `_build/` and logs, and tracks one such file."""
    return repository_at(tmp_path / "data")


@contextlib.asynccontextmanager
async def watching(
    git: Git,
    path: Path,
    *,
    ref: str = "",
    events: Callable[[], FolderEvents] = folder_events,
) -> AsyncIterator[Reader]:
    """Watches a source, and has read it once."""
    source = LocalSource(path, ref=ref, git=git)
    reader = Reader(source)
    task = asyncio.create_task(watch(source.surroundings(), reader, events=events))
    try:
        await reader.until(lambda: bool(reader.trees))
        yield reader
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_saved_files_are_read(git: Git, folder: Path) -> None:
    """A file that is written, replaced or removed is read, also in folders that are new."""
    file = folder / "models" / "a" / "model.py"
    async with watching(git, folder) as reader:
        await reader.changed_by(lambda: file.write_text("x = 2\n"))
        await reader.changed_by(lambda: write(folder, {"new/deep/er/file": "1"}))
        await reader.changed_by(lambda: write(folder, {"new/deep/er/file": "2"}))
        await reader.changed_by(lambda: shutil.move(folder / "new", folder / "moved"))
        await reader.changed_by(lambda: write(folder, {"moved/deep/er/file": "3"}))
        await reader.changed_by(lambda: shutil.rmtree(folder / "moved"))
        await reader.changed_by(lambda: write(folder, {"moved/deep/er/file": "4"}))
        await reader.changed_by(lambda: write(folder, {"moved/deep/er/file": "5"}))
        await reader.changed_by(file.unlink)


async def test_a_checkout_is_read_once(git: Git, folder: Path) -> None:
    """However many files a branch changes, the state between is not read; what follows is."""
    user_git(folder, "checkout", "-q", "-b", "other")
    write(folder, {f"f{n // 50}/{n}": str(n) for n in range(1500)})
    user_git(folder, "add", ".")
    user_git(folder, "commit", "-q", "-m", "many")
    async with watching(git, folder) as reader:
        await reader.quiet()
        before = len(reader.trees)
        await reader.changed_by(lambda: user_git(folder, "checkout", "-q", "main"))
        await reader.changed_by(lambda: user_git(folder, "checkout", "-q", "other"))
        await reader.quiet()
        assert 2 == len(set(reader.trees[before:]))
        await reader.changed_by(lambda: write(folder, {"f7/360": "changed"}))


async def test_a_commit_is_read(git: Git, folder: Path) -> None:
    """A commit changes what the tree is called, though no file."""
    write(folder, {"new": "1"})
    async with watching(git, folder) as reader:
        await reader.quiet()
        before = reader.count
        user_git(folder, "add", ".")
        user_git(folder, "commit", "-q", "-m", "second")
        await reader.until(lambda: reader.count > before)
        user_git(folder, "branch", "side/line")
        await reader.quiet()
        user_git(folder, "checkout", "-q", "side/line")
        await reader.quiet()
        before = reader.count
        user_git(folder, "commit", "-q", "--allow-empty", "-m", "third")
        await reader.until(lambda: reader.count > before)


async def test_what_is_ignored_is_not_read(git: Git, folder: Path) -> None:
    """Storms in ignored folders, ignored files, and git's own business cause no reading."""
    write(folder, {".git/info/exclude": "node_modules\n", "sub/_build/file": "1"})
    async with watching(git, folder) as reader:
        for change in (
            lambda: write(folder, {f"node_modules/m{n}/index.js": "x" for n in range(300)}),
            lambda: write(folder, {"sub/_build/file": "2", "sub/_build/deep/file": "3"}),
            lambda: write(folder, {"run.log": "1", "models/a/run.log": "2"}),
            lambda: write(folder, {".git/objects/ab/cdef": "x", ".git/COMMIT_EDITMSG": "x"}),
        ):
            assert await reader.unread(change)


async def test_what_is_tracked_though_ignored_is_read(git: Git, folder: Path) -> None:
    """A tracked file counts wherever it lies; its ignored neighbours do not."""
    async with watching(git, folder) as reader:
        await reader.changed_by(lambda: write(folder, {"packages/p/_build/p.py": "y = 2\n"}))
        assert await reader.unread(lambda: write(folder, {"packages/p/_build/q.py": "z"}))
        write(folder, {"sub/_build/file": "1"})
        await reader.changed_by(lambda: user_git(folder, "add", "-f", "sub/_build/file"))
        await reader.changed_by(lambda: write(folder, {"sub/_build/file": "2"}))


async def test_ignore_rules_may_change(git: Git, folder: Path) -> None:
    """What is no longer ignored is read from then on."""
    write(folder, {"sub/_build/deep/file": "1"})
    async with watching(git, folder) as reader:
        await reader.changed_by(lambda: write(folder, {".gitignore": "*.log\n"}))
        await reader.changed_by(lambda: write(folder, {"sub/_build/deep/file": "2"}))


async def test_links_are_not_followed(git: Git, folder: Path, tmp_path: Path) -> None:
    """What a link of the repository points at is nobody's business here."""
    write(tmp_path / "outside", {"deep/file": "1"})
    (folder / "link").symlink_to(tmp_path / "outside")
    async with watching(git, folder) as reader:
        assert await reader.unread(lambda: write(tmp_path / "outside", {"deep/file": "2"}))
        await reader.changed_by(lambda: (folder / "new").symlink_to("../outside/deep"))
        assert await reader.unread(lambda: write(tmp_path / "outside", {"deep/file": "3"}))


async def test_a_folder_may_go_and_come_back(
    git: Git, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While it is away nothing is read; when it is back it is read and watched."""
    async with watching(git, folder) as reader:
        before = reader.count
        away = folder.rename(folder.with_name("away"))
        await reader.until(lambda: reader.count > before)
        assert await reader.unread(lambda: write(away, {"new": "1"}))
        count = len(reader.trees)
        away.rename(folder)
        await reader.until(lambda: len(reader.trees) > count)
        await reader.changed_by(lambda: write(folder, {"new": "2"}))
        shutil.rmtree(folder)
        repository_at(folder)
        await reader.changed_by(lambda: write(folder, {"newer": "1"}))
    assert 1 <= caplog.text.count("cannot be watched now") <= 2


async def test_a_plain_folder(git: Git, tmp_path: Path) -> None:
    """Without git its files count alone; its ignore rules hold; it may become a repository."""
    folder = tmp_path / "plain"
    write(folder, {"a/file": "1", ".gitignore": "junk\n"})
    async with watching(git, folder) as reader:
        await reader.changed_by(lambda: write(folder, {"a/file": "2"}))
        assert await reader.unread(lambda: write(folder, {"junk/file": "1", "a/junk": "2"}))
        user_git(folder, "init", "-q", "-b", "main")
        user_git(folder, "add", "a")
        await reader.quiet()
        before = reader.count
        user_git(folder, "commit", "-q", "-m", "first")
        await reader.until(lambda: reader.count > before)


async def test_a_folder_of_a_repository(git: Git, folder: Path) -> None:
    """Only that folder counts, and the ignore rules above it."""
    write(folder, {"sub/folder/run.tmp": "1"})
    async with watching(git, folder / "sub") as reader:
        assert await reader.unread(lambda: write(folder, {"models/a/model.py": "x = 3\n"}))
        await reader.changed_by(lambda: write(folder, {".gitignore": "*.tmp\n"}))
        assert await reader.unread(lambda: write(folder, {"sub/folder/run.tmp": "2"}))
        await reader.changed_by(lambda: write(folder, {"sub/folder/file.txt": "deeper\n"}))


async def test_commits_alone(git: Git, folder: Path, tmp_path: Path) -> None:
    """Of a bare repository and of a ref, commits are read, and no files."""
    bare = tmp_path / "bare.git"
    user_git(tmp_path, "clone", "-q", "--bare", str(folder), str(bare))
    async with watching(git, bare, ref="main") as pushed, watching(git, folder, ref="main") as own:
        assert await own.unread(lambda: write(folder, {"models/a/model.py": "x = 3\n"}))
        await own.changed_by(lambda: user_git(folder, "commit", "-q", "-a", "-m", "second"))
        await pushed.changed_by(lambda: user_git(folder, "push", "-q", str(bare), "main"))


# Without the system's help ------------------------------------------------------------------------


class Limited:
    """A system that watches nothing."""

    def watch(self, folders: Iterable[str]) -> None:
        """Refuses."""
        raise WatchLimitError("no more watches")

    async def next(self, *, timeout: float) -> FolderChanges | None:  # noqa: ASYNC109  # the port's
        """Never asked."""
        raise AssertionError

    def close(self) -> None:
        """Nothing to end."""


async def test_without_watches_it_is_read_again_and_again(
    git: Git, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system refuses, the log says so once, and changes are found nevertheless."""
    monkeypatch.setattr("services.catalog.sources.watching._UNWATCHED_SECONDS", 0.05)
    source = LocalSource(folder, ref="", git=git)
    reader = Reader(source)
    task = asyncio.create_task(watch(source.surroundings(), reader, events=Limited))
    await reader.until(lambda: bool(reader.trees))
    await reader.changed_by(lambda: write(folder, {"new": "1"}))
    await reader.changed_by(lambda: write(folder, {"new": "2"}))
    task.cancel()

    assert 1 == caplog.text.count("is not watched: no more watches")


# Polling ------------------------------------------------------------------------------------------


async def test_polling_goes_on_after_failures(caplog: pytest.LogCaptureFixture) -> None:
    """Each failure makes the next pause longer; the log says a reason once, and when it is over."""
    caplog.set_level(logging.INFO)
    times: list[float] = []
    over = asyncio.Event()

    async def read() -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) in {2, 3, 4, 5}:
            raise UnavailableError("the remote is away")
        if len(times) > 7:
            over.set()

    task = asyncio.create_task(poll(read, seconds=0.02))
    async with asyncio.timeout(10):
        await over.wait()
    task.cancel()
    pauses = [after - before for before, after in itertools.pairwise(times)]

    assert pauses[1] < pauses[2] < pauses[3] < pauses[4]
    assert pauses[5] < pauses[3]
    assert 1 == caplog.text.count("the remote is away")
    assert 1 == caplog.text.count("can be read again")
