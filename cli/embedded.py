"""Joins the embedded system of a data repository, or starts it, for as long as a command runs.

The first command starts a supervisor (`cli.supervisor`), a process of its own that outlives the
command if others have joined meanwhile. `catalog_only` is the quick way for commands that only
read entities: without a running system they start the catalog alone, as their own child.
"""

import contextlib
import dataclasses
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cli import children
from cli.source import Source
from cli.state import FileLock, StateDirectory, System
from cli.supervisor import LOST, Wishes, service_settings
from services.errors import UnavailableError
from services.lifetime import PARENT_PIPE

Notify = Callable[[str], None]
"""Told what is being waited for, for people to read."""

_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.02


@dataclasses.dataclass(frozen=True)
class Options:
    """How a system is to be, if this command is the one that starts it."""

    backend: str = "auto"
    """`auto`, `docker` or `process`."""
    slots: int = 0
    """Checks at once; 0 means one for each processor, at most 4."""
    port: int = 0
    """Port of the pages; 0 means 8642, or another if that is taken."""


@contextlib.contextmanager
def joined(source: Source, *, options: Options, notify: Notify) -> Iterator[System]:
    """Uses the system of a data repository while the block runs; the last user stops it.

    Returns only when everything is gone that was started for the last user.

    Raises:
        UnavailableError: The system does not start; the message says why.
    """
    state = StateDirectory.of(source)
    state.create()
    with state.users_lock() as users:
        _wait(users.try_share, notify, "an earlier command to finish")
        try:
            yield _running_system(state, source, options=options, notify=notify)
        finally:
            users.release()
            notify("stopping")
            _wait_until_stopped(state)


def _running_system(
    state: StateDirectory, source: Source, *, options: Options, notify: Notify
) -> System:
    """Waits for a running system; starts a supervisor where none lives."""
    supervisor: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if (system := state.running()) is not None:
            return system
        code = supervisor.poll() if supervisor is not None else None
        if code is not None and code != LOST:
            raise UnavailableError(failure(state) or f"the system does not start; see {state.logs}")
        if (supervisor is None or code == LOST) and not state.supervised():
            supervisor = _spawn(state, source, options)
        progress = state.read("starting.json") or {}
        if waiting := progress.get("waiting"):
            notify("starting " + ", ".join(map(str, waiting)))
        time.sleep(_POLL_SECONDS)
    raise UnavailableError(
        f"the system does not start within {_START_SECONDS:.0f} s; see {state.logs}"
    )


def _spawn(state: StateDirectory, source: Source, options: Options) -> subprocess.Popen[bytes]:
    """Starts a supervisor in a session of its own, so that Ctrl-C does not reach it."""
    state.remove("failure.json")
    log = state.logs / "supervisor.log"
    children.rotate(log)
    wishes = Wishes(
        state=str(state.path),
        location=source.location,
        ref=source.ref,
        backend=options.backend,
        slots=options.slots,
        port=options.port,
    )
    with open(log, "ab") as output:
        process = subprocess.Popen(
            children.module_command("cli.supervisor"),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=state.path,
            start_new_session=True,
        )
    assert process.stdin is not None  # noqa: S101  # asked for above
    with contextlib.suppress(BrokenPipeError):  # it ended already: its exit code says more
        process.stdin.write(json.dumps(dataclasses.asdict(wishes)).encode())
        process.stdin.close()
    return process


def failure(state: StateDirectory) -> str:
    """Why the last system ended, if it ended by itself."""
    return str((state.read("failure.json") or {}).get("message", ""))


def _wait_until_stopped(state: StateDirectory) -> None:
    """Returns when the system has stopped, or somebody else turns out to use it."""
    deadline = time.monotonic() + _STOP_SECONDS
    used_by_others = 0
    with state.users_lock() as users, state.system_lock() as system:
        while time.monotonic() < deadline and used_by_others < 2:
            if system.try_share():
                return
            if users.try_take():  # nobody, and the supervisor has not noticed yet
                users.release()
            elif users.try_share():  # the supervisor would hold it exclusively
                users.release()
                used_by_others += 1
            time.sleep(_POLL_SECONDS)


def _wait(condition: Callable[[], bool], notify: Notify, what: str) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise UnavailableError(f"waited {_STOP_SECONDS:.0f} s for {what}")
        notify(f"waiting for {what}")
        time.sleep(_POLL_SECONDS)


# The catalog alone ----------------------------------------------------------------------------


@contextlib.contextmanager
def catalog_only(source: Source, *, notify: Notify) -> Iterator[System]:
    """Uses the running system, or else a catalog that runs for this command alone.

    Raises:
        UnavailableError: The catalog does not start; the message says why.
    """
    state = StateDirectory.of(source)
    state.create()
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(state.system_lock())
        deadline = time.monotonic() + _START_SECONDS
        while not own.try_take():
            if state.supervised():
                yield stack.enter_context(joined(source, options=Options(), notify=notify))
                return
            if time.monotonic() > deadline:
                raise UnavailableError(f"another command keeps {state.path} in use")
            notify("waiting for another command")
            time.sleep(_POLL_SECONDS)
        yield stack.enter_context(_own_catalog(state, source, own, notify))


@contextlib.contextmanager
def _own_catalog(
    state: StateDirectory, source: Source, own: FileLock, notify: Notify
) -> Iterator[System]:
    folder = state.path / "catalog"
    folder.mkdir(mode=0o700, exist_ok=True)
    log = state.logs / "catalog.log"
    children.rotate(log)
    token = secrets.token_urlsafe(32)
    wishes = Wishes(state=str(state.path), location=source.location, ref=source.ref)
    with children.reserve_port() as reserved, open(log, "ab") as output:
        address = children.address_of(reserved)
        process = subprocess.Popen(
            children.module_command("services.catalog"),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=state.path,
            pass_fds=(own.fd,),
            env={
                **os.environ,
                **service_settings("catalog", folder=folder, wishes=wishes),
                "ACKREP_CATALOG_ADDRESS": address,
                "ACKREP_TOKEN": token,
                "ACKREP_LOG_FORMAT": "pretty",
                PARENT_PIPE: "1",
                "GRPC_ENABLE_FORK_SUPPORT": "0",
            },
            start_new_session=True,  # Ctrl-C reaches this command, which then stops the catalog
        )
        try:
            _wait_listening(address, process, log, notify)
            yield System(token=token, catalog=address, source=str(source))
        finally:
            _end(process)


def _wait_listening(
    address: str, process: subprocess.Popen[bytes], log: Path, notify: Notify
) -> None:
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            last = children.tail(log)
            errors = [one for one in last.splitlines() if one.startswith("error: ")]
            raise UnavailableError(
                errors[-1].removeprefix("error: ")
                if errors
                else f"the catalog does not start; the end of {log}:\n{last}"
            )
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1.0):
            return
        notify("reading the data repository")
        time.sleep(_POLL_SECONDS)
    raise UnavailableError(f"the catalog does not start within {_START_SECONDS:.0f} s; see {log}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


def running(source: Source) -> System | None:
    """The running system of a data repository, without starting or joining it."""
    state = StateDirectory.of(source)
    return state.running() if state.path.is_dir() else None
