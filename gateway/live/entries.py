"""What a stream is made of: each message encoded once, for all who read it."""

import json
from dataclasses import dataclass

from google.protobuf import json_format
from google.protobuf.message import Message

from ackrep.scheduler.v1 import check_pb2
from gateway.access.redaction import redact

_SHOWN = {check_pb2.VERDICT_SUCCESS, check_pb2.VERDICT_INACCURATE}


@dataclass(frozen=True, slots=True)
class Entry:
    """One message, encoded."""

    token: str
    """Where a reader goes on after it; empty where the stream cannot be resumed."""
    data: bytes
    """The message as JSON in one line."""
    withheld: bytes | None
    """The same for those who may not see errors; None: nothing at all."""

    def seen(self, *, errors: bool) -> bytes | None:
        """What a reader gets who may, or may not, see errors."""
        return self.data if errors else self.withheld


def message_json(message: Message) -> str:
    """Prints a message as JSON in one line, with all fields that have no presence of their own."""
    return json.dumps(
        json_format.MessageToDict(message, always_print_fields_with_no_presence=True),
        ensure_ascii=False,
        separators=(",", ":"),
    )


def entry_of(message: Message) -> Entry:
    """Encodes a message."""
    token = str(getattr(message, "resume_token", ""))
    # A token is ours and has no line break; a forged one must not add fields to the event.
    token = token if token.isprintable() else ""
    data = message_json(message).encode()
    allowed = without_errors(message)
    if allowed is message:
        return Entry(token, data, data)
    return Entry(token, data, None if allowed is None else message_json(allowed).encode())


def hides_errors(check: check_pb2.Check) -> bool:
    """Whether traceback and log of a check are only for those who may see errors.

    Logs of what runs are hidden too: what comes of it is not known yet.
    """
    return check.verdict not in _SHOWN


def without_errors(message: Message) -> Message | None:
    """Leaves out what only those may see who may see errors; None where nothing is left.

    Returns:
        The message itself where it holds nothing of that kind.
    """
    if isinstance(message, check_pb2.CheckEvent):
        body = message.WhichOneof("body")
        if body in {"log", "gap"}:
            return None
        if body != "check_changed":
            return message
    allowed = type(message)()
    allowed.CopyFrom(message)
    redact(allowed)
    return message if allowed == message else allowed
