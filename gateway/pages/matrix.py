"""`/entity-overview`: entities and runs, the verdict of each entity in each run."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, history_pb2, scheduler_pb2
from gateway.access.viewers import Viewer, viewer_of
from gateway.context import context_of
from gateway.pages import addresses, discretion, grid, latest, words
from gateway.pages.members import entities_named
from gateway.pages.rendering import page
from gateway.upstream import Upstream
from services.rpc import remote_errors

PATH = "/entity-overview"
WIDTHS = (10, 30, 60, 100, 200)
"""How many runs may be shown beside each other."""
_TIMEOUT = latest.TIMEOUT
_WIDTH = 30
_MOST_RUNS = 200
_ROWS = 200
"""Entities of one page; with very many runs fewer."""
_CELLS = 20_000
_LOOKS = 5
"""So many times as many entities are looked through at once for those that a filter leaves."""
_NAMED = 1000
"""Entities to which type and text may narrow the matrix."""
_PAGE_OF_RUNS = 500
_SAYS_NOTHING = frozenset(
    {
        check_pb2.VERDICT_UNSPECIFIED,
        check_pb2.VERDICT_INFRASTRUCTURE_ERROR,
        check_pb2.VERDICT_CANCELLED,
    }
)


@dataclass(frozen=True, kw_only=True)
class View:
    """All that the address of the matrix can say."""

    runs: tuple[str, ...] = ()
    """Certain runs by id; none means the newest ones."""
    width: int = _WIDTH
    skip: int = 0
    """So many of the newest runs are left out."""
    query: str = ""
    type: str = ""
    verdict: str = ""
    changed: bool = False
    group: str = ""
    """Fingerprint of the cause whose cells stand out."""
    page: str = ""

    def but(self, **changes: object) -> str:
        """Gives the address of the same with something changed, at the first entities again."""
        other = dataclasses.replace(self, **{"page": "", **changes})  # type: ignore[arg-type]
        return addresses.at(
            PATH,
            run=other.runs,
            runs=str(other.width) if other.width != _WIDTH else "",
            skip=str(other.skip) if other.skip else "",
            q=other.query,
            type=other.type,
            verdict=other.verdict,
            changed="1" if other.changed else "",
            group=other.group,
            page=other.page,
        )

    @property
    def filtered(self) -> bool:
        """Whether entities are left out."""
        return bool(self.query or self.type or self.verdict or self.changed)


def read(query: QueryParams) -> View:
    """Reads the parameters of an address; what makes no sense is left out."""

    def number(name: str, default: int, most: int) -> int:
        text = query.get(name, "")
        return min(int(text), most) if text.isascii() and text.isdigit() and text else default

    kinds = {word.slug for word in words.TYPES.values()}
    verdicts = {word.slug for word in words.VERDICTS.values()}
    chosen = [one.removeprefix("runs/")[:64] for one in query.getlist("run") if one]
    return View(
        runs=tuple(sorted(dict.fromkeys(chosen))),
        width=max(1, number("runs", _WIDTH, _MOST_RUNS)),
        skip=number("skip", 0, 100_000),
        query=" ".join(query.get("q", "").split())[:200],
        type=query.get("type", "") if query.get("type") in kinds else "",
        verdict=query.get("verdict", "") if query.get("verdict") in verdicts else "",
        changed=query.get("changed") == "1",
        group=query.get("group", "")[:64],
        page=query.get("page", "")[:400],
    )


@dataclass(frozen=True, kw_only=True)
class Group:
    """A cause in the matrix."""

    fingerprint: str
    title: str
    verdict: words.Word
    count: int
    """Cells."""
    entity_count: int


async def matrix(request: Request) -> Response:
    """The overview matrix."""
    upstream = context_of(request).upstream
    viewer = viewer_of(request)
    view = read(request.query_params)
    with remote_errors():
        (runs, older), entities = await asyncio.gather(
            _runs(upstream, view), _narrowed(upstream, view)
        )
        found = await _rows(upstream, view, runs, entities)
        known = await entities_named(upstream, (row.entity for row in found.rows))
    groups = groups_of(viewer, found)
    titles = _titles(viewer, found)
    picked = {number for number, one in enumerate(found.causes, 1) if one.fingerprint == view.group}
    if picked:  # what was asked for comes first
        found.rows.sort(key=lambda row: all(cell.cause not in picked for cell in row.cells))
    for number, cause in enumerate(found.causes, 1):
        cause.title = titles.get(number, "")
    return page(
        request,
        "matrix.html",
        data={"matrix": found, "failureGroups": groups},
        view=view,
        widths=sorted({*WIDTHS, view.width}),
        matrix=found,
        rows=grid.table(
            found,
            titles={name: entity.title for name, entity in known.items()},
            causes=titles,
            picked=picked,
        ),
        commits=grid.bands([[one.run.commit] if one.run.commit else [] for one in found.columns]),
        environments=grid.bands([list(one.environments) for one in found.columns]),
        groups=groups,
        verdict_choices=list(words.VERDICTS.values()),
        codes={words.verdict_word(verdict).slug: code for verdict, code in grid.CODES.items()},
        older=older,
    )


async def _runs(upstream: Upstream, view: View) -> tuple[Sequence[str], bool]:
    """Names the runs of the columns, oldest first, and says whether there are older ones."""
    if view.runs:
        return [f"runs/{one}" for one in view.runs], False
    wanted = view.skip + view.width + 1
    names: list[str] = []
    token = ""
    while len(names) < wanted:
        answer = await upstream.scheduler.ListRuns(
            scheduler_pb2.ListRunsRequest(
                page_size=min(_PAGE_OF_RUNS, wanted - len(names)), page_token=token
            ),
            timeout=_TIMEOUT,
        )
        names += [run.name for run in answer.runs]
        token = answer.next_page_token
        if not token:
            break
    return names[view.skip : view.skip + view.width][::-1], len(names) >= wanted


async def _narrowed(upstream: Upstream, view: View) -> Sequence[str] | None:
    """Finds the entities that type and text leave; None where neither is asked for."""
    if not (view.type or view.query):
        return None
    text = view.query.replace("\\", "\\\\").replace('"', '\\"')
    conditions = [f"type = {view.type}"] if view.type else []
    conditions += [f'text = "{text}"'] if text else []
    answer = await upstream.catalog.ListEntities(
        catalog_pb2.ListEntitiesRequest(filter=" AND ".join(conditions), page_size=_NAMED),
        timeout=_TIMEOUT,
    )
    names = [entity.name for entity in answer.entities]
    key = view.query.upper()
    if not view.type and key.isascii() and key.isalnum() and len(key) == 5:
        names.append(f"entities/{key}")  # it may be of an entity that is no more
    return list(dict.fromkeys(names))[:_NAMED]


async def _rows(
    upstream: Upstream, view: View, runs: Sequence[str], entities: Sequence[str] | None
) -> history_pb2.VerdictMatrix:
    """Gets a page of rows that the filters leave, looking through a bounded number of others."""
    found = history_pb2.VerdictMatrix()
    if not runs:
        return found
    nobody = entities is not None and not entities  # the columns are shown all the same
    token, wanted = view.page, min(_ROWS, max(1, _CELLS // len(runs)))
    for _ in range(_LOOKS):
        answer = await upstream.history.GetVerdictMatrix(
            history_pb2.GetVerdictMatrixRequest(
                runs=runs,
                entities=entities or (),
                page_size=1 if nobody else wanted,
                page_token=token,
            ),
            timeout=_TIMEOUT,
        )
        if not found.columns:
            found.columns.extend(answer.columns)
            found.causes.extend(answer.causes)
        if nobody:
            return found
        found.rows.extend(row for row in answer.rows if _kept(row, view))
        token = answer.next_page_token
        if not token or len(found.rows) >= wanted:
            break
    found.next_page_token = token
    return found


def _kept(row: history_pb2.MatrixRow, view: View) -> bool:
    """Whether a row has the verdict that is asked for, and changed, if that is."""
    slugs = {words.verdict_word(cell.verdict).slug for cell in row.cells if cell.verdict}
    if view.verdict and view.verdict not in slugs:
        return False
    telling = {cell.verdict for cell in row.cells if cell.verdict not in _SAYS_NOTHING}
    return len(telling) > 1 or not view.changed


def groups_of(viewer: Viewer, found: history_pb2.VerdictMatrix) -> list[Group]:
    """Counts the cells of each cause, the most frequent first."""
    cells = [(row.entity, cell) for row in found.rows for cell in row.cells if cell.cause]
    counts = Counter(cell.cause for _, cell in cells)
    verdicts = {cell.cause: cell.verdict for _, cell in cells}
    entities: dict[int, set[str]] = {}
    for entity, cell in cells:
        entities.setdefault(cell.cause, set()).add(entity)
    return [
        Group(
            fingerprint=found.causes[number - 1].fingerprint,
            title=discretion.title(viewer, verdicts[number], found.causes[number - 1].title),
            verdict=words.verdict_word(verdicts[number]),
            count=count,
            entity_count=len(entities[number]),
        )
        for number, count in counts.most_common()
    ]


def _titles(viewer: Viewer, found: history_pb2.VerdictMatrix) -> Mapping[int, str]:
    """What cells say of their causes to somebody, by number."""
    verdicts = {cell.cause: cell.verdict for row in found.rows for cell in row.cells if cell.cause}
    return {
        number: discretion.title(viewer, verdict, found.causes[number - 1].title)
        for number, verdict in verdicts.items()
    }


ROUTES = [Route(PATH, matrix, methods=["GET"])]
