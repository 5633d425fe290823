"""A plain script that runs one entity as its check does, for people with a debugger."""

import functools
import pprint
from pathlib import Path
from typing import Final

import jinja2
from google.protobuf import json_format

from ackrep.catalog.v1 import catalog_pb2
from cli import documents
from cli.client import Client
from services import plans

NAME: Final = "execscript.py"
"""File name of the script, since 2022."""
MARK: Final = "Made by `ackrep prepare"
"""Stands in every script: what has it may be written anew."""
_TEMPLATES: Final = Path(__file__).parent / "templates" / "execscript"
RUNTIME: Final = Path(plans.__file__).parent / "runner" / "runtime"
"""Holds `ackrep_core`."""


async def plan(client: Client, key: str) -> tuple[plans.Plan, catalog_pb2.Closure]:
    """How an entity is run, and its closure.

    Raises:
        PlanError: It is no entity that can be run.
    """
    closure = await client.closure(key)
    folders = [await _folder(client, folder) for folder in closure.folders]
    return plans.plan_of(key, folders), closure


async def _folder(client: Client, folder: catalog_pb2.ClosureFolder) -> plans.Folder:
    key = documents.last(folder.entity)
    entity = await client.entity(key)
    return plans.Folder(
        key=key,
        type=documents.entity_type(folder.type),
        path=folder.path,
        metadata=json_format.MessageToDict(folder.metadata),
        files=frozenset(file.path for file in entity.files),
    )


def text(
    found: plans.Plan,
    *,
    title: str,
    data_root: Path,
    environment: str = "",
    name: str = NAME,
    shows: bool = False,
) -> str:
    """The script for a working copy.

    Args:
        found: How the entity is run.
        title: What the entity is called.
        data_root: Folder of the data repository on this machine.
        environment: Name of the environment of its checks, if it has one.
        name: File name of the script.
        shows: Plots open windows, where the entity shows them.
    """
    return _rendered(
        found,
        title,
        data_root=str(data_root),
        environment=_harmless(environment),
        name=name,
        shows=shows,
        metadata="{}",  # read from the files, which may change
    )


def portable_text(found: plans.Plan, *, title: str) -> str:
    """The script for an export: beside it lie `data/`, and `runtime/` with `ackrep_core`."""
    metadata = pprint.pformat(found.as_json()["metadata"], width=96, sort_dicts=False)
    return _rendered(found, title, portable=True, metadata=metadata, shows=False)


def runtime_files() -> list[Path]:
    """The modules of `ackrep_core`, which the scripts need, below `RUNTIME`."""
    return sorted((RUNTIME / "ackrep_core").glob("*.py"))


def _rendered(found: plans.Plan, title: str, **values: object) -> str:
    sentence = f"Runs {found.key}" + (f", {_harmless(title)}," if title else "")
    settings: dict[str, object] = {
        "portable": False,
        "data_root": "",
        "environment": "",
        "name": NAME,
        "plan": found,
        "summary": f"{sentence} as its check does.",
        "runtime": str(RUNTIME),
        "import_path": [_place(path) for path in found.import_path],
        "entities": _dictionary(found),
        "importing": lambda role: _import(found.modules[role], role),
    }
    return _environment().get_template(f"{found.rule}.py.jinja").render({**settings, **values})


def _import(module: str, name: str) -> str:
    """The statement that gives a module this name."""
    return f"import {module}" if module == name else f"import {module} as {name}"


def _place(path: str) -> str:
    """A folder of the import path as the script says it."""
    if path == plans.RUNTIME:
        return "RUNTIME"
    return "DATA_ROOT" if path == plans.DATA_ROOT else f"os.path.join(DATA_ROOT, {path!r})"


def _dictionary(found: plans.Plan) -> str:
    pairs = (f"    {key!r}: {path!r}," for key, path in found.entities.items())
    return "\n".join(("{", *pairs, "}"))


def _harmless(title: str) -> str:
    """A title that can stand in a docstring: the data repository must not write code here."""
    kept = "".join(letter for letter in title if letter.isprintable())
    return kept.replace("\\", "/").replace('"', "'")[:200]


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  # Python, whose texts are written by repr()
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["pprint"] = repr
    return environment


def is_ours(path: Path) -> bool:
    """Whether a file was written by `prepare`."""
    try:
        with path.open(encoding="utf-8") as file:
            return MARK in file.read(4000)
    except (OSError, UnicodeDecodeError):
        return False
