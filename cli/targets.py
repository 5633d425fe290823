"""What `check` and `lint` are given: keys and paths, and the entities that they mean."""

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cli import source
from cli.client import Client
from services.errors import InvalidArgumentError, NotFoundError

_KEY = re.compile(r"[A-Za-z0-9]{5}")


@dataclasses.dataclass(frozen=True)
class Targets:
    """Keys and paths as given, told apart."""

    keys: tuple[str, ...] = ()
    """In upper case."""
    paths: tuple[Path, ...] = ()
    """Absolute."""

    @property
    def start(self) -> Path | None:
        """Where to look for the data repository; none for the current folder."""
        return self.paths[0] if self.paths else None


def read(given: Sequence[str], *, folder: Path) -> Targets:
    """Tells keys and paths apart: five characters are a key unless they lead to an entity.

    Raises:
        InvalidArgumentError: Something is neither, or paths lie in several data repositories.
    """
    keys: list[str] = []
    paths: list[Path] = []
    for text in given:
        if not text.strip():
            raise InvalidArgumentError("a key or path is empty; `.` is the current folder")
        path = folder / Path(text).expanduser()
        looks_like_path = os.sep in text or text in {".", ".."} or (path / "metadata.yml").exists()
        if _KEY.fullmatch(text) and not looks_like_path:
            keys.append(text.upper())
        elif path.exists():
            paths.append(path.resolve())
        else:
            raise InvalidArgumentError(
                f"{text} is neither a key (5 letters and digits) nor an existing path", target=text
            )
    roots = {source.root_of(path) for path in paths}
    if len(roots) > 1:
        raise InvalidArgumentError("the paths lie in several data repositories; name one at a time")
    return Targets(keys=tuple(keys), paths=tuple(paths))


def below(path: Path, *, root: Path) -> str:
    """A path as the catalog names it: below the data repository, with `/`; empty for its root.

    Raises:
        InvalidArgumentError: The path is outside of it.
    """
    try:
        relative = path.relative_to(root.resolve())
    except ValueError:
        raise InvalidArgumentError(f"{path} is not in the data repository {root}") from None
    return "" if relative == Path() else relative.as_posix()


async def checkable_keys(client: Client, targets: Targets, *, root: Path | None) -> list[str]:
    """The keys of what is to be checked, each once; empty for all of the data repository.

    Raises:
        NotFoundError: No checkable entity is at a path.
        InvalidArgumentError: The data repository has no folder on this machine.
    """
    keys = list(targets.keys)
    for path in targets.paths:
        if root is None:
            raise InvalidArgumentError(
                f"{path} is a path, but this data repository is no folder here; use keys"
            )
        relative = below(path, root=root)
        if not relative:
            return []
        keys.extend(await _keys_at(client, relative))
    return list(dict.fromkeys(keys))


async def _keys_at(client: Client, relative: str) -> list[str]:
    """Entities in a folder; of a file or folder within an entity, that entity."""
    parts = relative.split("/")
    for length in range(len(parts), 0, -1):
        folder = "/".join(parts[:length])
        found = await client.entities(f"path = {quoted(folder)}")
        if length < len(parts):  # above what was named: only an entity that holds it counts
            found = [entity for entity in found if entity.path == folder]
        if len(found) == 1 and found[0].path == folder:
            return [found[0].key]
        if checkable := [entity.key for entity in found if entity.checkable]:
            return checkable
    raise NotFoundError(
        f"no entity that can be checked is at {relative}; `ackrep list` shows all, "
        "`ackrep lint` what is wrong with their metadata"
    )


def quoted(text: str) -> str:
    """A value in a filter."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
