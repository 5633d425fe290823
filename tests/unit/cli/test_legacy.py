"""The spellings of 2022."""

import click
import pytest

from cli.legacy import translate

SPELLINGS = [
    ("-c UXMFA", "check UXMFA"),
    ("-c system_models/lorenz_system", "check system_models/lorenz_system"),
    ("--check UXMFA", "check UXMFA"),
    ("--check=UXMFA", "check UXMFA"),
    ("-cwd UXMFA", "check --backend docker UXMFA"),
    ("--check-with-docker UXMFA", "check --backend docker UXMFA"),
    ("-l ../ackrep_data", "--repository ../ackrep_data sync"),
    ("--load-repo-to-db .", "--repository . sync"),
    ("--key", "key --with-label"),
    ("--show-entity-info UXMFA", "show UXMFA"),
    ("-p", "env pull --all"),
    ("--pull-and-show-envs", "env pull --all"),
    ("--check-all-entities", "check --all"),
    ("-rie YJBOX", "env shell YJBOX"),
    ("--run-interactive-environment YJBOX", "env shell YJBOX"),
    ("-C data -rie YJBOX ls", "-C data env shell YJBOX -- /bin/bash -c ls"),
    ("--jupyter YJBOX", "env jupyter YJBOX"),
    ("--check-all-entities -ut", "check --all"),
    ("--log 10 -c UXMFA", "check UXMFA"),
    ("--update-parameter-tex UXMFA", "tex --write UXMFA"),
    ("--create-pdf system_models/x/metadata.yml", "pdf system_models/x/metadata.yml"),
    ("-uap", "pdf --all"),
    ("--update-all-pdfs", "pdf --all"),
    ("--create-system-model-list-pdf", "pdf --list"),
    ("-e ../ackrep_data", "--repository ../ackrep_data sync"),
    ("--extend ../ackrep_data", "--repository ../ackrep_data sync"),
    ("-n", "new"),
    ("--new", "new"),
    ("--get-metadata-abs-path-from-key UXMFA", "path --metadata UXMFA"),
    ("--get-metadata-rel-path-from-key UXMFA", "path --metadata --relative UXMFA"),
    ("--prepare-script UXMFA", "prepare UXMFA"),
    ("--bootstrap-db", "sync"),
    ("--start-workers", "up"),
    ("-C data -c UXMFA", "-C data check UXMFA"),
    ("--repository data --json -c UXMFA --force", "--repository data --json check UXMFA --force"),
]


@pytest.mark.parametrize(("old", "new"), SPELLINGS)
def test_translated(old: str, new: str) -> None:
    """An old spelling means the same as today's."""
    assert translate(old.split()) == new.split()


def test_words_after_an_environment_are_one_line_of_its_shell() -> None:
    """As in 2022: `-rie KEY "cd ..; ls"`."""
    expected = ["env", "shell", "YJBOX", "--", "/bin/bash", "-c", "cd ..; ls"]
    assert expected == translate(["-rie", "YJBOX", "cd ..; ls"])


@pytest.mark.parametrize(
    "today",
    ["", "--version", "-C data up", "check UXMFA", "list --text -c", "show UXMFA --json", "--help"],
)
def test_todays_words_stay(today: str) -> None:
    """What is no old spelling is left alone, and nothing after a command's name is looked at."""
    assert translate(today.split()) == today.split()


@pytest.mark.parametrize("old", ["-c", "--show-entity-info", "--jupyter", "-e", "-rie"])
def test_refused(old: str) -> None:
    """A missing value is a usage error."""
    with pytest.raises(click.UsageError):
        translate(old.split())
