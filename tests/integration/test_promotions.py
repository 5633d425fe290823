"""An image that breaks what another one lets succeed: tried, refused, forced, taken back."""

import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.runner.domain.images import RUNTIME_LABEL
from services.runner.engine.containers import Engine
from tests.command_projects import Project, up
from tests.engine import BARE_DOCKERFILE, write_bare_environment

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

NAME = f"flavour{os.getpid()}_environment"
CANDIDATE = f"{NAME}@candidate"
SOLUTIONS = {
    "ONLY1": "return 42.0 + flavour.only_in_1",
    "ONLY2": "return 42.0 if flavour.VALUE == 2 else 41.0",
    "EITHR": "return 42.0",
    "NUMBR": "return 42.0 + 1e-9 * flavour.VALUE",
}
"""The first succeeds in the first image only, the second in the other one, the rest in both."""


def dockerfile(value: int) -> str:
    """An image with a module that says which image it is."""
    lines = [f"VALUE = {value}", *(["only_in_1 = 0.0"] if value == 1 else [])]
    module = "/usr/lib/python3/dist-packages/flavour.py"
    return f"{BARE_DOCKERFILE}RUN printf '%s\\n' {' '.join(map(repr, lines))} > {module}\n"


class Flavours(Project):
    """A data repository whose solutions depend on the image that they run in."""

    def __init__(self, folder: Path, *, state: Path) -> None:
        super().__init__(folder, state=state)
        write_bare_environment(self.environments, NAME)
        (self.environments / f"Dockerfile_{NAME}").write_text(dockerfile(1))
        place = self.entity(
            "environment_specifications/other", "FLAVR", "environment_specification"
        )
        metadata = place / "metadata.yml"
        metadata.write_text(metadata.read_text().replace("tiny_environment", NAME))
        for key, code in SOLUTIONS.items():
            more = "solved_problem_list: [PROBL]\ncompatible_environment: FLAVR\n"
            place = self.entity(f"problem_solutions/{key.lower()}", key, "problem_solution", more)
            (place / "solution.py").write_text(
                f"import flavour\n\n\ndef solve(specification):\n    {code}\n"
            )

    def document(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Runs `ackrep` to its end; the one object that it prints."""
        done = self.run(*arguments, "--json")
        assert code == done.returncode, done.stderr + done.stdout
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def checked(self, key: str) -> tuple[str, str]:
        """Checks an entity anew: verdict, and digest of the image that it ran in."""
        done = self.run("check", key, "--force", "--json")
        check = json.loads(done.stdout)
        return check["verdict"], check["result"]["provenance"]["environmentDigest"]


@pytest.fixture
async def flavours(tmp_path: Path, docker_engine: Engine) -> AsyncIterator[Flavours]:
    """A running system with a Docker engine that has the candidate too."""
    project = Flavours(tmp_path, state=tmp_path / "state")
    other = tmp_path / "candidate"
    other.mkdir()
    (other / "Dockerfile").write_text(dockerfile(2))
    candidate = f"ackrep/{NAME}:candidate"
    await docker_engine.images.build(
        candidate,
        folder=other,
        dockerfile="Dockerfile",
        labels={RUNTIME_LABEL: "1"},
        on_line=lambda _: None,
    )
    try:
        with up(project, backend="docker"):
            yield project
    finally:
        for name in (candidate, f"ackrep/{NAME}:latest"):
            await docker_engine.images.remove(name)


def test_no_image_is_in_use_without_its_verdicts(flavours: Flavours) -> None:
    """The trial says what would break; promotion is refused, forced with a reason, and reverted."""
    verdict, own = flavours.checked("ONLY1")
    assert "success" == verdict

    trial = flavours.document("env", "try", CANDIDATE, code=1)
    changes = {change["key"]: change for change in trial["comparison"]["changes"]}
    assert {"ONLY1": "broken", "ONLY2": "repaired", "EITHR": "unchanged", "NUMBR": "numbers"} == {
        key: change["kind"] for key, change in changes.items()
    }
    assert ("success", "script_error") == (
        changes["ONLY1"]["baseVerdict"],
        changes["ONLY1"]["otherVerdict"],
    )
    assert "only_in_1" in changes["ONLY1"]["message"]
    [number] = changes["NUMBR"]["numbers"]
    assert ("final_state_errors", pytest.approx(1e-9, rel=1e-3)) == (
        number["name"],
        number["absolute"],
    )
    new = trial["candidateDigest"]
    assert own == trial["baseDigest"] != new
    assert "ONLY1" in trial["obstacle"]

    refused = flavours.run("env", "promote", CANDIDATE)
    assert 1 == refused.returncode
    assert "breaks 1 entity (ONLY1)" in refused.stderr
    assert ("success", own) == flavours.checked("ONLY1")

    forced = ("--force", "--reason", "flavour 2 is the future")
    promotion = flavours.document("env", "promote", CANDIDATE, *forced)
    assert (new, True, "flavour 2 is the future") == (
        promotion["digest"],
        promotion["forced"],
        promotion["reason"],
    )
    assert ("success", new) == flavours.checked("ONLY2")
    assert ("script_error", new) == flavours.checked("ONLY1")

    flavours.document("env", "revert", NAME, "--reason", "ONLY1 is needed after all")
    assert ("success", own) == flavours.checked("ONLY1")
    history = [
        json.loads(line) for line in flavours.run("env", "promotions", "--json").stdout.splitlines()
    ]
    assert [("ONLY1 is needed after all", False), ("flavour 2 is the future", True)] == [
        (one["reason"], one.get("forced", False)) for one in history
    ]


def test_a_trial_is_told_for_people(flavours: Flavours) -> None:
    """A table with what changes first, the obstacle, and the command that promotes all the same."""
    done = flavours.run("env", "try", CANDIDATE)

    assert 1 == done.returncode, done.stderr
    lines = done.stdout.splitlines()
    order = [line.split()[0] for line in lines if re.match(r" *(ONLY1|ONLY2|NUMBR|EITHR) ", line)]
    assert ["ONLY1", "ONLY2", "NUMBR"] == order
    assert "4 entities: 1 broken, 1 repaired, 1 other numbers, 1 unchanged" in done.stdout
    assert "Not to be promoted: it breaks 1 entity (ONLY1)" in done.stdout
    assert f"ackrep env promote {CANDIDATE} --force --reason TEXT" in done.stdout

    missing = flavours.run("env", "try", f"{NAME}@missing")
    assert 1 == missing.returncode
    assert f"It cannot be promoted: nothing ran in {NAME}@missing" in missing.stdout
