"""gRPC as all services speak it: servers, channels, the token, and the one error mapping."""

import asyncio
import contextlib
import hmac
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services import errors

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Largest message either way; larger content is streamed in chunks."""

_DETAILS = "grpc-status-details-bin"
_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]
_CHANNEL_OPTIONS = [
    *_OPTIONS,
    # Services start together: a peer that is not up yet will be in a moment.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]
_OPEN_METHODS = ("/grpc.health.v1.Health/",)
"""Methods that need no token: liveness says nothing about content."""

# Errors -------------------------------------------------------------------------------------


def status_of(error: errors.Error) -> status_pb2.Status:
    """Describes an error as `google.rpc.Status` with exactly one `ErrorInfo` (AIP-193).

    One that says when to try again (`retry_seconds`) has a `RetryInfo` beside it.
    """
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=error.message)
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=error.reason, domain=errors.DOMAIN, metadata=error.facts)
    )
    if seconds := error.facts.get(errors.RETRY_SECONDS):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromSeconds(int(seconds))
        status.details.add().Pack(retry)
    return status


def error_of(failure: grpc.aio.AioRpcError) -> errors.Error:
    """Turns a failed call back into the error that the other side raised."""
    by_reason = {cls.reason: cls for cls in errors.all_errors()}
    by_code = {cls.code: cls for cls in reversed(errors.all_errors())}
    message = failure.details() or failure.code().name
    for key, value in failure.trailing_metadata() or ():
        if key == _DETAILS:
            for detail in status_pb2.Status.FromString(_bytes(value)).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.reason in by_reason:
                    return by_reason[info.reason](message, **dict(info.metadata))
    return by_code.get(failure.code().name, errors.Error)(message)


@contextlib.contextmanager
def remote_errors() -> Iterator[None]:
    """Raises what the other side raised, in place of `AioRpcError`."""
    try:
        yield
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from failure


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: errors.Error) -> None:
    status = status_of(error)
    await context.abort(
        grpc.StatusCode[error.code], error.message, ((_DETAILS, status.SerializeToString()),)
    )


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers with the status of a raised `Error`; anything else is logged and `INTERNAL`."""

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = await continuation(details)
        if handler is None:
            return None
        method = details.method
        if handler.response_streaming:
            inner = handler.unary_stream or handler.stream_stream

            async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
                try:
                    async for response in inner(request, context):
                        yield response
                except errors.Error as error:
                    await _abort(context, error)
                except grpc.aio.AioRpcError as failure:
                    await _abort(context, error_of(failure))
                except (grpc.aio.AbortError, asyncio.CancelledError, GeneratorExit):
                    raise
                except Exception:
                    log.exception(f"{method} failed")
                    await _abort(context, errors.Error("internal error; the log says more"))

            return _rebuilt(handler, stream)

        inner_unary = handler.unary_unary or handler.stream_unary

        async def unary(request: Any, context: Any) -> Any:
            try:
                return await inner_unary(request, context)
            except errors.Error as error:
                await _abort(context, error)
            except grpc.aio.AioRpcError as failure:
                await _abort(context, error_of(failure))
            except (grpc.aio.AbortError, asyncio.CancelledError):
                raise
            except Exception:
                log.exception(f"{method} failed")
                await _abort(context, errors.Error("internal error; the log says more"))

        return _rebuilt(handler, unary)


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls without the shared token, compared in constant time."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = await continuation(details)
        if handler is None or details.method.startswith(_OPEN_METHODS):
            return handler
        given = next(
            (value for key, value in details.invocation_metadata if key == "authorization"), ""
        )
        if hmac.compare_digest(_bytes(given), self._expected):
            return handler
        error = errors.UnauthenticatedError("this service wants a token (ACKREP_TOKEN)")

        if handler.response_streaming:

            async def refuse_stream(request: Any, context: Any) -> AsyncIterator[Any]:
                await _abort(context, error)
                yield  # makes this an async generator, as the handler's kind asks for

            return _rebuilt(handler, refuse_stream)

        async def refuse(request: Any, context: Any) -> None:
            await _abort(context, error)

        return _rebuilt(handler, refuse)


def _rebuilt(handler: Any, behaviour: Callable[..., Any]) -> Any:
    makers = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make: Callable[..., Any] = makers[handler.request_streaming, handler.response_streaming]
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


# Servers ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(
    *,
    address: str,
    token: str,
    register: Callable[[grpc.aio.Server], None],
    services: Sequence[str],
    grace: float = 5.0,
) -> AsyncIterator[int]:
    """Serves gRPC with health and reflection while the block runs; yields the bound port.

    On leaving, health first says NOT_SERVING, then running calls get `grace` seconds.

    Args:
        address: `host:port`; port 0 takes a free one.
        token: Shared secret that every call has to carry.
        register: Adds the servicers.
        services: Full names of the services, for health and reflection.
        grace: Seconds that running calls get when the server stops.

    Raises:
        UnavailableError: The address cannot be bound.
    """
    server = grpc.aio.server(
        interceptors=(TokenInterceptor(token), ErrorInterceptor()), options=_OPTIONS
    )
    register(server)
    checker = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    reflection.enable_server_reflection(
        [*services, health.SERVICE_NAME, reflection.SERVICE_NAME], server
    )
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise errors.UnavailableError(f"cannot listen on {address}: {error}") from error
    await server.start()
    for name in ("", *services):
        await checker.set(name, health_pb2.HealthCheckResponse.SERVING)
    log.info(f"serving gRPC on {address.rsplit(':', 1)[0]}:{port}")
    try:
        yield port
    finally:
        await checker.enter_graceful_shutdown()
        await server.stop(grace)


# Channels -----------------------------------------------------------------------------------


def _with_token(details: grpc.aio.ClientCallDetails, token: str) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*(details.metadata or ()))
    metadata.add("authorization", f"Bearer {token}")
    return grpc.aio.ClientCallDetails(
        details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
    )


class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(_with_token(details, self._token), request)


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(_with_token(details, self._token), request)


class _StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_stream_unary(self, continuation: Any, details: Any, requests: Any) -> Any:
        return await continuation(_with_token(details, self._token), requests)


class _StreamStream(grpc.aio.StreamStreamClientInterceptor):
    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_stream_stream(
        self, continuation: Any, details: Any, request_iterator: Any
    ) -> Any:
        return await continuation(_with_token(details, self._token), request_iterator)


def dial(address: str, *, token: str) -> grpc.aio.Channel:
    """Opens a channel that carries the token with each call. Close it, or use `async with`."""
    return grpc.aio.insecure_channel(
        address,
        options=_CHANNEL_OPTIONS,
        interceptors=[
            _UnaryUnary(token),
            _UnaryStream(token),
            _StreamUnary(token),
            _StreamStream(token),
        ],
    )
