"""The environments of this installation are complete, pinned, and named by the rule."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

FOLDER = Path(__file__).resolve().parents[2] / "environments"
DEFINITIONS = sorted(FOLDER.glob("*.toml"))
each_definition = pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)

REQUIRED = {
    "name": str,
    "aliases": list,
    "python": str,
    "requirements": str,
    "dockerfile": str,
    "preload": list,
    "shims": list,
    "unavailable": dict,
}
OPTIONAL = {"process_requirements": str, "build_only": list}


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def pins(path: Path) -> dict[str, Requirement]:
    """The requirements of a file by package, failing for what is not one pinned package a line."""
    found: dict[str, Requirement] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            assert requirement.name not in found, f"{path.name} has {requirement.name} twice"
            found[requirement.name] = requirement
    return found


def instructions(path: Path) -> list[str]:
    """A Dockerfile's instructions, each on one line, without comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
    return re.sub(r"\\\n\s*", "", text).splitlines()


def test_there_are_the_environments_that_data_repositories_name() -> None:
    """The demo's environment, and both names of the data repository of 2022, are served."""
    served = {name for path in DEFINITIONS for name in (read(path)["name"], *read(path)["aliases"])}
    assert {"demo_environment", "default_environment", "default_conda_environment"} <= served


def test_no_name_is_served_twice() -> None:
    """A name or alias leads to one definition."""
    served = [name for path in DEFINITIONS for name in (read(path)["name"], *read(path)["aliases"])]
    assert len(set(served)) == len(served)


@each_definition
def test_definition_has_its_keys(path: Path) -> None:
    """Every definition has the documented keys, of the documented types, and no other."""
    definition = read(path)
    types = REQUIRED | OPTIONAL
    assert set() == set(definition) - set(types)
    assert set() == set(REQUIRED) - set(definition)
    assert [] == [key for key, value in definition.items() if not isinstance(value, types[key])]
    SpecifierSet(definition["python"])


@each_definition
def test_names_follow_the_rule(path: Path) -> None:
    """`<some_description>_environment`, in the file, the definition and the files beside it."""
    definition = read(path)
    name = definition["name"]
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*_environment", name)
    assert name == path.stem
    assert f"Dockerfile_{name}" == definition["dockerfile"]
    assert f"requirements_{name}.txt" == definition["requirements"]


@each_definition
def test_files_exist(path: Path) -> None:
    """What a definition names lies beside it."""
    definition = read(path)
    named = [
        definition[key]
        for key in ("requirements", "process_requirements", "dockerfile")
        if key in definition
    ]
    assert [] == [name for name in named if not (FOLDER / name).is_file()]


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("requirements_*.txt")), ids=lambda path: path.name
)
def test_requirements_are_pinned(path: Path) -> None:
    """Every package of an environment has exactly one version."""
    loose = [
        str(requirement)
        for requirement in pins(path).values()
        if requirement.url or not re.fullmatch(r"==\d[0-9a-z.!+]*", str(requirement.specifier))
    ]
    assert [] == loose


@each_definition
def test_the_process_backend_gets_nearly_the_same_packages(path: Path) -> None:
    """Where it installs other packages than the image, only matplotlib's version is another."""
    definition = read(path)
    image = pins(FOLDER / definition["requirements"])
    process = pins(FOLDER / definition.get("process_requirements", definition["requirements"]))
    differing = {
        name
        for name in image.keys() | process.keys()
        if str(image.get(name)) != str(process.get(name))
    }
    assert differing <= {"matplotlib", "contourpy"}


@each_definition
def test_image_is_built_on_the_public_base(path: Path) -> None:
    """Every stage starts from debian:bookworm-slim and nothing else is pulled."""
    lines = instructions(FOLDER / read(path)["dockerfile"])
    stages = [line.split() for line in lines if line.startswith("FROM ")]
    assert {"debian:bookworm-slim"} == {stage[1] for stage in stages}


@each_definition
def test_image_can_host_the_runtime(path: Path) -> None:
    """It carries the runtime label and leaves user, volumes and entry point to the runner."""
    lines = instructions(FOLDER / read(path)["dockerfile"])
    labels = " ".join(line for line in lines if line.startswith("LABEL "))
    assert 'dev.ackrep.runtime="1"' in labels
    forbidden = ("USER ", "VOLUME ", "ENTRYPOINT ", "HEALTHCHECK ", "EXPOSE ", "ADD ")
    assert [] == [line for line in lines if line.startswith(forbidden)]


@each_definition
def test_shims_are_known_to_the_runtime(path: Path) -> None:
    """A definition asks only for compatibility that the injected runtime can add."""
    source = FOLDER.parent / "services" / "runner" / "runtime" / "harness" / "shims.py"
    text = source.read_text(encoding="utf-8")
    assert [] == [shim for shim in read(path)["shims"] if f'"{shim}": ' not in text]


@each_definition
def test_unavailable_packages_say_why_and_are_not_installed(path: Path) -> None:
    """Each has a reason that people understand, and is pinned for some machines at most."""
    definition = read(path)
    installed = pins(FOLDER / definition["requirements"])
    assert [] == [
        name
        for name, reason in definition["unavailable"].items()
        if len(reason) < 20 or (name.lower() in installed and not installed[name.lower()].marker)
    ]
