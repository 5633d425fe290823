"""`EnvironmentService`: translates, decides nothing."""

from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ackrep.runner.v1 import environment_pb2, environment_pb2_grpc
from services.errors import InvalidArgumentError
from services.runner.app import RunnerApp
from services.runner.checks.messages import duration_of
from services.runner.domain.images import (
    DESCRIPTION_LABEL,
    REVISION_LABEL,
    VERSION_LABEL,
    Release,
    Shown,
)
from services.runner.domain.verification import Finding, Severity
from services.runner.statuses import EnvironmentDetails

_DEFAULT_PAGE, _LARGEST_PAGE = 50, 500
_STATES = {
    "absent": environment_pb2.Environment.STATE_ABSENT,
    "preparing": environment_pb2.Environment.STATE_PREPARING,
    "ready": environment_pb2.Environment.STATE_READY,
    "failed": environment_pb2.Environment.STATE_FAILED,
}
_SEVERITIES = {
    Severity.OK: environment_pb2.VerifyEnvironmentResponse.SEVERITY_OK,
    Severity.WARNING: environment_pb2.VerifyEnvironmentResponse.SEVERITY_WARNING,
    Severity.ERROR: environment_pb2.VerifyEnvironmentResponse.SEVERITY_ERROR,
}


class EnvironmentServicer(environment_pb2_grpc.EnvironmentServiceServicer):
    """Answers for the environments of one runner."""

    def __init__(self, app: RunnerApp) -> None:
        self._app = app

    async def ListEnvironments(
        self, request: environment_pb2.ListEnvironmentsRequest, context: Any
    ) -> environment_pb2.ListEnvironmentsResponse:
        if request.page_size < 0:
            raise InvalidArgumentError("page_size must not be negative")
        size = min(request.page_size or _DEFAULT_PAGE, _LARGEST_PAGE)
        found = await self._app.environments()
        rest = [one for one in found if one.definition.name > request.page_token]
        page = rest[:size]
        return environment_pb2.ListEnvironmentsResponse(
            environments=[_environment(one) for one in page],
            next_page_token=page[-1].definition.name if len(rest) > size else "",
        )

    async def GetEnvironment(
        self, request: environment_pb2.GetEnvironmentRequest, context: Any
    ) -> environment_pb2.Environment:
        return _environment(await self._app.environment(request.name))

    async def PrepareEnvironment(
        self, request: environment_pb2.PrepareEnvironmentRequest, context: Any
    ) -> AsyncIterator[environment_pb2.PrepareEnvironmentResponse]:
        definition = self._app.definition(request.name)
        async for step in self._app.prepare(definition):
            yield environment_pb2.PrepareEnvironmentResponse(
                message=step.message, fraction=step.fraction
            )
        yield environment_pb2.PrepareEnvironmentResponse(
            message=f"{definition.identity} is ready",
            fraction=1.0,
            environment=_environment(await self._app.environment(request.name)),
        )

    async def BuildEnvironment(
        self, request: environment_pb2.BuildEnvironmentRequest, context: Any
    ) -> AsyncIterator[environment_pb2.BuildEnvironmentResponse]:
        work = self._app.build(request.name, tag=request.tag, no_cache=request.no_cache)
        async for step in work.steps():
            yield environment_pb2.BuildEnvironmentResponse(
                message=step.message, fraction=step.fraction
            )
        yield environment_pb2.BuildEnvironmentResponse(
            message=f"{work.result.definition.image} is built",
            fraction=1.0,
            environment=_environment(work.result),
        )

    async def PullEnvironment(
        self, request: environment_pb2.PullEnvironmentRequest, context: Any
    ) -> AsyncIterator[environment_pb2.PullEnvironmentResponse]:
        work = self._app.pull(request.name)
        async for step in work.steps():
            yield environment_pb2.PullEnvironmentResponse(
                message=step.message, fraction=step.fraction
            )
        yield environment_pb2.PullEnvironmentResponse(
            message=f"{work.result.definition.image} is here",
            fraction=1.0,
            environment=_environment(work.result),
        )

    async def PushEnvironment(
        self, request: environment_pb2.PushEnvironmentRequest, context: Any
    ) -> AsyncIterator[environment_pb2.PushEnvironmentResponse]:
        release = Release(
            version=request.version,
            message=request.message,
            revision=request.revision,
            force=request.force,
        )
        work = self._app.push(request.name, release)
        async for step in work.steps():
            yield environment_pb2.PushEnvironmentResponse(
                message=step.message, fraction=step.fraction
            )
        published = work.result
        yield environment_pb2.PushEnvironmentResponse(
            message=f"{published.references[0]} is published",
            fraction=1.0,
            references=published.references,
            registry_digest=published.registry_digest,
            digest=published.digest,
        )

    async def VerifyEnvironment(
        self, request: environment_pb2.VerifyEnvironmentRequest, context: Any
    ) -> environment_pb2.VerifyEnvironmentResponse:
        found = await self._app.verify(request.name)
        return environment_pb2.VerifyEnvironmentResponse(
            findings=map(_finding, found.findings),
            digest=found.digest,
            confinement=found.confinement,
            python=found.python,
            packages=found.packages,
            start_duration=duration_of(found.start_seconds),
        )


def _environment(details: EnvironmentDetails) -> environment_pb2.Environment:
    definition, status = details.definition, details.status
    message = environment_pb2.Environment(
        name=f"environments/{definition.identity}",
        state=_STATES[status.state],
        digest=status.digest,
        python=definition.python,
        message=status.message,
        aliases=definition.aliases,
        images=map(_image, details.images),
        preload=definition.preload,
        shims=definition.shims,
        unavailable=dict(definition.unavailable),
        repository=details.repository,
        packages=details.packages,
    )
    if details.freshness_time is not None:
        message.freshness_time.FromDatetime(details.freshness_time)
    return message


def _image(shown: Shown) -> environment_pb2.Image:
    image = shown.image
    created = Timestamp()
    if image.create_time is not None:
        created.FromDatetime(image.create_time)
    return environment_pb2.Image(
        digest=image.id,
        tags=shown.tags,
        create_time=created if image.create_time is not None else None,
        size=image.size,
        version=image.labels.get(VERSION_LABEL, ""),
        description=image.labels.get(DESCRIPTION_LABEL, ""),
        revision=image.labels.get(REVISION_LABEL, ""),
        registry_digest=shown.registry_digest,
        current_recipe=shown.current_recipe,
    )


def _finding(finding: Finding) -> environment_pb2.VerifyEnvironmentResponse.Finding:
    return environment_pb2.VerifyEnvironmentResponse.Finding(
        severity=_SEVERITIES[finding.severity], subject=finding.subject, message=finding.message
    )
