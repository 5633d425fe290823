"""Settings of the runner."""

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path


def _state() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "ackrep" / "runner"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Read from `ACKREP_RUNNER_<FIELD>` and the shared variables."""

    token: str
    """Shared secret of gRPC and NATS."""
    address: str = "127.0.0.1:5003"
    """Where it listens, `host:port`; port 0 takes a free one."""
    scheduler: str = "127.0.0.1:5002"
    """Address of the scheduler."""
    catalog: str = "127.0.0.1:5001"
    """Address of the catalog."""
    nats: str = "nats://127.0.0.1:4222"
    """Where jobs come from and events go."""
    log_format: str = "pretty"
    """`pretty` or `json`."""
    name: str = ""
    """Id of the runner, the same after a restart; empty: host name and a hash of the state path."""
    unconfined: bool = False
    """Whether checks of proposals run here too where confinement lacks Landlock or the filter."""
    pool: str = "default,untrusted"
    """Pools it pulls jobs from, separated by commas, the most urgent first; `untrusted` is that of
    proposals."""
    slots: int = 0
    """Checks at once; 0: one for each processor."""
    backend: str = "auto"
    """`docker`, `process`, or `auto`: Docker if an engine answers, else processes."""
    state: Path | None = None
    """Folder of its tree cache and virtual environments; empty: below the user's state folder."""
    environments: tuple[str, ...] = ()
    """Folders of environment definitions, the first wins; empty: the one of this installation."""
    warm: tuple[str, ...] = ()
    """Environments that are made ready at start and kept warm: `name` (one container), `name:MIN`
    or `name:MIN-MAX` (never more than MAX at once)."""
    registry: str = ""
    """Registry that images are pulled from and pushed to (`<registry>/<name>:latest`), as
    `host[:port][/path]`; empty: build them here. Credentials are those of `docker login`."""
    pull_seconds: float = 3600.0
    """How long a pull or push of an image may take."""
    refresh_seconds: float = 3600.0
    """How often the registry is asked for newer images of ready environments; 0: never."""
    memory_bytes: int = 2 * 1024**3
    """Memory of a container where the check's limits say none."""
    cpus: float = 1.0
    """Processors that a container may use; 0: all."""
    processes: int = 512
    """Processes and threads of a container; those of a check are limited by the scheduler."""
    shm_bytes: int = 64 * 1024**2
    """Size of a container's /dev/shm."""
    disk_bytes: int = 1024**3
    """Size of the folders of a check in a container, in memory; /tmp gets half of it."""
    strict: bool = False
    """Refuse engines with known ways out of a container, and containers that are only degraded."""
    audit_every: int = 500
    """One of so many checks is repeated in a fresh workplace when nothing else is to be done, and
    must give the same; 0: none."""
    checks_per_workplace: int = 1000
    """A workplace is replaced after so many checks."""
    idle_seconds: float = 900.0
    """A workplace unused for so long is closed."""
    spare: int = 2
    """Workplaces at once beyond the slots."""
    workbenches: int = 2
    """Interactive sessions at once; 0: none."""
    workbench_idle_seconds: float = 86_400.0
    """An interactive session is ended when nothing was typed, printed or sent for so long."""
    tree_cache_bytes: int = 2 * 1024**3
    """Disk that cached trees may take."""
    drain_seconds: float = 20.0
    """How long running checks get when it stops, before they are handed back."""

    @property
    def state_folder(self) -> Path:
        """Where it keeps what it can make again."""
        return self.state or _state()

    @property
    def id(self) -> str:
        """Id of the runner."""
        if self.name:
            return self.name
        digest = hashlib.sha256(str(self.state_folder.absolute()).encode()).hexdigest()[:6]
        host = re.sub(r"[^a-z0-9-]", "-", socket.gethostname().lower())[:40].strip("-") or "host"
        return f"{host}-{digest}"

    @property
    def pools(self) -> tuple[str, ...]:
        """Pools that it pulls jobs from."""
        return tuple(dict.fromkeys(name.strip() for name in self.pool.split(",") if name.strip()))

    @property
    def slot_count(self) -> int:
        """Checks at once."""
        return self.slots if self.slots > 0 else (os.cpu_count() or 1)

    @property
    def environment_folders(self) -> tuple[Path, ...]:
        """Where definitions are looked for."""
        if self.environments:
            return tuple(Path(folder).expanduser() for folder in self.environments)
        return (Path(__file__).parents[2] / "environments",)
