"""A private PostgreSQL server for tests, with one fresh database for each test that asks.

The server lives in a temporary folder, listens on loopback only, and never syncs to disk: it is
thrown away at the end. As root it runs as the user `postgres`, because it refuses to be root.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

START_SECONDS = 30.0
"""How long a server may take until it answers."""


class ProgramsMissingError(Exception):
    """This machine has no PostgreSQL server programs, or nobody to run them as."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server.

    Args:
        port: Loopback port; user `postgres`, no password.
    """

    port: int

    def url(self, database: str = "postgres", *, driver: str = "asyncpg") -> str:
        """SQLAlchemy URL of a database on this server."""
        return f"postgresql+{driver}://postgres@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Makes an empty database, yields its URL, and drops it."""
        name = f"test_{uuid.uuid4().hex}"
        self._execute(f'CREATE DATABASE "{name}"')
        try:
            yield self.url(name)
        finally:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with self.connect() as connection:
            connection.execute(statement.encode())

    def connect(self) -> "psycopg.Connection[Any]":
        """Opens a synchronous connection to the database `postgres`, committing by itself."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        )


def _program(name: str) -> str:
    """Finds a server program on PATH or where Debian keeps it, newest version first."""
    found = shutil.which(name)
    if found:
        return found
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    if not candidates:
        raise ProgramsMissingError(f"no {name} on this machine: install PostgreSQL's server")
    return str(candidates[0])


def _identity() -> dict[str, Any]:
    """Arguments of `subprocess` that make a program run as somebody who is not root."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError as error:
        raise ProgramsMissingError("root needs a user `postgres` to run PostgreSQL as") from error
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Runs a server while the block runs.

    Raises:
        ProgramsMissingError: There is no PostgreSQL here.
        RuntimeError: It did not start; the message holds its log.
    """
    initdb, postgres = _program("initdb"), _program("postgres")
    identity = _identity()
    folder = Path(tempfile.mkdtemp(prefix="ackrep-postgres-"))
    if identity:
        os.chown(folder, identity["user"], identity["group"])
    try:
        subprocess.run(
            [initdb, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D", "data"],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            **identity,
        )
        port = _free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
        }
        arguments = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        with (folder / "log").open("wb") as output:
            process = subprocess.Popen(
                [postgres, "-D", "data", *arguments],
                cwd=folder,
                stdout=output,
                stderr=output,
                **identity,
            )
        try:
            server = PostgresServer(port)
            _wait(server, process, folder / "log")
            yield server
        finally:
            process.send_signal(2)  # SIGINT: a fast shutdown that does not wait for clients
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: PostgresServer, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                text = log.read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start:\n{text}") from error
            time.sleep(0.05)
        else:
            return
