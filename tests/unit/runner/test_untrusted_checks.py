"""What strangers propose runs confined or not at all, and behind what else there is."""

import pytest

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2
from services.errors import EnvironmentUnavailableError
from services.runner.checks.jobs import SeveralJobs
from services.runner.checks.messages import assignment_of
from services.runner.domain.workplaces import require_confined
from services.runner.settings import Settings


@pytest.mark.parametrize(
    "rung",
    ["container+landlock+seccomp+uid", "landlock+seccomp", "container+landlock+seccomp+fresh"],
)
def test_confined_rungs(rung: str) -> None:
    """Landlock and the filter, whatever comes with them."""
    require_confined(rung)


@pytest.mark.parametrize(
    "rung", ["none", "uid", "container+uid", "container+fresh", "landlock", ""]
)
def test_other_rungs_are_refused(rung: str) -> None:
    """The message names the rung and says what to do."""
    with pytest.raises(EnvironmentUnavailableError, match="ACKREP_RUNNER_UNCONFINED"):
        require_confined(rung)


@pytest.mark.parametrize(("pool", "untrusted"), [("default", False), ("untrusted", True)])
def test_the_pool_says_it(pool: str, untrusted: bool) -> None:
    """A lease carries the pool of its check, which decides."""
    lease = dispatch_pb2.Lease(check=check_pb2.Check(name="checks/1", pool=pool))
    assert untrusted is assignment_of(lease).untrusted


def test_pools_of_a_setting() -> None:
    """In their order, each once."""
    assert ("default", "untrusted") == Settings(token="t").pools
    assert ("a", "b") == Settings(token="t", pool=" a, b,,a").pools


class Queue:
    """Jobs of a pool, by name; counts how often it was asked."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.asked: list[float] = []

    async def next(self, *, timeout: float) -> str | None:  # noqa: ASYNC109  # the port's
        """Gives the next one at once, or none."""
        self.asked.append(timeout)
        return self.names.pop(0) if self.names else None


async def test_the_first_pool_comes_first() -> None:
    """As long as it has jobs the others wait; then theirs follow each other without a pause."""
    usual, proposed = Queue("a", "b"), Queue("x", "y")
    jobs = SeveralJobs([usual, proposed])  # type: ignore[list-item]  # as many as the port has
    found = [str(await jobs.next(timeout=0.0)) for _ in range(4)]
    assert ["a", "b", "x", "y"] == found
    assert usual.asked[-1] < usual.asked[0]
    assert await jobs.next(timeout=0.0) is None
