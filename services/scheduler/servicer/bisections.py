"""Bisections: messages in, use cases, messages out."""

from typing import Any

from ackrep.scheduler.v1 import bisection_pb2, bisection_pb2_grpc, check_pb2
from services.scheduler.bisections.bisecting import Bisecting
from services.scheduler.domain.bisection import Bisection, Point, Probe
from services.scheduler.domain.names import bisection_id, entity_key
from services.scheduler.messages import timestamp


class BisectionServicer(bisection_pb2_grpc.BisectionServiceServicer):
    """`ackrep.scheduler.v1.BisectionService`."""

    def __init__(self, *, bisecting: Bisecting) -> None:
        self._bisecting = bisecting

    async def CreateBisection(
        self, request: bisection_pb2.CreateBisectionRequest, context: Any
    ) -> bisection_pb2.Bisection:
        return _message(
            await self._bisecting.create(
                entity=entity_key(request.entity),
                good=request.good,
                bad=request.bad,
                request_id=request.request_id,
            )
        )

    async def GetBisection(
        self, request: bisection_pb2.GetBisectionRequest, context: Any
    ) -> bisection_pb2.Bisection:
        return _message(await self._bisecting.get(bisection_id(request.name)))

    async def ListBisections(
        self, request: bisection_pb2.ListBisectionsRequest, context: Any
    ) -> bisection_pb2.ListBisectionsResponse:
        found, token = await self._bisecting.list_page(
            size=request.page_size, token=request.page_token
        )
        return bisection_pb2.ListBisectionsResponse(
            bisections=map(_message, found), next_page_token=token
        )


def _message(bisection: Bisection) -> bisection_pb2.Bisection:
    return bisection_pb2.Bisection(
        name=f"bisections/{bisection.id}",
        entity=f"entities/{bisection.entity}",
        state=bisection_pb2.Bisection.State.ValueType(bisection.state.value),
        axis=bisection_pb2.Bisection.Axis.ValueType(bisection.axis.value),
        good=_point(bisection.good),
        bad=_point(bisection.bad),
        culprits=map(_point, bisection.culprits),
        probes=map(_probe, bisection.probes),
        candidate_count=len(bisection.candidates),
        message=bisection.message,
        create_time=timestamp(bisection.create_time),
        finish_time=timestamp(bisection.finish_time),
    )


def _point(point: Point) -> bisection_pb2.BisectionPoint:
    return bisection_pb2.BisectionPoint(
        commit=point.commit,
        subject=point.subject,
        environment=f"environments/{point.environment}",
        check=f"checks/{point.check}" if point.check else "",
    )


def _probe(probe: Probe) -> bisection_pb2.BisectionProbe:
    message = bisection_pb2.BisectionProbe(point=_point(probe.point), known=probe.known)
    if probe.verdict is not None:
        message.verdict = check_pb2.Verdict.ValueType(probe.verdict.value)
    return message
