"""A registry of images for tests: Debian's docker-registry on a port of this machine."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.requirements import need

CONFIG = """version: 0.1
log:
  level: error
storage:
  filesystem:
    rootdirectory: {folder}
http:
  addr: 127.0.0.1:{port}
"""
GUARDED = """auth:
  htpasswd:
    realm: tests
    path: {folder}/users
"""
USER, PASSWORD = "somebody", "let-me-in"
_HASH = "$2b$04$gXU87nXZSBRCT1/RK6bDdu4DZv31JzJIGSzsbEo1Id.6fabIfQbgK"
"""bcrypt of the password, with the fewest rounds there are."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_registry(folder: Path, *, guarded: bool = False) -> Iterator[str]:
    """Runs an empty registry; yields its address, `host:port`.

    Args:
        folder: For its content and logs.
        guarded: Whether it wants USER and PASSWORD.
    """
    program = shutil.which("docker-registry")
    need(program, what="registry of images (Debian: docker-registry)")
    assert program is not None
    port = free_port()
    config = folder / "registry.yml"
    text = CONFIG + (GUARDED if guarded else "")
    config.write_text(text.format(folder=folder / "registry", port=port))
    (folder / "registry").mkdir()
    (folder / "registry" / "users").write_text(f"{USER}:{_HASH}\n")
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        _wait_until_it_listens(process, port, folder / "registry.log")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"the registry does not start:\n{log.read_text()}")
