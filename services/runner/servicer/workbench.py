"""`WorkbenchService`: translates between messages and a container's frames, decides nothing."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

from ackrep.runner.v1 import workbench_pb2, workbench_pb2_grpc
from services.errors import InvalidArgumentError, PreconditionError
from services.runner.domain.environments import Definition
from services.runner.workbench.opening import Opening, Program
from services.runner.workbench.workbench import Opener, Workbench

Request = workbench_pb2.RunWorkbenchRequest
Response = workbench_pb2.RunWorkbenchResponse

_PROGRAMS = {
    workbench_pb2.OpenWorkbench.PROGRAM_UNSPECIFIED: Program.SHELL,
    workbench_pb2.OpenWorkbench.PROGRAM_SHELL: Program.SHELL,
    workbench_pb2.OpenWorkbench.PROGRAM_JUPYTER: Program.JUPYTER,
}
_NOT_HERE = (
    "this runner has no sessions: it runs checks as processes, and a session needs a container; "
    "start the system where a Docker engine answers (ackrep up --backend docker)"
)


class WorkbenchServicer(workbench_pb2_grpc.WorkbenchServiceServicer):
    """Opens sessions for one runner.

    Args:
        workbenches: None where there are no containers.
        definition: Finds an environment by its name. Raises NotFoundError.
    """

    def __init__(
        self, workbenches: Opener | None, *, definition: Callable[[str], Definition]
    ) -> None:
        self._workbenches = workbenches
        self._definition = definition

    async def RunWorkbench(
        self, request_iterator: AsyncIterator[Request], context: Any
    ) -> AsyncIterator[Response]:
        first = await anext(request_iterator, None)
        if first is None or first.WhichOneof("body") != "open":
            raise InvalidArgumentError("the first message of a session must be `open`")
        opening = _opening(first.open)
        definition = self._definition(first.open.environment)
        if self._workbenches is None:
            raise PreconditionError(_NOT_HERE)
        secret = secrets.token_urlsafe(24) if opening.program is Program.JUPYTER else ""
        steps: asyncio.Queue[str | None] = asyncio.Queue()
        starting = asyncio.create_task(
            self._workbenches.open(definition, opening, lambda text, _: steps.put_nowait(text))
        )
        starting.add_done_callback(lambda _: steps.put_nowait(None))
        # However the call ends, and wherever it is then: the container goes with it.
        context.add_done_callback(lambda _: _end(starting))
        try:
            while (step := await steps.get()) is not None:
                yield Response(progress=step)
            workbench, digest = await starting
            yield Response(ready=workbench_pb2.WorkbenchReady())
            async with _relayed(request_iterator, workbench, opening.frame(secret=secret)):
                async for header, body in workbench.frames():
                    answer = _answer(header, body)
                    if header["type"] == "started":
                        answer.started.container = workbench.container
                        answer.started.environment_digest = digest
                        answer.started.confinement = workbench.confinement
                        answer.started.secret = secret
                    yield answer
        finally:
            if (ending := _end(starting)) is not None:
                await asyncio.shield(ending)


def _end(starting: "asyncio.Task[tuple[Workbench, str]]") -> "asyncio.Task[None] | None":
    """Ends a session, however far it has come."""
    if not starting.done():
        starting.cancel()
        return None
    if starting.cancelled() or starting.exception() is not None:
        return None
    return starting.result()[0].end("its client has left")


@contextlib.asynccontextmanager
async def _relayed(
    requests: AsyncIterator[Request], workbench: Workbench, start: dict[str, Any]
) -> AsyncIterator[None]:
    """Passes on what the client says while the block runs; the client's end is the session's.

    Raises what was wrong with a request, in place of the session's sudden end.
    """

    async def relay() -> None:
        try:
            async for request in requests:
                header, body = _frame(request, start)
                await workbench.send(header, body)
        finally:
            workbench.end("its client has left")

    task = asyncio.create_task(relay())
    try:
        yield
    except Exception:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error from None
        if task.done() and not task.cancelled():
            return  # the client has closed its side: a session's regular end
        raise
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _opening(message: workbench_pb2.OpenWorkbench) -> Opening:
    return Opening(
        program=_PROGRAMS.get(message.program, Program.SHELL),
        command=tuple(message.command),
        folder=message.folder,
        rows=message.size.rows or 24 if message.HasField("size") else 0,
        columns=message.size.columns or 80 if message.HasField("size") else 0,
        variables=dict(message.variables),
        import_path=tuple(message.import_path),
    )


def _frame(request: Request, start: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """A request as a frame; `start` is the one that ends the files."""
    match request.WhichOneof("body"):
        case "file":
            file = request.file
            header = {
                "type": "file",
                "path": file.path,
                "executable": file.executable,
                "link": file.link,
                "more": file.more,
            }
            return header, file.data
        case "files_end":
            return start, b""
        case "input":
            return {"type": "input"}, request.input
        case "resize":
            size = request.resize
            return {"type": "resize", "rows": size.rows, "columns": size.columns}, b""
        case "signal":
            return {"type": "signal", "number": request.signal}, b""
        case "tunnel":
            tunnel = request.tunnel
            header = {
                "type": "tunnel",
                "connection": tunnel.connection,
                "closed": tunnel.closed,
                "consumed": tunnel.consumed,
                "reset": tunnel.reset,
            }
            return header, tunnel.data
        case "collect":
            return {"type": "collect"}, b""
        case other:
            raise InvalidArgumentError(f"a session does not understand {other or 'nothing'} here")


def _answer(header: dict[str, Any], body: bytes) -> Response:
    match header["type"]:
        case "started":
            return Response(started=workbench_pb2.WorkbenchStarted())
        case "output":
            return Response(output=body)
        case "error_output":
            return Response(error_output=body)
        case "input_consumed":
            return Response(input_consumed=header["bytes"])
        case "tunnel":
            tunnel = workbench_pb2.Tunnel(
                connection=header["connection"],
                data=body,
                closed=header["closed"],
                consumed=header["consumed"],
                reset=header["reset"],
            )
            return Response(tunnel=tunnel)
        case "ended":
            return Response(ended=workbench_pb2.WorkbenchEnded(status=header["status"]))
        case "file":
            file = workbench_pb2.WorkbenchFile(
                path=header["path"],
                executable=header["executable"],
                link=header["link"],
                data=body,
                more=header["more"],
                removed=header["removed"],
            )
            return Response(file=file)
        case "collected":
            collected = workbench_pb2.FilesCollected(
                files=header["files"], skipped=header["skipped"]
            )
            return Response(collected=collected)
        case other:
            raise InvalidArgumentError(f"a container said {other!r}, which makes no sense")
