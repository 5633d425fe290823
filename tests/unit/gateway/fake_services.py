"""Catalog, scheduler and runner as small in-memory gRPC services with a believable repository.

They speak the real protocol over real sockets; only what is behind it is made up. Checks that are
created here run for `pace` seconds per event, so that pages have something to follow.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc

from ackrep.catalog.v1 import (
    catalog_pb2_grpc,
    content_pb2_grpc,
    ontology_pb2_grpc,
    proposal_pb2_grpc,
    search_pb2_grpc,
)
from ackrep.runner.v1 import environment_pb2, environment_pb2_grpc, runner_pb2, runner_pb2_grpc
from ackrep.scheduler.v1 import (
    access_pb2_grpc,
    activity_pb2_grpc,
    bisection_pb2_grpc,
    comparison_pb2_grpc,
    dispatch_pb2_grpc,
    explanation_pb2_grpc,
    history_pb2_grpc,
    notification_pb2_grpc,
    promotion_pb2_grpc,
    queue_pb2_grpc,
    schedule_pb2_grpc,
    scheduler_pb2_grpc,
)
from services import rpc
from tests.unit.gateway.fake_access import FakeAccess
from tests.unit.gateway.fake_activity import FakeActivity
from tests.unit.gateway.fake_catalog import FakeCatalog
from tests.unit.gateway.fake_content import FakeContent
from tests.unit.gateway.fake_environments import FakeEnvironments
from tests.unit.gateway.fake_history import FakeHistory
from tests.unit.gateway.fake_notifications import FakeNotifications
from tests.unit.gateway.fake_ontology import FakeOntology
from tests.unit.gateway.fake_proposals import FakeProposals
from tests.unit.gateway.fake_queue import FakeQueue
from tests.unit.gateway.fake_scheduler import FakeScheduler
from tests.unit.gateway.fake_search import FakeSearch

TOKEN = "a-token-of-tests"


class FakeRunner(
    runner_pb2_grpc.RunnerServiceServicer, environment_pb2_grpc.EnvironmentServiceServicer
):
    """Answers for itself."""

    async def GetRunner(self, request: Any, context: Any) -> runner_pb2.Runner:
        return runner_pb2.Runner(name=request.name, slots=2)

    async def ListEnvironments(
        self, request: Any, context: Any
    ) -> environment_pb2.ListEnvironmentsResponse:
        return environment_pb2.ListEnvironmentsResponse()

    async def PrepareEnvironment(
        self, request: Any, context: Any
    ) -> AsyncIterator[environment_pb2.PrepareEnvironmentResponse]:
        yield environment_pb2.PrepareEnvironmentResponse(message="step 1 of 2", fraction=0.5)
        yield environment_pb2.PrepareEnvironmentResponse(
            environment=environment_pb2.Environment(name=request.name, state="STATE_READY")  # type: ignore[arg-type]
        )

    async def GetEnvironment(self, request: Any, context: Any) -> environment_pb2.Environment:
        return environment_pb2.Environment(name=request.name, state="STATE_READY")  # type: ignore[arg-type]

    async def BuildEnvironment(
        self, request: Any, context: Any
    ) -> AsyncIterator[environment_pb2.BuildEnvironmentResponse]:
        yield environment_pb2.BuildEnvironmentResponse(message="Step 1/2 : FROM debian")

    async def PullEnvironment(
        self, request: Any, context: Any
    ) -> AsyncIterator[environment_pb2.PullEnvironmentResponse]:
        yield environment_pb2.PullEnvironmentResponse(message="pulling", fraction=0.5)

    async def PushEnvironment(
        self, request: Any, context: Any
    ) -> AsyncIterator[environment_pb2.PushEnvironmentResponse]:
        yield environment_pb2.PushEnvironmentResponse(message="pushing", fraction=0.5)

    async def VerifyEnvironment(
        self, request: Any, context: Any
    ) -> environment_pb2.VerifyEnvironmentResponse:
        return environment_pb2.VerifyEnvironmentResponse(digest="sha256:1")

    async def DrainRunner(self, request: Any, context: Any) -> runner_pb2.Runner:
        return runner_pb2.Runner(name=request.name, draining=True)


@dataclass(frozen=True)
class FakeServices:
    """The three services and where they listen."""

    access: FakeAccess
    environments: FakeEnvironments
    catalog: FakeCatalog
    content: FakeContent
    search: FakeSearch
    ontology: FakeOntology
    scheduler: FakeScheduler
    history: FakeHistory
    notifications: FakeNotifications
    proposals: FakeProposals
    queue: FakeQueue
    runner: FakeRunner
    address: str


@contextlib.asynccontextmanager
async def fake_services(*, pace: float = 0.02) -> AsyncIterator[FakeServices]:
    """Serves all three on one port."""
    catalog, scheduler, runner = FakeCatalog(), FakeScheduler(pace=pace), FakeRunner()
    access, notifications, proposals = FakeAccess(), FakeNotifications(), FakeProposals()
    queue, history = scheduler.queue, FakeHistory(scheduler)
    environments = FakeEnvironments(scheduler)  # type: ignore[abstract]  # what runners say is not asked
    content, search, ontology = FakeContent(), FakeSearch(catalog), FakeOntology(catalog)

    def register(server: grpc.aio.Server) -> None:
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(catalog, server)
        proposal_pb2_grpc.add_ProposalServiceServicer_to_server(proposals, server)
        content_pb2_grpc.add_ContentServiceServicer_to_server(content, server)
        search_pb2_grpc.add_SearchServiceServicer_to_server(search, server)
        ontology_pb2_grpc.add_OntologyServiceServicer_to_server(ontology, server)
        scheduler_pb2_grpc.add_SchedulerServiceServicer_to_server(scheduler, server)
        access_pb2_grpc.add_AccessServiceServicer_to_server(access, server)
        queue_pb2_grpc.add_QueueServiceServicer_to_server(queue, server)
        activity_pb2_grpc.add_ActivityServiceServicer_to_server(FakeActivity(scheduler), server)
        schedule_pb2_grpc.add_ScheduleServiceServicer_to_server(queue, server)
        bisection_pb2_grpc.add_BisectionServiceServicer_to_server(queue, server)
        notification_pb2_grpc.add_NotificationServiceServicer_to_server(notifications, server)
        history_pb2_grpc.add_HistoryServiceServicer_to_server(history, server)
        comparison_pb2_grpc.add_ComparisonServiceServicer_to_server(history, server)
        promotion_pb2_grpc.add_PromotionServiceServicer_to_server(environments, server)
        explanation_pb2_grpc.add_ExplanationServiceServicer_to_server(environments, server)
        dispatch_pb2_grpc.add_DispatchServiceServicer_to_server(environments, server)
        runner_pb2_grpc.add_RunnerServiceServicer_to_server(runner, server)
        environment_pb2_grpc.add_EnvironmentServiceServicer_to_server(runner, server)

    async with rpc.serving(
        address="127.0.0.1:0",
        token=TOKEN,
        register=register,
        services=[
            "ackrep.catalog.v1.CatalogService",
            "ackrep.scheduler.v1.SchedulerService",
            "ackrep.runner.v1.RunnerService",
        ],
        grace=0.1,
    ) as port:
        address = f"127.0.0.1:{port}"
        yield FakeServices(
            access=access,
            environments=environments,
            catalog=catalog,
            content=content,
            search=search,
            ontology=ontology,
            scheduler=scheduler,
            history=history,
            notifications=notifications,
            proposals=proposals,
            queue=queue,
            runner=runner,
            address=address,
        )
