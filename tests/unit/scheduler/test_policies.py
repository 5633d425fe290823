"""Inputs, window, precedence, filters, names and media types of the scheduler."""

from datetime import UTC, datetime

import pytest

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2
from services.errors import InvalidArgumentError
from services.scheduler.artefacts.content_types import content_type_of, sniffed
from services.scheduler.domain.check import Limits, Runner, State, Verdict
from services.scheduler.domain.inputs import inputs_digest, seed
from services.scheduler.domain.listing import (
    CheckFilter,
    after_token,
    page_size,
    page_token,
    parse_filter,
)
from services.scheduler.domain.machine import Directive
from services.scheduler.domain.names import artefact_id, check_id, new_id, runner_id
from services.scheduler.domain.verdicts import worst
from services.scheduler.domain.window import QueueGroup, room, window

INPUTS = {"entity": "AAAAA", "closure": "c", "environment": "e", "runtime": "1"}


def test_each_input_changes_the_digest() -> None:
    """Equal inputs, equal digest; any other input, another digest."""
    digests = {inputs_digest(**INPUTS, limits=Limits()) for _ in range(2)}
    for name in INPUTS:
        digests.add(inputs_digest(**{**INPUTS, name: "other"}, limits=Limits()))
    digests.add(inputs_digest(**INPUTS, limits=Limits(processes=1)))
    assert 6 == len(digests)


def test_the_seed_follows_from_content_alone() -> None:
    """The seed is the same for the same content, and fits every generator."""
    first = seed(entity="AAAAA", closure="c", environment="e")
    assert first == seed(entity="AAAAA", closure="c", environment="e")
    assert first != seed(entity="AAAAA", closure="d", environment="e")
    assert 0 <= first < 2**32


def a_runner(*, slots: int, free: int, pool: str = "default", draining: bool = False) -> Runner:
    return Runner(
        id="one",
        incarnation="i",
        pool=pool,
        slots=slots,
        free_slots=free,
        backend="docker",
        runtime_version="1",
        host="h",
        draining=draining,
        heartbeat_time=datetime.now(UTC),
    )


@pytest.mark.parametrize(
    ("runners", "size"),
    [
        ([], 4),
        ([a_runner(slots=2, free=2)], 4),
        ([a_runner(slots=8, free=8)], 16),
        ([a_runner(slots=8, free=0)], 8),
        ([a_runner(slots=8, free=8), a_runner(slots=8, free=8)], 32),
        ([a_runner(slots=8, free=8, draining=True)], 4),
        ([a_runner(slots=8, free=8, pool="other")], 4),
    ],
)
def test_window(runners: list[Runner], size: int) -> None:
    """Twice the free slots of the pool, at least its slots, and never fewer than the minimum."""
    assert size == window(runners, pool="default", minimum=4)


def test_room() -> None:
    """What is published takes room; more than the window leaves none, not less than none."""
    group = QueueGroup(pool="p", environment="e", published=3)
    assert (1, 0) == (room(group, size=4), room(group, size=2))


def test_precedence_follows_exit_codes() -> None:
    """Of several verdicts the worst speaks: exit codes 3, 1, 2, 4, 0."""
    order = [
        {Verdict.INFRASTRUCTURE_ERROR},
        {Verdict.SCRIPT_ERROR, Verdict.TIMED_OUT, Verdict.LIMIT_EXCEEDED},
        {Verdict.INACCURATE},
        {Verdict.CANCELLED},
        {Verdict.SUCCESS},
    ]
    for place, group in enumerate(order):
        for verdict in group:
            for lesser in order[place + 1 :]:
                assert verdict == worst([*lesser, verdict])
    assert Verdict.SUCCESS == worst([])


def test_filters() -> None:
    """Fields take names with or without their collection, values in any case."""
    assert CheckFilter() == parse_filter("  ")
    assert CheckFilter(
        entity="AAAAA", run="1", revision="a", state=State.QUEUED, verdict=Verdict.SCRIPT_ERROR
    ) == parse_filter(
        "entity = entities/AAAAA AND run=runs/1 AND revision = 'a' AND state = STATE_QUEUED "
        'AND verdict = "script_error"'
    )


@pytest.mark.parametrize(
    "text", ["x", "a = b", "entity =", "entity = A AND", "state = odd", "run = 1 AND run = 2"]
)
def test_bad_filters(text: str) -> None:
    """What cannot be read is refused, never ignored."""
    with pytest.raises(InvalidArgumentError):
        parse_filter(text)


def test_pages() -> None:
    """Sizes are bounded; a token goes on where the page ended, and only in its own query."""
    assert (50, 7, 500) == (page_size(0), page_size(7), page_size(10**6))
    with pytest.raises(InvalidArgumentError):
        page_size(-1)
    token = page_token("last", query="q")
    assert ("last", "") == (after_token(token, query="q"), after_token("", query="q"))
    for bad in (token[:-4], "ä", "e30=", page_token("last", query="other")):
        with pytest.raises(InvalidArgumentError):
            after_token(bad, query="q")


def test_ids_sort_by_time() -> None:
    """Ids rise strictly, so that newest first is the order of ids."""
    ids = [new_id() for _ in range(10_000)]
    assert sorted(set(ids)) == ids
    assert {32} == {len(made) for made in ids}


@pytest.mark.parametrize("name", ["", "checks/", "checks/../x", "runs/" + "1" * 32, "1" * 32])
def test_bad_names(name: str) -> None:
    """A name of another form is refused before anything is looked up."""
    with pytest.raises(InvalidArgumentError):
        check_id(name)
    with pytest.raises(InvalidArgumentError):
        artefact_id(name)
    with pytest.raises(InvalidArgumentError):
        runner_id(name)


def test_media_types_come_from_an_allow_list() -> None:
    """Endings decide; what is unknown, or known only by its bytes and able to run, is binary."""
    for path, expected in (
        ("AAAAA/plot.PNG", "image/png"),
        ("a/b.svg", "image/svg+xml"),
        ("a/b.html", "text/html; charset=utf-8"),
        ("a/b.npy", "application/octet-stream"),
        ("a.d/b", "application/octet-stream"),
        (".png", "application/octet-stream"),
        ("a/b.js", "application/octet-stream"),
    ):
        assert expected == content_type_of(path)
    assert "image/png" == sniffed(b"\x89PNG\r\n\x1a\n...")
    assert "application/octet-stream" == sniffed(b"<svg onload=alert(1)>")


def test_numbers_are_those_of_the_protos() -> None:
    """States, verdicts and directives translate by number: each has the same name there."""
    for ours, theirs, prefix in (
        (State, check_pb2.Check.State, "STATE_"),
        (Verdict, check_pb2.Verdict, "VERDICT_"),
        (Directive, dispatch_pb2.Directive, "DIRECTIVE_"),
    ):
        expected = {name: number for name, number in theirs.items() if number}
        assert expected == {prefix + member.name: member.value for member in ours}
