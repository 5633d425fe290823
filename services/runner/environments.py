"""Reads environment definitions (`<name>.toml`): this installation's, never a data repository's."""

import dataclasses
import difflib
import hashlib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from services.errors import EnvironmentUnavailableError, InvalidArgumentError
from services.runner.domain.environments import Definition, require_environment_name
from services.runner.domain.images import normalised, require_pin

_FIELDS = {
    "name",
    "aliases",
    "python",
    "requirements",
    "process_requirements",
    "dockerfile",
    "preload",
    "shims",
    "unavailable",
    "image",
    "build_only",
}


class Environments:
    """The definitions that this runner can serve, read when asked for: an edit needs no restart."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folder.absolute() for folder in folders)
        self._read: dict[Path, tuple[int, Definition]] = {}

    def all(self) -> list[Definition]:
        """All definitions, ordered by name; of equal names the first folder's.

        Raises InvalidArgumentError for a file that is no definition.
        """
        found: dict[str, Definition] = {}
        for folder in self._folders:
            for path in sorted(folder.glob("*.toml")):
                definition = self._definition(path)
                found.setdefault(definition.name, definition)
        return sorted(found.values(), key=lambda definition: definition.name)

    def get(self, name: str, *, tag: str = "") -> Definition:
        """The definition of that name or alias (with or without `environments/`).

        `name@reference` is one image of it; `tag` says where a registry may have it.

        Raises EnvironmentUnavailableError, which names the known ones, or InvalidArgumentError for
        what is no reference.
        """
        wanted, at, reference = name.removeprefix("environments/").partition("@")
        definition = self._named(wanted)
        if not at:
            return definition
        return dataclasses.replace(definition, reference=normalised(reference), tag=tag)

    def _named(self, wanted: str) -> Definition:
        definitions = self.all()
        for definition in definitions:
            if wanted == definition.name:
                return definition
        for definition in definitions:
            if wanted in definition.aliases:
                return definition
        raise EnvironmentUnavailableError(self._unknown(wanted, definitions), environment=wanted)

    def _unknown(self, wanted: str, definitions: list[Definition]) -> str:
        places = ", ".join(str(folder) for folder in self._folders)
        names = [definition.name for definition in definitions]
        names += [alias for definition in definitions for alias in definition.aliases]
        if not names:
            return (
                f"the environment {wanted!r} is not defined here: no <name>.toml in {places} "
                "(ACKREP_RUNNER_ENVIRONMENTS)"
            )
        near = difflib.get_close_matches(wanted, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        said = f"the environment {wanted!r} is not defined here{hint} Known: {', '.join(names)}"
        if not wanted.isidentifier():  # no file can be called like that
            return said
        return (
            f"{said}. To serve it, add {wanted}.toml with its Dockerfile and requirements to "
            f"{places}, or add {wanted!r} to the aliases of one that has the same packages"
        )

    def _definition(self, path: Path) -> Definition:
        stamp = path.stat().st_mtime_ns
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = (stamp, load(path))
            self._read[path] = known
        return known[1]


def load(path: Path) -> Definition:
    """Reads one definition. Raises InvalidArgumentError naming file and field."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidArgumentError(f"{path}: {error}") from error
    unknown = sorted(set(content) - _FIELDS)
    if unknown:
        raise InvalidArgumentError(f"{path}: unknown field {unknown[0]!r}")
    name = require_environment_name(_text(path, content, "name"))
    if path.stem != name:
        raise InvalidArgumentError(f"{path}: its name is {name!r}; the file must be {name}.toml")
    requirements = _file(path, content, "requirements")
    return Definition(
        name=name,
        folder=path.parent.absolute(),
        python=_text(path, content, "python"),
        requirements=requirements,
        process_requirements=(
            _file(path, content, "process_requirements")
            if "process_requirements" in content
            else requirements
        ),
        dockerfile=_file(path, content, "dockerfile"),
        aliases=_texts(path, content, "aliases"),
        preload=_texts(path, content, "preload"),
        shims=_texts(path, content, "shims"),
        unavailable={str(key): str(why) for key, why in content.get("unavailable", {}).items()},
        build_only=_texts(path, content, "build_only"),
        pinned=_pinned(path, content, name),
    )


def recipe(definition: Definition) -> str:
    """sha256 over what the image is built from: equal recipes make equal environments."""
    digest = hashlib.sha256()
    for file in (definition.dockerfile, definition.requirements):
        digest.update(f"{file}\0".encode())
        digest.update((definition.folder / file).read_bytes())
    return digest.hexdigest()


def pins(definition: Definition, *, process: bool = False) -> tuple[str, ...]:
    """Lines of its requirements, without comments; `process` for those of the process backend."""
    file = definition.process_requirements if process else definition.requirements
    lines = (definition.folder / file).read_text("utf-8").splitlines()
    stripped = (line.partition(" #")[0].strip() for line in lines)
    return tuple(line for line in stripped if line and not line.startswith(("#", "-")))


def _pinned(path: Path, content: dict[str, Any], name: str) -> str:
    if "image" not in content:
        return ""
    try:
        return require_pin(_text(path, content, "image"), environment=name)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{path}: {error.message}") from error


def _text(path: Path, content: dict[str, Any], field: str) -> str:
    value = content.get(field)
    if not isinstance(value, str) or not value:
        raise InvalidArgumentError(f"{path}: `{field}` must be a text")
    return value


def _texts(path: Path, content: dict[str, Any], field: str) -> tuple[str, ...]:
    value = content.get(field, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidArgumentError(f"{path}: `{field}` must be a list of texts")
    return tuple(value)


def _file(path: Path, content: dict[str, Any], field: str) -> str:
    name = _text(path, content, field)
    if "/" in name or not (path.parent / name).is_file():
        raise InvalidArgumentError(f"{path}: `{field}` names {name!r}, which is not beside it")
    return name
