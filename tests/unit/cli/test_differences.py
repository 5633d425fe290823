"""What differs between two runs, as people and programs read it."""

import io

from rich.console import Console, RenderableType

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, comparison_pb2, promotion_pb2
from cli import differences, trials

ENTITIES = {"AAAAA": catalog_pb2.Entity(key="AAAAA", title="Lorenz [red]system[/red]")}


def comparison(*changes: comparison_pb2.EntityChange) -> comparison_pb2.RunComparison:
    """A comparison with these changes, counted."""
    found = comparison_pb2.RunComparison(base="runs/1", other="runs/2", changes=changes)
    for kind in dict.fromkeys(change.kind for change in changes):
        found.counts.add(kind=kind, count=sum(change.kind == kind for change in changes))
    return found


BROKEN = comparison_pb2.EntityChange(
    entity="entities/AAAAA",
    kind=comparison_pb2.CHANGE_KIND_BROKEN,
    base_verdict=check_pb2.VERDICT_SUCCESS,
    other_verdict=check_pb2.VERDICT_SCRIPT_ERROR,
    base_check="checks/1",
    other_check="checks/2",
    message="ImportError: \x1b[2Jno scipy",
)
SLOWER = comparison_pb2.EntityChange(
    entity="entities/BBBBB",
    kind=comparison_pb2.CHANGE_KIND_UNCHANGED,
    base_verdict=check_pb2.VERDICT_SUCCESS,
    other_verdict=check_pb2.VERDICT_SUCCESS,
    base_check="checks/3",
    other_check="checks/4",
    base_seconds=1.0,
    other_seconds=9.5,
    slower=True,
)
UNCHANGED = comparison_pb2.EntityChange(
    entity="entities/CCCCC", kind=comparison_pb2.CHANGE_KIND_UNCHANGED
)
ADDED = comparison_pb2.EntityChange(
    entity="entities/DDDDD",
    kind=comparison_pb2.CHANGE_KIND_ADDED,
    other_verdict=check_pb2.VERDICT_INACCURATE,
    other_check="checks/5",
)
PENDING = comparison_pb2.EntityChange(
    entity="entities/EEEEE",
    kind=comparison_pb2.CHANGE_KIND_PENDING,
    base_verdict=check_pb2.VERDICT_SUCCESS,
    base_check="checks/6",
    other_check="checks/7",
)
NUMBERS = comparison_pb2.EntityChange(
    entity="entities/FFFFF",
    kind=comparison_pb2.CHANGE_KIND_NUMBERS,
    base_verdict=check_pb2.VERDICT_SUCCESS,
    other_verdict=check_pb2.VERDICT_SUCCESS,
    base_check="checks/8",
    other_check="checks/9",
    numbers=[
        comparison_pb2.NumberChange(name="error", absolute=1e-3, relative=0.0),
        comparison_pb2.NumberChange(name="x", message="shape 3 not 4"),
        comparison_pb2.NumberChange(name="y"),
        comparison_pb2.NumberChange(name="z"),
    ],
)


def drawn(what: RenderableType, *, width: int) -> list[str]:
    """Lines of a rendering, spaces between words made one."""
    drawing = io.StringIO()
    Console(width=width, file=drawing, color_system=None).print(what)
    rows = (" ".join(row.split()) for row in drawing.getvalue().splitlines())
    return [row for row in rows if row]


def test_a_table_tells_what_changed_and_counts_the_rest() -> None:
    """One line for each entity that differs or takes longer, then how many of each kind."""
    found = comparison(BROKEN, NUMBERS, PENDING, ADDED, SLOWER, UNCHANGED)

    lines = drawn(differences.table(found, ENTITIES, width=160), width=160)

    assert [
        "AAAAA Lorenz [red]system[/red] broken success script error ImportError: no scipy",
        "FFFFF other numbers success success error by 0.001 (relative 0); x: shape 3 not 4; 2 more",
        "EEEEE no verdict success not finished",
        "DDDDD added - inaccurate",
        "BBBBB slower success success 1.0 s became 9.5 s",
        "6 entities: 1 broken, 1 other numbers, 1 no verdict, 1 added, 2 unchanged, 1 slower",
    ] == lines[2:]


def test_on_narrow_terminals_titles_give_way() -> None:
    """The rest fits into 80 columns."""
    lines = drawn(differences.table(comparison(BROKEN), ENTITIES, width=80), width=80)

    assert "AAAAA broken success script error ImportError: no scipy" == lines[2]


def test_nothing_but_a_line_where_nothing_changed() -> None:
    """No empty table."""
    lines = drawn(differences.table(comparison(UNCHANGED), ENTITIES, width=80), width=80)

    assert ["1 entity: 1 unchanged"] == lines


def test_programs_get_words() -> None:
    """Kinds, verdicts and counts by their names in lower case."""
    document = differences.document(comparison(BROKEN, SLOWER, UNCHANGED))

    assert {"broken": 1, "unchanged": 2} == document["counts"]
    first = document["changes"][0]
    assert ("AAAAA", "broken", "success", "script_error") == (
        first["key"],
        first["kind"],
        first["baseVerdict"],
        first["otherVerdict"],
    )


def test_promotions_say_what_is_in_use_and_why() -> None:
    """Promoted, forced and reverted are told apart; an image of the runner is its own."""
    digest = "sha256:" + "0123456789abcdef" * 4
    forced = promotion_pb2.Promotion(
        environment="environments/demo_environment",
        digest=digest,
        tag="candidate",
        trial="trials/1",
        forced=True,
        reason="needed",
    )
    reverted = promotion_pb2.Promotion(
        environment="environments/demo_environment",
        previous_digest=digest,
        reason="not needed",
        current=True,
    )

    lines = drawn(trials.promotion_table([reverted, forced]), width=120)

    assert [
        "1970-01-01 00:00 demo_environment own in use 0123456789ab reverted not needed",
        "1970-01-01 00:00 demo_environment 0123456789ab candidate own forced needed",
    ] == lines[2:]
