"""Keys and paths that `check` is given."""

from pathlib import Path

import pytest

from cli import targets
from cli.targets import Targets
from services.errors import InvalidArgumentError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data repository whose entity folders have five letters."""
    for name in ("system_models/ABCDE", "system_models/lorenz_system", "XYZ12"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "metadata.yml").write_text("key: UXMFA\n")
    (tmp_path / "PLAIN").mkdir()
    return tmp_path


def test_keys_in_upper_case(folder: Path) -> None:
    """Five letters and digits are a key, however they are written."""
    assert targets.read(["uxmfa", "LRHZX"], folder=folder) == Targets(keys=("UXMFA", "LRHZX"))


def test_five_letter_folder_of_an_entity_wins(folder: Path) -> None:
    """A folder with metadata is a path, even where its name could be a key."""
    assert targets.read(["XYZ12"], folder=folder).paths == (folder / "XYZ12",)


def test_five_letter_folder_without_entity_is_a_key(folder: Path) -> None:
    """Any other folder of five letters does not hide a key."""
    assert targets.read(["PLAIN"], folder=folder).keys == ("PLAIN",)


def test_separator_makes_a_path(folder: Path) -> None:
    """What has a separator is a path."""
    assert targets.read(["./PLAIN"], folder=folder).paths == (folder / "PLAIN",)


@pytest.mark.parametrize("text", ["UXMF", "no/such", "UXMFA1"])
def test_neither_is_refused(folder: Path, text: str) -> None:
    """What is neither a key nor an existing path is named in the error."""
    with pytest.raises(InvalidArgumentError, match=text):
        targets.read([text], folder=folder)


def test_below(folder: Path) -> None:
    """Paths are named as the catalog names them; the root itself is empty."""
    inside = folder / "system_models" / "ABCDE"

    assert targets.below(inside, root=folder) == "system_models/ABCDE"
    assert targets.below(folder, root=folder) == ""


def test_outside_is_refused(folder: Path) -> None:
    """A path outside of the data repository is refused."""
    with pytest.raises(InvalidArgumentError, match="is not in the data repository"):
        targets.below(Path("/etc"), root=folder)


def test_quoted() -> None:
    """Quotes and backslashes of a value cannot end it."""
    assert targets.quoted('a"b\\') == '"a\\"b\\\\"'
