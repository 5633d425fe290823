"""The errors a caller may see."""

import re

import grpc
import pytest

from services import errors


@pytest.mark.parametrize("cls", errors.all_errors(), ids=lambda cls: cls.__name__)
def test_every_error_is_well_formed(cls: type[errors.Error]) -> None:
    """Its code is a gRPC status, its reason a stable word of AIP-193, and it says when it is."""
    assert cls.code in grpc.StatusCode.__members__
    assert cls.code != "OK"
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{1,62}", cls.reason)
    assert cls.__doc__


def test_reasons_are_unique() -> None:
    """A reason names one class, so that the other side can raise the same."""
    reasons = [cls.reason for cls in errors.all_errors()]
    assert sorted(set(reasons)) == sorted(reasons)


def test_bases_come_first() -> None:
    """All subclasses are listed, each after its base."""
    listed = errors.all_errors()
    assert errors.Error is listed[0]
    assert {errors.StaleAttemptError, errors.NotFoundError, errors.SourceError} <= set(listed)
    for cls in listed[1:]:
        assert any(base in listed[: listed.index(cls)] for base in cls.__bases__)


def test_facts_are_fields() -> None:
    """Message and facts are kept apart; the text is the message."""
    error = errors.NotFoundError("no entity ABCDE", key="ABCDE")
    assert ("no entity ABCDE", {"key": "ABCDE"}, "no entity ABCDE") == (
        error.message,
        error.facts,
        str(error),
    )
