"""What Schemathesis does with each request of `tests/integration/test_schemathesis.py`."""

from typing import Any

import schemathesis

STREAM_SECONDS = "200m"
"""Streams may have no end of their own; their deadline is an event of the stream."""

CALL_SECONDS = "20S"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Gives every call a deadline."""
    answers = case.operation.definition.raw["responses"].get("200", {}).get("content", {})
    streams = "text/event-stream" in answers
    case.headers["Grpc-Timeout"] = STREAM_SECONDS if streams else CALL_SECONDS
