"""Fixtures of the contract tests."""

import pytest

from services.runner.environments import Environments
from tests.engine import write_bare_environment


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    """Definitions: one without packages, one that cannot be made."""
    folder = tmp_path_factory.mktemp("environments")
    write_bare_environment(folder)
    write_bare_environment(folder, "hopeless_environment")
    (folder / "requirements_hopeless_environment.txt").write_text("ackrep-no-such-thing==0.0.1\n")
    (folder / "Dockerfile_hopeless_environment").write_text(
        "FROM debian:bookworm-slim\nRUN echo no such thing as this package && false\n"
    )
    return Environments([folder])
