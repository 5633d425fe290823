"""How far a pull or push is, from what the engine says of each layer. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MOVING = {"Downloading", "Pushing"}
_MOVED = {"Verifying Checksum", "Download complete", "Pushed"}
_DONE = {"Pull complete", "Already exists", "Pushed", "Layer already exists"}


@dataclass
class _Layer:
    moved: int = 0
    total: int = 0
    done: bool = False


class Transfer:
    """The bytes of all layers of one image, summed up.

    Args:
        verb: What is done, for people, e.g. `pulling registry.example/x:latest`.
    """

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._layers: dict[str, _Layer] = {}
        self._fraction: float | None = None

    def hear(self, message: Mapping[str, Any]) -> tuple[str, float | None]:
        """Takes one message of the engine; what there is to say, and the part done (0 to 1).

        The part never falls, although layers become known one after the other.
        """
        status, name = str(message.get("status", "")), str(message.get("id", ""))
        detail = message.get("progressDetail") or {}
        if name and (status in _MOVING | _MOVED | _DONE or name in self._layers):
            layer = self._layers.setdefault(name, _Layer())
            if status in _MOVING:
                layer.moved = max(layer.moved, int(detail.get("current") or 0))
                layer.total = max(layer.total, int(detail.get("total") or 0), layer.moved)
            elif status in _MOVED:
                layer.moved = layer.total
            layer.done = layer.done or status in _DONE
        elif name and status in {"Pulling fs layer", "Preparing", "Waiting"}:
            self._layers[name] = _Layer()
        return self._said(), self._part()

    def _part(self) -> float | None:
        layers = self._layers.values()
        total = sum(layer.total for layer in layers)
        if total:
            # What is done but was never seen moving was there before: it is no part of the work.
            now = sum(layer.total if layer.done else layer.moved for layer in layers) / total
            waiting = sum(1 for layer in layers if not layer.total and not layer.done)
            now *= (len(layers) - waiting) / len(layers)
            self._fraction = max(self._fraction or 0.0, min(now, 1.0))
        return self._fraction

    def _said(self) -> str:
        total = sum(layer.total for layer in self._layers.values())
        if not total:
            return self._verb
        moved = sum(l.total if l.done else l.moved for l in self._layers.values())  # noqa: E741
        return f"{self._verb}: {_megabytes(moved)} of {_megabytes(total)} MB"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"
