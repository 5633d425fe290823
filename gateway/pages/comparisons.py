"""`/runs/{id}/compare/{other}`: what differs between two runs, and what may be the reason."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.scheduler.v1 import comparison_pb2, history_pb2
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.pages import discretion, latest
from gateway.pages.members import entities_named
from gateway.pages.rendering import page, see_other
from gateway.pages.words import Word
from services.errors import InvalidArgumentError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_PATIENCE = 30.0
_K = comparison_pb2.ChangeKind
KINDS: Mapping[int, Word] = {
    _K.CHANGE_KIND_BROKEN: Word("script-error", "newly broken", "A success before, none now."),
    _K.CHANGE_KIND_REPAIRED: Word("success", "repaired", "No success before, one now."),
    _K.CHANGE_KIND_VERDICT: Word("inaccurate", "another verdict", "Fails in another way."),
    _K.CHANGE_KIND_NUMBERS: Word("active", "other numbers", "The same verdict, other numbers."),
    _K.CHANGE_KIND_PENDING: Word(
        "unchecked", "nothing to compare", "One of the two says nothing about the entity."
    ),
    _K.CHANGE_KIND_ADDED: Word("unchecked", "only in the later run"),
    _K.CHANGE_KIND_REMOVED: Word("unchecked", "only in the earlier run"),
    _K.CHANGE_KIND_UNCHANGED: Word("unchecked", "unchanged", "The same verdict and numbers."),
}
_VERDICTS = frozenset({_K.CHANGE_KIND_BROKEN, _K.CHANGE_KIND_REPAIRED, _K.CHANGE_KIND_VERDICT})


@dataclass(frozen=True, kw_only=True)
class Section:
    """What became of some entities."""

    word: Word
    anchor: str
    changes: Sequence[comparison_pb2.EntityChange]


async def comparison(request: Request) -> Response:
    """Two runs, entity by entity: the earlier one first."""
    upstream = context_of(request).upstream
    base, other = (f"runs/{request.path_params[part]}" for part in ("id", "other"))
    with remote_errors():
        found, beside = await asyncio.gather(
            upstream.comparisons.CompareRuns(
                comparison_pb2.CompareRunsRequest(base=base, other=other), timeout=_PATIENCE
            ),
            upstream.history.GetVerdictMatrix(
                history_pb2.GetVerdictMatrixRequest(runs=[base, other], page_size=1),
                timeout=_TIMEOUT,
            ),
        )
        known = await entities_named(upstream, (change.entity for change in found.changes))
    shown = discretion.shown(viewer_of(request), found)
    # A run beside itself is one column.
    columns = [beside.columns[0], beside.columns[-1]]
    return page(
        request,
        "comparison.html",
        data={"comparison": shown, "runs": columns},
        base=columns[0],
        other=columns[1],
        sections=sections(shown),
        slower=[change for change in shown.changes if change.slower],
        changed_count=sum(change.kind in _VERDICTS for change in shown.changes),
        titles={name: entity.title for name, entity in known.items()},
    )


def sections(found: comparison_pb2.RunComparison) -> list[Section]:
    """Arranges changes by what became of the entities; kinds of none are left out."""
    return [
        Section(word=word, anchor=word.label.replace(" ", "-"), changes=changes)
        for kind, word in KINDS.items()
        if (changes := [change for change in found.changes if change.kind == kind])
    ]


async def compare_chosen(request: Request) -> Response:
    """Leads to the comparison of two runs that were chosen in a form, the earlier one first."""
    chosen = request.query_params.getlist("run")
    ids = sorted({one.removeprefix("runs/") for one in chosen})
    if len(ids) != 2:
        raise InvalidArgumentError(
            f"{len(ids)} runs are chosen: a comparison is of two", field="run"
        )
    if not all(one.isalnum() for one in ids):
        raise InvalidArgumentError("no run can have such a name", field="run")
    return see_other(f"/runs/{ids[0]}/compare/{ids[1]}")


ROUTES = [
    Route("/runs/compare", compare_chosen, methods=["GET"]),
    Route("/runs/{id}/compare/{other}", comparison, methods=["GET"]),
]
