"""A scheduler that keeps checks in memory, and runs new ones by itself."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any

from google.api import httpbody_pb2

from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from services.errors import InvalidArgumentError, NotFoundError
from tests.unit.gateway.fake_drawings import lorenz_svg, png
from tests.unit.gateway.fake_models import lorenz_in_formulas
from tests.unit.gateway.fake_repository import (
    ENTITIES,
    ENVIRONMENT,
    REVISION,
    TRACEBACK,
    S,
    V,
    length,
    stamp,
)
from tests.unit.gateway.fake_runners import FakeRunners
from tests.unit.gateway.fake_stories import Story
from tests.unit.gateway.paging import begin_of


class FakeScheduler(FakeRunners):
    """Keeps checks in memory, newest first, and runs new ones by itself."""

    def __init__(self, *, pace: float = 0.02) -> None:
        super().__init__()
        self.pace = pace
        self.stories: dict[str, Story] = {}
        self.runs: dict[str, check_pb2.Run] = {}
        self.artefacts: dict[str, tuple[str, bytes]] = {}
        self.list_calls = 0
        self.watchers = 0
        self.lines = 12
        self.failure: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def store(self, content: bytes, path: str, kind: str) -> check_pb2.Artefact:
        """Keeps an artefact."""
        digest = hashlib.sha256(content).hexdigest()
        self.artefacts[digest] = (kind, content)
        return check_pb2.Artefact(
            name=f"artefacts/{digest}", path=path, size=len(content), content_type=kind
        )

    def add(self, key: str, verdict: int, *, age: float = 300.0, took: float = 0.4) -> Story:
        """Adds a finished check."""
        number = len(self.stories) + 1
        begin = time.time() - age
        check = check_pb2.Check(
            name=f"checks/0197{number:028x}",
            entity=f"entities/{key}",
            revision=REVISION,
            environment=ENVIRONMENT,
            state=S.STATE_FINISHED,
            verdict=verdict,  # type: ignore[arg-type]
            attempt=1,
            inputs_digest="5e" * 32,
            create_time=stamp(begin),
            start_time=stamp(begin + 0.012),
            finish_time=stamp(begin + 0.012 + took),
        )
        check.result.CopyFrom(self._result(verdict, took, key))
        story = Story(check)
        texts = [
            ("STREAM_STDOUT", f"simulating {key} from t = 0 to t = 30\n"),
            ("STREAM_STDOUT", "  step 1000, largest error 3.1e-07\n"),
            ("STREAM_STDOUT", "  step 2000, largest error 4.4e-07\n"),
            ("STREAM_STDERR", "RuntimeWarning: divide by zero encountered in log\n"),
        ]  # fmt: skip
        if verdict == V.VERDICT_SCRIPT_ERROR:
            texts = [("STREAM_STDERR", TRACEBACK)]
        for index, (stream, text) in enumerate(texts, 1):
            story.events.append(
                check_pb2.CheckEvent(
                    check=check.name,
                    attempt=1,
                    sequence=index,
                    resume_token=f"1.{index}",
                    log=check_pb2.LogChunk(stream=stream, text=text),  # type: ignore[arg-type]
                )
            )
        story.events.append(
            check_pb2.CheckEvent(
                check=check.name,
                attempt=1,
                sequence=len(texts) + 1,
                resume_token=f"1.{len(texts) + 1}",
                check_changed=check,
            )
        )
        self.stories[check.name] = story
        return story

    def _result(self, verdict: int, took: float, key: str) -> check_pb2.Result:
        result = check_pb2.Result(verdict=verdict)  # type: ignore[arg-type]
        for name, part in (
            ("queue", 0.006),
            ("fetch", 0.003),
            ("container", 0.002),
            ("run", took),
            ("collect", 0.011),
            ("upload", 0.009),
        ):
            result.phases.add(name=name, duration=length(part))
        result.usage.CopyFrom(
            check_pb2.Usage(
                user_seconds=took * 0.9,
                system_seconds=0.03,
                wall_seconds=took,
                max_resident_bytes=148_897_792,
            )
        )
        result.provenance.CopyFrom(
            check_pb2.Provenance(
                runner="runners/workshop-1",
                backend="docker",
                environment_digest="sha256:" + "9f" * 32,
                runtime_version="3c" * 32,
                python="3.11.2",
                packages=["matplotlib==3.10.3", "numpy==2.2.6", "scipy==1.15.3", "sympy==1.14.0"],
                confinement="container+uid",
                limits=check_pb2.Limits(
                    wall_time=length(180),
                    cpu_time=length(180),
                    memory_bytes=2 << 30,
                    processes=64,
                    file_bytes=64 << 20,
                    output_bytes=1 << 20,
                    artefact_bytes=128 << 20,
                ),
                files_read=[f"system_models/{key.lower()}/parameters.py"],
                machine="x86_64",
                seed=4_242_424_242,
            )
        )
        if verdict == V.VERDICT_SCRIPT_ERROR:
            result.message = "SyntaxError: '[' was never closed"
            result.traceback = TRACEBACK
        elif verdict in {V.VERDICT_SUCCESS, V.VERDICT_INACCURATE}:
            result.message = (
                "final state as expected"
                if verdict == V.VERDICT_SUCCESS
                else "final state differs from the reference by 0.31 (allowed 0.01)"
            )
            result.score = 1.0 if verdict == V.VERDICT_SUCCESS else 0.0
            result.quantities.add(
                name="final_state_errors",
                values=[1.2e-7, -3.4e-8, 5.6e-9],
                shape=[3],
                dtype="float64",
            )
            result.description.CopyFrom(lorenz_in_formulas())
            result.artefacts.append(
                self.store(lorenz_svg(), "system_models/lorenz/plot.svg", "image/svg+xml")
            )
            result.artefacts.append(
                self.store(png(), "system_models/lorenz/heat_map.png", "image/png")
            )
            result.artefacts.append(
                self.store(b"t,x\n0,1\n", "system_models/lorenz/trajectory.csv", "text/csv")
            )
        return result

    def furnish(self) -> None:
        """Adds a believable history."""
        for age, verdict in ((90_000, V.VERDICT_SUCCESS), (40_000, V.VERDICT_SCRIPT_ERROR)):
            self.add("UXMFA", verdict, age=age)
        for key, verdict, took in (
            ("UXMFA", V.VERDICT_SUCCESS, 0.39),
            ("K9PND", V.VERDICT_SUCCESS, 1.21),
            ("LRHZX", V.VERDICT_SCRIPT_ERROR, 0.08),
            ("B2LQR", V.VERDICT_SUCCESS, 0.74),
            ("F7FLT", V.VERDICT_TIMED_OUT, 180.0),
            ("E1EUL", V.VERDICT_INACCURATE, 0.22),
        ):
            self.add(key, verdict, age=260, took=took)

    def _story(self, name: str) -> Story:
        if name not in self.stories:
            raise NotFoundError(f"there is no {name}", name=name)
        return self.stories[name]

    async def CreateCheck(self, request: Any, context: Any) -> check_pb2.Check:
        self.seen.append(request)
        if not request.entity.startswith("entities/"):
            raise InvalidArgumentError("entity is required")
        return self._start(request.entity).check

    def _start(self, entity: str, run: str = "") -> Story:
        check = check_pb2.Check(
            name=f"checks/0197{len(self.stories) + 1:028x}",
            entity=entity,
            revision=REVISION,
            environment=ENVIRONMENT,
            run=run,
            state=S.STATE_QUEUED,
            create_time=stamp(time.time()),
        )
        story = Story(check)
        self.stories[check.name] = story
        task = asyncio.get_running_loop().create_task(self._live(story))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return story

    async def _live(self, story: Story) -> None:
        check = story.check
        await story.tell(check_changed=check)
        await asyncio.sleep(self.pace)
        check.attempt, check.state = 1, S.STATE_PREPARING
        await story.tell(check_changed=check)
        await story.tell(progress=check_pb2.Progress(message="getting a warm container"))
        await story.tell(phase=check_pb2.Phase(name="queue", duration=length(0.004)))
        await asyncio.sleep(self.pace)
        check.state = S.STATE_RUNNING
        check.start_time.CopyFrom(stamp(time.time()))
        await story.tell(check_changed=check)
        for number in range(1, self.lines + 1):
            if check.cancel_requested:
                break
            text = f"step {number:4d}, largest error {number * 1e-8:.2e}\n"
            await story.tell(log=check_pb2.LogChunk(stream="STREAM_STDOUT", text=text))  # type: ignore[arg-type]
            if number == self.lines // 2:
                plot = self.store(lorenz_svg(), "system_models/lorenz/plot.svg", "image/svg+xml")
                await story.tell(artefact=plot)
            await asyncio.sleep(self.pace)
        verdict = V.VERDICT_CANCELLED if check.cancel_requested else V.VERDICT_SUCCESS
        check.result.CopyFrom(self._result(verdict, 0.5, check.entity.removeprefix("entities/")))
        check.verdict = verdict
        check.finish_time.CopyFrom(stamp(time.time()))
        check.state = S.STATE_FINISHED
        await story.tell(check_changed=check)

    async def GetCheck(self, request: Any, context: Any) -> check_pb2.Check:
        self.seen.append(request)
        return self._story(request.name).check

    async def ListChecks(self, request: Any, context: Any) -> scheduler_pb2.ListChecksResponse:
        self.seen.append(request)
        self.list_calls += 1
        found = [story.check for story in reversed(self.stories.values())]
        for condition in filter(None, request.filter.split(" AND ")):
            name, _, value = condition.partition(" = ")
            if name == "entity":
                found = [check for check in found if check.entity == value]
            elif name == "run":
                found = [check for check in found if check.run == value]
            elif name == "verdict":
                wanted = V.Value(f"VERDICT_{value.upper()}")
                found = [check for check in found if check.verdict == wanted]
            else:
                raise InvalidArgumentError(f"unknown field {name!r} in the filter")
        begin = begin_of(request)
        end = begin + (request.page_size or 50)
        return scheduler_pb2.ListChecksResponse(
            checks=found[begin:end], next_page_token=str(end) if end < len(found) else ""
        )

    async def ListEntityVerdicts(
        self, request: Any, context: Any
    ) -> scheduler_pb2.ListEntityVerdictsResponse:
        self.seen.append(request)
        self.list_calls += 1
        newest = {
            story.check.entity: story.check
            for story in self.stories.values()
            if story.check.verdict not in {V.VERDICT_UNSPECIFIED, V.VERDICT_CANCELLED}
        }
        found = [
            scheduler_pb2.EntityVerdict(
                entity=entity,
                verdict=check.verdict,
                check=check.name,
                finish_time=check.finish_time,
                revision=check.revision,
            )
            for entity, check in sorted(newest.items())
            if entity > request.page_token
            and request.verdict in {V.VERDICT_UNSPECIFIED, check.verdict}
            and (not request.entities or entity in request.entities)
        ]
        size = request.page_size or 1000
        return scheduler_pb2.ListEntityVerdictsResponse(
            verdicts=found[:size],
            next_page_token=found[size - 1].entity if len(found) > size else "",
        )

    async def CancelCheck(self, request: Any, context: Any) -> check_pb2.Check:
        self.seen.append(request)
        check = self._story(request.name).check
        check.cancel_requested = True
        return check

    async def WatchCheck(self, request: Any, context: Any) -> AsyncIterator[check_pb2.CheckEvent]:
        self.seen.append(request)
        story = self._story(request.name)
        tokens = [event.resume_token for event in story.events]
        if request.resume_token and request.resume_token not in tokens:
            raise InvalidArgumentError("the resume token is of another check")
        position = tokens.index(request.resume_token) + 1 if request.resume_token else 0
        self.watchers += 1
        try:
            while True:
                while position < len(story.events):
                    yield story.events[position]
                    position += 1
                if self.failure:
                    raise self.failure
                if story.done:
                    return
                async with story.grown:
                    if position == len(story.events):
                        await story.grown.wait()
        finally:
            self.watchers -= 1

    async def CreateRun(self, request: Any, context: Any) -> check_pb2.Run:
        self.seen.append(request)
        name = f"runs/0198{len(self.runs) + 1:028x}"
        keys = request.entities or [
            f"entities/{key}" for key, kind, *_ in ENTITIES if kind in {1, 4, 6}
        ]
        run = check_pb2.Run(
            name=name,
            title=request.title,
            revision=REVISION,
            create_time=stamp(time.time()),
            check_count=len(keys),
        )
        self.runs[name] = run
        for entity in keys:
            self._start(entity, name)
        return run

    async def GetRun(self, request: Any, context: Any) -> check_pb2.Run:
        self.seen.append(request)
        if request.name not in self.runs:
            raise NotFoundError(f"there is no {request.name}", name=request.name)
        run = self.runs[request.name]
        run.finished_count = sum(s.done for s in self.stories.values() if s.check.run == run.name)
        return run

    async def CancelRun(self, request: Any, context: Any) -> check_pb2.Run:
        return await self.GetRun(request, context)

    async def ListRuns(self, request: Any, context: Any) -> scheduler_pb2.ListRunsResponse:
        self.seen.append(request)
        return scheduler_pb2.ListRunsResponse(runs=reversed(self.runs.values()))

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[check_pb2.RunEvent]:
        self.seen.append(request)
        told = -1
        while True:
            run = await self.GetRun(scheduler_pb2.GetRunRequest(name=request.name), context)
            if run.finished_count != told:
                told = run.finished_count
                yield check_pb2.RunEvent(resume_token=str(told), run=run)
            if run.finished_count == run.check_count:
                return
            await asyncio.sleep(self.pace)

    async def DownloadArtefact(
        self, request: Any, context: Any
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        self.seen.append(request)
        digest = request.name.removeprefix("artefacts/")
        if digest not in self.artefacts:
            raise NotFoundError(f"no check produced {request.name}", name=request.name)
        kind, content = self.artefacts[digest]
        half = len(content) // 2
        yield httpbody_pb2.HttpBody(content_type=kind, data=content[:half])
        yield httpbody_pb2.HttpBody(data=content[half:])
