"""New entities from templates: what `ackrep new` writes."""

import dataclasses
import datetime
import functools
import json
import re
import subprocess
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import jinja2

from services.errors import AlreadyExistsError, InvalidArgumentError

TYPES: Final[Mapping[str, str]] = {
    "system_model": "system_models",
    "problem_class": "problem_classes",
    "problem_specification": "problem_specifications",
    "problem_solution": "problem_solutions",
    "method_package": "method_packages",
    "notebook": "notebooks",
    "documentation": "documentations",
    "comment": "comments",
    "environment_specification": "environment_specifications",
}
"""Types that can be made, and the folder of a data repository that holds them by custom."""

RUNNABLE: Final = {"system_model", "problem_solution", "notebook"}
_TEMPLATES: Final = Path(__file__).parent / "templates" / "new"
_SUFFIX: Final = ".jinja"
_ENVIRONMENT: Final = "_environment"
_MAX_NAME: Final = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """An entity to be."""

    type: str
    key: str
    name: str
    description: str = ""
    creator: str = ""
    date: datetime.datetime
    environment: str = ""
    """Key of the environment of its checks; empty for the default one."""
    problem: str = ""
    """Key of the problem that a solution solves."""
    solves_template: bool = False
    """That problem is made from its template, whose solution is known."""
    methods: Sequence[str] = ()
    """Keys of method packages that a solution uses."""
    problem_classes: Sequence[str] = ()
    """Keys of classes that a problem belongs to."""

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable() or len(self.name) > _MAX_NAME:
            raise InvalidArgumentError(
                f"a name is one line of 1 to {_MAX_NAME} printable characters, unlike {self.name!r}"
            )
        if self.type == "environment_specification" and not re.fullmatch(
            r"[a-z][a-z0-9_]*" + _ENVIRONMENT, self.name
        ):
            raise InvalidArgumentError(
                f"an environment is named like `my_tools{_ENVIRONMENT}`, unlike {self.name!r}"
            )

    @property
    def slug(self) -> str:
        """The name as folder and module name."""
        plain = (
            unicodedata.normalize("NFKD", self.name.casefold()).encode("ascii", "ignore").decode()
        )
        slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
        if not slug:
            return f"{self.type}_{self.key.lower()}"
        return slug if slug[0].isalpha() else f"{self.type}_{slug}"

    @property
    def fields(self) -> Sequence[tuple[str, str | Sequence[str]]]:
        """The fields of the metadata that only some types have."""
        environment = ("compatible_environment", self.environment)
        run = [("estimated_runtime", "5s"), environment] if self.type in RUNNABLE else []
        own: dict[str, list[tuple[str, str | Sequence[str]]]] = {
            "system_model": [
                ("system_model_file", "system_model.py"),
                ("simulation_file", "simulation.py"),
            ],
            "problem_specification": [
                ("problemclass_list", self.problem_classes),
                ("problem_file", "problem.py"),
            ],
            "problem_solution": [
                ("solved_problem_list", [self.problem]),
                ("method_package_list", self.methods),
                ("solution_file", "solution.py"),
            ],
            "method_package": [
                ("compatible_environment_list", [self.environment] if self.environment else [])
            ],
            "notebook": [("notebook_file", "notebook.ipynb")],
        }
        return [*run, *own.get(self.type, [])]


def files(draft: Draft) -> dict[PurePosixPath, str]:
    """The files of a new entity, by their paths in its folder."""
    values = {field.name: getattr(draft, field.name) for field in dataclasses.fields(draft)}
    values |= {
        "module": draft.slug,
        "fields": draft.fields,
        "date": f"{draft.date:%Y-%m-%d %H:%M:%S}",
    }
    found = {PurePosixPath("metadata.yml"): _rendered("metadata.yml" + _SUFFIX, values)}
    folder = _TEMPLATES / draft.type
    for template in sorted(folder.rglob("*" + _SUFFIX)):
        name = template.relative_to(folder).as_posix().removesuffix(_SUFFIX)
        name = name.replace("module.py", f"{draft.slug}.py")
        found[PurePosixPath(name)] = _rendered(template.relative_to(_TEMPLATES).as_posix(), values)
    return found


def write(draft: Draft, folder: Path) -> list[Path]:
    """Writes a new entity into a folder that must not be there yet, or be empty.

    Raises:
        AlreadyExistsError: There is something in the folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyExistsError(
            f"{folder} is there already; give another one with --folder, or another --name"
        )
    written = []
    for path, text in files(draft).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return written


def author() -> str:
    """Who git says works here, as metadata names people; empty where it does not know."""
    said = [_git_setting(name) for name in ("user.name", "user.email")]
    name, email = said
    return f"{name} <{email}>" if name and email else name


def _git_setting(name: str) -> str:
    try:
        done = subprocess.run(
            ["git", "config", "--get", name], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


def _rendered(template: str, values: Mapping[str, object]) -> str:
    text = _environment().get_template(template).render(values)
    return text.rstrip("\n") + "\n"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  # no HTML; each value has the filter of its language
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        yaml=_yaml,
        yaml_field=_yaml_field,
        python=repr,
        json=lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        docstring=lambda text: text.replace("\\", "/").replace('"', "'"),
    )
    return environment


def _yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _yaml_field(value: str | Sequence[str]) -> str:
    """A field's value behind its colon."""
    if isinstance(value, str):
        return f" {_yaml(value)}"
    return "".join(f"\n    - {_yaml(one)}" for one in value) if value else " []"
