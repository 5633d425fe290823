"""What runners told of environments, and results that stand for new checks, in memory."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from services.scheduler.domain import machine
from services.scheduler.domain.check import Check, Folder, Runner
from services.scheduler.domain.environments import EnvironmentImage, RunnerReport
from services.scheduler.domain.reuse import result_digest, wanted_digests


class MemoryEnvironments:
    """The port `Environments` in memory.

    Args:
        runners: Those that were heard of, by id.
    """

    def __init__(self, runners: Mapping[str, Runner]) -> None:
        self.closures: dict[str, tuple[Folder, ...]] = {}
        self._runners = runners
        self._images: dict[str, EnvironmentImage] = {}
        self._reports: dict[str, tuple[str, dict[str, str]]] = {}

    async def record(self, image: EnvironmentImage) -> None:
        self._images.setdefault(image.digest, image)

    async def image(self, digest: str) -> EnvironmentImage | None:
        return self._images.get(digest)

    async def find(self, digits: str) -> EnvironmentImage | None:
        return self._images.get(f"sha256:{digits}", self._images.get(digits))

    async def images(self, environment: str) -> list[EnvironmentImage]:
        found = [image for image in self._images.values() if image.environment == environment]
        return sorted(found, key=lambda image: (image.first_seen, image.digest))

    async def report(
        self, *, runner: str, incarnation: str, environments: Mapping[str, str]
    ) -> None:
        self._reports[runner] = incarnation, dict(environments)

    async def reports(self, *, pool: str, since: datetime) -> list[RunnerReport]:
        return [
            RunnerReport(
                runner=runner.id,
                runtime=runner.runtime_version,
                heard=runner.heartbeat_time,
                environments=self.said(runner),
            )
            for _, runner in sorted(self._runners.items())
            if pool in runner.pools and runner.heartbeat_time >= since and not runner.draining
        ]

    def said(self, runner: Runner) -> Mapping[str, str] | None:
        """What the present incarnation of a runner said of its environments last."""
        incarnation, environments = self._reports.get(runner.id, ("", None))
        return environments if incarnation == runner.incarnation else None

    async def folders(self, closure: str) -> tuple[Folder, ...]:
        return self.closures.get(closure, ())


def finished_alike(check: Check, others: Iterable[Check]) -> Check:
    """The check, finished if an equal result exists among the others."""
    wanted = () if check.finished else wanted_digests(check)
    found = [other for other in others if wanted and result_digest(other) in wanted]
    if not found:
        return check
    origin = max(found, key=lambda other: other.id)
    return machine.reused(check, origin=origin, now=check.create_time)


def with_results(checks: Iterable[Check], known: Collection[Check]) -> list[Check]:
    """New checks, finished where an equal result is known and no equal one is active."""
    active = {check.inputs_digest for check in known if check.joinable}
    return [
        check if check.inputs_digest in active else finished_alike(check, known) for check in checks
    ]
