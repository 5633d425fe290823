"""The newest check of each entity, in few calls."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from gateway.pages import words
from gateway.upstream import Upstream

_PAGE_SIZE = 250
_MOST_PAGES = 8
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
    """Pages through the checks, newest first, until each entity has a verdict.

    Args:
        upstream: The services.
        entities: Names of the entities that matter, `entities/{KEY}`.
    """
    wanted = set(entities)
    known: dict[str, Latest] = {}
    recent: list[check_pb2.Check] = []
    token = ""
    for _ in range(_MOST_PAGES):
        answer = await upstream.scheduler.ListChecks(
            scheduler_pb2.ListChecksRequest(page_size=_PAGE_SIZE, page_token=token),
            timeout=TIMEOUT,
        )
        recent = recent or list(answer.checks)
        for check in answer.checks:
            note(known.setdefault(check.entity, Latest()), check)
        wanted -= {entity for entity, latest in known.items() if latest.finished}
        token = answer.next_page_token
        if not token or not wanted:
            break
    return Checks(recent, known)


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
