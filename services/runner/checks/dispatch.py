"""The scheduler and the catalog over gRPC, as the runner's ports."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import IO

import grpc
from google.protobuf import json_format

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from ackrep.scheduler.v1 import check_pb2, dispatch_pb2, dispatch_pb2_grpc
from services import rpc
from services.runner.checks.messages import DIRECTIVES, assignment_of, reference_of, result_of
from services.runner.domain.attempts import Answers, Assignment, Directive, Report
from services.runner.domain.workplaces import WorkplaceInfo
from services.runner.ports import ClosureFolder, Registration, TreePart
from services.runner.sessions import bundle

_CALL_SECONDS = 10.0
_UPLOAD_SECONDS = 120.0
_FETCH_SECONDS = 300.0
_CHUNK = 512 * 1024
_CLOSURES = 2_000


class SchedulerDispatch:
    """`Dispatch` over a channel.

    Args:
        channel: To the scheduler.
        runner: `runners/{id}`.
        incarnation: Of this process.
        backend: `docker` or `process`, named in results.
    """

    def __init__(
        self, channel: grpc.aio.Channel, *, runner: str, incarnation: str, backend: str
    ) -> None:
        # only_async stubs: the generated class accepts the channel it is given
        self._stub = dispatch_pb2_grpc.DispatchServiceStub(channel)
        self._runner = runner
        self._incarnation = incarnation
        self._backend = backend
        self._recorded: set[str] = set()
        """Digests whose content the scheduler was told."""

    async def register(self, registration: Registration) -> float:
        self._recorded.clear()  # a scheduler that forgot this runner may have forgotten more
        request = dispatch_pb2.RegisterRunnerRequest(
            runner=registration.runner,
            incarnation=registration.incarnation,
            pool=registration.pool,
            slots=registration.slots,
            backend=registration.backend,
            runtime_version=registration.runtime_version,
            host=registration.host,
            engine_version=registration.engine_version,
        )
        with rpc.remote_errors():
            reply = await self._stub.RegisterRunner(
                request, timeout=_CALL_SECONDS, wait_for_ready=True
            )
        return reply.heartbeat_interval.ToTimedelta().total_seconds() or 1.0

    async def claim(self, check: str, *, claim_id: str) -> Assignment:
        request = dispatch_pb2.ClaimCheckRequest(
            check=check, runner=self._runner, incarnation=self._incarnation, claim_id=claim_id
        )
        with rpc.remote_errors():
            return assignment_of(await self._stub.ClaimCheck(request, timeout=_CALL_SECONDS))

    async def heartbeat(
        self,
        attempts: Sequence[tuple[str, int]],
        *,
        free_slots: int,
        draining: bool,
        environments: Mapping[str, str],
    ) -> Answers:
        request = dispatch_pb2.HeartbeatRequest(
            runner=self._runner,
            incarnation=self._incarnation,
            attempts=[
                dispatch_pb2.AttemptRef(check=check, attempt=attempt) for check, attempt in attempts
            ],
            free_slots=free_slots,
            draining=draining,
            environments=[
                check_pb2.EnvironmentDigest(environment=f"environments/{name}", digest=digest)
                for name, digest in sorted(environments.items())
            ],
        )
        with rpc.remote_errors():
            reply = await self._stub.Heartbeat(request, timeout=3.0)
        return Answers(
            directives={
                (answer.attempt.check, answer.attempt.attempt): DIRECTIVES.get(
                    answer.directive, Directive.CONTINUE
                )
                for answer in reply.answers
            },
            drain=reply.drain,
            register=reply.register,
        )

    async def start(self, assignment: Assignment) -> None:
        request = dispatch_pb2.StartCheckRequest(attempt=reference_of(assignment))
        with rpc.remote_errors():
            await self._stub.StartCheck(request, timeout=_CALL_SECONDS)

    async def missing(self, artefacts: Sequence[str]) -> set[str]:
        request = dispatch_pb2.FindMissingArtefactsRequest(artefacts=artefacts)
        with rpc.remote_errors():
            reply = await self._stub.FindMissingArtefacts(request, timeout=_CALL_SECONDS)
        return set(reply.missing)

    async def upload(self, artefact: str, *, size: int, body: IO[bytes]) -> None:
        body.seek(0)

        async def parts() -> AsyncIterator[dispatch_pb2.UploadArtefactRequest]:
            first = True
            while True:
                data = body.read(_CHUNK)
                if not data and not first:
                    return
                yield dispatch_pb2.UploadArtefactRequest(
                    artefact=artefact if first else "", size=size if first else 0, data=data
                )
                first = False

        with rpc.remote_errors():
            await self._stub.UploadArtefact(parts(), timeout=_UPLOAD_SECONDS)

    async def finish(self, assignment: Assignment, report: Report) -> None:
        if report.workplace is not None:
            await self._record(report.workplace, environment=assignment.environment)
        request = dispatch_pb2.FinishCheckRequest(
            attempt=reference_of(assignment),
            result=result_of(
                report,
                assignment,
                runner=self._runner,
                backend=self._backend,
                runtime_version=bundle.version(),
            ),
            last_sequence=report.last_sequence,
        )
        with rpc.remote_errors():
            await self._stub.FinishCheck(request, timeout=_CALL_SECONDS)

    async def _record(self, workplace: WorkplaceInfo, *, environment: str) -> None:
        """Tells what is in an environment, before the first result that names it."""
        digest = workplace.environment_digest
        if not digest or digest in self._recorded:
            return
        request = dispatch_pb2.RecordEnvironmentRequest(
            digest=digest,
            environment=environment.partition("@")[0],
            python=workplace.python,
            packages=workplace.packages,
        )
        with rpc.remote_errors():
            await self._stub.RecordEnvironment(request, timeout=_CALL_SECONDS)
        self._recorded.add(digest)

    async def release(self, assignment: Assignment, *, reason: str) -> None:
        request = dispatch_pb2.ReleaseCheckRequest(attempt=reference_of(assignment), reason=reason)
        with rpc.remote_errors():
            await self._stub.ReleaseCheck(request, timeout=_CALL_SECONDS)


class CatalogRepository:
    """`Repository` over a channel. Closures of a revision never change, so they are kept."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._closures: OrderedDict[tuple[str, str], tuple[ClosureFolder, ...]] = OrderedDict()

    async def closure(self, entity: str, revision: str) -> Sequence[ClosureFolder]:
        known = self._closures.get((entity, revision))
        if known is not None:
            self._closures.move_to_end((entity, revision))
            return known
        request = catalog_pb2.GetClosureRequest(entity=entity, revision=revision)
        with rpc.remote_errors():
            reply = await self._stub.GetClosure(request, timeout=_CALL_SECONDS)
        folders = tuple(_folder(folder) for folder in reply.folders)
        if revision:
            self._closures[entity, revision] = folders
            if len(self._closures) > _CLOSURES:
                self._closures.popitem(last=False)
        return folders

    async def trees(self, ids: Sequence[str]) -> AsyncIterator[TreePart]:
        request = catalog_pb2.FetchTreesRequest(trees=ids)
        with rpc.remote_errors():
            async for part in self._stub.FetchTrees(request, timeout=_FETCH_SECONDS):
                yield TreePart(
                    tree=part.tree,
                    path=part.path,
                    mode=part.mode,
                    data=part.data,
                    more=part.more,
                    end=part.tree_end,
                )


def _folder(folder: catalog_pb2.ClosureFolder) -> ClosureFolder:
    return ClosureFolder(
        key=folder.entity.removeprefix("entities/"),
        type=catalog_pb2.EntityType.Name(folder.type).removeprefix("ENTITY_TYPE_").lower(),
        path=folder.path,
        tree=folder.tree,
        metadata=json_format.MessageToDict(folder.metadata),
    )
