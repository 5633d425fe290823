"""What the checkable entities of a data repository import, read from code that is never run."""

import ast
import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from cli.state import System
from services.rpc import dial

_CALL_SECONDS = 60.0
_OURS = frozenset({"ackrep_core", "ackrep_core_django_settings"})


@dataclass(frozen=True)
class Importing:
    """One checkable entity and what its closure imports."""

    key: str
    environment: str
    modules: frozenset[str]
    """Dotted names, without the closure's own modules, the standard library and our runtime.

    Of `from a import b` both `a` and `a.b` are there: whether `a.b` is a module is not known here.
    """


def imported(source: str) -> set[str]:
    """Modules that a Python source names in its imports, wherever they stand; absolute ones.

    Raises SyntaxError.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*")
    return found


def code_of(notebook: str) -> Iterator[str]:
    """The code cells of a notebook that are Python: without lines that are magic."""
    for cell in json.loads(notebook).get("cells", ()):
        if cell.get("cell_type") == "code":
            lines = "".join(cell.get("source", ())).splitlines()
            yield "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!", "?")))


def imported_by(files: Mapping[str, bytes]) -> frozenset[str]:
    """Modules that the files of a closure import from elsewhere, by path; broken code has none."""
    found: set[str] = set()
    for path, content in files.items():
        with contextlib.suppress(SyntaxError, ValueError):  # UnicodeDecodeError is one
            if path.endswith(".py"):
                found |= imported(content.decode())
            elif path.endswith(".ipynb"):
                for source in code_of(content.decode()):
                    with contextlib.suppress(SyntaxError):
                        found |= imported(source)
    elsewhere = _own(files) | _OURS | sys.stdlib_module_names
    return frozenset(name for name in found if name.partition(".")[0] not in elsewhere)


def _own(paths: Iterable[str]) -> set[str]:
    """Names under which files of the closure can be imported: modules, and folders of them."""
    found: set[str] = set()
    for path in map(PurePosixPath, paths):
        if path.suffix == ".py":
            found |= {path.stem, *path.parent.parts}
    return found


async def entities(system: System) -> list[Importing]:
    """All checkable entities, each with what its closure imports."""
    async with dial(system.catalog, token=system.token) as channel:
        catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        listed = await catalog.ListEntities(
            catalog_pb2.ListEntitiesRequest(page_size=1000, filter="checkable = true"),
            timeout=_CALL_SECONDS,
        )
        trees: dict[str, dict[str, bytes]] = {}
        found = []
        for entity in listed.entities:
            closure = await catalog.GetClosure(
                catalog_pb2.GetClosureRequest(entity=entity.name), timeout=_CALL_SECONDS
            )
            files = {}
            for folder in closure.folders:
                if folder.tree not in trees:
                    trees[folder.tree] = await _files(catalog, folder.tree)
                for path, content in trees[folder.tree].items():
                    files[f"{folder.path}/{path}"] = content
            found.append(Importing(entity.key, entity.environment, imported_by(files)))
    return found


async def _files(catalog: Any, tree: str) -> dict[str, bytes]:
    """Content of the files of a git tree by path."""
    files: dict[str, bytearray] = {}
    async for part in catalog.FetchTrees(
        catalog_pb2.FetchTreesRequest(trees=[tree]), timeout=_CALL_SECONDS
    ):
        if part.path:
            files.setdefault(part.path, bytearray()).extend(part.data)
    return {path: bytes(content) for path, content in files.items()}
