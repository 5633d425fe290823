"""What one `ackrep check` is to check, and how it tells continuous integration."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from cli import checking, documents, integration, reports, source, targets, upload
from cli.checking import Outcome
from cli.client import Client
from cli.context import Context
from cli.selection import Selection, requester
from services.errors import InvalidArgumentError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What one command is to check, and how."""

    context: Context
    wanted: targets.Targets
    selection: Selection
    force: bool
    environment: str
    """Name, instead of the entities' own; empty for these."""
    output: Path | None
    """Folder for what the checks produce."""
    local: source.Source | None
    """The data repository at hand; none where a deployed system reads its own."""

    @property
    def root(self) -> Path | None:
        """Folder of the data repository on this machine."""
        return self.local.root if self.local is not None else None

    async def revision(self, client: Client) -> catalog_pb2.Revision:
        """The state to check: what is in the folder now, wherever the catalog is."""
        if self.context.deployed and self.local is not None:
            revision = await upload.uploaded(client, self.local, screen=self.context.screen)
            client.revision_name = revision.name
            return revision
        return await checking.refreshed(client, self.context.screen)

    async def check(
        self, client: Client, revision: catalog_pb2.Revision, *, since: str = ""
    ) -> Outcome | None:
        """Checks; none if a selection has nothing in it.

        Args:
            client: The system.
            revision: What to check.
            since: Name of another revision; then only what differs from it.
        """
        name = self.environment.removeprefix("environments/")
        many = scheduler_pb2.CreateRunRequest(
            revision=revision.name,
            environment=f"environments/{name}" if name else "",
            force=self.force,
            requester=requester(),
            affected_since=since,
        )
        keys = []
        if self.wanted.keys or self.wanted.paths:
            keys = await targets.checkable_keys(client, self.wanted, root=self.root)
        many.entities.extend(f"entities/{key}" for key in keys)
        if len(keys) == 1 and not self.selection.narrows:
            return await self._check_one(client, many)
        await self.selection.apply(many, client=client, revision=revision)
        screen = self.context.screen
        try:
            return await checking.check_many(client, many, screen=screen, output=self.output)
        except InvalidArgumentError as error:
            if "nothing_selected" not in error.facts or not (self.selection.narrows or since):
                raise
            if not since:
                screen.note(error.message)
            return None

    async def _check_one(
        self, client: Client, many: scheduler_pb2.CreateRunRequest
    ) -> Outcome | None:
        if many.affected_since and not await self._affected(client, many):
            return None
        single = scheduler_pb2.CreateCheckRequest(
            entity=many.entities[0],
            revision=many.revision,
            environment=many.environment,
            force=many.force,
            requester=many.requester,
        )
        return await checking.check_one(
            client, single, screen=self.context.screen, output=self.output, root=self.root
        )

    @staticmethod
    async def _affected(client: Client, many: scheduler_pb2.CreateRunRequest) -> bool:
        affected = await client.affected(since=many.affected_since, revision=many.revision)
        return documents.last(many.entities[0]) in affected

    async def report(
        self,
        client: Client,
        checks: Sequence[check_pb2.Check],
        *,
        junit: Path | None,
        github: bool,
    ) -> None:
        """Tells continuous integration, in a file and by annotations."""
        entities = {entity.key: entity for entity in await client.entities()} if checks else {}
        whole = [await client.check(one.name) for one in checks]
        if junit is not None:
            junit.parent.mkdir(parents=True, exist_ok=True)
            junit.write_text(integration.junit(whole, entities), encoding="utf-8")
        if github:
            places = reports.Places(self.root, folder=Path.cwd())
            for one in whole:
                entity = entities.get(documents.last(one.entity))
                if entity and (said := integration.github(one, entity, places=places)):
                    click.echo(said)
