"""Names that other systems cannot have, and folders that lie where nobody looks for them."""

import itertools
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.domain.entities import EntityType
from services.catalog.domain.indexing.folder_checks import (
    TYPE_FOLDERS,
    check_listing,
    check_path,
    dockerfile_problem,
    folder_form,
    misplacement,
    wanted_files,
)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("system_models/con.d/model.py", "system_models/con.d"),
        ("AUX", "AUX"),
        ("a/b/lpt1.txt", "a/b/lpt1.txt"),
        ("a/b./c.py", "a/b."),
        ("a/b /c.py", "a/b "),
        ("a/b?.py", "a/b?.py"),
        ("a\\b/c.py", "a\\b"),
        ("a/tab\t.py", "a/tab\t.py"),
        ("a/console.py", None),
        ("a/.gitignore", None),
        ("a/model-1.0_final (copy).py", None),
        ("a/水槽.py", None),
        ("metadata.yml", None),
    ],
)
def test_names_for_windows(path: str, told: str | None) -> None:
    """The folder or file with the name that cannot be is told, once."""
    found = [(one.code, one.path) for one in check_path(path)]

    assert ([("unportable-name", told)] if told else []) == found


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("notebooks/a/metadata.yaml", True),
        ("notebooks/a/Metadata.YML", True),
        ("notebooks/group/a/metadata.yml.txt", True),
        ("notebooks/a/metadata.yml", False),
        ("notebooks/a/data/deep/metadata.yaml", False),
        ("course/a/metadata.yaml", False),
    ],
)
def test_metadata_under_another_name(path: str, told: bool) -> None:
    """Where entities lie, a file that is nearly named as their metadata is told."""
    assert (["misnamed-metadata"] if told else []) == [one.code for one in check_path(path)]


def test_templates_may_have_any_name() -> None:
    """Patterns for new entities are nobody's metadata."""
    assert [] == list(check_path("notebooks/_template/metadata.yaml"))


@given(st.text(max_size=40))
def test_any_path_can_be_looked_at(path: str) -> None:
    """No path fails, and what is told is part of it."""
    for one in check_path(path):
        assert one.message
    list(check_listing("a", [path, path.upper(), f"{path}/b"], key="AAAAA"))
    assert folder_form(path) == folder_form(path)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["Model.py", "model.py"], ["Model.py", "model.py"]),
        (["Data/a", "data/b"], ["Data", "data"]),
        (["\xe9.py", "e\u0301.py"], ["e\u0301.py", "\xe9.py"]),
        (["A.py", "b.py", "C/a.py", "c.py"], []),
        (["stra\xdfe", "STRASSE"], []),
    ],
)
def test_names_that_clash(files: list[str], told: list[str]) -> None:
    """Each of two names that other systems take for one is told of the other."""
    found = [(one.code, one.path) for one in check_listing("f", files, key="AAAAA")]

    assert [("case-clash", f"f/{name}") for name in told] == found


def test_hostile_listings_are_bounded() -> None:
    """Thousands of names that clash, nest or never end take little time and few words."""
    variants = ["".join(signs) for signs in itertools.product("aA", repeat=12)]
    nested = [f"{number}/metadata.yml" for number in range(5_000)]
    endless = ["A/" * 5_000 + str(number) for number in range(200)]
    begin = time.process_time()
    found = list(check_listing("f", [*variants, *nested, *endless], key="AAAAA"))

    assert time.process_time() - begin < 2
    assert {"nested-entity": 20, "case-clash": 20} == Counter(one.code for one in found)


def test_templates_in_an_entity_are_none() -> None:
    """A pattern for new entities in an entity's folder is no entity in an entity."""
    assert [] == list(check_listing("f", ["x/_template/metadata.yml"], key="AAAAA"))


@pytest.mark.parametrize("type_", EntityType)
def test_places(type_: EntityType) -> None:
    """An entity belongs into the folder of its type, where it lies in one of a type at all."""
    right = next(name for name, wanted in TYPE_FOLDERS.items() if wanted is type_)

    assert misplacement(f"{right}/group/a", type_) is None
    assert misplacement("course/notebooks/a", type_) is None
    for name in TYPE_FOLDERS.keys() - {right}:
        found = misplacement(f"{name}/a", type_)
        assert found is not None
        assert f"{right}/" in found[1]


def test_dockerfiles() -> None:
    """Where there are Dockerfiles, an environment has one of its name."""
    files = {"images/Dockerfile_a_environment"}

    assert dockerfile_problem("b_environment", ()) is None
    assert dockerfile_problem("a_environment", files) is None
    found = dockerfile_problem("b_environment", files)
    assert found is not None
    assert "images/Dockerfile_b_environment" in found[0]


def test_wanted_files() -> None:
    """What the type needs, under its usual name or the one written, and what is named besides."""
    metadata = {"solution_file": "own.py", "postprocessing_file": "draw.py", "problem_file": "x.py"}

    assert [("solution_file", "own.py"), ("postprocessing_file", "draw.py")] == list(
        wanted_files(EntityType.PROBLEM_SOLUTION, metadata)
    )
    assert [] == list(wanted_files(EntityType.NOTEBOOK, {}))
    assert ["system_model.py", "simulation.py"] == [
        name for _, name in wanted_files(EntityType.SYSTEM_MODEL, {"simulation_file": ""})
    ]
