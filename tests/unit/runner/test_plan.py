"""Plans, from closures alone."""

import datetime

import pytest

from services.errors import NotCheckableError
from services.plans import DATA_ROOT, RUNTIME, Folder, Rule, plan_of


def folder(key: str, kind: str, *files: str, **metadata: object) -> Folder:
    """A folder of a closure."""
    return Folder(
        key=key, type=kind, path=f"{kind}s/{key}", metadata=metadata, files=frozenset(files)
    )


def test_model_comes_before_runtime_and_data_root() -> None:
    """A model is imported from its folder, then our runtime, then the data root."""
    plan = plan_of("M", [folder("M", "system_model", simulation_file="simulation.py")])
    assert Rule.SYSTEM_MODEL == plan.rule
    assert ("system_models/M", RUNTIME, DATA_ROOT) == plan.import_path
    assert {"model": "system_model", "simulation": "simulation"} == plan.modules
    assert {"M": "system_models/M"} == plan.entities


def test_solution_has_problem_and_packages_on_its_path() -> None:
    """Solution, problem, packages from the last listed to the first; a committed build wins."""
    closure = [
        folder(
            "S",
            "problem_solution",
            solved_problem_list=["P"],
            method_package_list=["A", "", "B"],
        ),
        folder("P", "problem_specification"),
        folder("A", "method_package", "src/a.py", "_build/a.py"),
        folder("B", "method_package", "src/b.py"),
    ]
    plan = plan_of("S", closure)
    assert (
        "problem_solutions/S",
        "problem_specifications/P",
        "method_packages/B/src",
        "method_packages/A/_build",
        RUNTIME,
        DATA_ROOT,
    ) == plan.import_path
    assert () == plan.warnings


def test_notebook_is_named_or_found() -> None:
    """The metadata names the notebook; without that it is the first in the folder."""
    named = plan_of("N", [folder("N", "notebook", "a.ipynb", notebook_file="b.ipynb")])
    found = plan_of("N", [folder("N", "notebook", "z.ipynb", "a.ipynb", "old/0.ipynb")])
    assert ("b.ipynb", "a.ipynb") == (named.notebook, found.notebook)


@pytest.mark.parametrize(
    "closure",
    [
        [folder("X", "method_package")],
        [folder("X", "problem_solution", solved_problem_list=["GONE"])],
        [folder("X", "problem_solution", solved_problem_list=[""])],
        [folder("X", "notebook")],
    ],
    ids=["no rule", "dangling", "no problem", "no notebook"],
)
def test_what_cannot_be_planned_is_said(closure: list[Folder]) -> None:
    """An entity without a plan is an error that a caller can act on."""
    with pytest.raises(NotCheckableError):
        plan_of("X", closure)


def test_metadata_travels_as_json() -> None:
    """Dates become text, so that the environment needs no YAML parser."""
    date = datetime.date(2022, 4, 7)
    plan = plan_of("M", [folder("M", "system_model", creation_date=date)])
    assert {"system_models/M/metadata.yml": {"creation_date": "2022-04-07"}} == (
        plan.as_json()["metadata"]
    )
