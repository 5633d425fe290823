"""Checks whose inputs are known, and what came of them, for tests of reuse."""

import dataclasses
from datetime import UTC, datetime

from services.scheduler.domain.check import Basis, Check, Result, State, Verdict
from services.scheduler.domain.reuse import result_digest, wanted_digests

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def a_check(**fields: object) -> Check:
    """A check that was just created, whose image and runtime are known."""
    check = Check(
        id="1" * 32,
        entity="AAAAA",
        revision="a" * 40,
        environment="demo_environment",
        inputs_digest="asked for",
        create_time=NOW,
        basis=Basis(closure="closure", image="sha256:1", runtime="one"),
    )
    return dataclasses.replace(check, **fields)  # type: ignore[arg-type]  # names of fields


def ran(check: Check, **fields: object) -> Check:
    """The check after it ran in what was expected, or in what is said."""
    assert check.basis is not None
    result = Result(verdict=Verdict.SUCCESS, image=check.basis.image, runtime=check.basis.runtime)
    return dataclasses.replace(
        check,
        state=State.FINISHED,
        attempt=1,
        finished_by=1,
        result=dataclasses.replace(result, **fields),  # type: ignore[arg-type]
    )


def stands_for(old: Check, new: Check) -> bool:
    """Whether the result of the old check is taken for the new one."""
    return result_digest(old) in wanted_digests(new)
