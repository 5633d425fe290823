"""How a check of one entity is run: computed from its closure alone, before any container.

`plan_of(entity, closure)` is pure. The closure comes as `Folder` values: what the metadata says and
which files the folder's tree holds (known from the tree cache). The plan travels to the harness as
JSON (`Plan.as_json`).
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from services.errors import NotCheckableError

RUNTIME: Final = "@runtime"
"""Stands in `Plan.import_path` for the folder of our own `ackrep_core`."""
DATA_ROOT: Final = ""
"""Stands in `Plan.import_path` for the data root itself."""


class PlanError(NotCheckableError):
    """The closure does not say how to run this entity: an error of the entity, never of ours."""


class Rule(StrEnum):
    """What it means to run an entity, and what else is run where entities are."""

    SYSTEM_MODEL = "system_model"
    PROBLEM_SOLUTION = "problem_solution"
    NOTEBOOK = "notebook"
    PARAMETERS = "parameters"
    """No check: the parameter table of a system model."""
    DOCUMENT = "document"
    """No check: a TeX document."""


_CHECKS: Final = {Rule.SYSTEM_MODEL, Rule.PROBLEM_SOLUTION, Rule.NOTEBOOK}


@dataclass(frozen=True, kw_only=True)
class Folder:
    """One folder of a closure."""

    key: str
    """The entity's key."""
    type: str
    """The entity's type."""
    path: str
    """Where it lies in the repository, with `/` and without one at the ends."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    """Its parsed metadata.yml."""
    files: frozenset[str] = frozenset()
    """Paths of its files, relative to `path`."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the harness needs to know to run one entity. All paths are repository-relative."""

    rule: Rule
    key: str
    entity_path: str
    import_path: tuple[str, ...]
    """`sys.path` before the environment's own; `RUNTIME` and `DATA_ROOT` are special."""
    modules: Mapping[str, str]
    """Role to module name: model and simulation, or problem and solution; of a document: main."""
    notebook: str = ""
    """The notebook's file name in the entity's folder."""
    entities: Mapping[str, str] = field(default_factory=dict)
    """Key to path of everything in the closure, for `ackrep_core`."""
    metadata: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Path of a metadata.yml to what is in it, so that the environment needs no YAML parser."""
    warnings: tuple[str, ...] = ()
    """What the contributor should know; shown in the log and the result."""

    def as_json(self) -> dict[str, object]:
        """The plan as the harness reads it."""
        return {
            "rule": str(self.rule),
            "key": self.key,
            "entity_path": self.entity_path,
            "import_path": list(self.import_path),
            "modules": dict(self.modules),
            "notebook": self.notebook,
            "entities": dict(self.entities),
            "metadata": {path: _plain(value) for path, value in self.metadata.items()},
            "warnings": list(self.warnings),
        }


def plan_of(entity: str, closure: Sequence[Folder]) -> Plan:
    """The plan of a check of the entity with this key. Raises PlanError, KeyError if not there."""
    by_key = {folder.key: folder for folder in closure}
    target = by_key[entity]
    if target.type not in _CHECKS:
        raise PlanError(f"{entity} is a {target.type}, which cannot be checked")
    rule = Rule(target.type)
    if rule is Rule.SYSTEM_MODEL:
        path, modules, warnings = _model(target)
    elif rule is Rule.PROBLEM_SOLUTION:
        path, modules, warnings = _solution(target, by_key)
    else:
        path, modules, warnings = (target.path,), {}, ()
    return Plan(
        rule=rule,
        key=entity,
        entity_path=target.path,
        import_path=(*path, RUNTIME, DATA_ROOT),
        modules=modules,
        notebook=_notebook(target) if rule is Rule.NOTEBOOK else "",
        entities={folder.key: folder.path for folder in closure},
        metadata={f"{folder.path}/metadata.yml": folder.metadata for folder in closure},
        warnings=warnings,
    )


def parameters_plan(entity: str, closure: Sequence[Folder], *, described: bool = False) -> Plan:
    """The plan that makes the parameter table of a system model, without simulating it.

    With `described` the model is imported too, and told in formulas.
    """
    check = plan_of(entity, closure)
    return replace(
        check,
        rule=Rule.PARAMETERS,
        modules={"model": check.modules["model"]} if described else {},
    )


def document_plan(path: str, *, main: str) -> Plan:
    """The plan that sets `<main>.tex` in the folder `path`."""
    return Plan(
        rule=Rule.DOCUMENT,
        key=main,
        entity_path=path,
        import_path=(RUNTIME,),
        modules={"main": main},
    )


def _model(target: Folder) -> tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]:
    modules = {
        "model": _module(target, field_name="system_model_file", default="system_model"),
        "simulation": _module(target, field_name="simulation_file", default="simulation"),
    }
    return (target.path,), modules, ()


def _solution(
    target: Folder, by_key: Mapping[str, Folder]
) -> tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]:
    problems = _keys(target, "solved_problem_list")
    if not problems:
        raise PlanError(f"{target.key} names no problem in solved_problem_list")
    warnings: tuple[str, ...] = ()
    if len(problems) > 1:
        skipped = ", ".join(problems[:-1])
        warnings = (f"only the last solved problem, {problems[-1]}, is checked; not {skipped}",)
    problem = _referenced(target, problems[-1], by_key)
    packages = [_referenced(target, key, by_key) for key in _keys(target, "method_package_list")]
    modules = {
        "problem": _module(problem, field_name="problem_file", default="problem"),
        "solution": _module(target, field_name="solution_file", default="solution"),
    }
    # The last listed package comes first, as it always did.
    sources = [_sources(package) for package in reversed(packages)]
    return (target.path, problem.path, *sources), modules, warnings


def _sources(package: Folder) -> str:
    """Where a method package's modules are: a committed build wins over the sources."""
    built = any(file.startswith("_build/") for file in package.files)
    return f"{package.path}/{'_build' if built else 'src'}"


def _referenced(target: Folder, key: str, by_key: Mapping[str, Folder]) -> Folder:
    try:
        return by_key[key]
    except KeyError:
        raise PlanError(f"{target.key} refers to {key}, which does not exist") from None


def _keys(folder: Folder, field_name: str) -> list[str]:
    value = folder.metadata.get(field_name)
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence):
        return []
    return [str(key).strip() for key in value if key is not None and str(key).strip()]


def _module(folder: Folder, *, field_name: str, default: str) -> str:
    """The module that a metadata field names, if it names a plain Python file beside it."""
    value = folder.metadata.get(field_name)
    if isinstance(value, str) and value.endswith(".py") and value[:-3].isidentifier():
        return value[:-3]
    return default


def _notebook(folder: Folder) -> str:
    value = folder.metadata.get("notebook_file")
    if isinstance(value, str) and value.strip():
        return value.strip()
    found = sorted(file for file in folder.files if file.endswith(".ipynb") and "/" not in file)
    if not found:
        raise PlanError(f"{folder.key} is a notebook without a notebook file")
    return found[0]


def _plain(value: Mapping[str, object]) -> dict[str, object]:
    """Metadata as JSON knows it: YAML dates become their ISO form, keys become text."""
    text = json.dumps({str(key): item for key, item in value.items()}, default=_text)
    loaded: dict[str, object] = json.loads(text)
    return loaded


def _text(value: object) -> str:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
