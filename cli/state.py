"""The state directory of one data repository, and who uses and runs the system in it.

Three lock files, all `flock`, so that the kernel releases them however a process ends:

- `users.lock`: each command that uses the system holds it shared. The supervisor waits for it
  exclusively; when it gets it, nobody uses the system any more.
- `supervisor.lock`: the supervisor holds it exclusively while it lives.
- `system.lock`: the supervisor holds it exclusively and its children inherit it, so that it is
  free only when all of them are gone. Nothing new starts in the directory before that.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from cli.source import Source
from services.errors import UnavailableError


@dataclasses.dataclass(frozen=True)
class System:
    """A running system, as `system.json` describes it."""

    token: str
    """Shared secret of gRPC and NATS."""
    catalog: str
    """`host:port` of the catalog."""
    scheduler: str = ""
    """`host:port` of the scheduler; empty where only the catalog runs."""
    runner: str = ""
    """`host:port` of the runner; empty where unknown."""
    page: str = ""
    """URL of the pages; empty where there are none."""
    nats: str = ""
    """`nats://host:port`; empty where unknown."""
    source: str = ""
    """The data repository; empty for a system that somebody else runs."""
    pid: int = 0
    """The supervisor's process id; 0 for a system that somebody else runs."""
    version: str = ""
    """Version of ACKREP that runs it."""
    backend: str = "auto"
    """Backend that was asked for when it started."""
    start_time: float = 0.0
    """Seconds since 1970."""
    state: str = ""
    """State directory of a system that a supervisor runs."""

    @property
    def embedded(self) -> bool:
        """True if a supervisor on this machine runs it."""
        return self.pid != 0

    @property
    def ended(self) -> bool:
        """True if its supervisor is gone, so that nothing will answer any more."""
        return bool(self.state) and not StateDirectory(Path(self.state)).supervised()


class FileLock:
    """An advisory lock on a file, released at the latest when the process ends."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def fd(self) -> int:
        """File descriptor: a child that inherits it keeps the lock."""
        return self._fd

    def take(self) -> None:
        """Waits until it is held exclusively."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def try_take(self) -> bool:
        """Takes it exclusively unless anybody holds it."""
        return self._try(fcntl.LOCK_EX)

    def try_share(self) -> bool:
        """Takes it shared unless somebody holds it exclusively."""
        return self._try(fcntl.LOCK_SH)

    def release(self) -> None:
        """Gives it up; the file stays."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Closes the file, which gives the lock up too."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@dataclasses.dataclass(frozen=True)
class StateDirectory:
    """Everything that the system of one data repository keeps on this machine."""

    path: Path

    @classmethod
    def of(cls, source: Source, *, environ: Mapping[str, str] | None = None) -> Self:
        """Names the directory below `ACKREP_STATE`, or below the user's state directory."""
        variables = os.environ if environ is None else environ
        if variables.get("ACKREP_STATE"):
            base = Path(variables["ACKREP_STATE"]).expanduser().resolve()
        else:
            home = variables.get("XDG_STATE_HOME") or "~/.local/state"
            base = Path(home).expanduser() / "ackrep"
        return cls(base / source.identity)

    def create(self) -> None:
        """Makes the directory, readable by its owner only.

        Raises:
            UnavailableError: It cannot be written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UnavailableError(
                f"cannot write the state directory {self.path}: {error.strerror}; "
                "set ACKREP_STATE to a folder that can be written"
            ) from error

    @property
    def logs(self) -> Path:
        """One log file for each service, and the supervisor's own."""
        return self.path / "logs"

    def users_lock(self) -> FileLock:
        """Opens the lock that commands share."""
        return FileLock(self.path / "users.lock")

    def supervisor_lock(self) -> FileLock:
        """Opens the lock that says that a supervisor lives."""
        return FileLock(self.path / "supervisor.lock")

    def system_lock(self) -> FileLock:
        """Opens the lock that the supervisor shares with its children."""
        return FileLock(self.path / "system.lock")

    def supervised(self) -> bool:
        """True while a supervisor lives."""
        if not (self.path / "supervisor.lock").exists():
            return False
        with self.supervisor_lock() as lock:
            return not lock.try_share()

    def running(self) -> System | None:
        """The running system, once all its services answer."""
        if not self.supervised():
            return None
        found = self.read("system.json")
        if found is None:
            return None
        known = {field.name for field in dataclasses.fields(System)}
        return System(**{key: value for key, value in found.items() if key in known})

    def read(self, name: str) -> dict[str, Any] | None:
        """Reads a JSON object; none if the file is missing or not one."""
        try:
            found = json.loads((self.path / name).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a JSON object at once or not at all, readable by its owner only."""
        fd, temporary = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")  # mode 0600
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(dict(content), file, indent=1)
            file.write("\n")
        Path(temporary).replace(self.path / name)

    def remove(self, *names: str) -> None:
        """Removes files that may be there."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (self.path / name).unlink()
