"""The spellings of 2022, translated into today's commands before anything reads them."""

import dataclasses
from collections.abc import Sequence

import click


@dataclasses.dataclass(frozen=True)
class Spelling:
    """How one old option is said today."""

    command: tuple[str, ...]
    """Command and options; `{}` stands for the old option's value."""
    takes_value: bool = False
    """True if a value follows the old option."""
    runs: bool = False
    """True if what follows the value is a line for the shell."""


_CHECK = Spelling(("check", "{}"), takes_value=True)
_CHECK_IN_DOCKER = Spelling(("check", "--backend", "docker", "{}"), takes_value=True)
_ALL_PDFS = Spelling(("pdf", "--all"))
_SHELL = Spelling(("env", "shell", "{}"), takes_value=True, runs=True)
_LOAD = Spelling(("--repository", "{}", "sync"), takes_value=True)

SPELLINGS = {
    "-c": _CHECK,
    "--check": _CHECK,
    "-cwd": _CHECK_IN_DOCKER,
    "--check-with-docker": _CHECK_IN_DOCKER,
    "--check-all-entities": Spelling(("check", "--all")),
    "-l": _LOAD,
    "--load-repo-to-db": _LOAD,
    "--key": Spelling(("key", "--with-label")),
    "-rie": _SHELL,
    "--run-interactive-environment": _SHELL,
    "--jupyter": Spelling(("env", "jupyter", "{}"), takes_value=True),
    "-p": Spelling(("env", "pull", "--all")),
    "--pull-and-show-envs": Spelling(("env", "pull", "--all")),
    "--show-entity-info": Spelling(("show", "{}"), takes_value=True),
    "--update-parameter-tex": Spelling(("tex", "--write", "{}"), takes_value=True),
    "--create-pdf": Spelling(("pdf", "{}"), takes_value=True),
    "-uap": _ALL_PDFS,
    "--update-all-pdfs": _ALL_PDFS,
    "--create-system-model-list-pdf": Spelling(("pdf", "--list")),
    "-e": _LOAD,  # what was one database is one system for each data repository
    "--extend": _LOAD,
    "-n": Spelling(("new",)),
    "--new": Spelling(("new",)),
    "--get-metadata-abs-path-from-key": Spelling(("path", "--metadata", "{}"), takes_value=True),
    "--get-metadata-rel-path-from-key": Spelling(
        ("path", "--metadata", "--relative", "{}"), takes_value=True
    ),
    "--prepare-script": Spelling(("prepare", "{}"), takes_value=True),
    "--bootstrap-db": Spelling(("sync",)),  # there is no database to make: the index is read anew
    "--start-workers": Spelling(("up",)),
}

_IGNORED = {"--log": True, "--unittest": False, "-ut": False, "--show-debug": False}
"""Old options that change nothing any more, and whether a value follows."""

_VALUED = {
    "--repository", "-C", "--ref", "--backend", "--slots", "--catalog", "--scheduler", "--runner",
}  # fmt: skip
"""Today's options before a command that take a value."""


def translate(arguments: Sequence[str]) -> list[str]:
    """Puts an old spelling into today's words; leaves everything else as it is.

    Only what stands before a command's name is looked at.

    Raises:
        UsageError: A value is missing.
    """
    before: list[str] = []
    rest = list(arguments)
    while rest:
        name, _, joined = rest[0].partition("=")
        if rest[0] in _IGNORED:
            rest = rest[1 + _IGNORED[rest[0]] :]
        elif name in SPELLINGS:
            spelling = SPELLINGS[name]
            values, after = ([joined], rest[1:]) if joined else (rest[1:2], rest[2:])
            if not spelling.takes_value:
                values, after = [], rest[1:]
            elif not values:
                raise click.UsageError(f"{name} wants a value")
            command = [part.format(*values) if part == "{}" else part for part in spelling.command]
            if spelling.runs and after:
                command += ["--", "/bin/bash", "-c", " ".join(after)]
                after = []
            return [*before, *command, *(one for one in after if one not in _IGNORED)]
        elif name in _VALUED and not joined:
            before += rest[:2]
            rest = rest[2:]
        elif rest[0].startswith("-"):
            before.append(rest.pop(0))
        else:
            break
    return [*before, *rest]
