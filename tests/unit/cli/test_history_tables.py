"""History in the terminal: what fits, what is left out, and text of others made harmless."""

import io
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console, RenderableType

from ackrep.scheduler.v1 import check_pb2, history_pb2
from cli import history_tables

START = datetime(2022, 7, 5, 8, 55, tzinfo=UTC)
HOSTILE = "ValueError: \x1b]0;title\x07[red]no[/red]\x1b[2J"


def drawn(*parts: RenderableType, width: int) -> str:
    """What a terminal of a width shows."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    for part in parts:
        console.print(part)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def stamp(days: int = 0) -> Timestamp:
    """A time, some days after the first one."""
    message = Timestamp()
    message.FromDatetime(START + timedelta(days=days))
    return message


def a_matrix(count: int) -> history_pb2.VerdictMatrix:
    """So many runs of two entities; the second one is in the last run alone, and fails there."""
    columns = [
        history_pb2.MatrixColumn(run=check_pb2.Run(create_time=stamp(day))) for day in range(count)
    ]
    passed, failed = check_pb2.VERDICT_SUCCESS, check_pb2.VERDICT_SCRIPT_ERROR
    rows = [
        history_pb2.MatrixRow(
            entity="entities/AAAAA",
            cells=[history_pb2.MatrixCell(column=n, verdict=passed) for n in range(count)],
        ),
        history_pb2.MatrixRow(
            entity="entities/BBBBB",
            cells=[history_pb2.MatrixCell(column=count - 1, verdict=failed)],
        ),
    ]
    return history_pb2.VerdictMatrix(columns=columns, rows=rows)


def test_a_matrix_that_fits() -> None:
    """Each run is a column below its day; what is not there is blank."""
    text = drawn(history_tables.matrix_drawing(a_matrix(3), width=40), width=40)

    assert [line.rstrip() for line in text.splitlines()] == [
        "month  0 0 0",
        "       7 7 7",
        "day    0 0 0",
        "       5 6 7",
        "AAAAA  ● ● ●",
        "BBBBB      ✗",
        "",
        "● success   ✗ script error",
    ]
    assert history_tables.matrix_summary(a_matrix(3)) == (
        "2 entities, 3 runs, 2022-07-05 to 2022-07-07"
    )


def test_a_matrix_that_does_not_fit() -> None:
    """The newest runs are shown, and that there are more is said."""
    text = drawn(history_tables.matrix_drawing(a_matrix(60), width=40), width=40)

    assert f"AAAAA  {'●' * 33}\n" in text
    assert f"BBBBB  {' ' * 32}✗\n" in text
    assert "the newest 33 of 60 runs fit" in text
    assert max(map(len, text.splitlines())) <= 40


def test_text_of_entities_is_harmless() -> None:
    """Titles and tracebacks are text: no markup, nothing that controls the terminal."""
    group = history_pb2.FailureGroup(
        title=HOSTILE,
        verdict=check_pb2.VERDICT_SCRIPT_ERROR,
        count=2,
        entities=[f"entities/A000{number}" for number in range(8)],
        example="checks/1",
        excerpt=f"  File x\n{HOSTILE}",
        first_seen=history_pb2.Sighting(time=stamp(), commit="c" * 40),
    )
    for width in (80, 160):
        table = history_tables.group_table([group], width=width)
        text = drawn(table, *history_tables.excerpts([group]), width=width)
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "ValueError: [red]no[/red]" in text
        assert ("and 2 more" in text) or width == 80  # there it goes over two lines
    assert history_tables.group_document(group)["verdict"] == "script_error"
    assert history_tables.excerpts([history_pb2.FailureGroup(title="x")]) == []


def test_an_entity_that_never_passed() -> None:
    """It is said so; what is not known is left out."""
    failed = history_pb2.Sighting(time=stamp(), verdict=check_pb2.VERDICT_TIMED_OUT)
    history = history_pb2.EntityHistory(
        entity="entities/AAAAA", newest=failed, failing_since=failed, check_count=3
    )
    text = drawn(history_tables.history_card(history), width=100)

    assert "passed last      never" in text
    assert "failing since    2022-07-05 08:55" in text
    document = history_tables.history_document(history)
    assert (document["key"], document["newest"]["verdict"]) == ("AAAAA", "timed_out")
    assert "passedLast" not in document


def test_columns_of_points() -> None:
    """Errors have a column where there are any; environments where there is room."""
    point = history_pb2.HistoryPoint(
        sighting=history_pb2.Sighting(
            time=stamp(), verdict=check_pb2.VERDICT_SUCCESS, environment_digest="sha256:" + "a" * 64
        ),
        seconds=1.25,
    )
    narrow = drawn(history_tables.point_table([point], width=80), width=80)
    point.error = 0.00125
    wide = drawn(history_tables.point_table([point], width=120), width=120)

    assert "Largest error" not in narrow
    assert "aaaa" not in narrow
    assert "0.0013" in wide
    assert f"{'a' * 12} " in wide
