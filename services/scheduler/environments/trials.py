"""Trying a candidate image beside the one in use."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.errors import InvalidArgumentError, PreconditionError
from services.scheduler.app import Scheduler
from services.scheduler.domain.check import RunSummary, Verdict
from services.scheduler.domain.comparison import compare
from services.scheduler.domain.listing import after_token, page_size, page_token
from services.scheduler.domain.names import new_id
from services.scheduler.domain.promotion import (
    Candidate,
    Findings,
    Promotion,
    Trial,
    findings,
    read_candidate,
)
from services.scheduler.domain.sampling import Subject, sample
from services.scheduler.history.comparing import Comparing
from services.scheduler.ports.promotions import Subjects
from services.scheduler.ports.store import Clock, Store

_LONGEST_REQUEST_ID = 64
_VERDICTS = 1000
"""Entities whose verdicts are read at once."""


@dataclass(frozen=True, kw_only=True)
class TrialSummary:
    """A trial and how far it is."""

    trial: Trial
    finished: bool
    promotion: Promotion | None


class Trials:
    """Use cases of `PromotionService` that try images."""

    def __init__(
        self,
        *,
        store: Store,
        subjects: Subjects,
        scheduler: Scheduler,
        comparing: Comparing,
        clock: Clock,
    ) -> None:
        self._store = store
        self._subjects = subjects
        self._scheduler = scheduler
        self._comparing = comparing
        self._clock = clock

    async def create(
        self,
        *,
        environment: str,
        reference: str,
        revision: str = "",
        size: int = 0,
        request_id: str = "",
    ) -> Trial:
        """Creates a trial: a run in the image in use, and one of the same entities in a candidate.

        Repeated after it was interrupted, it takes up the runs that it made before.

        Args:
            environment: Name.
            reference: The candidate: a tag or a digest.
            revision: Tree or commit id, or a beginning of one; empty means the current revision.
            size: How many entities are tried; see `domain.sampling`.
            request_id: The same for a repetition.

        Raises:
            InvalidArgumentError: The candidate names no image, or the sample is negative.
            NotFoundError: Unknown revision.
            PreconditionError: Nothing runs in that environment.
        """
        candidate = read_candidate(environment, reference)
        if size < 0:
            raise InvalidArgumentError(f"sample is negative: {size}", field="sample")
        if len(request_id) > _LONGEST_REQUEST_ID:
            raise InvalidArgumentError(
                f"request_id has more than {_LONGEST_REQUEST_ID} characters", field="request_id"
            )
        if request_id and (known := await self._store.trials.requested(request_id)) is not None:
            return known
        tree, _ = await self._subjects.revision(revision)
        found = await self._subjects.subjects(environment=environment, revision=tree)
        if not found:
            raise PreconditionError(
                f"nothing in this data repository runs in environments/{environment}",
                environment=environment,
            )
        verdicts = await self._verdicts(found) if size else {}
        base, other = await self._runs(
            candidate,
            revision=tree,
            keys=sample(found, verdicts=verdicts, size=size),
            request_id=request_id or new_id(),
        )
        trial = Trial(
            id=new_id(),
            candidate=candidate,
            base_run=base.run.id,
            candidate_run=other.run.id,
            create_time=self._clock(),
            entity_count=len(found),
            selected_count=base.check_count,
        )
        return (await self._store.trials.create(trial, request_id=request_id))[0]

    async def _runs(
        self, candidate: Candidate, *, revision: str, keys: Sequence[str], request_id: str
    ) -> tuple[RunSummary, RunSummary]:
        stem = f"trial-{hashlib.sha256(request_id.encode()).hexdigest()[:40]}"
        base = await self._scheduler.create_run(
            title=f"{candidate.environment} as it is in use, beside {candidate.name}",
            revision=revision,
            entities=keys,
            environment=candidate.environment,
            request_id=f"{stem}-base",
        )
        # What the base holds: a repetition may have found it, chosen from other verdicts.
        tried = await self._comparing.readings(base.run.id)
        other = await self._scheduler.create_run(
            title=f"{candidate.name} on trial",
            revision=base.run.revision,
            entities=[reading.entity for reading in tried],
            environment=candidate.name,
            request_id=f"{stem}-candidate",
        )
        return base, other

    async def _verdicts(self, subjects: Sequence[Subject]) -> dict[str, Verdict]:
        keys = sorted(subject.key for subject in subjects)
        found: dict[str, Verdict] = {}
        for first in range(0, len(keys), _VERDICTS):
            some = keys[first : first + _VERDICTS]
            page = await self._store.verdicts.list_page(limit=len(some), entities=some)
            found |= {one.entity: one.verdict for one in page}
        return found

    async def findings(self, trial_id: str) -> Findings:
        """What is known of a trial now.

        Raises:
            NotFoundError: There is none of that id.
        """
        trial = await self._store.trials.get(trial_id)
        base = await self._comparing.readings(trial.base_run)
        candidate = await self._comparing.readings(trial.candidate_run)
        return findings(
            trial,
            comparison=compare(base, candidate),
            base=base,
            candidate=candidate,
            promotion=await self._store.promotions.of_trial(trial.id),
        )

    async def list_page(
        self, *, environment: str, size: int, token: str
    ) -> tuple[list[TrialSummary], str]:
        """Lists a page of trials (of an environment), newest first, and the next one's token."""
        limit = page_size(size)
        query = f"trials {environment}"
        found = await self._store.trials.list_page(
            limit=limit + 1, before=after_token(token, query=query), environment=environment
        )
        page = found[:limit]
        more = len(found) > limit
        return (
            [await self._summary(trial) for trial in page],
            page_token(page[-1].id, query=query) if more else "",
        )

    async def _summary(self, trial: Trial) -> TrialSummary:
        runs = [await self._store.runs.get(run) for run in (trial.base_run, trial.candidate_run)]
        return TrialSummary(
            trial=trial,
            finished=all(run.finished for run in runs),
            promotion=await self._store.promotions.of_trial(trial.id),
        )
