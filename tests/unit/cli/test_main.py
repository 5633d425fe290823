"""The command line as a whole: usage, help, and where output goes."""

import pytest

from cli.main import ackrep, run

COMMANDS = {
    "up", "status", "list", "show", "check", "watch", "cancel", "results", "runs", "lint", "key",
    "groups", "matrix", "history", "import-results", "export-results", "search", "sparql", "sync",
    "queue", "schedule", "bisect", "runners", "env", "tex", "pdf",
    "backup", "restore", "explain", "compare", "new", "prepare", "path",
    "completion", "record", "export", "verify",
    "changes", "webhook", "token", "audit", "propose", "proposals",
}  # fmt: skip


def test_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """These are the commands; help shows each once, with its sentence in full."""
    assert set(ackrep.commands) == COMMANDS
    assert 0 == run(["--help"])
    shown = capsys.readouterr().out.partition("\nReading:\n")[2]
    names = [line.split()[0] for line in shown.splitlines() if line[:3].strip()]
    assert COMMANDS == set(names) - {
        "Working", "Checking:", "Runs", "Environments:", "Operating:",
        "Provenance:", "Proposing:",
    }  # fmt: skip
    assert "..." not in shown


@pytest.mark.parametrize("command", sorted(COMMANDS - {"env"}))  # a group of commands
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command has help with a sentence about it, and takes --json and --repository."""
    code = run([command, "--help"])
    text = capsys.readouterr().out

    assert code == 0
    assert (ackrep.commands[command].help or "").strip()
    for option in ("--json", "--repository"):
        assert option in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["check"],
        ["check", "UXMFA", "--all"],
        ["check", ""],
        ["show", "\udcff\udcfe"],
        ["check", "--nonsense", "UXMFA"],
        ["--backend", "podman", "check", "UXMFA"],
        ["show"],
        ["-c"],
        ["--jupyter", "CDAMA"],
        ["--repository", "/no/such/folder", "list"],
        ["list", "--type", "nonsense"],
        ["up", "--port", "0"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage exits with 64 and one line on standard error, never with a traceback."""
    code = run(arguments)
    written = capsys.readouterr()

    assert (code, written.out) == (64, "")
    assert written.err.startswith("error: ")
    assert len(written.err.splitlines()) == 1


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version names program and version."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ackrep, version ")


def test_no_arguments_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without arguments the help comes out, as in 2022."""
    assert run([]) == 0
    assert "Usage: ackrep" in capsys.readouterr().out


def test_deployed_system_wants_its_token(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naming a deployed system without its token says which variable is missing."""
    monkeypatch.delenv("ACKREP_TOKEN", raising=False)

    code = run(["--catalog", "127.0.0.1:1", "--scheduler", "127.0.0.1:2", "list"])

    assert (code, "ACKREP_TOKEN" in capsys.readouterr().err) == (64, True)


def test_deployed_system_wants_both_addresses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naming one service of a deployed system says that the other is missing."""
    monkeypatch.setenv("ACKREP_TOKEN", "t")
    monkeypatch.delenv("ACKREP_SCHEDULER", raising=False)

    code = run(["list", "--catalog", "127.0.0.1:1"])

    assert (code, "--scheduler" in capsys.readouterr().err) == (64, True)
