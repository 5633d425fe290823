"""What a check produced, sorted by how a page shows it."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from urllib.parse import quote

import grpc

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2
from gateway.pages.latest import TIMEOUT
from gateway.upstream import Upstream

_IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"}


@dataclass(frozen=True)
class Shown:
    """One artefact on a page."""

    artefact: check_pb2.Artefact
    address: str
    name: str
    """Last part of its path."""
    gone: bool = False
    """Whether it is no longer kept."""


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


async def kept(upstream: Upstream, artefacts: Iterable[check_pb2.Artefact]) -> Plots:
    """Sorts artefacts; asks which of them are no longer kept, so that none is shown broken."""
    found = list(artefacts)
    names = list(dict.fromkeys(one.name for one in found))
    if not names:
        return Plots()
    try:
        answer = await upstream.dispatch.FindMissingArtefacts(
            dispatch_pb2.FindMissingArtefactsRequest(artefacts=names), timeout=TIMEOUT
        )
    except grpc.aio.AioRpcError:  # shown as if they were there: better than no page
        return of(found)
    return of(found, gone=frozenset(answer.missing))


def of(artefacts: Iterable[check_pb2.Artefact], *, gone: AbstractSet[str] = frozenset()) -> Plots:
    """Sorts artefacts.

    Args:
        artefacts: What a check produced.
        gone: Names of those that are no longer kept.
    """
    plots = Plots()
    for artefact in artefacts:
        name = artefact.path.rpartition("/")[2] or "file"
        shown = Shown(artefact, address(artefact), name, artefact.name in gone)
        kind = artefact.content_type.partition(";")[0]
        if kind in _IMAGES:
            plots.images.append(shown)
        elif kind == "text/html":
            plots.documents.append(shown)
        else:
            plots.others.append(shown)
    return plots
