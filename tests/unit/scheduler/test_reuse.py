"""Which results stand for which checks: sound, whatever changes."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.domain import machine
from services.scheduler.domain.check import Basis, Check, Limits, State, Verdict
from services.scheduler.domain.environments import RunnerReport, agreed_image, agreed_runtime
from services.scheduler.domain.inputs import digest_of, inputs_digest, seed
from services.scheduler.domain.reuse import REUSABLE, result_digest, wanted_digests
from tests.reusable_checks import NOW, a_check, ran, stands_for

IMAGES = st.sampled_from(["sha256:1", "sha256:2"])
WORDS = st.sampled_from(["one", "two"])
ENVIRONMENTS = st.sampled_from(["demo_environment", "other_environment"])


@st.composite
def checks(draw: st.DrawFn) -> Check:
    """Checks out of few values, so that two of them are often equal."""
    return a_check(
        entity=draw(st.sampled_from(["AAAAA", "BBBBB"])),
        revision=draw(st.sampled_from(["a" * 40, "b" * 40])),
        environment=draw(ENVIRONMENTS),
        limits=draw(st.sampled_from([Limits(), Limits(processes=1)])),
        basis=Basis(closure=draw(WORDS), image=draw(IMAGES), runtime=draw(WORDS)),
    )


def components(check: Check) -> tuple[object, ...]:
    """All that a result may depend on while it sees nothing but its closure."""
    assert check.basis is not None
    return (
        check.entity,
        check.basis.closure,
        check.environment,
        check.basis.image,
        check.basis.runtime,
        check.limits,
    )


@given(checks(), checks())
def test_a_result_is_reused_exactly_where_all_inputs_are_equal(old: Check, new: Check) -> None:
    """Any change of one component changes the digest; nothing else does, not even the revision."""
    assert (components(old) == components(new)) == stands_for(ran(old), new)


@given(
    checks(), checks(), st.sampled_from(sorted(Verdict)), st.tuples(IMAGES, WORDS), st.booleans()
)
def test_reuse_is_sound(
    old: Check, new: Check, verdict: Verdict, ran_in: tuple[str, str], whole: bool
) -> None:
    """What is reused has a repeatable verdict, and ran in just what the new check would run in.

    What it was expected to run in when it was created does not matter.
    """
    image, runtime = ran_in
    finished = ran(old, verdict=verdict, image=image, runtime=runtime, on_revision=whole)

    if stands_for(finished, new):
        assert new.basis is not None
        assert verdict in {Verdict.SUCCESS, Verdict.INACCURATE, Verdict.SCRIPT_ERROR}
        assert (image, runtime) == (new.basis.image, new.basis.runtime)
        assert components(old)[:3] == components(new)[:3]
        assert old.limits == new.limits
        assert not whole or old.revision == new.revision


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - REUSABLE))
def test_a_verdict_that_need_not_come_again_is_not_reused(verdict: Verdict) -> None:
    """Infrastructure errors, time-outs, cancellations and exceeded limits stand for nothing."""
    assert not stands_for(ran(a_check(), verdict=verdict), a_check())


def test_nothing_is_reused_while_it_is_not_known_what_would_run() -> None:
    """Without image, without runtime, or forced, a check wants no result."""
    old = ran(a_check())
    for unknown in ({"image": ""}, {"runtime": ""}, {"forced": True}):
        basis = dataclasses.replace(
            Basis(closure="closure", image="sha256:1", runtime="one"), **unknown
        )
        assert wanted_digests(a_check(basis=basis)) == ()
    assert result_digest(ran(a_check(), image="")) == ""
    assert result_digest(a_check()) == ""
    assert stands_for(old, a_check())


def test_a_reused_result_leads_to_the_check_that_ran() -> None:
    """A check with another one's result is none that a third one is told of."""
    origin = ran(a_check())
    second = machine.reused(a_check(id="2" * 32), origin=origin, now=NOW)

    assert (State.FINISHED, origin.result, origin.id, 0) == (
        second.state,
        second.result,
        second.reused_from,
        second.attempt,
    )
    assert result_digest(second) == ""


def test_numbers_stay_when_an_image_becomes_known_or_another_is_tried() -> None:
    """The seed follows from the environment's name alone."""
    inputs = {"entity": "AAAAA", "closure": "closure"}
    seeds = {
        seed(**inputs, environment=environment)
        for environment in ("demo_environment", "demo_environment@2026.1")
    }

    assert len(seeds) == 1
    assert seed(**inputs, environment="other_environment") not in seeds


def test_a_trial_stands_for_a_check_in_the_same_image() -> None:
    """What an image was tried with before it was promoted need not run again afterwards."""
    assert stands_for(ran(a_check(environment="demo_environment@2026.1")), a_check())


def test_the_digest_that_is_shown_is_that_of_what_is_known() -> None:
    """Image or name, and for checks of earlier versions what they had."""
    named = inputs_digest(
        entity="AAAAA",
        closure="closure",
        environment="demo_environment",
        runtime="one",
        limits=Limits(),
    )

    assert "asked for" == digest_of(a_check(basis=None))
    assert named == digest_of(a_check(basis=Basis(closure="closure", runtime="one")))
    assert named != digest_of(a_check())


def a_report(runner: str, runtime: str, **environments: str) -> RunnerReport:
    """What a runner said."""
    return RunnerReport(runner=runner, runtime=runtime, heard=NOW, environments=environments)


def test_an_image_is_known_where_all_that_have_it_agree() -> None:
    """Runners without the environment do not count; two images are as good as none."""
    one, two = a_report("1", "v", e="sha256:1"), a_report("2", "v", e="sha256:2")
    none = a_report("3", "v")
    silent = RunnerReport(runner="4", runtime="w", heard=NOW, environments=None)

    assert "sha256:1" == agreed_image("e", [one, none, silent])
    assert "" == agreed_image("e", [one, two])
    assert "" == agreed_image("e", [none])
    assert "v" == agreed_runtime([one, two, none])
    assert "" == agreed_runtime([one, silent])
    assert "" == agreed_runtime([])
