"""Composition root of the catalog: `python -m services.catalog`."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator

import grpc

from ackrep.catalog.v1 import catalog_pb2_grpc as rpc_stubs
from ackrep.catalog.v1 import content_pb2_grpc as content_stubs
from ackrep.catalog.v1 import ontology_pb2_grpc as ontology_stubs
from ackrep.catalog.v1 import proposal_pb2_grpc as proposal_stubs
from ackrep.catalog.v1 import search_pb2_grpc as search_stubs
from services import lifetime, logs, rpc, settings
from services.catalog.app import Catalog
from services.catalog.content.downloads import Content
from services.catalog.content.uploads import Limits, Uploads
from services.catalog.index.history import History
from services.catalog.index.sql import SqlStore, opened
from services.catalog.index.synchronisation import Announcement, Synchronisation
from services.catalog.metadata.parsing import parse_metadata
from services.catalog.ontology.dialect import parse_ontology
from services.catalog.ontology.files import GitOntologyFiles
from services.catalog.ontology.graphs import OxigraphGraphs
from services.catalog.ontology.querying import Querying
from services.catalog.ontology.sql import SqlIndividuals
from services.catalog.proposals.addresses import Addresses
from services.catalog.proposals.differences import Differences
from services.catalog.proposals.lineage import Bounds, GitLineage
from services.catalog.proposals.proposing import Proposing
from services.catalog.proposals.sql import SqlProposals
from services.catalog.search.index import TantivyIndex
from services.catalog.search.searching import Search
from services.catalog.search.sql import SqlStandings
from services.catalog.servicer import content as content_servicer
from services.catalog.servicer import ontology as ontology_servicer
from services.catalog.servicer import proposals as proposal_servicer
from services.catalog.servicer import search as search_servicer
from services.catalog.servicer.catalog import SERVICE, CatalogServicer
from services.catalog.servicer.content import ContentServicer
from services.catalog.servicer.ontology import OntologyServicer
from services.catalog.servicer.proposals import ProposalServicer
from services.catalog.servicer.search import SearchServicer
from services.catalog.settings import Settings
from services.catalog.source_ports import Source
from services.catalog.sources.git import Git
from services.catalog.sources.git_writing import GitWriter
from services.catalog.sources.local import LocalSource, source_of
from services.catalog.sources.objects import GitObjects
from services.catalog.sources.watching import poll, watch
from services.errors import Error

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def running(configuration: Settings) -> AsyncIterator[int]:
    """Runs the service during the block; yields its port.

    The first index is made meanwhile, and answers that need it wait for it.
    """
    configuration.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    git = Git(configuration.state)
    source = source_of(
        configuration.source,
        ref=configuration.ref,
        git=git,
        timeout=configuration.fetch_timeout,
        largest=configuration.fetch_bytes,
    )
    await git.open()
    async with (
        opened(configuration.database_url) as store,
        OxigraphGraphs(
            seconds=configuration.query_seconds,
            memory=configuration.query_memory,
            slots=configuration.query_slots,
        ) as graphs,
    ):
        objects = GitObjects(git)
        catalog = Catalog(
            source=source,
            objects=objects,
            store=store,
            parse=parse_metadata,
            parse_ontology=parse_ontology,
        )
        content = Content(
            catalog=catalog,
            objects=objects,
            file_bytes=configuration.file_bytes,
            archive_bytes=configuration.archive_bytes,
        )
        writer = GitWriter(git)
        writer.tidy()
        uploads = Uploads(
            catalog=catalog,
            objects=writer,
            limits=Limits(
                files=configuration.upload_files,
                blob_bytes=configuration.upload_blob_bytes,
                total_bytes=configuration.upload_bytes,
            ),
        )
        search = Search(index=TantivyIndex(SqlStandings(store.engine)), store=store)
        querying = Querying(
            catalog=catalog,
            files=GitOntologyFiles(git, objects),
            individuals=SqlIndividuals(store.engine),
            graphs=graphs,
            parse=parse_ontology,
        )
        proposing = await _proposing(
            configuration, source=source, catalog=catalog, git=git, store=store
        )
        differences = Differences(store=store, objects=objects, git=git)
        announcement = Announcement()
        synchronisation = Synchronisation(catalog.sync, announcement)

        def register(server: grpc.aio.Server) -> None:
            rpc_stubs.add_CatalogServiceServicer_to_server(
                CatalogServicer(
                    catalog,
                    history=History(source, catalog),
                    synchronisation=synchronisation,
                    announcement=announcement,
                ),
                server,
            )
            content_stubs.add_ContentServiceServicer_to_server(
                ContentServicer(content, uploads), server
            )
            ontology_stubs.add_OntologyServiceServicer_to_server(OntologyServicer(querying), server)
            search_stubs.add_SearchServiceServicer_to_server(
                SearchServicer(catalog, search), server
            )
            proposal_stubs.add_ProposalServiceServicer_to_server(
                ProposalServicer(proposing, differences), server
            )

        first = asyncio.create_task(_first_sync(synchronisation, catalog, announcement))
        following = [
            asyncio.create_task(one) for one in _following(configuration, source, synchronisation)
        ]
        following.append(asyncio.create_task(search.follow(announcement.revisions())))
        following.append(asyncio.create_task(proposing.follow(announcement.revisions())))
        try:
            async with rpc.serving(
                address=configuration.address,
                token=configuration.token,
                register=register,
                services=[
                    SERVICE,
                    content_servicer.SERVICE,
                    ontology_servicer.SERVICE,
                    search_servicer.SERVICE,
                    proposal_servicer.SERVICE,
                ],
            ) as port:
                try:
                    yield port
                finally:
                    announcement.close()  # so that no stream delays the stop
        finally:
            for task in (first, *following):
                task.cancel()
            await asyncio.gather(first, *following, return_exceptions=True)
            await proposing.stop()
            await synchronisation.close()
            await querying.close()
            await objects.close()


async def _proposing(
    configuration: Settings, *, source: Source, catalog: Catalog, git: Git, store: SqlStore
) -> Proposing:
    """Proposals, with what strangers offer in a store of its own."""
    forks = Git(configuration.state / "proposals")
    await forks.open()
    proposals = SqlProposals(store.engine)
    await proposals.open()
    lineage = GitLineage(
        forks,
        target=git,
        source=source,
        addresses=Addresses(
            local=configuration.proposal_local, hosts=configuration.proposal_hosts.split(",")
        ),
        bounds=Bounds(
            seconds=configuration.proposal_seconds,
            size=configuration.proposal_bytes,
            files=configuration.proposal_files,
        ),
    )
    return Proposing(
        catalog=catalog,
        proposals=proposals,
        lineage=lineage,
        most_open=configuration.proposals,
    )


def _following(
    configuration: Settings, source: Source, synchronisation: Synchronisation
) -> Iterator[Coroutine[None, None, None]]:
    """What reads the source again by itself."""
    if configuration.watch and isinstance(source, LocalSource):
        yield watch(source.surroundings(), synchronisation.sync)
    if configuration.poll > 0:
        yield poll(synchronisation.sync, seconds=configuration.poll)


async def _first_sync(
    synchronisation: Synchronisation, catalog: Catalog, announcement: Announcement
) -> None:
    try:
        await synchronisation.sync()
    except Error as error:
        # Serving goes on: callers are told why, and SyncRevision tries again.
        log.error(f"the first index failed: {error.message}")  # noqa: TRY400  # no traceback wanted
        with contextlib.suppress(Error):  # what an earlier process indexed last stays current
            announcement.tell(await catalog.revision(""))
    except Exception:
        log.exception("the first index failed")


async def _serve(stop: asyncio.Event) -> None:
    configuration = settings.load(Settings, service="catalog")
    logs.configure(service="catalog", style=configuration.log_format)
    async with running(configuration):
        await stop.wait()


def main() -> None:
    """Runs the service with settings from the environment."""
    lifetime.run(_serve)


if __name__ == "__main__":
    main()
