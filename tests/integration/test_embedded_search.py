"""`ackrep search` on a data repository, without a system that runs."""

import json
from pathlib import Path

import pytest

from tests.command_projects import SOLUTIONS, Project

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def project(tmp_path: Path, state_folder: Path) -> Project:
    """A data repository."""
    return Project(tmp_path, state=state_folder)


def test_results(project: Project) -> None:
    """A table with facets for people, an object per line for programs, best match first."""
    table = project.run("search", "nomin")
    lines = project.run("search", "--json", "entity", "--type", "problem_solution")

    assert (0, 0) == (table.returncode, lines.returncode), table.stderr + lines.stderr
    assert "NOMIN  problem solution  entity NOMIN" in table.stdout
    assert "found" in table.stderr
    found = [json.loads(line) for line in lines.stdout.splitlines()]
    assert sorted(SOLUTIONS) == sorted(one["key"] for one in found)
    assert {"field": "title", "text": f"entity {found[0]['key']}"}.items() <= found[0]["snippets"][
        0
    ].items()


def test_typing_errors_limits_and_nothing(project: Project) -> None:
    """A correction is said, a limit keeps to the best, and finding nothing is no failure."""
    mistyped = project.run("search", "entitty", "--limit", "2")
    assert "nothing has 'entitty'; showing 'entity'" in mistyped.stderr
    assert "the best 2 shown" in mistyped.stderr
    assert "type" in mistyped.stdout
    nothing = project.run("search", "zzzz", "qqqq", "--tag", "x")
    assert (0, "") == (nothing.returncode, nothing.stdout)
    assert "0 entities found; every word has to occur" in nothing.stderr


def test_what_is_typed_now_is_found(project: Project) -> None:
    """The folder is read again before each search."""
    assert "" == project.run("search", "--json", "zwieselbach").stdout
    (project.root / "comments/new").mkdir(parents=True)
    (project.root / "comments/new/metadata.yml").write_text(
        "key: ZWIES\ntype: comment\nname: Zwieselbach\n"
    )
    assert "ZWIES" == json.loads(project.run("search", "--json", "zwieselb").stdout)["key"]
