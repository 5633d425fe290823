"""Which image is in use, as each claim asks for it."""

from datetime import UTC, datetime, timedelta

from services.scheduler.domain.names import new_id
from services.scheduler.domain.promotion import Promotion
from services.scheduler.environments.in_use import ImagesInUse
from services.scheduler.memory.promotions import MemoryPromotions

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def promoted(digest: str) -> Promotion:
    """A promotion of the environment `x`."""
    return Promotion(
        id=new_id(),
        environment="x",
        digest=digest,
        tag="",
        previous_digest="",
        trial="",
        forced=False,
        reason="",
        create_time=NOW,
        beneath="",
    )


async def test_promotions_of_others_are_noticed_in_a_moment_and_own_ones_at_once() -> None:
    """A revert to what runners have is no image; other environments have their own."""
    times = [NOW]
    promotions = MemoryPromotions()
    in_use = ImagesInUse(promotions=promotions, clock=lambda: times[-1])
    assert "" == await in_use.image("x")
    first = promoted(OLD)
    assert await promotions.add(first, after="")
    assert "" == await in_use.image("x")
    times.append(NOW + timedelta(seconds=1.1))
    assert OLD == await in_use.image("x")
    assert first == await in_use.promotion("x")
    second = promoted(NEW)
    assert await promotions.add(second, after=first.id)
    in_use.changed()
    assert NEW == await in_use.image("x")
    assert "" == await in_use.image("y")
    assert await promotions.add(promoted(""), after=second.id)
    in_use.changed()
    assert "" == await in_use.image("x")
    assert await in_use.promotion("x") is None
