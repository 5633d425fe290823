"""Creates checks: what they depend on is asked for here, and whether they have to run follows."""

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from services.errors import NotCheckableError
from services.scheduler.domain import machine
from services.scheduler.domain.check import UNTRUSTED_POOL, Basis, Check, Limits, Run
from services.scheduler.domain.environments import RunnerReport, agreed_image, agreed_runtime
from services.scheduler.domain.inputs import inputs_digest, plain_name, seed
from services.scheduler.domain.names import new_id
from services.scheduler.ports.inputs import Catalog, Inputs, InUse
from services.scheduler.ports.store import Clock, Store
from services.scheduler.queue.bells import Bells

_CLOSURES_AT_ONCE = 16
"""Requests that creating a run has open at the catalog."""
_RUNTIME_KEPT = timedelta(seconds=5)
_REPORTS_KEPT = timedelta(seconds=1)
"""How late it is noticed what a runner said to another scheduler process."""
_REPORT_WITHIN = timedelta(seconds=2)
"""How long after its registration a runner is waited for to say what it has."""
_WHOLE_DIGEST = 64
"""Hexadecimal digits of a sha256."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Prospect:
    """In what checks that are created now would run."""

    images: Mapping[str, str]
    """By environment, as checks name it; empty where that is not known."""
    runtime: str
    """What all runners inject; empty where they do not agree."""
    newest_runtime: str
    """What the runner injects that was heard of last, however long ago."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Said:
    """What the runners of a pool said when they were asked for last."""

    rings: int
    """How often the bell of the runners had rung."""
    time: datetime
    reports: list[RunnerReport]


