"""The `ackrep` command: reads the arguments, runs a command, and turns errors into exit codes."""

import os
import sys
import traceback
from importlib.metadata import version

import click
from rich.console import Console
from rich.text import Text

from cli import legacy
from cli.commands.backup import backup, restore
from cli.commands.bisect import bisect
from cli.commands.changes import changes
from cli.commands.check import cancel, check, results, runs, watch
from cli.commands.compare import compare
from cli.commands.completion import completion
from cli.commands.documents import pdf, tex
from cli.commands.env import env
from cli.commands.exchange import export_results, import_results
from cli.commands.explain import explain
from cli.commands.history import groups, history, matrix
from cli.commands.lint import lint
from cli.commands.new import new
from cli.commands.propose import proposals, propose
from cli.commands.provenance import export, record, verify
from cli.commands.queue import queue
from cli.commands.reading import key, list_entities, show, sync
from cli.commands.runners import runners
from cli.commands.schedule import schedule
from cli.commands.search import search
from cli.commands.sparql import sparql
from cli.commands.token import audit, token
from cli.commands.up import status, up
from cli.commands.webhook import webhook
from cli.commands.working import path, prepare
from cli.options import (
    backend_options,
    runner_server_option,
    server_options,
    shared_options,
)
from cli.verdicts import BROKEN, USAGE
from services.errors import (
    AlreadyExistsError,
    Error,
    InvalidArgumentError,
    NotCheckableError,
    NotFoundError,
    SourceError,
)

INTERRUPTED = 130


_SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Reading": (list_entities, search, show, lint, sparql, key, tex, pdf, sync),
    "Working on entities": (new, prepare, path, completion),
    "Checking": (check, watch, cancel, results, explain, bisect),
    "Proposing": (propose, proposals),
    "Runs and history": (
        changes,
        runs,
        compare,
        matrix,
        groups,
        history,
        import_results,
        export_results,
    ),
    "Provenance": (record, export, verify),
    "Environments": (env,),
    "Operating": (up, status, queue, runners, schedule, webhook, token, audit, backup, restore),
}
"""All commands, in the order in which help shows them."""


class _Group(click.Group):
    """Shows commands by what they are for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for title, section in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [
                        ((command.name or "").ljust(width), command.get_short_help_str(_SENTENCE))
                        for command in section
                    ]
                )


_SENTENCE = 200
"""Characters that the first sentence of a command's help has at most."""


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("ackrep"), prog_name="ackrep")
@backend_options
@server_options
@runner_server_option
@shared_options
def ackrep() -> None:
    """Keep an executable knowledge repository alive.

    Commands work on the data repository around the current folder. What they need they start and
    stop by themselves; `ackrep up` keeps it running, with pages.
    """


for _section in _SECTIONS.values():
    for _command in _section:
        ackrep.add_command(_command)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Runs the command line; returns the exit code."""
    try:
        for argument in arguments:
            if not _is_text(argument):
                raise click.UsageError(f"the argument {argument!a} is no UTF-8")
        result = ackrep.main(legacy.translate(arguments), prog_name="ackrep", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 0
    except click.UsageError as error:
        _say(error.format_message() + _hint(error))
        return USAGE
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Error as error:
        _say(error.message)
        return exit_code_of(error)
    except BrokenPipeError:  # e.g. `ackrep list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # noqa: BLE001  # the outermost frame of the process
        traceback.print_exc()
        _say("this is a defect of ACKREP; please report it with the lines above")
        return BROKEN
    return result if isinstance(result, int) else 0


def exit_code_of(error: Error) -> int:
    """The exit code for a request that failed before there was any work.

    What the user asked for is wrong: usage. The entity is: as a failing check. Else: ours.
    """
    if isinstance(error, NotCheckableError):
        return 1
    if isinstance(error, (AlreadyExistsError, InvalidArgumentError, NotFoundError, SourceError)):
        return USAGE
    return BROKEN


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _hint(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx is not None else "ackrep"
    return f" ({path} --help says more)"


def _say(message: str) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)


if __name__ == "__main__":
    main()
