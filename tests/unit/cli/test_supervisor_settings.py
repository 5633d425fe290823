"""What the embedded system tells its services."""

import socket
from pathlib import Path

import pytest

from cli.supervisor import Wishes, service_settings


def runner_name(state: str) -> str:
    """Name of the runner of a state directory."""
    wishes = Wishes(state=state, location="/data")
    return service_settings("runner", folder=Path(state) / "runner", wishes=wishes)[
        "ACKREP_RUNNER_NAME"
    ]


def test_each_state_directory_has_a_runner_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where two are for the same data repository, or on two hosts that share an engine.

    A runner removes the containers that its name left: another one's must never be among them.
    """
    one = runner_name("/home/me/state/repo-775e995fffcd")
    assert one == runner_name("/home/me/state/repo-775e995fffcd"), "the same after a restart"
    assert one != runner_name("/srv/state/repo-775e995fffcd")
    monkeypatch.setattr(socket, "gethostname", lambda: "another-host")
    assert one != runner_name("/home/me/state/repo-775e995fffcd")
