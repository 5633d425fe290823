"""`ackrep sparql` on a data repository, without a system that runs."""

import json
from pathlib import Path

import pytest

from tests.command_projects import SOLUTIONS, Project
from tests.ontologies import NAMESPACE, PLANTS

pytestmark = pytest.mark.timeout(240)

ALL = "SELECT ?entity ?key WHERE { ?entity P:has_entity_key ?key } ORDER BY ?key"


@pytest.fixture
def project(tmp_path: Path, state_folder: Path) -> Project:
    """A data repository with an ontology."""
    found = Project(tmp_path, state=state_folder)
    (found.root / "ontology").mkdir()
    (found.root / "ontology/plants.owl.yml").write_text(PLANTS)
    return found


def test_rows(project: Project) -> None:
    """A table for people with key and title, an object per row for programs."""
    table = project.run("sparql", ALL)
    lines = project.run("sparql", "--json", ALL)

    assert (0, 0) == (table.returncode, lines.returncode), table.stderr + lines.stderr
    assert "NOMIN  entity NOMIN" in table.stdout
    assert f"{len(SOLUTIONS) + 2} rows in " in table.stderr
    rows = [json.loads(line) for line in lines.stdout.splitlines()]
    assert sorted([*SOLUTIONS, "PROBL", "TINYE"]) == [row["key"] for row in rows]
    assert {
        "iri": f"{NAMESPACE}entity_NOMIN",
        "key": "NOMIN",
        "label": "entity NOMIN",
    } == rows[0]["entity"]


def test_yes_and_no(project: Project) -> None:
    """ASK says yes with 0 and no with 1; the query may come from a file or standard input."""
    (project.root / "query.rq").write_text('ASK { ?x P:has_entity_key "XXXXX" }')

    yes = project.run("sparql", 'ASK { ?x P:has_entity_key "NOMIN" }')
    no = project.run("sparql", "-f", str(project.root / "query.rq"), "--json")
    assert (0, "yes\n") == (yes.returncode, yes.stdout)
    assert (1, {"answer": False}) == (no.returncode, json.loads(no.stdout))


def test_the_working_tree_is_asked(project: Project) -> None:
    """What was written just now is in the answer, committed or not."""
    project.entity("system_models/new", "NEWMO", "system_model")
    (project.root / "system_models/new/metadata.yml").write_text(
        "key: NEWMO\ntype: system_model\nname: new\ntag_list: ['ocse:State_Space_System']\n"
    )
    done = project.run("sparql", "--json", "SELECT ?x { ?x P:has_ontology_based_tag P:iSystem }")

    assert ["NEWMO"] == [json.loads(line)["x"]["key"] for line in done.stdout.splitlines()]


def test_rows_can_be_limited(project: Project) -> None:
    """And it is said that there are more."""
    done = project.run("sparql", "--limit", "2", "--json", ALL)

    assert 2 == len(done.stdout.splitlines())
    assert "there are more rows" in done.stderr


def test_wrong_queries(project: Project) -> None:
    """The place is shown, with a mark below it; the exit code is that of wrong usage."""
    done = project.run("sparql", "ASK { ?x P:a }")
    missing = project.run("sparql", "-f", str(project.root / "none.rq"))

    assert 64 == done.returncode
    assert "line 1, column 14: `}` does not fit here" in done.stderr
    assert "\n  ASK { ?x P:a }\n               ^" in done.stderr
    assert (64, True) == (missing.returncode, "cannot read" in missing.stderr)


def test_without_an_ontology(project: Project) -> None:
    """It is said what is missing."""
    (project.root / "ontology/plants.owl.yml").unlink()
    done = project.run("sparql", "ASK {}")

    assert done.returncode != 0
    assert "no ontology" in done.stderr
