"""What is said of failures, by who asks: the table of error propagation.

Tracebacks, logs and what errors say are for those who may see errors; verdicts, numbers and files
are for everybody. This is the one list of what that is; pages ask it too (`pages.discretion`).
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from ackrep.scheduler.v1 import check_pb2, comparison_pb2, history_pb2, notification_pb2

M = TypeVar("M", bound=Message)

_FOR_ALL = frozenset({check_pb2.VERDICT_SUCCESS, check_pb2.VERDICT_INACCURATE})

_OUTPUT = frozenset({"log", "gap"})
"""Events of a check that hold its output, or say how much of it was left out."""


def redact(message: Message) -> None:
    """Takes out of a message, and all that it holds, what is for those who may see errors.

    It is changed in place: the API's messages are received for one answer.
    """
    if not _tells(message.DESCRIPTOR):
        return
    rule = _RULES.get(message.DESCRIPTOR.full_name)
    if rule is not None:
        rule(message)
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is None or not _tells(kind):
            continue
        for held in _held(kind, value, repeated=field.is_repeated):
            redact(held)


def without_errors(message: M) -> M:
    """Gives a message as those may see it who may not see errors; the message stays as it is."""
    shown = type(message)()
    shown.CopyFrom(message)
    redact(shown)
    return shown


class Discreet:
    """A stream of messages without what is for those who may see errors.

    Output of what runs is left out whole; what else there is of a call stays as it is.
    """

    def __init__(self, call: Any) -> None:
        self._call = call

    async def read(self) -> Any:
        """Waits for the next message that is for everybody, or the end."""
        while True:
            message = await self._call.read()
            if not isinstance(message, Message):
                return message
            if isinstance(message, check_pb2.CheckEvent) and message.WhichOneof("body") in _OUTPUT:
                continue
            redact(message)
            return message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


def _held(kind: Descriptor, value: Any, *, repeated: bool) -> list[Message]:
    if not repeated:
        return [value]
    if kind.GetOptions().map_entry:
        return [one for one in value.values() if isinstance(one, Message)]
    return list(value)


@functools.cache
def _tells(kind: Descriptor) -> bool:
    """Whether there is a rule for a message, or for one that it can hold."""
    seen: set[str] = set()
    waiting = [kind]
    while waiting:
        at = waiting.pop()
        if at.full_name in _RULES:
            return True
        if at.full_name not in seen:
            seen.add(at.full_name)
            waiting += [field.message_type for field in at.fields if field.message_type]
    return False


def _check(message: Message) -> None:
    check = cast("check_pb2.Check", message)
    if check.verdict in _FOR_ALL:
        return
    if check.HasField("result"):
        for field in ("message", "traceback", "log", "remarks"):
            check.result.ClearField(field)
    for attempt in check.failed_attempts:
        attempt.reason = ""


def _group(message: Message) -> None:
    group = cast("history_pb2.FailureGroup", message)
    group.excerpt = ""
    if group.verdict not in _FOR_ALL:
        group.title = ""


def _story(message: Message) -> None:
    cast("history_pb2.EntityHistory", message).title = ""


def _point(message: Message) -> None:
    point = cast("history_pb2.HistoryPoint", message)
    if point.sighting.verdict not in _FOR_ALL:
        point.title = ""


def _cause(message: Message) -> None:
    cast("history_pb2.MatrixCause", message).title = ""


def _change(message: Message) -> None:
    change = cast("comparison_pb2.EntityChange", message)
    if change.other_verdict not in _FOR_ALL:
        change.message = ""


def _verdict_point(message: Message) -> None:
    point = cast("notification_pb2.VerdictPoint", message)
    if point.verdict not in _FOR_ALL:
        point.title = ""


_RULES: Mapping[str, Callable[[Message], None]] = {
    "ackrep.scheduler.v1.Check": _check,
    "ackrep.scheduler.v1.FailureGroup": _group,
    "ackrep.scheduler.v1.EntityHistory": _story,
    "ackrep.scheduler.v1.HistoryPoint": _point,
    "ackrep.scheduler.v1.MatrixCause": _cause,
    "ackrep.scheduler.v1.EntityChange": _change,
    "ackrep.scheduler.v1.VerdictPoint": _verdict_point,
}
"""What is taken out of each kind of message."""
