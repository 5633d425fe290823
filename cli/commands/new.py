"""`new`: an entity in a minute."""

import collections
import dataclasses
import datetime
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from cli import creation, documents
from cli.client import Client
from cli.commands.reading import random_key
from cli.context import Context, pass_context
from cli.options import shared_options
from services.errors import InvalidArgumentError, NotFoundError

F = TypeVar("F", bound=Callable[..., Any])

_DEFAULT_ENVIRONMENT = "default_environment"
"""What a data repository without environments gets: every installation has it."""

_OPTIONS = (
    click.option("--name", help="What it is called."),
    click.option("--description", help="One sentence about it."),
    click.option("--creator", help="Who made it; by default as git knows you."),
    click.option("--folder", type=click.Path(path_type=Path), help="Where to put it."),
    click.option("--environment", metavar="KEY", help="By default what most entities use."),
    click.option("--problem", metavar="KEY", help="What a solution solves; else one is made."),
    click.option(
        "--method", "methods", metavar="KEY", multiple=True, help="Method package of a solution."
    ),
    click.option(
        "--problem-class", "classes", metavar="KEY", multiple=True, help="Class of a problem."
    ),
    click.option("--yes", "-y", is_flag=True, help="Ask nothing; take the defaults."),
)


def _wishes(function: F) -> F:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclasses.dataclass(kw_only=True)
class Wishes:
    """What is known of the entity to be: from options, answers and defaults."""

    name: str | None
    description: str | None
    creator: str | None
    folder: Path | None
    environment: str | None
    problem: str | None
    methods: tuple[str, ...]
    classes: tuple[str, ...]
    yes: bool

    def ask(self) -> None:
        """Asks for what was not given."""
        self.name = self.name or click.prompt("Its name")
        if self.description is None:
            self.description = click.prompt("One sentence about it", default="")
        self.creator = self.creator or click.prompt("Who made it", default=creation.author())

    @property
    def references(self) -> list[tuple[str, str]]:
        """Keys that have to exist, and the types they have to have."""
        found = [
            *((key, "method_package") for key in self.methods),
            *((key, "problem_class") for key in self.classes),
        ]
        if self.environment:
            found.append((self.environment, "environment_specification"))
        if self.problem:
            found.append((self.problem, "problem_specification"))
        return found


@click.command()
@click.argument("type_", metavar="[TYPE]", required=False, type=click.Choice([*creation.TYPES]))
@_wishes
@shared_options
@pass_context
def new(context: Context, /, *, type_: str | None, **options: Any) -> None:
    """Make a new entity from a template; what can be checked passes its check at once.

    TYPE is system_model, problem_class, problem_specification, problem_solution, method_package,
    notebook, documentation, comment or environment_specification. What is not given is asked for in
    a terminal.
    """
    wishes = Wishes(**options)
    if not wishes.yes and not context.json and sys.stdin.isatty():
        types = click.Choice([*creation.TYPES])
        type_ = type_ or str(click.prompt("What is it", type=types, default="system_model"))
        wishes.ask()
    if type_ is None:
        raise click.UsageError("name a type: " + ", ".join(creation.TYPES))
    if not wishes.name:
        raise click.UsageError("name it: --name NAME")
    root, entities = _present(context)
    drafts = _drafts(type_, wishes, entities)
    places = [root / creation.TYPES[draft.type] / draft.slug for draft in drafts]
    if wishes.folder is not None:
        places[-1] = wishes.folder.absolute()
    written = [creation.write(draft, place) for draft, place in zip(drafts, places, strict=True)]
    _say(context, drafts, written)


def _drafts(
    type_: str, wishes: Wishes, entities: Sequence[catalog_pb2.Entity]
) -> list[creation.Draft]:
    """The entity that is wanted, last; before it what it needs and is not there."""
    keys = {entity.key: entity for entity in entities}
    for key, kind in wishes.references:
        found = keys.get(key.upper())
        if found is None or documents.entity_type(found.type) != kind:
            raise NotFoundError(
                f"there is no {kind.replace('_', ' ')} {key.upper()}; `ackrep list --type {kind}` "
                "shows those there are"
            )
    used = set(keys)

    def key_of_new() -> str:
        used.add(key := random_key(used))
        return key

    draft = creation.Draft(
        type=type_,
        key=key_of_new(),
        name=wishes.name or "",
        description=wishes.description or "",
        creator=wishes.creator or creation.author(),
        date=datetime.datetime.now(),  # noqa: DTZ005  # metadata has its author's local time
        environment=(wishes.environment or _usual_environment(entities)).upper(),
        problem=(wishes.problem or "").upper(),
        methods=[key.upper() for key in wishes.methods],
        problem_classes=[key.upper() for key in wishes.classes],
    )
    before = []
    if type_ in creation.RUNNABLE and not draft.environment:
        environment = dataclasses.replace(
            draft,
            type="environment_specification",
            key=key_of_new(),
            name=_DEFAULT_ENVIRONMENT,
            description="What most entities need.",
        )
        before.append(environment)
        draft = dataclasses.replace(draft, environment=environment.key)
    if type_ == "problem_solution" and not draft.problem:
        problem = dataclasses.replace(
            draft,
            type="problem_specification",
            key=key_of_new(),
            name=f"{draft.name}: the problem",
        )
        before.append(problem)
        draft = dataclasses.replace(draft, problem=problem.key, solves_template=True)
    return [*before, draft]


def _present(context: Context) -> tuple[Path, list[catalog_pb2.Entity]]:
    """The folder of the data repository, and what is in it; of an empty folder, nothing."""
    try:
        where = context.source()
    except InvalidArgumentError:
        if context.repository:
            raise
        context.screen.note("no data repository here yet: this folder becomes one")
        return Path.cwd(), []
    if where.root is None or where.ref:
        raise InvalidArgumentError("a new entity needs a data repository's folder on this machine")

    async def work(client: Client) -> list[catalog_pb2.Entity]:
        await client.sync()
        return await client.entities()

    return where.root.resolve(), context.run(work, reading=True)


def _usual_environment(entities: Sequence[catalog_pb2.Entity]) -> str:
    """Key of the environment that most entities use; the first there is; else none."""
    own = {
        entity.title: entity.key
        for entity in entities
        if entity.type == catalog_pb2.ENTITY_TYPE_ENVIRONMENT_SPECIFICATION
    }
    counts = collections.Counter(
        documents.last(entity.environment) for entity in entities if entity.environment
    )
    used = (own[name] for name, _ in counts.most_common() if name in own)
    return next(used, next(iter(own.values()), ""))


def _say(context: Context, drafts: Sequence[creation.Draft], written: Sequence[list[Path]]) -> None:
    for draft, paths in zip(drafts, written, strict=True):
        if context.json:
            click.echo(
                documents.line(
                    {"key": draft.key, "type": draft.type, "files": [str(path) for path in paths]}
                )
            )
            continue
        kind = draft.type.replace("_", " ")
        context.screen.print(
            Text.assemble((draft.key, "bold cyan"), "  ", (draft.name, "bold"), f"  {kind}")
        )
        for path in paths:
            context.screen.print(Text(f"  {_short(path)}", style="dim"), soft_wrap=True)
    last = drafts[-1]
    checked = (
        f"ackrep check {last.key}"
        if last.type in creation.RUNNABLE
        else f"ackrep lint {_short(written[-1][0].parent)}"
    )
    context.screen.note(f"next: {checked}")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