class Creating:
    """Makes checks of entities, ready to be stored."""

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        in_use: InUse,
        bells: Bells,
        clock: Clock,
        limits: Limits,
        untrusted_limits: Limits,
        pool: str,
        runner_memory: timedelta,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._in_use = in_use
        self._bells = bells
        self._clock = clock
        self._limits = limits
        self._untrusted_limits = untrusted_limits
        self._pool = pool
        self._runner_memory = runner_memory
        self._newest: tuple[datetime, str] | None = None
        self._said: dict[str, _Said] = {}
        """By pool."""

    async def check(self, *, entity: str, revision: str, environment: str, force: bool) -> Check:
        """A check of one entity (key).

        Raises:
            NotFoundError: Unknown entity or revision.
            NotCheckableError: It cannot be checked; the message says why.
        """
        inputs = await self._catalog.inputs(entity=entity, revision=revision)
        prospect = await self._prospect(
            [environment or inputs.environment], pool=self._pool_of(inputs)
        )
        return self._made(inputs, prospect, environment=environment, force=force)

    async def of_run(
        self, run: Run, keys: Iterable[str], *, environment: str, force: bool
    ) -> list[Check]:
        """Checks of the entities (keys) of a run.

        An entity whose closure does not exist, as its metadata refer to something that is not
        there, gets one that is finished from the beginning: a script error, with the diagnostic as
        message.

        Raises:
            NotFoundError: Unknown entity or revision.
        """
        gate = asyncio.Semaphore(_CLOSURES_AT_ONCE)

        async def inputs_of(key: str) -> Inputs | NotCheckableError:
            async with gate:
                try:
                    return await self._catalog.inputs(entity=key, revision=run.revision)
                except NotCheckableError as error:
                    return error

        wanted = list(keys)
        found = await asyncio.gather(*map(inputs_of, wanted))
        ready = [one for one in found if isinstance(one, Inputs)]
        untrusted = (
            ready[0].untrusted if ready else await self._catalog.untrusted(revision=run.revision)
        )
        prospect = await self._prospect(
            {environment or one.environment for one in ready},
            pool=UNTRUSTED_POOL if untrusted else self._pool,
        )
        return [
            self._made(inputs, prospect, environment=environment, force=force, run=run.id)
            if isinstance(inputs, Inputs)
            else self._broken(
                key, inputs, prospect, run=run, environment=environment, untrusted=untrusted
            )
            for key, inputs in zip(wanted, found, strict=True)
        ]

    def _made(
        self,
        inputs: Inputs,
        prospect: _Prospect,
        *,
        environment: str,
        force: bool = False,
        run: str = "",
    ) -> Check:
        chosen = environment or inputs.environment
        limits = self._untrusted_limits if inputs.untrusted else self._limits
        return Check(
            id=new_id(),
            entity=inputs.entity,
            revision=inputs.revision,
            commit=inputs.commit,
            environment=chosen,
            run=run,
            pool=self._pool_of(inputs),
            inputs_digest=inputs_digest(
                entity=inputs.entity,
                closure=inputs.digest,
                environment=chosen,
                runtime=prospect.newest_runtime,
                limits=limits,
                untrusted=inputs.untrusted,
            ),
            seed=seed(entity=inputs.entity, closure=inputs.digest, environment=chosen),
            limits=limits,
            create_time=self._clock(),
            basis=Basis(
                closure=inputs.digest,
                folders=tuple(sorted(inputs.folders, key=lambda folder: folder.key)),
                image=prospect.images.get(chosen, ""),
                runtime=prospect.runtime,
                forced=force,
            ),
        )

    def _pool_of(self, inputs: Inputs) -> str:
        return UNTRUSTED_POOL if inputs.untrusted else self._pool

    def _broken(
        self,
        key: str,
        error: NotCheckableError,
        prospect: _Prospect,
        *,
        run: Run,
        environment: str,
        untrusted: bool,
    ) -> Check:
        nothing = Inputs(
            entity=key,
            revision=run.revision,
            commit=run.commit,
            environment=environment,
            digest=f"broken: {error.message}",
            untrusted=untrusted,
        )
        check = self._made(nothing, prospect, environment=environment, run=run.id)
        check = dataclasses.replace(check, basis=None)
        return machine.broken(check, message=error.message, now=check.create_time)

    # In what they would run

    async def _prospect(self, environments: Iterable[str], *, pool: str) -> _Prospect:
        reports = await self._reports(pool)
        return _Prospect(
            images={name: await self._image(name, reports) for name in environments},
            runtime=agreed_runtime(reports),
            newest_runtime=await self._newest_runtime(),
        )

    async def _image(self, environment: str, reports: list[RunnerReport]) -> str:
        name = plain_name(environment)
        reference = environment[len(name) + 1 :].removeprefix("sha256:")
        if not reference and (promoted := await self._in_use(name)):
            return promoted
        if len(reference) == _WHOLE_DIGEST:
            return f"sha256:{reference}"
        return agreed_image(environment, reports)

    async def _reports(self, pool: str) -> list[RunnerReport]:
        """What the runners said; waits a little for one that came just now and will say it.

        A command that starts a system asks for checks in the same moment as its runner says what
        environments are there.
        """
        while True:
            rings = self._bells.runners.rings
            now = self._clock()
            said = self._said.get(pool)
            if said is not None and said.rings == rings and abs(now - said.time) < _REPORTS_KEPT:
                return said.reports
            reports = await self._store.environments.reports(
                pool=pool, since=now - self._runner_memory
            )
            coming = [report.heard for report in reports if report.environments is None]
            left = max((heard - now for heard in coming), default=-_REPORT_WITHIN) + _REPORT_WITHIN
            if left <= timedelta(0):
                self._said[pool] = _Said(rings=rings, time=now, reports=reports)
                return reports
            await self._bells.runners.wait(since=rings, timeout=left.total_seconds())

    async def _newest_runtime(self) -> str:
        now = self._clock()
        kept = self._newest
        if kept is None or now - kept[0] > _RUNTIME_KEPT:
            runners = [
                runner
                for runner in await self._store.runners.list_all(since=now - timedelta(days=365))
                if self._pool in runner.pools
            ]
            newest = max(runners, key=lambda runner: runner.heartbeat_time, default=None)
            kept = self._newest = now, newest.runtime_version if newest else ""
        return kept[1]
