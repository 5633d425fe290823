"""The shape of the repository, held by tests where no tool holds it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 400
"""Lines after which a file is to be split (CONTRIBUTING.md)."""


def tracked(*patterns: str) -> list[Path]:
    """Lists the committed or new files that match, generated ones left out."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    paths = [
        ROOT / name
        for name in names
        if name and "_pb2" not in name and "/migrations/versions/" not in name
    ]
    return [path for path in paths if path.exists()]


def test_no_file_is_longer_than_a_few_screens() -> None:
    """A source file has at most 400 lines."""
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked("*.py", "gateway/templates/*", "gateway/assets/*.js")
        if (count := len(path.read_text().splitlines())) > LIMIT
    }

    assert {} == long


def test_no_module_is_a_drawer() -> None:
    """No module is called utils, common, helpers or misc: names are nouns of the field."""
    drawers = [
        path.name
        for path in tracked("services/*.py", "gateway/*.py", "cli/*.py", "bench/*.py")
        if path.stem in {"utils", "util", "common", "helpers", "misc"}
    ]

    assert [] == drawers


@pytest.mark.parametrize("service", ["catalog", "scheduler", "runner"])
def test_each_service_has_the_same_anatomy(service: str) -> None:
    """A service has domain, ports, use cases, servicer, settings, memory and composition root."""
    folder = ROOT / "services" / service
    parts = {path.stem for path in folder.iterdir()}

    assert set() == {"domain", "ports", "servicer", "settings", "__main__"} - parts
    # Where adapters stand in folders by what they are for, so does the one in memory.
    assert [*folder.glob("memory*"), *folder.glob("*/memory.py")]


def test_no_path_of_a_machine_is_committed() -> None:
    """No committed text names a home or work folder of the machine that it was written on."""
    found = [
        str(path.relative_to(ROOT))
        for path in tracked("*.py", "*.md", "*.yaml", "*.toml", "*.sh", "Makefile", ".ci/*")
        if any(mark in path.read_text() for mark in ("/" + "root/", "/" + "work/main"))
    ]

    assert [] == found
