"""Numbers over time as drawings: where marks and lines are, and what they say."""

import math
from html import unescape

import pytest

from ackrep.scheduler.v1 import check_pb2
from gateway.pages import charts
from gateway.pages.rendering import environment

V = check_pb2.Verdict
DAY = 86_400.0
START = 1_658_231_920.0


def point(day: float, value: float, verdict: int = V.VERDICT_SUCCESS, **more: str) -> charts.Point:
    """A check on some day."""
    return charts.Point(
        time=START + day * DAY, value=value, verdict=verdict, check=f"checks/{day:g}", **more
    )


def lines(chart: charts.Chart | None, kind: str) -> list[charts.Line]:
    """Lines of one kind."""
    assert chart
    return [line for line in chart.lines if line.kind == kind]


def test_errors_on_a_logarithmic_scale() -> None:
    """Decades are evenly apart, and the tolerance lies between two lines."""
    chart = charts.errors(
        [point(0, 1e-8), point(1, 1e-6), point(2, 1e-4), point(3, 0.5, V.VERDICT_INACCURATE)]
    )
    assert chart
    assert chart.logarithmic
    first, second, third, last = (mark.y for mark in chart.marks)
    assert first > second > third > last
    assert math.isclose(first - second, second - third, abs_tol=0.2)
    assert ["largest that passed 0.0001"] == [line.label for line in lines(chart, "passed")]
    assert ["smallest that did not 0.5"] == [line.label for line in lines(chart, "failed")]
    assert third == lines(chart, "passed")[0].y
    assert "lies between the two" in chart.about
    assert ["disc", "disc", "disc", "diamond"] == [mark.shape for mark in chart.marks]


def test_no_error_at_all_is_drawn_on_the_bottom() -> None:
    """Zero is on no decade; of zeros alone there is a linear drawing."""
    chart = charts.errors([point(0, 0.0), point(1, 1e-3), point(2, 1e-5)])
    assert chart
    assert chart.marks[0].y == max(line.y for line in chart.lines)
    alone = charts.errors([point(0, 0.0)])
    assert alone
    assert not alone.logarithmic


def test_run_times_and_their_median() -> None:
    """The median is of checks that ran to their end; a time-out is no run time of the entity."""
    chart = charts.run_times(
        [point(0, 2.0), point(1, 4.0), point(2, 3.0), point(3, 5.0, V.VERDICT_TIMED_OUT)]
    )
    assert ["median 3.00 s"] == [line.label for line in lines(chart, "median")]
    assert chart
    assert "cross" == chart.marks[-1].shape
    assert not chart.logarithmic
    assert "0 s" == lines(chart, "grid")[0].label
    far = charts.run_times([point(0, 0.01), point(1, 100.0)])
    assert far
    assert far.logarithmic


def test_scores_that_never_change_say_nothing() -> None:
    """A score that was always the same is no drawing."""
    assert charts.scores([point(0, 1.0), point(1, 1.0)]) is None
    chart = charts.scores([point(0, -1.0), point(1, 0.5)])
    assert chart
    assert chart.marks[0].y > chart.marks[1].y


@pytest.mark.parametrize("draw", [charts.errors, charts.run_times, charts.scores])
def test_nothing_to_draw(draw: object) -> None:
    """Without a usable number there is no drawing."""
    assert callable(draw)
    assert draw([]) is None
    assert draw([point(0, math.nan), point(1, math.inf)]) is None


@pytest.mark.parametrize("values", [[1e-300, 1e300], [5e-324], [0.0, 0.0], [1e-9, 1e-9], [3.0] * 4])
def test_all_marks_are_in_the_drawing(values: list[float]) -> None:
    """Whatever the numbers are, marks, lines and moments lie where they can be seen."""
    for draw in (charts.errors, charts.run_times):
        chart = draw([point(day, value) for day, value in enumerate(values)])
        assert chart
        for mark in chart.marks:
            assert 0 <= mark.x <= 100
            assert 20 <= mark.y <= 175
        assert all(20 <= line.y <= 175 for line in chart.lines)
        assert len(lines(chart, "grid")) <= 12


def test_what_marks_say_is_escaped() -> None:
    """Texts of results are texts in the drawing too; each mark leads to its check."""
    chart = charts.errors([point(0, 1.0, detail='<script>"&')])
    macro = environment().get_template("history_parts.html").module
    html = str(macro.chart(chart, "c"))  # type: ignore[attr-defined]
    assert "<script" not in html
    assert '<script>"&' in unescape(html)
    assert 'href="/checks/0"' in html
    assert "As a table" in html
