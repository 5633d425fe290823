"""The demo data repository keeps what its README and the project's tests rely on."""

import ast
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, TypeGuard

import pytest
import yaml

DEMO = Path(__file__).parents[2] / "examples" / "demo_data"

BROKEN = "LRHZX"
INACCURATE = "MSEU1"

COMMON_FIELDS = {
    "key",
    "predecessor_key",
    "type",
    "name",
    "short_description",
    "version",
    "tag_list",
    "creator",
    "editor_list",
    "creation_date",
    "external_references",
    "notes",
}

# Fields that hold keys of other entities, and the type these must have.
REFERENCES = {
    "compatible_environment": "environment_specification",
    "compatible_environment_list": "environment_specification",
    "solved_problem_list": "problem_specification",
    "method_package_list": "method_package",
    "problemclass_list": "problem_class",
    "related_system_models_list": "system_model",
}

# Fields that name a file beside metadata.yml.
FILES = ("system_model_file", "simulation_file", "problem_file", "solution_file", "notebook_file")

PARAMETER_CONTRACT = {
    "model_name",
    "pp_symb",
    "pp_sf",
    "pp_subs_list",
    "latex_names",
    "tabular_header",
    "col_alignment",
    "col_1",
    "start_columns_list",
    "end_columns_list",
}


def read_entities() -> list[tuple[Path, dict[str, Any]]]:
    """Return every entity's folder and metadata."""
    return [
        (path.parent, yaml.safe_load(path.read_text(encoding="utf-8")))
        for path in sorted(DEMO.glob("*/*/metadata.yml"))
    ]


ENTITIES = read_entities()
BY_KEY = {metadata["key"]: (folder, metadata) for folder, metadata in ENTITIES}
every_entity = pytest.mark.parametrize(
    ("folder", "metadata"), ENTITIES, ids=[metadata["key"] for _, metadata in ENTITIES]
)


