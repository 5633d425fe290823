"""The newest check of each entity, in few calls."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from gateway.pages import words
from gateway.upstream import Upstream

_RECENT = 100
"""Checks among which active ones are looked for."""
_VERDICTS = 10_000
_MOST_NAMED = 1000
"""Entities that one request for verdicts may name."""
TIMEOUT = 10.0
"""Seconds that a page waits for any one call."""


@dataclass
class Latest:
    """What is known of one entity's checks."""

    finished: check_pb2.Check | None = None
    """The newest one with a verdict other than cancelled."""
    active: check_pb2.Check | None = None
    """The newest one that has none yet."""

    @property
    def word(self) -> words.Word:
        """Its verdict."""
        return words.check_word(self.finished) if self.finished else words.UNCHECKED


@dataclass(frozen=True)
class Checks:
    """The newest checks of the repository."""

    recent: list[check_pb2.Check]
    by_entity: Mapping[str, Latest]

    def of(self, entity: str) -> Latest:
        """Returns what is known of an entity's checks."""
        return self.by_entity.get(entity) or Latest()


async def newest_checks(upstream: Upstream, entities: Collection[str]) -> Checks:
    """Gets the latest verdict of entities, and the newest checks of all.

    A check that is not among the newest has name, verdict, revision and finish time only;
    `complete` gets the rest.

    Args:
        upstream: The services.
        entities: Names of the entities that matter, `entities/{KEY}`.
    """
    answer, verdicts = await asyncio.gather(
        upstream.scheduler.ListChecks(
            scheduler_pb2.ListChecksRequest(page_size=_RECENT), timeout=TIMEOUT
        ),
        entity_verdicts(upstream, entities),
    )
    known: dict[str, Latest] = {}
    for check in answer.checks:
        note(known.setdefault(check.entity, Latest()), check)
    for verdict in verdicts:
        latest = known.setdefault(verdict.entity, Latest())
        latest.finished = latest.finished or _check_of(verdict)
    return Checks(list(answer.checks), known)


async def known_verdicts(upstream: Upstream, entities: Collection[str]) -> Checks:
    """Gets the latest verdict of entities, and nothing of what runs just now."""
    verdicts = await entity_verdicts(upstream, entities)
    return Checks([], {one.entity: Latest(finished=_check_of(one)) for one in verdicts})


async def entity_verdicts(
    upstream: Upstream, entities: Collection[str]
) -> list[scheduler_pb2.EntityVerdict]:
    """Lists how entities are, those that were ever checked, in one call for each 10,000."""
    found: list[scheduler_pb2.EntityVerdict] = []
    if not entities:
        return found
    token = ""
    wanted = sorted(entities) if len(entities) <= _MOST_NAMED else ()
    while True:
        answer = await upstream.scheduler.ListEntityVerdicts(
            scheduler_pb2.ListEntityVerdictsRequest(
                page_size=_VERDICTS, page_token=token, entities=wanted
            ),
            timeout=TIMEOUT,
        )
        found += answer.verdicts
        token = answer.next_page_token
        if not token:
            return found


async def complete(upstream: Upstream, some: Iterable[Latest]) -> None:
    """Gets the results of those finished checks that came without one."""

    async def get(latest: Latest) -> None:
        if latest.finished and not latest.finished.HasField("result"):
            latest.finished = await upstream.scheduler.GetCheck(
                scheduler_pb2.GetCheckRequest(name=latest.finished.name), timeout=TIMEOUT
            )

    await asyncio.gather(*map(get, some))


def _check_of(verdict: scheduler_pb2.EntityVerdict) -> check_pb2.Check:
    return check_pb2.Check(
        name=verdict.check,
        entity=verdict.entity,
        revision=verdict.revision,
        state=check_pb2.Check.STATE_FINISHED,
        verdict=verdict.verdict,
        finish_time=verdict.finish_time,
    )


def note(latest: Latest, check: check_pb2.Check) -> None:
    """Takes one more check, an older one than those before, into account."""
    if not words.finished(check):
        if latest.active is None and latest.finished is None:
            latest.active = check
    elif latest.finished is None and check.verdict != check_pb2.VERDICT_CANCELLED:
        latest.finished = check


@dataclass(frozen=True)
class Share:
    """How many entities have one verdict, and where its part of the bar is."""

    word: words.Word
    count: int
    begin: float
    """Per cent from the left."""
    width: float
    """Per cent."""


def shares(counts: Mapping[words.Word, int]) -> list[Share]:
    """Lays counts side by side as parts of a bar, in the order of the verdicts."""
    total = sum(counts.values())
    found = []
    begin = 0.0
    for word in (*words.VERDICTS.values(), *words.STATES.values(), words.UNCHECKED):
        if amount := counts.get(word, 0):
            width = 100 * amount / total
            found.append(Share(word, amount, begin, width))
            begin += width
    return found


def verdict_counts(entities: Iterable[catalog_pb2.Entity], checks: Checks) -> Counter[words.Word]:
    """Counts checkable entities by their latest verdict."""
    return Counter(checks.of(entity.name).word for entity in entities if entity.checkable)
