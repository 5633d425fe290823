"""Verdicts and exit codes of the command line."""

import itertools

import pytest

from ackrep.scheduler.v1 import check_pb2
from cli import verdicts
from cli.main import exit_code_of
from services import errors

CODES = {
    check_pb2.VERDICT_SUCCESS: 0,
    check_pb2.VERDICT_INACCURATE: 2,
    check_pb2.VERDICT_SCRIPT_ERROR: 1,
    check_pb2.VERDICT_TIMED_OUT: 1,
    check_pb2.VERDICT_LIMIT_EXCEEDED: 1,
    check_pb2.VERDICT_INFRASTRUCTURE_ERROR: 3,
    check_pb2.VERDICT_CANCELLED: 4,
}


@pytest.mark.parametrize(("verdict", "code"), CODES.items())
def test_exit_code_of_one_check(verdict: check_pb2.Verdict.ValueType, code: int) -> None:
    """Each verdict has the exit code that the design gives it."""
    assert verdicts.exit_code([check_pb2.Check(verdict=verdict)]) == code


def test_every_verdict_has_words() -> None:
    """No verdict of the contract is without a name; only "none yet" has an empty one."""
    unnamed = [one for one in check_pb2.Verdict.values() if not verdicts.word(one).name]

    assert unnamed == [check_pb2.VERDICT_UNSPECIFIED]


def test_names_are_those_of_the_contract() -> None:
    """The lower-case name is the enum's name without its prefix."""
    names = {one: verdicts.word(one).name for one in CODES}
    expected = {one: check_pb2.Verdict.Name(one).removeprefix("VERDICT_").lower() for one in CODES}

    assert names == expected


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ((), 0),
        ((0,), 0),
        ((0, 4), 4),
        ((4, 2, 0), 2),
        ((2, 1), 1),
        ((1, 2, 3, 4, 0), 3),
        ((0, 77), 3),
    ],
)
def test_worst_exit_code(codes: tuple[int, ...], worst: int) -> None:
    """Of several codes the worst counts, in the order 3, 1, 2, 4, 0; an unknown one is ours."""
    assert verdicts.worst(codes) == worst


def test_worst_does_not_depend_on_order() -> None:
    """Whichever check ends first, the exit code is the same."""
    found = {verdicts.worst(order) for order in itertools.permutations((0, 1, 2, 4))}

    assert found == {1}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFoundError("no such key"), 64),
        (errors.InvalidArgumentError("bad filter"), 64),
        (errors.SourceError("no repository"), 64),
        (errors.NotCheckableError("dangling reference"), 1),
        (errors.UnavailableError("connection lost"), 3),
        (errors.EnvironmentUnavailableError("no Docker"), 3),
        (errors.UnauthenticatedError("no token"), 3),
        (errors.DeadlineExceededError("too slow"), 3),
        (errors.Error("a defect"), 3),
    ],
)
def test_exit_code_of_errors(error: errors.Error, code: int) -> None:
    """Wrong requests are usage errors, broken entities fail, everything else is ours."""
    assert exit_code_of(error) == code
