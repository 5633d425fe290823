"""Tracebacks and phases, prepared for drawing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ackrep.scheduler.v1 import check_pb2

_FRAME = re.compile(r'\s*File "([^"]+)", line (\d+)')
_PHASES = {
    "queue": ("Waiting in the queue", "waiting"),
    "prepare": ("Preparing the environment", "preparing"),
    "fetch": ("Fetching files", "fetching"),
    "container": ("Getting a container", "placing"),
    "lay_out": ("Laying out the files", "placing"),
    "start": ("Starting the check's process", "placing"),
    "import": ("Importing the entity's code", "running"),
    "run": ("Running the entity's code", "running"),
    "simulate": ("Running the simulation", "running"),
    "solve": ("Solving the problem", "running"),
    "execute": ("Executing the notebook", "running"),
    "evaluate": ("Judging the result", "judging"),
    "render": ("Rendering the notebook", "judging"),
    "end": ("Ending the check's process", "finishing"),
    "collect": ("Collecting results", "finishing"),
    "clean": ("Cleaning up", "finishing"),
    "upload": ("Uploading results", "finishing"),
}
"""What each phase is, and the kind that it is drawn as."""

_SHORTEST = 0.0005
"""Phases of less than half a millisecond are not shown."""


@dataclass(frozen=True)
class Line:
    """One line of a traceback."""

    text: str
    kind: str
    """`own` for frames of the data repository, `other` for libraries, `said` for the rest."""


def parse(traceback: str) -> list[Line]:
    """Marks the lines of a traceback that are of the data repository's own files."""
    lines = []
    kind = "said"
    for text in traceback.rstrip("\n").split("\n") if traceback else ():
        frame = _FRAME.match(text)
        if frame:
            path = frame.group(1)
            # Paths of the data repository are relative; so are those of our own runtime.
            kind = "other" if path.startswith(("/", "<", "ackrep_core/")) else "own"
        elif not text.startswith(" "):
            kind = "said"
        lines.append(Line(text, kind))
    return lines


@dataclass(frozen=True)
class Segment:
    """One phase as a part of the timeline."""

    name: str
    explanation: str
    kind: str
    """Style class; phases of a kind look alike."""
    seconds: float
    begin: float
    """Per cent from the left."""
    width: float
    """Per cent."""


def timeline(phases: Sequence[check_pb2.Phase]) -> list[Segment]:
    """Lays phases one after the other. Each gets at least 1 % so that it can be seen."""
    shown = [
        (phase.name, length)
        for phase in phases
        if (length := phase.duration.ToNanoseconds() / 1e9) >= _SHORTEST
    ]
    total = sum(length for _, length in shown)
    widths = [max(1.0, 100 * length / total) for _, length in shown]
    segments = []
    begin = 0.0
    for (name, length), width in zip(shown, widths, strict=True):
        explanation, kind = _PHASES.get(name, (name, "running"))
        share = 100 * width / sum(widths)
        label = name.replace("_", " ")
        segments.append(Segment(label, explanation, kind, length, begin, share))
        begin += share
    return segments
