"""The routes of the API, read from the `google.api.http` annotations of the three services."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ackrep.catalog.v1 import (
    catalog_pb2,
    content_pb2,
    ontology_pb2,
    proposal_pb2,
    search_pb2,
)
from ackrep.runner.v1 import document_pb2, environment_pb2, runner_pb2
from ackrep.scheduler.v1 import (
    access_pb2,
    activity_pb2,
    bisection_pb2,
    comparison_pb2,
    explanation_pb2,
    history_pb2,
    notification_pb2,
    promotion_pb2,
    queue_pb2,
    record_pb2,
    schedule_pb2,
    scheduler_pb2,
)
from gateway import paths

SERVICES: dict[str, Sequence[ServiceDescriptor]] = {
    "catalog": (
        catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
        search_pb2.DESCRIPTOR.services_by_name["SearchService"],
        ontology_pb2.DESCRIPTOR.services_by_name["OntologyService"],
        content_pb2.DESCRIPTOR.services_by_name["ContentService"],
        proposal_pb2.DESCRIPTOR.services_by_name["ProposalService"],
    ),
    "scheduler": (
        scheduler_pb2.DESCRIPTOR.services_by_name["SchedulerService"],
        comparison_pb2.DESCRIPTOR.services_by_name["ComparisonService"],
        promotion_pb2.DESCRIPTOR.services_by_name["PromotionService"],
        explanation_pb2.DESCRIPTOR.services_by_name["ExplanationService"],
        queue_pb2.DESCRIPTOR.services_by_name["QueueService"],
        schedule_pb2.DESCRIPTOR.services_by_name["ScheduleService"],
        bisection_pb2.DESCRIPTOR.services_by_name["BisectionService"],
        history_pb2.DESCRIPTOR.services_by_name["HistoryService"],
        record_pb2.DESCRIPTOR.services_by_name["RecordService"],
        access_pb2.DESCRIPTOR.services_by_name["AccessService"],
        notification_pb2.DESCRIPTOR.services_by_name["NotificationService"],
        activity_pb2.DESCRIPTOR.services_by_name["ActivityService"],
    ),
    "runner": (
        runner_pb2.DESCRIPTOR.services_by_name["RunnerService"],
        environment_pb2.DESCRIPTOR.services_by_name["EnvironmentService"],
        document_pb2.DESCRIPTOR.services_by_name["DocumentService"],
    ),
}
"""The gRPC services of each peer behind the gateway, by the name of its setting."""

_VERBS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True)
class Route:
    """One way to reach one rpc over HTTP."""

    peer: str
    """Which service answers: a key of `SERVICES`."""
    rpc: MethodDescriptor
    verb: str
    """HTTP method in upper case."""
    template: paths.PathTemplate
    body: str
    """`*` for the whole request, a field's name for that field, or empty."""
    response_body: str
    """Field of the response that is answered in place of the whole; empty for the whole."""

    @functools.cached_property
    def method(self) -> str:
        """The rpc's path on the wire, `/package.Service/Method`."""
        return f"/{self.rpc.containing_service.full_name}/{self.rpc.name}"

    @functools.cached_property
    def request(self) -> type[Message]:
        """Class of the request."""
        return GetMessageClass(self.rpc.input_type)

    @functools.cached_property
    def response(self) -> type[Message]:
        """Class of the response, or of one message of the stream."""
        return GetMessageClass(self.rpc.output_type)

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream."""
        return bool(self.rpc.server_streaming)

    @property
    def raw(self) -> bool:
        """Whether the answer is a body as it is, and no JSON."""
        return self.rpc.output_type.full_name == "google.api.HttpBody"


@dataclass(frozen=True)
class Match:
    """A route, and what the path says about its request."""

    route: Route
    fields: dict[str, str]


class RouteTable:
    """All routes, the most specific first."""

    def __init__(self, services: dict[str, Sequence[ServiceDescriptor]] | None = None) -> None:
        found = [
            route
            for peer, offered in (services or SERVICES).items()
            for service in offered
            for rpc in service.methods
            for route in _routes_of(peer, rpc)
        ]
        self.routes: Sequence[Route] = sorted(found, key=lambda route: route.template.wildcards)

    def match(self, verb: str, raw_path: str) -> tuple[Match | None, list[str]]:
        """Finds the route of a request, and the verbs that the path has otherwise.

        Raises:
            ValueError: A percent-encoding in the path is no UTF-8.
        """
        allowed: set[str] = set()
        for route in self.routes:
            fields = route.template.match(raw_path)
            if fields is None:
                continue
            if route.verb == verb:
                return Match(route, fields), []
            allowed.add(route.verb)
        return None, sorted(allowed)


def _routes_of(peer: str, rpc: MethodDescriptor) -> list[Route]:
    options = rpc.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return []
    rule = options.Extensions[annotations_pb2.http]
    routes = []
    for binding in (rule, *rule.additional_bindings):
        verb = binding.WhichOneof("pattern")
        path = getattr(binding, verb) if verb in _VERBS else binding.custom.path
        routes.append(
            Route(
                peer=peer,
                rpc=rpc,
                verb=verb.upper() if verb in _VERBS else binding.custom.kind.upper(),
                template=paths.parse(path),
                body=binding.body,
                response_body=binding.response_body,
            )
        )
    return routes
