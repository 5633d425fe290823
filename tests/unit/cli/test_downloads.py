"""Where the files that checks produced are saved."""

from pathlib import Path

import pytest

from ackrep.scheduler.v1 import check_pb2
from cli import downloads


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("system_models/a/plot.png", "system_models/a/plot.png"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("a/../../b", "a/b"),
        ("", "abc"),
    ],
)
def test_place(path: str, place: str) -> None:
    """Whatever a result says, its files stay below the folder that was asked for."""
    artefact = check_pb2.Artefact(name="artefacts/abc", path=path)

    assert downloads.place(artefact, folder=Path("/out")) == Path("/out") / place
