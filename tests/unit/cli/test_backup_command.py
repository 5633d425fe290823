"""`ackrep backup` and `ackrep restore`: what is refused before anything is done."""

from pathlib import Path

import pytest

from cli.main import run


@pytest.mark.parametrize(
    "arguments",
    [
        ["backup", "{there}"],
        ["backup", "{folder}/no/such/folder/copy.tar"],
        ["restore", "{folder}/nothing", "--verify"],
        ["restore", "{there}"],
        ["restore", "{there}", "--verify", "--artefacts", "{folder}/new"],
        ["restore", "{there}", "--artefacts", "{folder}/new"],
        ["restore", "{there}", "--into-database", "sqlite:///new"],
    ],
)
def test_wrong_usage(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No file is overwritten, and nothing is guessed."""
    monkeypatch.delenv("ACKREP_RESTORE_DATABASE", raising=False)
    there = tmp_path / "there"
    there.write_text("mine")

    code = run([one.format(there=there, folder=tmp_path) for one in arguments])
    written = capsys.readouterr()

    assert (64, "", 1) == (code, written.out, len(written.err.splitlines()))
    assert "mine" == there.read_text()


def test_what_is_no_backup_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file of something else is no damaged backup."""
    (tmp_path / "notes.txt").write_text("buy milk")

    code = run(["restore", str(tmp_path / "notes.txt"), "--verify"])

    assert 3 == code
    assert "this is no backup of ACKREP" in capfd.readouterr().err
