"""The streams of one gateway: what is shared between its connections, and what it says of them."""

import asyncio
from collections.abc import Sequence

from gateway.live.catching import Slots
from gateway.live.feed import KEEP_ALIVE_SECONDS, Feed, Form
from gateway.live.hub import Hubs
from gateway.live.reader import Reader
from gateway.live.sources import Limits, Source


class Streams:
    """Makes readers and connections that share what they read."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._hubs = Hubs(self.limits)
        self._slots = Slots(self.limits.catching_up)
        self._open: set[Reader] = set()
        self._feeds: set[Feed] = set()

    def metrics(self) -> str:
        """Prints how many there are now, in Prometheus' text format."""
        gauges = (
            ("connections", "Connections of those who watch something.", len(self._feeds)),
            ("readers", "Streams that they watch; each may watch several.", len(self._open)),
            ("sources", "Streams that are read for all of them.", len(self._hubs)),
        )
        return "".join(
            f"# HELP ackrep_gateway_stream_{name} {text}\n"
            f"# TYPE ackrep_gateway_stream_{name} gauge\n"
            f"ackrep_gateway_stream_{name} {count}\n"
            for name, text, count in gauges
        )

    def reader(self, source: Source, *, token: str = "") -> Reader:
        """Begins to read a source after a token; close the reader afterwards."""
        reader = Reader(self._hubs, self._slots, source, token=token, on_close=self._open.discard)
        self._open.add(reader)
        return reader

    def feed(
        self,
        readers: Sequence[Reader],
        form: Form,
        *,
        closing: asyncio.Event,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        early: bool = False,
    ) -> Feed:
        """Makes an answer of readers; see `Feed`. It closes them."""
        return Feed(
            readers,
            form,
            closing=closing,
            keep_alive=keep_alive,
            stall_seconds=self.limits.stall_seconds,
            early=early,
            among=self._feeds,
        )

    def close(self) -> None:
        """Ends all calls."""
        self._hubs.close()
