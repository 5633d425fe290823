"""Images with JupyterLab beside an environment, made when they are first asked for."""

import asyncio
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Final

from services.runner.domain.environments import Definition
from services.runner.domain.images import ENVIRONMENT_LABEL, RECIPE_LABEL
from services.runner.engine.images import Images
from services.runner.ports import Progress

FOLDER: Final = Path(__file__).parents[3] / "environments"
"""Where the recipe lies: this installation's, whatever definitions the runner serves."""
FILES: Final = ("Dockerfile_workbench", "requirements_workbench.txt")
_DIGITS: Final = 12


class JupyterImages:
    """Builds each image once.

    Args:
        images: Of the engine.
    """

    def __init__(self, images: Images) -> None:
        self._images = images
        self._locks: dict[str, asyncio.Lock] = {}

    async def image(self, definition: Definition, digest: str, progress: Progress) -> str:
        """Id of the image for one of an environment.

        Raises EnvironmentUnavailableError with the reason, UnavailableError without an engine.
        """
        # A repository and a label of its own: checks never run in it.
        name = f"ackrep/workbench:{definition.name}-{digest.removeprefix('sha256:')[:_DIGITS]}"
        recipe = _recipe(digest)
        async with self._locks.setdefault(name, asyncio.Lock()):
            found = await self._images.find(name)
            if found is None or found.labels.get(RECIPE_LABEL) != recipe:
                progress("adding Jupyter to the environment (once, about a minute)", None)
                with tempfile.TemporaryDirectory(prefix="ackrep-workbench-") as folder:
                    # Of all that lies beside them, nothing else goes to the engine.
                    for file in FILES:
                        shutil.copy(FOLDER / file, folder)
                    await self._images.build(
                        name,
                        folder=Path(folder),
                        dockerfile=FILES[0],
                        labels={RECIPE_LABEL: recipe, ENVIRONMENT_LABEL: "workbench"},
                        arguments={"ENVIRONMENT": digest},
                        on_line=lambda line: progress(f"Jupyter: {line}", None),
                    )
                found = await self._images.find(name)
        return found.id if found is not None else name


def _recipe(digest: str) -> str:
    found = hashlib.sha256(digest.encode())
    for file in FILES:
        found.update((FOLDER / file).read_bytes())
    return found.hexdigest()
