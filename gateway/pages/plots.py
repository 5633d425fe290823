"""What a check produced, sorted by how a page shows it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

from ackrep.scheduler.v1 import check_pb2

_IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"}


@dataclass(frozen=True)
class Shown:
    """One artefact on a page."""

    artefact: check_pb2.Artefact
    address: str
    name: str
    """Last part of its path."""


@dataclass
class Plots:
    """Artefacts by how they are shown."""

    images: list[Shown] = field(default_factory=list)
    documents: list[Shown] = field(default_factory=list)
    """HTML, e.g. notebooks that ran: shown in a sandboxed frame."""
    others: list[Shown] = field(default_factory=list)
    """Offered for download."""

    def __bool__(self) -> bool:
        return bool(self.images or self.documents or self.others)


def address(artefact: check_pb2.Artefact) -> str:
    """Gives the address of an artefact's content."""
    name = artefact.path.rpartition("/")[2] or "file"
    return f"/artefacts/{artefact.name.rpartition('/')[2]}/{quote(name, safe='')}"


def of(artefacts: Iterable[check_pb2.Artefact]) -> Plots:
    """Sorts artefacts."""
    plots = Plots()
    for artefact in artefacts:
        shown = Shown(artefact, address(artefact), artefact.path.rpartition("/")[2] or "file")
        kind = artefact.content_type.partition(";")[0]
        if kind in _IMAGES:
            plots.images.append(shown)
        elif kind == "text/html":
            plots.documents.append(shown)
        else:
            plots.others.append(shown)
    return plots
