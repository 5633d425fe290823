"""The process backend: the same harness as in containers, as a child process of the runner.

What it confines is what the host allows without a container: Landlock and a filter of system calls
on Linux, and as root a user id for each check where the files it needs can be read by others. Every
result says which.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path

from services.errors import EnvironmentUnavailableError, UnavailableError
from services.runner.domain.environments import Definition
from services.runner.domain.images import is_digits
from services.runner.domain.workplaces import uid_range
from services.runner.ports import Progress
from services.runner.sessions import bundle
from services.runner.sessions.session import HarnessSession, Limits, SessionBrokenError
from services.runner.workplaces.harnessed import HarnessWorkplace, config_of, info_of
from services.runner.workplaces.virtualenvs import VirtualEnvironment, VirtualEnvironments

_STREAM_LIMIT = 2 * 1024 * 1024
_KEPT_ERRORS = 8 * 1024
_END_SECONDS = 3.0
_NICENESS = 5
_PREFIX = "ackrep-work-"
_LOCK = "lock"


class WorkFolder:
    """A temporary folder of one harness, and the lock that says that its runner lives."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.path.chmod(0o711)  # checks with a user id of their own have to pass through
        self._lock = os.open(self.path / "new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        (self.path / "new").rename(self.path / _LOCK)  # never seen without being locked

    def remove(self) -> None:
        """Removes it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_stale() -> int:
    """Removes the folders of runners that were killed; returns how many."""
    removed = 0
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # not ours, or being made
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its runner lives
        else:
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
        finally:
            os.close(lock)
    return removed


class ProcessChannel:
    """Standard input and output of a child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise UnavailableError("the harness has no standard streams")
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._errors = bytearray()
        self._reader = asyncio.create_task(self._keep_errors(process.stderr))
        self._closed = False

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._process.pid

    @property
    def errors(self) -> str:
        """The last of what the harness itself wrote to standard error."""
        return self._errors.decode("utf-8", "replace").strip()

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None or self._stdout.at_eof()

    async def read(self, size: int, /) -> bytes:
        return await self._stdout.read(size)

    async def write(self, data: bytes, /) -> None:
        self._stdin.write(data)
        await self._stdin.drain()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        except TimeoutError:
            self._kill()
            await self._process.wait()
        self._kill()  # whatever is left of its group
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _keep_errors(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(4096):
            self._errors += data
            del self._errors[:-_KEPT_ERRORS]


class ProcessBackend:
    """Runs checks in virtual environments on this host.

    Args:
        state: Folder for virtual environments.
        reason: Why this backend is used.
    """

    name = "process"
    engine_version = ""
    images = None

    def __init__(self, state: Path, *, reason: str) -> None:
        self.reason = reason
        self._environments = VirtualEnvironments(state / "environments")
        self._ready: dict[str, VirtualEnvironment] = {}
        self._uids: set[int] = set()
        self._open: set[HarnessWorkplace] = set()

    async def answers(self) -> bool:
        return True  # there is no engine that could be away

    async def sweep(self) -> int:
        """Removes what killed runners left in the temporary folder; returns how much."""
        return await asyncio.to_thread(remove_stale)

    async def digest(self, definition: Definition) -> str:
        _require_no_tag(definition)
        try:
            found = await self._environments.find(definition)
        except EnvironmentUnavailableError:
            return ""
        if found is None:
            return ""
        _require_the_same(definition, found.digest)
        self._ready[definition.name] = found
        return found.digest

    async def prepare(self, definition: Definition, progress: Progress) -> str:
        _require_no_tag(definition)
        made = await self._environments.make(definition, progress)
        _require_the_same(definition, made.digest)
        self._ready[definition.name] = made
        return made.digest

    async def freshen(self, definition: Definition, progress: Progress) -> bool:
        """False: a virtual environment is newer only when its definition was edited."""
        return False

    async def open(self, definition: Definition, *, digest: str) -> HarnessWorkplace:
        started = time.monotonic()
        environment = self._ready[definition.name]
        first, count = uid_range(self._uids, prefer=os.getpid())
        self._uids.add(first)
        work = await asyncio.to_thread(WorkFolder)
        root = work.path
        channel: ProcessChannel | None = None

        async def end() -> None:
            self._uids.discard(first)
            self._open.discard(workplace)
            await asyncio.to_thread(work.remove)

        try:
            channel = await _start(environment, root)
            session = await HarnessSession.open(
                channel,
                config=config_of(
                    definition,
                    data_root=str(root / "data"),
                    work_root=str(root / "work"),
                    clean=(),
                    uids=(first, count),
                    isolated=False,
                ),
            )
        except BaseException as error:
            self._uids.discard(first)
            said = channel.errors if channel is not None else ""
            if channel is not None:
                await channel.close()
            await asyncio.to_thread(work.remove)
            if isinstance(error, SessionBrokenError | OSError):
                raise SessionBrokenError(
                    f"the harness did not start: {error} {said}".strip()
                ) from error
            raise
        info = info_of(
            session,
            definition=definition,
            workplace_id=str(channel.pid),
            digest=environment.digest,
            confinement=session.ready.confinement,
            started=started,
            remarks=_remarks(session.ready.confinement),
        )
        workplace = HarnessWorkplace(session, info=info, fit=_fit, end=end)
        self._open.add(workplace)
        return workplace

    async def close(self) -> None:
        await asyncio.gather(*(workplace.close() for workplace in list(self._open)))


def _require_no_tag(definition: Definition) -> None:
    if definition.reference and not is_digits(definition.reference):
        raise _no_images(definition)


def _require_the_same(definition: Definition, digest: str) -> None:
    """Serves the one virtual environment that is there under its digest too, and no other image."""
    if not digest.startswith(f"sha256:{definition.reference}"):
        raise _no_images(definition)


def _no_images(definition: Definition) -> EnvironmentUnavailableError:
    return EnvironmentUnavailableError(
        f"{definition.identity} is one image of an environment, and the process backend has no "
        "images: only a runner with a Docker engine can run it",
        environment=definition.name,
    )


def _remarks(rung: str) -> tuple[str, ...]:
    if rung == "none":
        return ("not confined: the process backend ran it with the rights of the runner",)
    parts = rung.replace("uid", "user id").split("+")
    return (f"confined by {', '.join(parts)} only: the process backend ran it without a container",)


async def _fit(limits: Limits) -> Limits:
    return limits


async def _start(environment: VirtualEnvironment, root: Path) -> ProcessChannel:
    run_root = root / "run"
    for folder in (run_root, root / "data", root / "work"):
        folder.mkdir(mode=0o755)
    process = await asyncio.create_subprocess_exec(
        *bundle.command(str(environment.python), str(run_root)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_STREAM_LIMIT,
        start_new_session=True,
        cwd=root,
        env={
            "PATH": f"{environment.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(root / "work"),
            "TMPDIR": str(root / "work"),
            "LANG": "C.UTF-8",
            "MPLBACKEND": "Agg",
            "QT_QPA_PLATFORM": "offscreen",
        },
    )
    with contextlib.suppress(OSError):
        # Lower than the runner: heartbeats must not wait for a check.
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
    return ProcessChannel(process)
