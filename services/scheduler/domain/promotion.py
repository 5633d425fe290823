"""Trials of images beside the ones in use, and which image is in use."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.errors import InvalidArgumentError
from services.scheduler.domain.check import Verdict
from services.scheduler.domain.comparison import ChangeKind, Comparison, EntityChange, Reading

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGITS = re.compile(r"[0-9a-f]{12,64}")
_IMAGE = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST: Final = 128
_NAMED: Final = 10
"""Entities that a sentence names at most."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One image of an environment."""

    environment: str
    """Name."""
    reference: str
    """A tag, or 12 to 64 hexadecimal digits of a digest."""

    @property
    def name(self) -> str:
        """The environment of checks that run in this image and no other."""
        return f"{self.environment}@{self.reference}"

    @property
    def tag(self) -> str:
        """Its tag; empty where it is named by its digest."""
        return "" if _DIGITS.fullmatch(self.reference) else self.reference


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate beside the image in use, on the same entities."""

    id: str
    candidate: Candidate
    base_run: str
    candidate_run: str
    create_time: datetime
    entity_count: int
    """Entities that run in the environment."""
    selected_count: int
    """Those of them that are tried."""


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """An image that was put in use; of an environment, the newest one says what is in use."""

    id: str
    environment: str
    """Name."""
    digest: str
    """Of the image, `sha256:…`; empty: what runners have by themselves."""
    tag: str
    previous_digest: str
    trial: str
    """Id of the trial it follows from; empty for a revert."""
    forced: bool
    reason: str
    create_time: datetime
    beneath: str
    """Id of the promotion whose image a revert of this one puts in use again; may be empty."""

    @property
    def image(self) -> str:
        """The environment of checks that run in this image and no other; empty where none is."""
        digits = self.digest.removeprefix("sha256:")
        return f"{self.environment}@{digits}" if digits else ""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is known of a trial."""

    trial: Trial
    comparison: Comparison
    finished_count: int
    """Checks of both runs that have a verdict."""
    check_count: int
    """Checks of both runs."""
    base_images: tuple[str, ...]
    """Digests of the images that checks of the base ran in, in order."""
    candidate_images: tuple[str, ...]
    """The same for the candidate."""
    promotion: Promotion | None = None
    """Its last promotion."""

    @property
    def finished(self) -> bool:
        """Whether all checks of both runs are finished."""
        return self.finished_count >= self.check_count


def read_candidate(environment: str, reference: str) -> Candidate:
    """Reads an image of an environment (name).

    Raises:
        InvalidArgumentError: The reference is neither a tag nor a digest.
    """
    digits = reference.removeprefix("sha256:")
    wanted = _TAG if digits == reference else _DIGITS
    candidate = Candidate(environment=environment, reference=digits)
    if not wanted.fullmatch(digits) or len(candidate.name) > _LONGEST:
        raise InvalidArgumentError(
            f"{reference!r} names no image of {environment}: write a tag, or 12 to 64 hexadecimal "
            "digits of a digest",
            field="candidate",
        )
    return candidate


def findings(
    trial: Trial,
    *,
    comparison: Comparison,
    base: Sequence[Reading],
    candidate: Sequence[Reading],
    promotion: Promotion | None,
) -> Findings:
    """Puts together what is known of a trial."""
    readings = [*base, *candidate]
    return Findings(
        trial=trial,
        comparison=comparison,
        finished_count=sum(reading.verdict is not None for reading in readings),
        check_count=len(readings),
        base_images=_images(base),
        candidate_images=_images(candidate),
        promotion=promotion,
    )


def _images(readings: Iterable[Reading]) -> tuple[str, ...]:
    return tuple(sorted({reading.image for reading in readings} - {""}))


