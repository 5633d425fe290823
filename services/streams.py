"""Makes streams and consumers of JetStream have exactly the settings that are asked for.

What the server has is read and compared field by field, so that no default, no hand and no earlier
version decides. What cannot be corrected in place is deleted and made again; what it held comes
again from SQL, by the scheduler's reconciler.
"""

import dataclasses
import logging
from collections.abc import Collection
from typing import Any

from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.errors import APIError, NotFoundError

log = logging.getLogger(__name__)

_SERVERS_OWN = frozenset({"metadata", "template_owner"})
"""Fields that the server fills in by itself, for its versions and its past."""
_CONSUMERS_OWN = _SERVERS_OWN | {"name", "num_replicas"}
"""A durable consumer's name is that of `durable_name`; its replicas are those of the stream."""


async def ensure_stream(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    """Makes a stream with these settings, or corrects the one that is there."""
    name = str(wanted.name)
    try:
        found = (await jetstream.stream_info(name)).config
    except NotFoundError:
        await jetstream.add_stream(wanted)
        found = (await jetstream.stream_info(name)).config
    if different := differences(wanted, found, apart_from=_SERVERS_OWN):
        log.warning(f"the stream {name} is corrected: {'; '.join(different)}")
        await _correct_stream(jetstream, wanted)


async def _correct_stream(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    name = str(wanted.name)
    try:
        await jetstream.update_stream(wanted)
        found = (await jetstream.stream_info(name)).config
        left = differences(wanted, found, apart_from=_SERVERS_OWN)
    except APIError as error:
        left = [str(error.description)]
    if left:
        log.warning(f"the stream {name} is deleted and made again: {'; '.join(left)}")
        await jetstream.delete_stream(name)
        await jetstream.add_stream(wanted)


async def ensure_consumer(jetstream: JetStreamContext, stream: str, wanted: ConsumerConfig) -> None:
    """Makes a durable consumer with these settings, or corrects the one that is there."""
    name = str(wanted.durable_name)
    try:
        found = (await jetstream.consumer_info(stream, name)).config
    except NotFoundError:
        await jetstream.add_consumer(stream, wanted)
        found = (await jetstream.consumer_info(stream, name)).config
    if different := differences(wanted, found, apart_from=_CONSUMERS_OWN):
        log.warning(f"the consumer {name} of {stream} is corrected: {'; '.join(different)}")
        await _correct_consumer(jetstream, stream, wanted)


async def _correct_consumer(
    jetstream: JetStreamContext, stream: str, wanted: ConsumerConfig
) -> None:
    name = str(wanted.durable_name)
    try:
        await jetstream.add_consumer(stream, wanted)
        found = (await jetstream.consumer_info(stream, name)).config
        left = differences(wanted, found, apart_from=_CONSUMERS_OWN)
    except APIError as error:
        left = [str(error.description)]
    if left:
        log.warning(f"the consumer {name} is deleted and made again: {'; '.join(left)}")
        await jetstream.delete_consumer(stream, name)
        await jetstream.add_consumer(stream, wanted)


def differences(
    wanted: StreamConfig | ConsumerConfig,
    found: StreamConfig | ConsumerConfig,
    *,
    apart_from: Collection[str],
) -> list[str]:
    """Lists the settings that are not as they should be, each with what it is.

    A setting that nobody wants may be absent, off, zero or empty.
    """
    lines = []
    for field in dataclasses.fields(wanted):
        if field.name in apart_from:
            continue
        should, is_now = _set(getattr(wanted, field.name)), _set(getattr(found, field.name))
        if should != is_now:
            lines.append(f"{field.name} is {_text(is_now)}, not {_text(should)}")
    return lines


def _set(value: Any) -> Any:
    """The value of a setting; nothing where it is off, zero, or holds only what is not set."""
    if dataclasses.is_dataclass(value) and not any(vars(value).values()):
        return None
    return value or None


def _text(value: Any) -> str:
    return "unset" if value is None else str(getattr(value, "value", value))
