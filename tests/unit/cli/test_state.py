"""Locks and files of a state directory."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.state import StateDirectory, System
from services.errors import UnavailableError


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """A fresh state directory."""
    directory = StateDirectory(tmp_path / "state")
    directory.create()
    return directory


def test_only_the_owner_reads(state: StateDirectory) -> None:
    """The directory has mode 0700 and the file with the token 0600."""
    state.write("system.json", {"token": "secret"})

    modes = [(path.stat().st_mode & 0o777) for path in (state.path, state.path / "system.json")]

    assert modes == [0o700, 0o600]


def test_users_share(state: StateDirectory) -> None:
    """Commands share the users' lock, and nobody takes it alone meanwhile."""
    with state.users_lock() as one, state.users_lock() as two, state.users_lock() as alone:
        assert one.try_share()
        assert two.try_share()
        assert not alone.try_take()
        one.release()
        two.release()
        assert alone.try_take()


def test_no_system_without_supervisor(state: StateDirectory) -> None:
    """What a killed supervisor left behind is no running system."""
    state.write("system.json", {"token": "t", "catalog": "127.0.0.1:1"})

    assert state.running() is None


def test_running_system(state: StateDirectory) -> None:
    """While a supervisor lives, its file describes the running system; new fields do no harm."""
    state.write("system.json", {"token": "t", "catalog": "127.0.0.1:1", "from_the_future": 1})
    with state.supervisor_lock() as lock:
        lock.take()
        found = state.running()

    assert found == System(token="t", catalog="127.0.0.1:1")


def test_child_keeps_an_inherited_lock(state: StateDirectory) -> None:
    """The system's lock is free only when every child that inherited it is gone."""
    lock = state.system_lock()
    assert lock.try_take()
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=(lock.fd,),
    )
    lock.close()
    with state.system_lock() as probe:
        held = not probe.try_take()
        child.communicate(timeout=30)
        free = probe.try_take()

    assert (held, free) == (True, True)


def test_half_written_file_is_no_file(state: StateDirectory) -> None:
    """A file that is no JSON object counts as missing."""
    (state.path / "starting.json").write_text('{"ready": ')

    assert state.read("starting.json") is None


def test_unwritable_place_says_what_to_do(tmp_path: Path) -> None:
    """Where the state directory cannot be made, the error names the variable to set."""
    in_the_way = tmp_path / "file"
    in_the_way.touch()  # stops root too, whom permissions do not

    with pytest.raises(UnavailableError, match="set ACKREP_STATE"):
        StateDirectory(in_the_way / "state").create()
