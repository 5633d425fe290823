"""What a failed check shows, and what continuous integration is told of it."""

import xml.etree.ElementTree as ET
from pathlib import Path

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from cli import failures, integration
from cli.reports import Places
from services.causes import Cause

TRACEBACK = """Traceback (most recent call last):
  File "problem_solutions/s/solution.py", line 3, in solve
    return gain(1)
           ^^^^^^^
  File "method_packages/m/src/m.py", line 2, in gain
    return 1 / 0
           ~~^~~
  File "numpy/core.py", line 7, in inner
    raise
ZeroDivisionError: division by zero
"""
FOLDERS = ["problem_solutions/s", "method_packages/m"]
SOLUTION = catalog_pb2.Entity(
    name="entities/SOLVE",
    key="SOLVE",
    type=catalog_pb2.ENTITY_TYPE_PROBLEM_SOLUTION,
    title='A "solution" & more',
    path="problem_solutions/s",
)


def check_of(verdict: check_pb2.Verdict.ValueType, *, traceback: str = "") -> check_pb2.Check:
    """A finished check that ran for two seconds after waiting for ten."""
    found = check_pb2.Check(name="checks/1", entity="entities/SOLVE", verdict=verdict)
    found.state = check_pb2.Check.STATE_FINISHED
    for moment, seconds in (
        (found.create_time, 100),
        (found.start_time, 110),
        (found.finish_time, 112),
    ):
        moment.FromSeconds(seconds)
    found.result.verdict = verdict
    found.result.traceback = traceback
    found.result.message = "ZeroDivisionError: division by zero" if traceback else ""
    return found


def test_own_frames() -> None:
    """Frames of the closure's folders are the entity's own; those of libraries are not."""
    assert [
        failures.Frame("problem_solutions/s/solution.py", 3, "solve", "return gain(1)"),
        failures.Frame("method_packages/m/src/m.py", 2, "gain", "return 1 / 0"),
    ] == failures.frames(TRACEBACK, FOLDERS)


def test_the_failing_line_among_its_neighbours(tmp_path: Path) -> None:
    """The innermost own frame is shown with its lines, then cause and remedy."""
    source = tmp_path / "method_packages/m/src/m.py"
    source.parent.mkdir(parents=True)
    source.write_text("def gain(x):\n    return 1 / 0\n\n\x1b[2Jevil = 1\n")
    failure = failures.Failure(
        frames=failures.frames(TRACEBACK, FOLDERS), cause=Cause("it divides", "do not")
    )

    assert [
        "  method_packages/m/src/m.py:2  in gain",
        "       1 | def gain(x):",
        "  >    2 |     return 1 / 0",
        "       3 | ",
        "       4 | evil = 1",
        "  likely cause  it divides",
        "  what to do    do not",
    ] == [line.plain for line in failures.rendered(failure, root=tmp_path)]


def test_a_file_that_changed_since_is_not_shown(tmp_path: Path) -> None:
    """Lines of another state of the file would mislead."""
    source = tmp_path / "method_packages/m/src/m.py"
    source.parent.mkdir(parents=True)
    source.write_text("def gain(x):\n    return 2\n")
    failure = failures.Failure(frames=failures.frames(TRACEBACK, FOLDERS))

    assert [] == failures.rendered(failure, root=tmp_path)
    assert [] == failures.rendered(failure, root=None)


def test_annotations() -> None:
    """GitHub is told the entity's own line; a success is told nothing."""
    places = Places(None, folder=Path("/"))
    failed = check_of(check_pb2.VERDICT_SCRIPT_ERROR, traceback=TRACEBACK)

    assert "" == integration.github(check_of(check_pb2.VERDICT_SUCCESS), SOLUTION, places=places)
    assert (
        "::error file=problem_solutions/s/solution.py,line=3,title=SOLVE%3A script error::"
        "ZeroDivisionError: division by zero"
    ) == integration.github(failed, SOLUTION, places=places)
    assert "problem_solutions/s/metadata.yml,line=1" in integration.github(
        check_of(check_pb2.VERDICT_INACCURATE), SOLUTION, places=places
    )


def test_junit() -> None:
    """Every verdict has its place: failures are the entity's, errors are ours."""
    checks = [
        check_of(check_pb2.VERDICT_SUCCESS),
        check_of(check_pb2.VERDICT_INACCURATE),
        check_of(check_pb2.VERDICT_SCRIPT_ERROR, traceback=TRACEBACK + "\x00\x1b]0;x\x07"),
        check_of(check_pb2.VERDICT_INFRASTRUCTURE_ERROR),
        check_of(check_pb2.VERDICT_CANCELLED),
    ]
    suite = ET.fromstring(integration.junit(checks, {"SOLVE": SOLUTION}))[0]  # noqa: S314  # ours

    assert {
        "name": "problem_solution",
        "tests": "5",
        "failures": "2",
        "errors": "1",
        "skipped": "1",
        "time": "10.000",
    } == suite.attrib
    assert [[], ["failure"], ["failure"], ["error"], ["skipped"]] == [
        [child.tag for child in case] for case in suite
    ]
    assert 'SOLVE A "solution" & more' == suite[0].get("name")
