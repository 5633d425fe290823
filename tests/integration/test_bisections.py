"""The change that broke an entity, found among real commits and real images."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.runner.engine.containers import Engine
from tests.flavours import CANDIDATE, NAME, Flavours, running_flavours
from tests.git_repositories import user_git, write

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

_SOLUTION = "problem_solutions/eithr/solution.py"
_FIRST_BAD = 6


@pytest.fixture
async def flavours(tmp_path: Path, docker_engine: Engine) -> AsyncIterator[Flavours]:
    """A running system with two images of one environment."""
    async with running_flavours(tmp_path, docker_engine) as project:
        user_git(project.root, "init", "-q", "-b", "main")
        yield project


def commit(flavours: Flavours, message: str, files: dict[str, str]) -> str:
    """Commits files; the commit's id."""
    write(flavours.root, files)
    user_git(flavours.root, "add", ".")
    user_git(flavours.root, "commit", "-q", "-m", message)
    return user_git(flavours.root, "rev-parse", "HEAD")


def solution(number: int) -> str:
    """A solution that is right before the first bad commit, and wrong from it on."""
    value = 41.0 if number >= _FIRST_BAD else 42.0
    return f"def solve(specification):\n    return {value}  # version {number}\n"


def bisected(flavours: Flavours, key: str) -> dict[str, Any]:
    """What `ackrep bisect` found."""
    done = flavours.run("bisect", key, "--json")
    assert 0 == done.returncode, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    assert "STATE_FINISHED" == found["state"]
    return found


def test_the_commit_among_many(flavours: Flavours) -> None:
    """Of nine commits that touch the solution, among others, the first bad one is named."""
    commits = [commit(flavours, "begin", {_SOLUTION: solution(0)})]
    assert "success" == flavours.checked("EITHR")[0]
    for number in range(1, 10):
        commits.append(commit(flavours, f"version {number}", {_SOLUTION: solution(number)}))
        commit(flavours, "aside", {f"notes/{number}.txt": "nothing that a check sees"})
    assert "inaccurate" == flavours.checked("EITHR")[0]

    found = bisected(flavours, "EITHR")
    assert ("AXIS_COMMIT", 10) == (found["axis"], found["candidateCount"])
    assert [commits[_FIRST_BAD]] == [culprit["commit"] for culprit in found["culprits"]]
    assert f"version {_FIRST_BAD}" in found["message"]
    assert len(found["probes"]) <= 4

    again = bisected(flavours, "EITHR")
    assert all(probe["known"] for probe in again["probes"])
    told = flavours.run("bisect", "EITHR")
    assert f"broke with commit {commits[_FIRST_BAD][:10]}" in told.stdout


def test_the_image_beside_harmless_commits(flavours: Flavours) -> None:
    """The repository changed as well; one check more says that it was the image."""
    path = "problem_solutions/only1/solution.py"
    begin = (flavours.root / path).read_text()
    commit(flavours, "begin", {})
    assert "success" == flavours.checked("ONLY1")[0]
    flavours.document("env", "try", CANDIDATE, code=1)
    new = flavours.document("env", "promote", CANDIDATE, "--force", "--reason", "for this test")
    for number in range(3):
        commit(flavours, f"comment {number}", {path: f"{begin}# {number}\n"})
    assert ("script_error", new["digest"]) == flavours.checked("ONLY1")

    found = bisected(flavours, "ONLY1")
    assert "AXIS_ENVIRONMENT" == found["axis"]
    digits = new["digest"].removeprefix("sha256:")
    assert [f"environments/{NAME}@{digits}"] == [one["environment"] for one in found["culprits"]]
    assert 1 == len(found["probes"])


def test_what_is_good_cannot_be_bisected(flavours: Flavours) -> None:
    """A success has nothing to search for: the command says so."""
    commit(flavours, "begin", {})
    assert "success" == flavours.checked("EITHR")[0]
    done = flavours.run("bisect", "EITHR")
    assert 0 != done.returncode
    assert "newest result of entities/EITHR is a success" in done.stderr
