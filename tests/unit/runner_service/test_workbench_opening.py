"""What a session may be asked to be, and what is sent into its container."""

import io
import zipfile
from typing import Any

import pytest

from services.errors import InvalidArgumentError
from services.runner.sessions import bundle as harness
from services.runner.workbench import bundle
from services.runner.workbench.opening import Opening, Program


@pytest.mark.parametrize(
    "facts",
    [
        {"folder": "../up"},
        {"folder": "/etc"},
        {"import_path": ("a/../../b",)},
        {"command": ("",)},
        {"command": ("ls", "a\0b")},
        {"command": ("ls",), "program": Program.JUPYTER},
        {"rows": 10**6},
    ],
)
def test_nonsense_is_refused(facts: dict[str, Any]) -> None:
    """Folders stay in the working copy, commands have words, terminals have a size."""
    with pytest.raises(InvalidArgumentError):
        Opening(**facts)


def test_few_variables_are_let_through() -> None:
    """A client chooses how its terminal is called, and nothing that changes what runs."""
    given = {"TERM": "xterm-256color", "LD_PRELOAD": "x", "PATH": "x", "TZ": "a\nb"}
    frame = Opening(variables=given).frame(secret="")
    assert {"TERM": "xterm-256color"} == frame["variables"]


def test_the_workbench_is_no_part_of_the_runtime() -> None:
    """Its zip holds what entities import, but a change of it changes no result's inputs."""
    names = zipfile.ZipFile(io.BytesIO(bundle.bundle())).namelist()
    assert "site/ackrep_core/__init__.py" in names
    assert "boot/ackrep_runtime/workbench/program.py" in names
    assert "boot/ackrep_runtime/harness/landlock.py" in names
    runtime = zipfile.ZipFile(io.BytesIO(harness.bundle())).namelist()
    assert [] == [name for name in runtime if "workbench" in name]
    assert "ackrep_runtime.workbench.program" in " ".join(bundle.command())
    assert "ackrep_harness" not in " ".join(bundle.command())
