"""The services behind the gateway: one channel each, and what is asked of all of them."""

import asyncio
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ackrep.catalog.v1 import (
    catalog_pb2_grpc,
    content_pb2_grpc,
    ontology_pb2_grpc,
    proposal_pb2_grpc,
    search_pb2_grpc,
)
from ackrep.runner.v1 import environment_pb2_grpc
from ackrep.scheduler.v1 import (
    access_pb2_grpc,
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
from gateway.routes import SERVICES
from gateway.settings import Settings
from services import rpc
from services.errors import UnavailableError

_HEALTH_SECONDS = 2.0


class Upstream:
    """Channels to the services. Opens in the running event loop; close it, or use `async with`."""

    def __init__(self, settings: Settings) -> None:
        addresses = {
            "catalog": settings.catalog,
            "scheduler": settings.scheduler,
            "runner": settings.runner,
        }
        self._channels = {
            peer: rpc.dial(address, token=settings.token)
            for peer, address in addresses.items()
            if address
        }
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(self._channels["catalog"])
        self.search = search_pb2_grpc.SearchServiceStub(self._channels["catalog"])
        self.ontology = ontology_pb2_grpc.OntologyServiceStub(self._channels["catalog"])
        self.proposals = proposal_pb2_grpc.ProposalServiceStub(self._channels["catalog"])
        self.content = content_pb2_grpc.ContentServiceStub(self._channels["catalog"])
        self.scheduler = scheduler_pb2_grpc.SchedulerServiceStub(self._channels["scheduler"])
        self.access = access_pb2_grpc.AccessServiceStub(self._channels["scheduler"])
        self.queue = queue_pb2_grpc.QueueServiceStub(self._channels["scheduler"])
        self.schedules = schedule_pb2_grpc.ScheduleServiceStub(self._channels["scheduler"])
        self.bisections = bisection_pb2_grpc.BisectionServiceStub(self._channels["scheduler"])
        self.history = history_pb2_grpc.HistoryServiceStub(self._channels["scheduler"])
        self.notifications = notification_pb2_grpc.NotificationServiceStub(
            self._channels["scheduler"]
        )
        self.comparisons = comparison_pb2_grpc.ComparisonServiceStub(self._channels["scheduler"])
        self.promotions = promotion_pb2_grpc.PromotionServiceStub(self._channels["scheduler"])
        self.explanations = explanation_pb2_grpc.ExplanationServiceStub(self._channels["scheduler"])
        self.dispatch = dispatch_pb2_grpc.DispatchServiceStub(self._channels["scheduler"])
        self.environments = (
            environment_pb2_grpc.EnvironmentServiceStub(self._channels["runner"])
            if "runner" in self._channels
            else None
        )
        """Of the runner that is configured; there need not be one."""

    def channel(self, peer: str) -> grpc.aio.Channel:
        """Returns the channel to a service.

        Raises:
            UnavailableError: No address is configured for it.
        """
        if peer not in self._channels:
            raise UnavailableError(
                f"no {peer} is configured (ACKREP_GATEWAY_{peer.upper()})", peer=peer
            )
        return self._channels[peer]

    async def health(self) -> dict[str, str]:
        """Asks catalog and scheduler how they are: `SERVING`, or why not."""
        peers = ("catalog", "scheduler")
        return dict(zip(peers, await asyncio.gather(*map(self._health, peers)), strict=True))

    async def _health(self, peer: str) -> str:
        stub: Any = health_pb2_grpc.HealthStub(self._channels[peer])
        request = health_pb2.HealthCheckRequest(service=SERVICES[peer][0].full_name)
        try:
            answer = await stub.Check(request, timeout=_HEALTH_SECONDS)
        except grpc.aio.AioRpcError as failure:
            return str(failure.code().name)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    async def close(self) -> None:
        """Closes all channels."""
        for channel in self._channels.values():
            await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
