"""A Docker engine for tests, found as the Docker command line finds it."""

from pathlib import Path

from services.errors import UnavailableError
from services.runner.engine.containers import Engine, find_engine

BARE_DOCKERFILE = """FROM debian:bookworm-slim
RUN command -v python3 >/dev/null || \\
    (apt-get update && apt-get install -y --no-install-recommends python3)
LABEL dev.ackrep.runtime="1"
"""
"""An image with nothing but Python: enough for the promises of a backend."""


def engine_or_reason() -> tuple[Engine | None, str]:
    """The engine, or why there is none."""
    try:
        return find_engine(), ""
    except UnavailableError as error:
        return None, error.message


def write_bare_environment(folder: Path, name: str = "bare_environment") -> None:
    """Writes a definition of an environment that has no packages."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(
        f'name = "{name}"\npython = ">=3.11"\nrequirements = "requirements_{name}.txt"\n'
        f'dockerfile = "Dockerfile_{name}"\n'
    )
    (folder / f"requirements_{name}.txt").write_text("")
    (folder / f"Dockerfile_{name}").write_text(BARE_DOCKERFILE)
