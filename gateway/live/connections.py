"""HTTP connections that can be cut: `scope["ackrep.abort"]()` drops what was not sent yet."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.live.feed import ABORT


class Protocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with a way out of a connection whose other side does not read."""

    def on_message_begin(self) -> None:
        """Begins a request."""
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[ABORT] = self.transport.abort
