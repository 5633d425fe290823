"""From the limits that the scheduler gives a check to those that the harness is told."""

from typing import Final

from services.runner.domain.attempts import CheckLimits
from services.runner.sessions.session import Limits

_FLOOD: Final = 32
"""A check may print so many times what is kept, but not for ever."""


def limits_of(limits: CheckLimits) -> Limits:
    """What the harness is told; what the scheduler does not limit keeps the harness' default."""
    usual = Limits()
    return Limits(
        wall_seconds=limits.wall_seconds or usual.wall_seconds,
        cpu_seconds=limits.cpu_seconds,
        memory_bytes=limits.memory_bytes,
        file_bytes=limits.file_bytes or usual.file_bytes,
        processes=limits.processes,
        output_bytes=limits.output_bytes or usual.output_bytes,
        flood_bytes=_FLOOD * limits.output_bytes or usual.flood_bytes,
        artefact_bytes=limits.artefact_bytes or usual.artefact_bytes,
    )