def assigned_names(source: str) -> set[str]:
    """Return the names that a module assigns at its top level."""
    return {
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_keys_are_unique() -> None:
    """No two entities share a key."""
    counts = Counter(metadata["key"] for _, metadata in ENTITIES)
    assert [] == [key for key, count in counts.items() if count > 1]


def test_every_type_is_there() -> None:
    """The repository shows every type of entity, and enough of those that are checked."""
    minimum = {
        "system_model": 5,
        "problem_class": 1,
        "problem_specification": 3,
        "problem_solution": 4,
        "method_package": 2,
        "notebook": 1,
        "environment_specification": 1,
        "documentation": 1,
        "comment": 1,
    }
    counts = Counter(metadata["type"] for _, metadata in ENTITIES)
    assert set(minimum) == set(counts)
    assert {} == {kind: counts[kind] for kind, least in minimum.items() if counts[kind] < least}


@every_entity
def test_metadata_is_complete(folder: Path, metadata: dict[str, Any]) -> None:
    """Each entity has the common fields, a well-formed key, and a name of the documented length."""
    assert set() == COMMON_FIELDS - set(metadata)
    assert re.fullmatch(r"[A-Z0-9]{5}", metadata["key"])
    assert 0 < len(metadata["name"]) <= 40
    assert 0 < len(metadata["short_description"]) <= 500
    assert re.fullmatch(r"\d+\.\d+\.\d+", metadata["version"])
    assert folder.parent.name == metadata["type"].replace("class", "classe") + "s"


@every_entity
def test_key_stays_text_in_every_yaml(folder: Path, metadata: dict[str, Any]) -> None:
    """Keys are quoted, so that no YAML reader takes one for a number."""
    first_line = (folder / "metadata.yml").read_text(encoding="utf-8").splitlines()[0]
    assert f"key: '{metadata['key']}'" == first_line


@every_entity
def test_references_resolve(folder: Path, metadata: dict[str, Any]) -> None:
    """Each key that an entity refers to belongs to an entity of the right type."""
    for field, kind in REFERENCES.items():
        value = metadata.get(field, [])
        for key in filter(None, value if isinstance(value, list) else [value]):
            assert kind == BY_KEY[key][1]["type"], f"{folder.name}: {field}: {key}"


@every_entity
def test_named_files_exist(folder: Path, metadata: dict[str, Any]) -> None:
    """Each file that an entity names is there."""
    for field in FILES:
        if field in metadata:
            assert (folder / metadata[field]).is_file(), field


@every_entity
def test_checkable_entities_name_the_demo_environment(
    folder: Path, metadata: dict[str, Any]
) -> None:
    """What can be checked says that it runs in `demo_environment`."""
    if metadata["type"] in {"system_model", "problem_solution", "notebook"}:
        environment = BY_KEY[metadata["compatible_environment"]][1]
        assert "demo_environment" == environment["name"]


@every_entity
def test_ontology_tags_are_declared(folder: Path, metadata: dict[str, Any]) -> None:
    """Each `ocse:` tag is a class of the ontology."""
    tags = {tag.removeprefix("ocse:") for tag in metadata["tag_list"] if tag.startswith("ocse:")}
    assert set() == tags - set(ontology_classes())


def ontology_classes() -> dict[str, list[str]]:
    """Return the classes of the ontology, each with its parents."""
    (path,) = (DEMO / "ontology").glob("*.owl.yml")
    blocks = yaml.safe_load(path.read_text(encoding="utf-8"))
    classes: dict[str, list[str]] = {}
    for block in blocks:
        for item in block.get("multiple_owl_classes", []):
            ((name, body),) = item.items()
            parents = body["SubClassOf"]
            classes[name] = parents if isinstance(parents, list) else [parents]
    return classes


def test_ontology_parents_are_declared_before_their_children() -> None:
    """The hierarchy can be read in one pass from top to bottom."""
    seen = {"owl:Thing"}
    for name, parents in ontology_classes().items():
        assert set() == set(parents) - seen, name
        seen.add(name)


def test_models_keep_the_parameter_contract() -> None:
    """Each model that is not broken defines every name that a parameter module has to define."""
    for folder, metadata in ENTITIES:
        if metadata["type"] == "system_model" and metadata["key"] != BROKEN:
            names = assigned_names((folder / "parameters.py").read_text(encoding="utf-8"))
            assert set() == PARAMETER_CONTRACT - names, folder.name


def test_only_the_broken_model_is_broken() -> None:
    """`parameters.py` of LRHZX does not compile; every other Python file does."""
    broken = []
    for path in sorted(DEMO.rglob("*.py")):
        try:
            compile(path.read_text(encoding="utf-8"), str(path), "exec")
        except SyntaxError:
            broken.append(path)
    assert [BY_KEY[BROKEN][0] / "parameters.py"] == broken


def sets_success(node: ast.AST) -> TypeGuard[ast.keyword | ast.Assign]:
    """Whether a node is `success=...` in a call, or an assignment to `....success`."""
    if isinstance(node, ast.Assign):
        return any(isinstance(t, ast.Attribute) and t.attr == "success" for t in node.targets)
    return isinstance(node, ast.keyword) and node.arg == "success"


def test_no_verdict_is_a_literal() -> None:
    """`success` is computed everywhere, also where a check is meant to end as inaccurate."""
    judges = [*DEMO.glob("system_models/*/simulation.py"), *DEMO.glob("*/*/problem.py")]
    solution = BY_KEY[INACCURATE][0] / "solution.py"
    assert solution.is_file()
    verdicts = 0
    for path in [*judges, *DEMO.glob("*/*/solution.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not sets_success(node):
                continue
            verdicts += 1
            assert not isinstance(node.value, ast.Constant), path
            assert path != solution, "the judge is the problem, not the solution"
    assert len(judges) == verdicts


def test_inaccurate_solution_and_its_accurate_sibling_solve_the_same_problem() -> None:
    """MSEU1 is judged by the same code as a solution that passes."""
    problem = BY_KEY[INACCURATE][1]["solved_problem_list"]
    siblings = [
        metadata["key"]
        for _, metadata in ENTITIES
        if metadata.get("solved_problem_list") == problem and metadata["key"] != INACCURATE
    ]
    assert ["MSRK4"] == siblings


def test_notebooks_are_kept_without_outputs() -> None:
    """A notebook is source; its outputs come from checks."""
    for path in DEMO.glob("notebooks/*/*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert [] == cell.get("outputs", []), path
            assert cell.get("execution_count") is None, path


def test_readme_lists_every_checkable_entity() -> None:
    """The table of expected verdicts is complete."""
    readme = (DEMO / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([A-Z0-9]{5})` \|", readme, flags=re.MULTILINE))
    checkable = {
        metadata["key"]
        for _, metadata in ENTITIES
        if metadata["type"] in {"system_model", "problem_solution", "notebook"}
    }
    assert checkable == listed
