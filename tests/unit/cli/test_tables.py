"""Tables fit the terminal and treat the text of others as text."""

import io

import pytest
from rich.console import Console

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from cli import tables

LONG = "a very long title " * 10


def drawn(thing: object, *, width: int) -> str:
    """What a terminal of some width shows."""
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def finished(verdict: check_pb2.Verdict.ValueType, *, message: str = "") -> check_pb2.Check:
    """A check of UXMFA that ran for a second and a half."""
    check = check_pb2.Check(
        entity="entities/UXMFA", state=check_pb2.Check.STATE_FINISHED, verdict=verdict
    )
    check.start_time.FromMilliseconds(1_000)
    check.finish_time.FromMilliseconds(2_500)
    check.result.message = message
    return check


@pytest.mark.parametrize("width", [60, 80, 120])
def test_verdict_table_fits(width: int) -> None:
    """No line is longer than the terminal is wide, and the verdict is always whole."""
    entities = {
        "UXMFA": catalog_pb2.Entity(title=LONG, type=catalog_pb2.ENTITY_TYPE_PROBLEM_SOLUTION)
    }
    checks = [finished(check_pb2.VERDICT_SCRIPT_ERROR, message="NameError: " + LONG)]

    text = drawn(tables.verdict_table(checks, entities, width=width), width=width)

    assert max(len(line) for line in text.splitlines()) <= width
    assert "script error" in text
    assert "1.5" in text
    assert "NameError" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_entity_table_fits(width: int) -> None:
    """No line of the entity list is longer than the terminal is wide."""
    entity = catalog_pb2.Entity(key="UXMFA", title=LONG, short_description=LONG)

    text = drawn(tables.entity_table([entity], width=width), width=width)

    assert max(len(line) for line in text.splitlines()) <= width
    assert "UXMFA" in text


def test_markup_in_titles_is_text() -> None:
    """Square brackets and escapes in a title are shown, not obeyed."""
    entity = catalog_pb2.Entity(key="UXMFA", title="[red]x[/red] \x1b[2J y\nz")

    text = drawn(tables.entity_table([entity], width=80), width=80)

    assert "[red]x[/red] y z" in text


def test_summary() -> None:
    """The summary counts each way of ending."""
    checks = [
        finished(check_pb2.VERDICT_SUCCESS),
        finished(check_pb2.VERDICT_SUCCESS),
        finished(check_pb2.VERDICT_INACCURATE),
    ]

    text = tables.summary(checks, elapsed=4.0).plain

    assert text == "3 checks in 4.0 s: 2 success, 1 inaccurate"
