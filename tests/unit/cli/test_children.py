"""Child processes of the supervisor."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli import broker, children
from cli.children import Child, Spec
from services.errors import UnavailableError


def spec(tmp_path: Path, code: str) -> Spec:
    """A child that runs some Python."""
    return Spec(
        name="child",
        command=[sys.executable, "-c", code],
        settings={},
        folder=tmp_path,
        log=tmp_path / "child.log",
    )


async def test_crashing_child_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that ends again and again is given up with the end of its log."""
    monkeypatch.setattr(children, "MAX_CRASHES", 2)
    child = Child(spec(tmp_path, "print('out of luck'); raise SystemExit(7)"))
    child.ready.set()

    with pytest.raises(UnavailableError, match=r"exit code 7(.|\n)*out of luck"):
        await asyncio.wait_for(child.keep(), 30)


async def test_refusing_child_is_not_tried_again(tmp_path: Path) -> None:
    """A child that cannot work as it is set up is not started twice; its error is passed on."""
    code = "import sys; print('error: no such repository', file=sys.stderr); sys.exit(3)"
    child = Child(spec(tmp_path, code))

    with pytest.raises(UnavailableError) as caught:
        await asyncio.wait_for(child.keep(), 30)

    assert caught.value.message == "no such repository"


async def test_stubborn_child_is_killed(tmp_path: Path) -> None:
    """A child that ignores SIGTERM is killed after the grace time."""
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('up', flush=True); time.sleep(600)"
    )
    child = Child(spec(tmp_path, code))
    task = asyncio.create_task(child.keep())
    async with asyncio.timeout(30):
        while "up" not in children.tail(tmp_path / "child.log"):  # noqa: ASYNC110  # a file
            await asyncio.sleep(0.01)

        await child.stop(grace=0.1)
        await task

    assert task.done()


PARENT = """
import os, subprocess, time
os.environ["ACKREP_PARENT"] = str(os.getpid())
child = subprocess.Popen({command!r}, stdin=subprocess.PIPE)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_leash() -> None:
    """A program on the leash ends when its parent is killed, even right after its start."""
    command = children.leashed_command(sys.executable, "-c", "import time; time.sleep(600)")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(command=command)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    assert wait_gone(child)


def wait_gone(pid: int) -> bool:
    """Waits until a process is gone (or only a zombie of init)."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        subprocess.run(["sleep", "0.02"], check=True)
    return False


def test_reserved_port_is_not_given_twice() -> None:
    """Ports are reserved while their sockets are open."""
    with children.reserve_port() as one, children.reserve_port() as two:
        assert children.address_of(one) != children.address_of(two)


def test_taken_port_is_avoided() -> None:
    """Where the preferred port is taken, another one is found."""
    with children.reserve_port() as taken:
        taken.listen()
        port = taken.getsockname()[1]

        with children.listen(port) as other:
            assert other.getsockname()[1] != port


def test_logs_are_bounded(tmp_path: Path) -> None:
    """A log that got too long moves aside; its writer goes on in the same file."""
    log = tmp_path / "child.log"
    with open(log, "ab") as writer:
        writer.write(b"x" * 200)
        writer.flush()
        children.bound(log, limit=100)
        writer.write(b"next\n")

    assert log.read_bytes() == b"next\n"
    assert len((tmp_path / "child.log.1").read_bytes()) == 100


def test_broker_configuration(tmp_path: Path) -> None:
    """The broker takes the configuration, with token, streams on disk, and loopback only."""
    path = broker.configure(tmp_path / "nats", token='a"b', port=-1)
    result = subprocess.run(
        [broker.program(), "-t", "-c", str(path)], capture_output=True, check=False, text=True
    )

    assert (result.returncode, path.stat().st_mode & 0o777) == (0, 0o600), result.stderr
    assert 'host: "127.0.0.1"' in path.read_text()
    assert [one.name for one in (tmp_path / "nats").iterdir()] == ["nats.conf"]
