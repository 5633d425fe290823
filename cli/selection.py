"""Options that select the entities of a run, and the request that follows from them."""

import dataclasses
import functools
import getpass
import socket
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from ackrep.scheduler.v1 import scheduler_pb2
from cli.client import Client

F = TypeVar("F", bound=Callable[..., Any])

_BASE = "HEAD"
"""Value of `--changed` without one: the commit that the working copy is based on."""
_INDEX_SECONDS = 300.0


@dataclasses.dataclass(frozen=True)
class Selection:
    """What is asked for beside keys and paths."""

    everything: bool = False
    changed: str = ""
    """Commit, branch or tag; `HEAD` is the commit that the working copy is based on."""
    failed: bool = False
    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def some(self) -> bool:
        """Whether anything is asked for."""
        return self != Selection()

    @property
    def narrows(self) -> bool:
        """Whether not simply everything is asked for."""
        return dataclasses.replace(self, everything=False) != Selection()

    @property
    def filter(self) -> str:
        """For the catalog."""
        conditions = [f"type = {kind}" for kind in self.types]
        conditions += [f"tag = {tag}" for tag in self.tags]
        return " AND ".join(conditions)

    async def apply(
        self,
        request: scheduler_pb2.CreateRunRequest,
        *,
        client: Client,
        revision: catalog_pb2.Revision,
    ) -> None:
        """Puts the conditions into a request for a run."""
        request.filter = self.filter
        if self.failed:
            request.failed_in = "runs/-"
        if self.changed:
            ref = self.changed
            if ref == _BASE:
                ref = revision.base_commit or revision.commit
            if not ref:
                raise click.UsageError("--changed needs a git repository with a commit")
            stub = catalog_pb2_grpc.CatalogServiceStub(client.channel("catalog"))
            base = await client.call(
                "catalog",
                stub.IndexRevision,
                catalog_pb2.IndexRevisionRequest(ref=ref),
                timeout=_INDEX_SECONDS,
            )
            request.affected_since = base.name


def selection_options(function: F) -> F:
    """Gives a command the options; it takes them as `selection`."""
    options = (
        click.option("--all", "everything", is_flag=True, help="Every entity that can be checked."),
        click.option(
            "--changed",
            is_flag=False,
            flag_value=_BASE,
            default="",
            metavar="[REF]",
            help="Entities whose check is another one than at REF (a commit, branch or tag); "
            "without REF, than in the last commit.",
        ),
        click.option(
            "--failed", is_flag=True, help="Entities whose newest finished check was no success."
        ),
        click.option(
            "--type",
            "types",
            multiple=True,
            type=click.Choice(["system_model", "problem_solution", "notebook"]),
            help="Entities of this type.",
        ),
        click.option("--tag", "tags", multiple=True, help="Entities with this tag."),
    )

    @functools.wraps(function)
    def wrapped(
        *arguments: Any,
        everything: bool,
        changed: str,
        failed: bool,
        types: tuple[str, ...],
        tags: tuple[str, ...],
        **others: Any,
    ) -> Any:
        selection = Selection(
            everything=everything, changed=changed, failed=failed, types=types, tags=tags
        )
        return function(*arguments, selection=selection, **others)

    found: Any = wrapped
    for option in reversed(options):
        found = option(found)
    return found  # type: ignore[no-any-return]  # click's decorators say Any


def requester() -> str:
    """Who asks, for fair shares: the user and the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name for this user id
        user = "somebody"
    return f"{user}@{socket.gethostname()}"[:128]
