"""An environment of two flavours: two real images in which entities come to other verdicts."""

import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from services.runner.domain.images import RUNTIME_LABEL
from services.runner.engine.containers import Engine
from tests.command_projects import Project, up
from tests.engine import BARE_DOCKERFILE, write_bare_environment

NAME = f"flavour{os.getpid()}_environment"
CANDIDATE = f"{NAME}@candidate"
SOLUTIONS = {
    "ONLY1": "return 42.0 + flavour.only_in_1",
    "ONLY2": "return 42.0 if flavour.VALUE == 2 else 41.0",
    "EITHR": "return 42.0",
    "NUMBR": "return 42.0 + 1e-9 * flavour.VALUE",
}
"""The first succeeds in the first image only, the second in the other one, the rest in both."""


def dockerfile(value: int) -> str:
    """An image with a module that says which image it is."""
    lines = [f"VALUE = {value}", *(["only_in_1 = 0.0"] if value == 1 else [])]
    module = "/usr/lib/python3/dist-packages/flavour.py"
    return f"{BARE_DOCKERFILE}RUN printf '%s\\n' {' '.join(map(repr, lines))} > {module}\n"


class Flavours(Project):
    """A data repository whose solutions depend on the image that they run in."""

    def __init__(self, folder: Path, *, state: Path) -> None:
        super().__init__(folder, state=state)
        write_bare_environment(self.environments, NAME)
        (self.environments / f"Dockerfile_{NAME}").write_text(dockerfile(1))
        place = self.entity(
            "environment_specifications/other", "FLAVR", "environment_specification"
        )
        metadata = place / "metadata.yml"
        metadata.write_text(metadata.read_text().replace("tiny_environment", NAME))
        for key, code in SOLUTIONS.items():
            more = "solved_problem_list: [PROBL]\ncompatible_environment: FLAVR\n"
            place = self.entity(f"problem_solutions/{key.lower()}", key, "problem_solution", more)
            (place / "solution.py").write_text(
                f"import flavour\n\n\ndef solve(specification):\n    {code}\n"
            )

    def document(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Runs `ackrep` to its end; the one object that it prints."""
        done = self.run(*arguments, "--json")
        assert code == done.returncode, done.stderr + done.stdout
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def checked(self, key: str) -> tuple[str, str]:
        """Checks an entity anew: verdict, and digest of the image that it ran in."""
        done = self.run("check", key, "--force", "--json")
        check = json.loads(done.stdout)
        return check["verdict"], check["result"]["provenance"]["environmentDigest"]


@contextlib.asynccontextmanager
async def running_flavours(folder: Path, engine: Engine) -> AsyncIterator[Flavours]:
    """A running system with a Docker engine that has the candidate too."""
    project = Flavours(folder, state=folder / "state")
    other = folder / "candidate"
    other.mkdir()
    (other / "Dockerfile").write_text(dockerfile(2))
    candidate = f"ackrep/{NAME}:candidate"
    await engine.images.build(
        candidate,
        folder=other,
        dockerfile="Dockerfile",
        labels={RUNTIME_LABEL: "1"},
        on_line=lambda _: None,
    )
    try:
        with up(project, backend="docker"):
            yield project
    finally:
        for name in (candidate, f"ackrep/{NAME}:latest"):
            await engine.images.remove(name)
