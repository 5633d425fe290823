"""Documents that arrive, and files of the working copy that are written."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.runner.v1.document_pb2 import RenderDocumentResponse
from cli import rendering
from cli.screen import Screen
from services.errors import InvalidArgumentError, PreconditionError

PATH = "system_models/x/_data/parameters.tex"


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def messages(*, fails: bool = False) -> AsyncIterator[RenderDocumentResponse]:
    yield RenderDocumentResponse(progress="UXMFA: Lorenz", fraction=0.5)
    yield RenderDocumentResponse(warning="no \x1b[2J plots")
    yield RenderDocumentResponse(data=b"%PDF-")
    if fails:
        raise PreconditionError("TeX refuses it")
    yield RenderDocumentResponse(data=b"1.5")


async def test_a_document_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All bytes, in a folder that is made; warnings and progress go to standard error."""
    target = tmp_path / "new" / "x.pdf"
    size = await rendering.save(messages(), target, screen=Screen())
    assert b"%PDF-1.5" == target.read_bytes()
    assert 8 == size
    said = capsys.readouterr()
    assert "" == said.out
    assert "UXMFA: Lorenz" in said.err
    assert "warning: no plots" in said.err
    assert ["x.pdf"] == [path.name for path in target.parent.iterdir()]


async def test_what_fails_leaves_the_old_document(tmp_path: Path) -> None:
    """Half of a new one never takes its place."""
    target = tmp_path / "x.pdf"
    target.write_bytes(b"old")
    with pytest.raises(PreconditionError):
        await rendering.save(messages(fails=True), target, screen=Screen())
    assert b"old" == target.read_bytes()
    assert ["x.pdf"] == [path.name for path in tmp_path.iterdir()]


def test_output_is_a_file_or_a_folder(tmp_path: Path) -> None:
    """A folder gets the document under its own name."""
    assert Path("A.pdf") == rendering.target(None, "A.pdf")
    assert tmp_path / "A.pdf" == rendering.target(tmp_path, "A.pdf")
    assert tmp_path / "b.pdf" == rendering.target(tmp_path / "b.pdf", "A.pdf")


def test_files_are_written_into_the_working_copy(tmp_path: Path) -> None:
    """Where nothing is, and over what was there."""
    assert rendering.read(tmp_path, PATH) is None
    for content in (b"one", b"two"):
        rendering.write(tmp_path, PATH, content)
        assert content == rendering.read(tmp_path, PATH)
    assert ["parameters.tex"] == names_in(tmp_path / "system_models/x/_data")


@pytest.mark.parametrize("link", ["system_models", "system_models/x/_data", PATH])
def test_no_link_is_followed(tmp_path: Path, link: str) -> None:
    """Neither a folder on the way nor the file itself may lead elsewhere."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (outside / "parameters.tex").write_text("outside")
    place = root / link
    place.parent.mkdir(parents=True)
    place.symlink_to(outside / "parameters.tex" if link == PATH else outside)
    with pytest.raises(InvalidArgumentError, match=r"parameters\.tex"):
        rendering.write(root, PATH, b"x")
    with pytest.raises(InvalidArgumentError, match=r"parameters\.tex"):
        rendering.read(root, PATH)
    assert ["parameters.tex"] == names_in(outside)
    assert "outside" == (outside / "parameters.tex").read_text()


@pytest.mark.parametrize("path", ["../x.tex", "/etc/x.tex", "a/../../x", "a//b", ""])
def test_paths_stay_inside(tmp_path: Path, path: str) -> None:
    """What a runner answers is no way out of the working copy."""
    with pytest.raises(InvalidArgumentError):
        rendering.write(tmp_path / "root", path, b"x")


def test_tables_do_not_control_terminals() -> None:
    """A file gets every byte; a terminal gets lines and no escape sequences."""
    tex = "a & \x1b]0;title\x07b \\\\\n\tc\x1b[2J\x9b1m\n"
    assert tex == rendering.shown(tex, terminal=False)
    assert "a & b \\\\\n\tc1m\n" == rendering.shown(tex, terminal=True)
