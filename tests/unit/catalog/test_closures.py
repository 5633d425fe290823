"""A closure holds what a check can see, and its digest says when that changed."""

from collections.abc import Mapping

import pytest

from services.catalog.domain.closures import Closure, closure_of
from services.errors import NotCheckableError
from tests.unit.catalog.repositories import entity_files, environment, index_of

FILES: Mapping[str, str] = (
    entity_files(
        "SSSSS",
        "problem_solution",
        method_package_list="[MET02, MET01]",
        solved_problem_list="[PPPPP]",
    )
    | entity_files(
        "PPPPP",
        "problem_specification",
        problemclass_list="[CCCCC]",
        related_system_models_list="[MMMMM]",
    )
    | entity_files("CCCCC", "problem_class")
    | entity_files("MMMMM", "system_model", compatible_environment="OTHER")
    | entity_files("MET01", "method_package")
    | entity_files("MET02", "method_package")
    | environment()
    | environment("OTHER", "other_environment")
)


def closure(files: Mapping[str, str | bytes], key: str = "SSSSS") -> Closure:
    known = {placed.entity.key: placed for placed in index_of(files).entities}
    return closure_of(key, known)


def test_the_folders_in_order() -> None:
    """Its own first, then as the metadata names them, breadth first, then its environment."""
    found = closure(FILES)
    assert ["SSSSS", "MET02", "MET01", "PPPPP", "MMMMM", "ENVIR"] == [
        placed.entity.key for placed in found.folders
    ]
    assert "default_environment" == found.environment


def test_what_cannot_run_has_a_closure_too() -> None:
    """A problem specification's closure has its models, and no environment."""
    found = closure(FILES, "PPPPP")
    assert (["PPPPP", "MMMMM"], "") == (
        [placed.entity.key for placed in found.folders],
        found.environment,
    )


def test_the_digest_follows_the_content() -> None:
    """Equal content has an equal digest; any change of a folder, key or path another one."""
    base = closure(FILES)
    assert 64 == len(base.digest)
    assert base.digest == closure({**FILES, "unrelated/file": "x"}).digest
    assert base.digest == closure({**FILES, "problem_classs/ccccc/more": "x"}).digest
    changed = {
        closure({**FILES, f"{folder}/more": "x"}).digest
        for folder in (
            "problem_solutions/sssss",
            "problem_specifications/ppppp",
            "system_models/mmmmm",
            "method_packages/met01",
            "environment_specifications/envir",
        )
    }
    moved = {
        path.replace("method_packages/met01", "method_packages/moved"): text
        for path, text in FILES.items()
    }
    assert 6 == len({*changed, closure(moved).digest} - {base.digest})


def test_the_digest_ignores_the_order() -> None:
    """Closures of the same folders have the same digest, whatever the metadata's order."""
    one = closure(FILES)
    assert one.digest == closure(dict(reversed(list(FILES.items())))).digest


def test_a_cycle_does_no_harm() -> None:
    """Packages that name each other are there once each."""
    files = entity_files("AAAAA", "method_package", method_package_list="[BBBBB]") | entity_files(
        "BBBBB", "method_package", method_package_list="[AAAAA, BBBBB]"
    )
    assert ["AAAAA", "BBBBB"] == [one.entity.key for one in closure(files, "AAAAA").folders]


@pytest.mark.parametrize(
    ("change", "field", "reference"),
    [
        ({"related_system_models_list": "[NOSUC]"}, "related_system_models_list", "NOSUC"),
        ({"related_system_models_list": "[MET01]"}, "related_system_models_list", "MET01"),
    ],
)
def test_dangling_references(change: Mapping[str, str], field: str, reference: str) -> None:
    """No closure exists where a reference leads nowhere, however deep; the error names it."""
    files = {**FILES, **entity_files("PPPPP", "problem_specification", **change)}
    with pytest.raises(NotCheckableError) as caught:
        closure(files)
    assert ("PPPPP", field, reference) == tuple(
        caught.value.facts[name] for name in ("entity", "field", "reference")
    )
    assert "problem_specifications/ppppp/metadata.yml" in caught.value.message


def test_an_unknown_environment() -> None:
    """An entity that names an environment that does not exist has no closure."""
    files = {**FILES, **entity_files("MMMMM", "system_model", compatible_environment="NOSUC")}
    with pytest.raises(NotCheckableError, match="NOSUC"):
        closure(files, "MMMMM")
    assert closure(files).folders  # the solution runs in its own environment


def test_a_dangling_problem_class_is_no_obstacle() -> None:
    """What a check cannot see need not exist."""
    files = {**FILES, **entity_files("PPPPP", "problem_specification", problemclass_list="[X]")}
    assert 5 == len(closure(files).folders)
