"""Errors as HTTP answers: one JSON shape (AIP-193) for every route of the API."""

import json
from collections.abc import Mapping
from typing import Any

import grpc

# Imported for its descriptors: without them, error details cannot be printed as JSON.
from google.protobuf import json_format
from google.rpc import code_pb2, error_details_pb2, status_pb2
from starlette.responses import Response

from services import errors, rpc

HTTP_STATUS: Mapping[str, int] = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}
"""HTTP status of each canonical code, as google/rpc/code.proto says."""

_DETAILS = "grpc-status-details-bin"
KNOWN_DETAILS = error_details_pb2.DESCRIPTOR.message_types_by_name
"""The kinds of error details that can be printed."""


class HttpError(errors.Error):
    """A condition of HTTP itself, e.g. a wrong verb. Has its own status."""

    def __init__(
        self, status: int, message: str, *, code: str, reason: str, allow: str = "", **facts: str
    ) -> None:
        super().__init__(message, **facts)
        self.status = status
        self.allow = allow
        # A condition of one request, not of the class.
        self.code = code  # type: ignore[misc]
        self.reason = reason  # type: ignore[misc]


def status_of(failure: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Reads the rich status of a failed call; makes one where the other side sent none."""
    for key, value in failure.trailing_metadata() or ():
        if key == _DETAILS:
            raw = value if isinstance(value, bytes) else value.encode("latin-1")
            return status_pb2.Status.FromString(raw)
    return rpc.status_of(rpc.error_of(failure))


def body_of(status: status_pb2.Status, http_status: int) -> dict[str, Any]:
    """Describes a status in the JSON of AIP-193."""
    details = []
    for detail in status.details:
        try:
            details.append(json_format.MessageToDict(detail))
        except TypeError:  # a kind of detail that this gateway does not know
            details.append({"@type": detail.type_url})
    return {
        "error": {
            "code": http_status,
            "status": code_pb2.Code.Name(status.code),
            "message": status.message,
            "details": details,
        }
    }


def describe(failure: Exception) -> tuple[int, dict[str, Any]]:
    """Gives the HTTP status and JSON body of any failure; unknown ones tell nothing."""
    if isinstance(failure, HttpError):
        return failure.status, body_of(rpc.status_of(failure), failure.status)
    if isinstance(failure, grpc.aio.AioRpcError):
        status = status_of(failure)
    elif isinstance(failure, errors.Error):
        status = rpc.status_of(failure)
    else:
        status = rpc.status_of(errors.Error("internal error; the gateway's log says more"))
    http_status = HTTP_STATUS[code_pb2.Code.Name(status.code)]
    return http_status, body_of(status, http_status)


def response_of(failure: Exception) -> Response:
    """Answers with a failure."""
    http_status, body = describe(failure)
    headers = {"cache-control": "no-store"}
    if isinstance(failure, HttpError) and failure.allow:
        headers["allow"] = failure.allow
    if http_status == HTTP_STATUS["UNAVAILABLE"]:
        headers["retry-after"] = "1"
    if http_status == HTTP_STATUS["UNAUTHENTICATED"]:
        headers["www-authenticate"] = 'Bearer realm="ackrep"'
    if wait := _facts(failure).get(errors.RETRY_SECONDS):
        headers["retry-after"] = wait
    return Response(
        json.dumps(body, ensure_ascii=False).encode(),
        status_code=http_status,
        headers=headers,
        media_type="application/json",
    )


def _facts(failure: Exception) -> Mapping[str, str]:
    """What an error tells programs, whoever raised it."""
    if isinstance(failure, grpc.aio.AioRpcError):
        failure = rpc.error_of(failure)
    return failure.facts if isinstance(failure, errors.Error) else {}
