"""Which files and folders of a working tree no snapshot would hold."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.catalog.sources.git import Git, GitError


@dataclass(frozen=True, kw_only=True)
class IgnoreRules:
    """Ignore rules of one folder, as they are whenever they are asked.

    What the repository tracks is not ignored, whatever the rules say. Asking disturbs no snapshot
    that is being made, and needs the index that one left.
    """

    git: Git
    directory: Path
    """Top of the work tree."""
    prefix: str
    """The data repository's folder below it."""
    options: Sequence[str]
    """Before git's command: where rules stand that are not committed."""
    index: Path
    environment: dict[str, str] = field(repr=False)

    async def ignored(self, paths: Sequence[str]) -> set[str]:
        """Those of some paths, relative to the data repository's folder, that are ignored.

        A folder counts as ignored even where a file in it is tracked.
        """
        if not paths:
            return set()
        start = f"./{self.prefix}/" if self.prefix else "./"
        try:
            output = await self.git.run(
                *self.options,
                "check-ignore",
                "-z",
                "--stdin",
                # This command knows no literal paths; it takes them as they are after `./`.
                environment={**self.environment, "GIT_LITERAL_PATHSPECS": "0"},
                directory=self.directory,
                given=b"".join(os.fsencode(f"{start}{path}") + b"\0" for path in paths),
                accept=(0, 1),
            )
        except GitError:  # a path leads through a link by now, or everything is gone
            return set()
        return {os.fsdecode(path).removeprefix(start) for path in output.split(b"\0") if path}

    async def held_folders(self) -> set[str]:
        """Folders, relative to the data repository's, of which the last snapshot holds a file."""
        if not self.index.exists():
            return set()
        output = await self.git.run(
            "ls-files", "-z", environment=self.environment, directory=self.directory
        )
        start = f"{self.prefix}/" if self.prefix else ""
        found = {""}
        for name in output.split(b"\0"):
            folder = os.fsdecode(name.rpartition(b"/")[0])
            if start and not f"{folder}/".startswith(start):
                continue
            folder = folder.removeprefix(start.rstrip("/")).removeprefix("/")
            while folder not in found:
                found.add(folder)
                folder = folder.rpartition("/")[0]
        return found
