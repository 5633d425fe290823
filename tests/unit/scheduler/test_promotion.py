"""Trials and promotions: references of images, obstacles, and what follows from what."""

import dataclasses

import pytest

from services import bus
from services.errors import InvalidArgumentError
from services.scheduler.domain.check import Verdict
from services.scheduler.domain.comparison import Reading, compare
from services.scheduler.domain.names import environment_image, new_id
from services.scheduler.domain.promotion import (
    Candidate,
    Findings,
    Promotion,
    Trial,
    findings,
    hindrance,
    objection,
    obstacle,
    promoted,
    read_candidate,
    reverted,
)
from tests.scheduler_stores import NOW

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("reference", "candidate", "tag"),
    [
        ("1.2.0", "demo_environment@1.2.0", "1.2.0"),
        ("candidate", "demo_environment@candidate", "candidate"),
        ("0123456789ab", "demo_environment@0123456789ab", ""),
        (NEW, f"demo_environment@{'b' * 64}", ""),
    ],
)
def test_images_are_named_by_tag_or_digest(reference: str, candidate: str, tag: str) -> None:
    """What is no digest is a tag; `sha256:` is left out."""
    found = read_candidate("demo_environment", reference)
    assert (candidate, tag) == (found.name, found.tag)


@pytest.mark.parametrize("reference", ["", "a b", "-x", "x/y", "sha256:12", "a" * 129, "x" * 120])
def test_other_references_are_refused(reference: str) -> None:
    """Nothing that is no tag, and nothing longer than names of environments can be."""
    with pytest.raises(InvalidArgumentError, match="names no image of demo_environment"):
        read_candidate("demo_environment", reference)


def test_names_of_images_are_told_from_names_of_environments() -> None:
    """With and without an image; one of the two sides may not be empty."""
    assert ("demo_environment", "") == environment_image("environments/demo_environment")
    assert ("demo_environment", "1.2") == environment_image("environments/demo_environment@1.2")
    for name in ("environments/demo_environment@", "environments/@1", "demo_environment@1"):
        with pytest.raises(InvalidArgumentError):
            environment_image(name)


def test_jobs_of_a_candidate_have_a_subject_of_their_own() -> None:
    """Dots and other characters of references do not divide the subject."""
    subject = bus.job_subject(pool="default", environment="environments/demo_environment@1.2.0")

    assert 3 == len(subject.split("."))
    assert subject != bus.job_subject(pool="default", environment="environments/demo_environment")


def a_reading(entity: str, verdict: Verdict | None, image: str, message: str = "") -> Reading:
    """How an entity fared in an image."""
    return Reading(entity=entity, check=entity, verdict=verdict, image=image, message=message)


def found(
    *pairs: tuple[Verdict | None, Verdict | None], images: tuple[str, ...] = (NEW,)
) -> Findings:
    """What a trial found, by the verdicts in use and in the candidate."""
    keys = [f"A000{number}" for number in range(len(pairs))]
    base = [a_reading(key, old, OLD) for key, (old, _) in zip(keys, pairs, strict=True)]
    candidate = [
        a_reading(key, new, images[number % len(images)] if images else "", "there is none")
        for number, (key, (_, new)) in enumerate(zip(keys, pairs, strict=True))
    ]
    trial = Trial(
        id=new_id(),
        candidate=Candidate(environment="demo_environment", reference="1.2.0"),
        base_run="",
        candidate_run="",
        create_time=NOW,
        entity_count=9,
        selected_count=len(pairs),
    )
    return findings(
        trial,
        comparison=compare(base, candidate),
        base=base,
        candidate=candidate,
        promotion=None,
    )


GOOD, BAD = Verdict.SUCCESS, Verdict.INACCURATE


def test_what_hinders_whatever_anybody_wants() -> None:
    """Unfinished checks, no image, several images, and what is no image at all."""
    assert "1 of 4 checks are not finished" == hindrance(found((GOOD, GOOD), (GOOD, None)))
    failed = found((GOOD, Verdict.INFRASTRUCTURE_ERROR), images=())
    assert "nothing ran in demo_environment@1.2.0: there is none" == hindrance(failed)
    moved = found((GOOD, GOOD), (GOOD, GOOD), images=(OLD, NEW))
    assert (
        f"ran in 2 images, as demo_environment@1.2.0 changed meanwhile: {OLD}, {NEW}"
        in hindrance(moved)
    )
    assert "is no image" in hindrance(found((GOOD, GOOD), images=("venv:1",)))
    assert "" == hindrance(found((GOOD, BAD)))


def test_what_speaks_against_it() -> None:
    """Broken entities, those of which nothing is known; not those that failed before."""
    assert "it breaks 2 entities (A0000, A0002)" == objection(
        found((GOOD, BAD), (BAD, BAD), (GOOD, BAD)), in_use=None
    )
    assert "nothing is known of 1 entity (A0000): cancelled, or ACKREP failed" == objection(
        found((GOOD, Verdict.CANCELLED), (Verdict.CANCELLED, GOOD)), in_use=None
    )
    assert "" == objection(found((BAD, BAD), (BAD, GOOD), (GOOD, GOOD)), in_use=None)


def a_promotion(trial: Findings, *, in_use: Promotion | None = None) -> Promotion:
    """The promotion of a trial."""
    return promoted(trial, in_use=in_use, promotion_id=new_id(), forced=False, reason="", now=NOW)


def revert(in_use: Promotion, beneath: Promotion | None) -> Promotion:
    """The record that takes it back."""
    return reverted(in_use, beneath=beneath, promotion_id=new_id(), reason="bad", now=NOW)


def test_an_older_trial_says_nothing_of_what_is_in_use_now() -> None:
    """Its own promotion is no obstacle; another one, or a revert, is."""
    first, second = found((GOOD, GOOD)), found((GOOD, GOOD))
    own = a_promotion(first)

    assert "" == obstacle(first, in_use=own)
    assert "" == obstacle(found((GOOD, GOOD)), in_use=own)
    assert "since this trial, another image is in use: try it again" == obstacle(second, in_use=own)
    assert "since this trial, it was reverted (bad): try it again" == obstacle(
        first, in_use=revert(own, None)
    )


def test_reverts_go_back_step_by_step() -> None:
    """Each goes to what was in use before; promotions on top of a revert too."""
    first = a_promotion(found((GOOD, GOOD)))
    other = found((GOOD, GOOD), images=(OLD,))
    second = a_promotion(other, in_use=first)
    assert ("", NEW, OLD, NEW) == (
        first.previous_digest,
        first.digest,
        second.digest,
        second.previous_digest,
    )

    assert first.id == second.beneath
    back = revert(second, first)
    assert (NEW, OLD, first.tag, "") == (back.digest, back.previous_digest, back.tag, back.beneath)
    third = a_promotion(other, in_use=back)
    assert back.id == third.beneath
    again = revert(third, back)
    assert (NEW, "") == (again.digest, again.beneath)
    empty = revert(again, None)
    assert ("", "", "") == (empty.digest, empty.image, empty.beneath)
    fourth = a_promotion(other, in_use=empty)
    assert ("", "") == (fourth.beneath, fourth.previous_digest)
    assert f"demo_environment@{'b' * 64}" == first.image
    assert dataclasses.replace(first, digest="").image == ""
