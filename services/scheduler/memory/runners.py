"""Runners, and which of them are drained, in memory."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from services.scheduler.domain import machine
from services.scheduler.domain.check import ACTIVE, Check, Runner
from services.scheduler.domain.machine import Directive
from services.scheduler.domain.runners import Drain, KnownRunner
from services.scheduler.memory.environments import MemoryEnvironments


class MemoryRunners:
    """The port `Runners` in memory.

    Args:
        runners: Those that were heard of, by id.
        checks: All checks, by id.
    """

    def __init__(self, runners: dict[str, Runner], *, checks: dict[str, Check]) -> None:
        self._runners = runners
        self._checks = checks

    async def register(self, runner: Runner) -> list[str]:
        self._runners[runner.id] = runner
        return sorted(
            check.id
            for check in self._checks.values()
            if check.lease is not None
            and check.lease.runner == runner.id
            and check.lease.incarnation != runner.incarnation
        )

    async def heartbeat(
        self,
        *,
        runner: str,
        incarnation: str,
        attempts: Sequence[tuple[str, int]],
        free_slots: int,
        draining: bool,
        now: datetime,
        expires: datetime,
    ) -> list[Directive] | None:
        known = self._runners.get(runner)
        if known is None or known.incarnation != incarnation:
            return None
        self._runners[runner] = dataclasses.replace(
            known, free_slots=free_slots, draining=draining, heartbeat_time=now
        )
        directives: list[Directive] = []
        for check_id, attempt in attempts:
            check = self._checks.get(check_id)
            directive = Directive.STALE
            if check is not None:
                check, directive = machine.renew(
                    check,
                    attempt=attempt,
                    runner=runner,
                    incarnation=incarnation,
                    expires=expires,
                )
                self._checks[check_id] = check
            directives.append(directive)
        return directives

    async def list_all(self, *, since: datetime) -> list[Runner]:
        return [
            runner for _, runner in sorted(self._runners.items()) if runner.heartbeat_time >= since
        ]

    async def held(self) -> list[tuple[str, str]]:
        return sorted(
            (check.lease.runner, check.id)
            for check in self._checks.values()
            if check.state in ACTIVE and check.lease is not None
        )


class MemoryRegistry:
    """The port `Registry` in memory.

    Args:
        runners: Those that were heard of, by id.
        checks: Gives all checks.
        environments: Holds what runners said of theirs.
    """

    def __init__(
        self,
        runners: dict[str, Runner],
        *,
        checks: Callable[[], Iterable[Check]],
        environments: MemoryEnvironments,
    ) -> None:
        self._runners = runners
        self._checks = checks
        self._environments = environments
        self._drains: dict[str, Drain] = {}

    async def runners(self) -> list[KnownRunner]:
        held: dict[str, list[str]] = {}
        for check in self._checks():
            if check.state in ACTIVE and check.lease is not None:
                held.setdefault(check.lease.runner, []).append(check.id)
        return [
            KnownRunner(
                runner=runner,
                checks=tuple(sorted(held.get(runner.id, ()))),
                environments=self._environments.said(runner) or {},
                drain=self._drains.get(runner.id),
            )
            for _, runner in sorted(self._runners.items())
        ]

    async def drain(self, drain: Drain) -> bool:
        if drain.runner not in self._runners:
            return False
        self._drains[drain.runner] = drain
        self._mark(drain.runner, draining=True)
        return True

    async def resume(self, runner: str) -> bool:
        if self._drains.pop(runner, None) is None:
            return False
        self._mark(runner, draining=False)
        return True

    def _mark(self, runner: str, *, draining: bool) -> None:
        self._runners[runner] = dataclasses.replace(self._runners[runner], draining=draining)

    async def drains(self) -> list[Drain]:
        return [drain for _, drain in sorted(self._drains.items())]
