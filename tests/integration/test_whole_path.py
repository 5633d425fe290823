"""From a folder to a verdict with the environments that ACKREP ships, as a newcomer runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo_data"
NOT_SUCCESS = {"LRHZX": "script_error", "MSEU1": "inaccurate"}
"""The demo's entities that are broken, or wrong, on purpose."""

METADATA = """\
key: {key}
type: {type}
name: {name}
short_description: ''
version: 0.1.0
creator: ''
creation_date: '2026-11-22'
tag_list: []
"""
PINNED_STACK = """\
import casadi, control, matplotlib, numpy, pyinduct, scipy, symbtools, sympy
from ackrep_core import ResultContainer


def simulate():
    return {m.__name__: m.__version__ for m in (control, matplotlib, numpy, scipy, sympy)}


def evaluate_simulation(data):
    print(data)
    return ResultContainer(success=data["sympy"] == "1.10.1", final_state_errors=[0.0])
"""
LACKING = """\
import assimulo
"""


def ackrep(*arguments: str, state: Path) -> tuple[int, list[dict[str, Any]]]:
    """Runs the command with `--json`; its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments, "--json"],
        cwd=ROOT,
        env={**os.environ, "ACKREP_STATE": str(state)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode != 64, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("backend", ["process", pytest.param("docker", marks=pytest.mark.engine)])
@pytest.mark.timeout(1200)
def test_every_entity_of_the_demo_ends_as_it_should(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The broken model is a script error, the crude solution inaccurate, all others succeed."""
    if backend == "docker":
        request.getfixturevalue("docker_engine")
    here = ("-C", str(DEMO), "--backend", backend)

    code, checks = ackrep(*here, "check", "--all", state=tmp_path)
    _, entities = ackrep(*here, "list", state=tmp_path)

    expected = {e["key"]: "success" for e in entities if e.get("checkable")} | NOT_SUCCESS
    assert expected == {check["key"]: check["verdict"] for check in checks}
    assert 1 == code


@pytest.mark.engine
@pytest.mark.timeout(1200)
def test_default_environment_is_what_the_entities_of_2022_need(
    tmp_path: Path, docker_engine: object
) -> None:
    """Its image has the pinned stack, confined as it should be, and says what it lacks and why."""
    repository = tmp_path / "old_data"
    _entity(repository, "ENVIR", "environment_specification", name="default_environment")
    _entity(repository, "STACK", "system_model", files={"simulation.py": PINNED_STACK})
    _entity(repository, "LACKS", "system_model", files={"simulation.py": LACKING})
    here = ("-C", str(repository), "--backend", "docker", "check")

    _, (stack,) = ackrep(*here, "STACK", state=tmp_path / "state")
    _, (lacks,) = ackrep(*here, "LACKS", state=tmp_path / "state")

    assert "success" == stack["verdict"], stack["message"]
    assert "container+landlock+seccomp+uid" == stack["result"]["provenance"]["confinement"]
    assert "inspect.getargspec" in stack["result"]["provenance"]["shims"]
    assert "script_error" == lacks["verdict"]
    assert "No module named 'assimulo' (assimulo is not available" in lacks["message"]


def _entity(
    repository: Path, key: str, kind: str, *, name: str = "", files: dict[str, str] | None = None
) -> None:
    folder = repository / f"{kind}s" / (name or key.lower())
    folder.mkdir(parents=True)
    (folder / "metadata.yml").write_text(METADATA.format(key=key, type=kind, name=name or key))
    if kind == "system_model":
        (folder / "system_model.py").write_text("")
        (folder / "parameters.py").write_text("")
    for file, text in (files or {}).items():
        (folder / file).write_text(text)
