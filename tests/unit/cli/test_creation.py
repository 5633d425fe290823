"""New entities from templates, as texts."""

import ast
import dataclasses
import datetime
import json
from pathlib import Path, PurePosixPath

import pytest
import yaml

from cli import creation
from services.errors import AlreadyExistsError, InvalidArgumentError

DRAFT = creation.Draft(
    type="system_model",
    key="2GT00",
    name="Swing",
    date=datetime.datetime(2026, 11, 23, 9, 0, tzinfo=datetime.UTC),
    environment="DEMOE",
    problem="PROBL",
)
HOSTILE = [
    "O'Neil's",
    'a "quoted" \\ one',
    '"""\nimport os'.replace("\n", " "),
    "{{ 7 * 7 }} {% raw %}",
    "key: [a, {b: c}] # no comment",
    "\N{GREEK SMALL LETTER LAMDA}x.\N{SUPERSCRIPT TWO}",
    "yes",
    "<script>alert(1)</script>",
    "- x",
]


def draft_of(kind: str, name: str = "Swing") -> creation.Draft:
    """A draft of a type; environments can only have names of their own form."""
    if kind == "environment_specification":
        name = "my_tools_environment"
    return dataclasses.replace(DRAFT, type=kind, name=name, description=name, creator=name)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", creation.TYPES)
def test_every_text_is_of_its_language(kind: str, name: str) -> None:
    """Whatever an entity is called: metadata is YAML that says so, Python parses, JSON loads."""
    draft = draft_of(kind, name)
    found = creation.files(draft)

    metadata = yaml.safe_load(found[PurePosixPath("metadata.yml")])
    assert ("2GT00", kind, draft.name) == (metadata["key"], metadata["type"], metadata["name"])
    assert draft.description == metadata["short_description"]
    for path, text in found.items():
        if path.suffix == ".py":
            ast.parse(text)
        if path.suffix == ".ipynb":
            assert f"# {name}\n" == json.loads(text)["cells"][0]["source"][0]


@pytest.mark.parametrize("solves", [True, False])
def test_a_solution_of_another_problem_is_left_to_its_author(*, solves: bool) -> None:
    """Only the template's problem is solved by the template's solution."""
    draft = dataclasses.replace(DRAFT, type="problem_solution", solves_template=solves)
    text = creation.files(draft)[PurePosixPath("solution.py")]

    ast.parse(text)
    assert solves == ("NotImplementedError" not in text)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Swing", "swing"),
        ("Größe & Gain", "grosse_gain"),
        ("3 tanks", "system_model_3_tanks"),
        ("../../etc", "etc"),
        ("水", "system_model_2gt00"),
    ],
)
def test_folder_names(name: str, slug: str) -> None:
    """A folder is named by the name's letters and digits, and is always a Python name."""
    found = dataclasses.replace(DRAFT, name=name).slug
    assert slug == found
    assert found.isidentifier()


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 201, "bell\a"])
def test_refused_names(name: str) -> None:
    """A name is one line."""
    with pytest.raises(InvalidArgumentError, match="a name is one line"):
        dataclasses.replace(DRAFT, name=name)


@pytest.mark.parametrize("name", ["tools", "My_environment", "my-environment", "../x_environment"])
def test_refused_names_of_environments(name: str) -> None:
    """An environment's name says that it is one."""
    with pytest.raises(InvalidArgumentError, match="an environment is named like"):
        dataclasses.replace(DRAFT, type="environment_specification", name=name)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder with anything in it is left alone."""
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(AlreadyExistsError):
        creation.write(DRAFT, tmp_path)
    assert ["mine.txt"] == [path.name for path in tmp_path.iterdir()]
