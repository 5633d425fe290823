"""Containers that nobody uses any more.

A container ends by itself when its stream breaks, so also when its runner is killed or its host is
gone. What has ended and is still there after some time has no runner that would remove it: whoever
sweeps next may. A container that runs is its runner's alone; of those, a runner removes only what
its own earlier incarnations left.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import docker
from docker.errors import NotFound

_LIVING: Final = frozenset({"running", "paused", "restarting", "removing"})


def leftovers(
    client: docker.APIClient, *, labels: tuple[str, str], runner: str, incarnation: str,
    ended_seconds: float,
) -> list[str]:  # fmt: skip
    """Ids of containers that may be removed. Blocking.

    Args:
        client: Of the engine.
        labels: That name runner and incarnation.
        runner: Whose earlier incarnations have no claim.
        incarnation: Of that runner; its containers stay.
        ended_seconds: How long other runners' containers must have ended.
    """
    runner_label, incarnation_label = labels
    # The engine's clock, not ours: they may be far apart.
    now = _time(client.info()["SystemTime"])
    found = []
    for container in client.containers(all=True, filters={"label": [runner_label]}):
        owner = container["Labels"]
        if owner.get(runner_label) == runner:
            if owner.get(incarnation_label) != incarnation:
                found.append(container["Id"])
        elif container["State"] not in _LIVING:
            try:
                ended = _ended(client.inspect_container(container["Id"]))
            except NotFound:
                continue
            if now - ended >= timedelta(seconds=ended_seconds):
                found.append(container["Id"])
    return found


def _ended(container: Mapping[str, Any]) -> datetime:
    """When it ended; when it was made, if it never started."""
    finished = _time(container["State"]["FinishedAt"])
    return finished if finished.year > 1 else _time(container["Created"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
