"""Tracebacks and phases, prepared for drawing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ackrep.scheduler.v1 import check_pb2

_FRAME = re.compile(r'\s*File "([^"]+)", line (\d+)')
_PHASES = {
    "queue": "Waiting in the queue",
    "prepare": "Preparing the environment",
    "fetch": "Fetching files",
    "container": "Getting a container",
    "run": "Running the entity's code",
    "collect": "Collecting results",
    "upload": "Uploading results",
}


@dataclass(frozen=True)
class Line:
    """One line of a traceback."""

    text: str
    kind: str
    """`own` for the entity's frames, `other` for those of libraries, `said` for the rest."""


def parse(traceback: str, entity_path: str) -> list[Line]:
    """Marks the lines of a traceback that belong to the entity's own files.

    Args:
        traceback: As Python printed it, with paths of the data repository.
        entity_path: Folder of the entity; empty where unknown.
    """
    lines = []
    kind = "said"
    for text in traceback.rstrip("\n").split("\n") if traceback else ():
        frame = _FRAME.match(text)
        if frame:
            path = frame.group(1)
            relative = not path.startswith(("/", "<"))
            own = path.startswith(f"{entity_path}/") if entity_path else relative
            kind = "own" if own or relative else "other"
        elif not text.startswith(" "):
            kind = "said"
        lines.append(Line(text, kind))
    return lines


@dataclass(frozen=True)
class Segment:
    """One phase as a part of the timeline."""

    name: str
    explanation: str
    seconds: float
    begin: float
    """Per cent from the left."""
    width: float
    """Per cent."""


def timeline(phases: Sequence[check_pb2.Phase]) -> list[Segment]:
    """Lays phases one after the other. Each gets at least 1 % so that it can be seen."""
    lengths = [max(0.0, p.duration.seconds + p.duration.nanos / 1e9) for p in phases]
    total = sum(lengths) or 1.0
    widths = [max(1.0, 100 * length / total) for length in lengths]
    scale = 100 / sum(widths) if widths else 1.0
    segments = []
    begin = 0.0
    for phase, length, width in zip(phases, lengths, widths, strict=True):
        segments.append(
            Segment(phase.name, _PHASES.get(phase.name, phase.name), length, begin, width * scale)
        )
        begin += width * scale
    return segments