def hindrance(found: Findings) -> str:
    """Says why a candidate cannot be promoted, whatever anybody wants; empty if it can."""
    left = found.check_count - found.finished_count
    if left:
        return f"{left} of {found.check_count} checks are not finished"
    images = found.candidate_images
    if not images:
        reasons = (
            change.other.message for change in found.comparison.changes if change.other is not None
        )
        reason = next(filter(None, reasons), "")
        return f"nothing ran in {found.trial.candidate.name}" + (f": {reason}" if reason else "")
    if len(images) > 1:
        return (
            f"the candidate's checks ran in {len(images)} images, as {found.trial.candidate.name} "
            f"changed meanwhile: {', '.join(images)}; try it again"
        )
    if not _IMAGE.fullmatch(images[0]):
        return f"the candidate's checks ran in {images[0]}, which is no image"
    return ""


def objection(found: Findings, *, in_use: Promotion | None) -> str:
    """Says why a candidate ought not to be promoted; force and a reason overrule it.

    Args:
        found: What is known of the trial, of which nothing hinders a promotion.
        in_use: The newest promotion of the environment.
    """
    broken = found.comparison.of_kind(ChangeKind.BROKEN)
    if broken:
        return f"it breaks {_entities(broken)}"
    unknown = [
        change
        for change in found.comparison.of_kind(ChangeKind.PENDING)
        if change.other is None or change.other.verdict is not Verdict.SUCCESS
    ]
    if unknown:
        return f"nothing is known of {_entities(unknown)}: cancelled, or ACKREP failed"
    if in_use is not None and in_use.id > found.trial.id and in_use.trial != found.trial.id:
        what = "another image is in use" if in_use.trial else f"it was reverted ({in_use.reason})"
        return f"since this trial, {what}: try it again"
    return ""


def obstacle(found: Findings, *, in_use: Promotion | None) -> str:
    """Says why a candidate cannot be promoted as it is; empty if it can, or is in use."""
    if is_in_use(found, in_use=in_use):
        return ""
    return hindrance(found) or objection(found, in_use=in_use)


def is_in_use(found: Findings, *, in_use: Promotion | None) -> bool:
    """Whether the candidate was promoted from this trial, and still is what is in use."""
    return in_use is not None and in_use.trial == found.trial.id


def promoted(
    found: Findings,
    *,
    in_use: Promotion | None,
    promotion_id: str,
    forced: bool,
    reason: str,
    now: datetime,
) -> Promotion:
    """Makes the promotion of a candidate that nothing hinders."""
    [image] = found.candidate_images
    candidate = found.trial.candidate
    previous = in_use.digest if in_use is not None else ""
    return Promotion(
        id=promotion_id,
        environment=candidate.environment,
        digest=image,
        tag=candidate.tag,
        previous_digest=previous,
        trial=found.trial.id,
        forced=forced,
        reason=reason,
        create_time=now,
        beneath=in_use.id if in_use is not None and previous else "",
    )


def reverted(
    in_use: Promotion,
    *,
    beneath: Promotion | None,
    promotion_id: str,
    reason: str,
    now: datetime,
) -> Promotion:
    """Makes the record that takes a promotion back.

    Args:
        in_use: The newest promotion of the environment.
        beneath: The one whose image was in use before; none where runners had their own.
        promotion_id: Id of the record.
        reason: Why.
        now: When.
    """
    return Promotion(
        id=promotion_id,
        environment=in_use.environment,
        digest=beneath.digest if beneath is not None else "",
        tag=beneath.tag if beneath is not None else "",
        previous_digest=in_use.digest,
        trial="",
        forced=False,
        reason=reason,
        create_time=now,
        beneath=beneath.beneath if beneath is not None else "",
    )


def _entities(changes: Sequence[EntityChange]) -> str:
    keys = [change.entity for change in changes]
    noun = "1 entity" if len(keys) == 1 else f"{len(keys)} entities"
    more = ", …" if len(keys) > _NAMED else ""
    return f"{noun} ({', '.join(keys[:_NAMED])}{more})"
