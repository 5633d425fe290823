"""Catalog, scheduler and runner as small in-memory gRPC services with a believable repository.

They speak the real protocol over real sockets; only what is behind it is made up. Checks that are
created here run for `pace` seconds per event, so that pages have something to follow.
"""

import asyncio
import contextlib
import hashlib
import json
import struct
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from ackrep.runner.v1 import runner_pb2, runner_pb2_grpc
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2, scheduler_pb2_grpc
from google.api import httpbody_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services import rpc
from services.errors import InvalidArgumentError, NotFoundError

TOKEN = "a-token-of-tests"
TREE = "7c1f0a9be2d34c55a8f1e07d3b9c6a2145fe8d90"
REVISION = f"revisions/{TREE}"
ENVIRONMENT = "environments/demo_environment"
START = 1_800_000_000.0

T = catalog_pb2.EntityType
V = check_pb2.Verdict
S = check_pb2.Check.State

_ENTITIES: list[tuple[str, int, str, str]] = [
    ("UXMFA", T.ENTITY_TYPE_SYSTEM_MODEL, "Lorenz system", "Three ordinary differential equations with a strange attractor."),
    ("K9PND", T.ENTITY_TYPE_SYSTEM_MODEL, "Cart with an inverted pendulum", "Two degrees of freedom, one input; equations derived symbolically."),
    ("D4MTR", T.ENTITY_TYPE_SYSTEM_MODEL, "DC motor with flexible shaft and a load of unknown inertia, voltage input, measured at both ends", "A linear system of fourth order whose title is rather long on purpose."),
    ("LRHZX", T.ENTITY_TYPE_SYSTEM_MODEL, "Rössler system (broken)", "Its parameters do not parse."),
    ("B2LQR", T.ENTITY_TYPE_PROBLEM_SOLUTION, "Balancing the pendulum with LQR", "State feedback from the linearised model."),
    ("F7FLT", T.ENTITY_TYPE_PROBLEM_SOLUTION, "Flatness-based transition of the motor", "Feedforward from a polynomial for the flat output."),
    ("E1EUL", T.ENTITY_TYPE_PROBLEM_SOLUTION, "Oscillator with explicit Euler", "Too coarse a step: drifts from the reference."),
    ("N0TBK", T.ENTITY_TYPE_NOTEBOOK, "A tour of loop shaping", "From the plant to the controller in eight cells."),
    ("P3SWG", T.ENTITY_TYPE_PROBLEM_SPECIFICATION, "Stabilise the upright pendulum", "From ten degrees off, within three seconds."),
    ("P4TRN", T.ENTITY_TYPE_PROBLEM_SPECIFICATION, "Rest-to-rest transition", "A quarter turn in half a second."),
    ("C1STB", T.ENTITY_TYPE_PROBLEM_CLASS, "Stabilisation", ""),
    ("M1LQR", T.ENTITY_TYPE_METHOD_PACKAGE, "LQR design", "Riccati equation and gains."),
    ("ENVD1", T.ENTITY_TYPE_ENVIRONMENT_SPECIFICATION, "demo_environment", "NumPy, SciPy, SymPy, Matplotlib."),
    ("DOC01", T.ENTITY_TYPE_DOCUMENTATION, "Flat outputs", "What they are good for."),
    ("CMT01", T.ENTITY_TYPE_COMMENT, "On the step size", ""),
]  # fmt: skip

_RELATIONS: dict[str, list[tuple[str, str]]] = {
    "B2LQR": [("solved_problem_list", "P3SWG"), ("method_package_list", "M1LQR"), ("compatible_environment", "ENVD1")],
    "F7FLT": [("solved_problem_list", "P4TRN"), ("compatible_environment", "ENVD1")],
    "E1EUL": [("solved_problem_list", "P4TRN"), ("method_package_list", "GONE1")],
    "P3SWG": [("problem_class_list", "C1STB"), ("related_system_models", "K9PND")],
    "UXMFA": [("compatible_environment", "ENVD1")],
    "CMT01": [("entity_list", "E1EUL")],
}  # fmt: skip

TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3.11/runpy.py", line 198, in _run_module_as_main
    return _run_code(code, main_globals, None)
  File "system_models/roessler_broken/simulation.py", line 7, in <module>
    import parameters
  File "system_models/roessler_broken/parameters.py", line 12
    parameter_list = [a, b, c
                     ^
SyntaxError: '[' was never closed
"""


def stamp(seconds: float) -> Timestamp:
    """Makes a timestamp of seconds since the epoch."""
    moment = Timestamp()
    moment.FromNanoseconds(int(seconds * 1e9))
    return moment


def length(seconds: float) -> Duration:
    """Makes a duration of seconds."""
    span = Duration()
    span.FromNanoseconds(int(seconds * 1e9))
    return span


def lorenz_svg() -> bytes:
    """Draws the attractor, as a check's plot."""
    x, y, z = 0.1, 0.0, 20.0
    points = []
    for step in range(4200):
        dx, dy, dz = 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z
        x, y, z = x + dx * 0.006, y + dy * 0.006, z + dz * 0.006
        if step > 200:
            points.append(f"{300 + x * 12:.1f},{400 - z * 7.4:.1f}")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 420" font-family="sans-serif">'
        '<rect width="600" height="420" fill="#fff"/><path d="M60 20V380H580" fill="none" '
        'stroke="#333"/><text x="310" y="408" font-size="14">x</text><text x="30" y="200" '
        f'font-size="14">z</text><polyline points="{" ".join(points)}" fill="none" '
        'stroke="#2b4acb" stroke-width="0.8"/></svg>'
    ).encode()


def png(width: int = 480, height: int = 300) -> bytes:
    """Draws a small picture as PNG."""
    rows = b"".join(
        b"\0"
        + bytes(
            channel
            for column in range(width)
            for channel in (
                40 + 180 * column // width,
                70 + 120 * row // height,
                200 - 90 * column // width,
            )
        )
        for row in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


class FakeCatalog(catalog_pb2_grpc.CatalogServiceServicer):
    """Answers for the entities above."""

    def __init__(self) -> None:
        self.entities = {key: self._entity(key, *rest) for key, *rest in _ENTITIES}  # type: ignore[arg-type]
        self.diagnostics = [
            catalog_pb2.Diagnostic(
                code="dangling-reference",
                severity=catalog_pb2.Diagnostic.SEVERITY_ERROR,
                path="problem_solutions/oscillator_explicit_euler/metadata.yml",
                line=14,
                field="method_package_list",
                message="There is no entity with the key GONE1.",
                remedy="Correct the key, or add the entity. Similar keys: M1LQR.",
                entity="entities/E1EUL",
            ),
            catalog_pb2.Diagnostic(
                code="unknown-field",
                severity=catalog_pb2.Diagnostic.SEVERITY_WARNING,
                path="system_models/lorenz_system/metadata.yml",
                line=9,
                field="colour",
                message="No entity type has a field `colour`.",
                remedy="Remove it.",
                entity="entities/UXMFA",
            ),
        ]
        self.seen: list[Any] = []
        self.metadata: list[dict[str, str]] = []
        self.time_remaining: float | None = None

    def _entity(self, key: str, kind: int, title: str, description: str) -> catalog_pb2.Entity:
        folder = T.Name(kind).removeprefix("ENTITY_TYPE_").lower()  # type: ignore[arg-type]
        checkable = kind in {
            T.ENTITY_TYPE_SYSTEM_MODEL,
            T.ENTITY_TYPE_PROBLEM_SOLUTION,
            T.ENTITY_TYPE_NOTEBOOK,
        }
        entity = catalog_pb2.Entity(
            name=f"entities/{key}",
            key=key,
            type=kind,  # type: ignore[arg-type]
            title=title,
            short_description=description,
            path=f"{folder}s/{title.split()[0].lower()}",
            tree=hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest(),
            revision=REVISION,
            creator="Ada Lovelace",
            creation_date="2026-03-14",
            version="0.1.0",
            tags=["ocse:nonlinear", "simulation"],
            checkable=checkable,
            environment=ENVIRONMENT if checkable else "",
            estimated_runtime="2s" if checkable else "",
        )
        entity.metadata.update({"key": key, "name": title, "type": folder})
        return entity

    def _whole(self, key: str) -> catalog_pb2.Entity:
        entity = catalog_pb2.Entity()
        entity.CopyFrom(self.entities[key])
        for source, edges in _RELATIONS.items():
            for name, target in edges:
                if source == key:
                    entity.references.append(self._edge(name, target))
                if target == key:
                    entity.referrers.append(self._edge(name, source))
        for path, size in (("metadata.yml", 812), ("simulation.py", 2140), ("parameters.py", 933)):
            entity.files.add(path=path, size=size, blob="0" * 40)
        return entity

    def _edge(self, name: str, key: str) -> catalog_pb2.Relation:
        other = self.entities.get(key, catalog_pb2.Entity())
        return catalog_pb2.Relation(
            field=name, entity=f"entities/{key}", title=other.title, type=other.type
        )

    async def SyncRevision(self, request: Any, context: Any) -> catalog_pb2.Revision:
        self.seen.append(request)
        return self._revision()

    async def GetRevision(self, request: Any, context: Any) -> catalog_pb2.Revision:
        self.seen.append(request)
        if request.name not in {"revisions/current", REVISION}:
            raise NotFoundError(f"there is no {request.name}", name=request.name)
        return self._revision()

    def _revision(self) -> catalog_pb2.Revision:
        return catalog_pb2.Revision(
            name=REVISION,
            base_commit="4be1c0de" * 5,
            dirty=True,
            source="~/control/demo_data",
            create_time=stamp(time.time() - 95),
            entity_count=len(self.entities),
            error_count=sum(d.severity == 1 for d in self.diagnostics),
            warning_count=sum(d.severity == 2 for d in self.diagnostics),
            title="demo_data",
        )

    async def ListRevisions(self, request: Any, context: Any) -> catalog_pb2.ListRevisionsResponse:
        self.seen.append(request)
        return catalog_pb2.ListRevisionsResponse(revisions=[self._revision()])

    async def GetEntity(self, request: Any, context: Any) -> catalog_pb2.Entity:
        self.seen.append(request)
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        self.time_remaining = context.time_remaining()
        key = request.name.removeprefix("entities/")
        if key not in self.entities:
            raise NotFoundError(f"no entity has the key {key}", key=key, similar="UXMFA")
        return self._whole(key)

    async def ListEntities(self, request: Any, context: Any) -> catalog_pb2.ListEntitiesResponse:
        self.seen.append(request)
        if request.page_size < 0:
            raise InvalidArgumentError("page_size is negative")
        found = list(self.entities.values())
        for condition in filter(None, request.filter.split(" AND ")):
            name, _, value = condition.partition(" = ")
            if name == "type":
                wanted = T.Value(f"ENTITY_TYPE_{value.upper()}")
                found = [entity for entity in found if entity.type == wanted]
            elif name == "text":
                found = [
                    entity
                    for entity in found
                    if value.lower() in f"{entity.title} {entity.key}".lower()
                ]
            else:
                raise InvalidArgumentError(f"unknown field {name!r} in the filter")
        return catalog_pb2.ListEntitiesResponse(entities=found, total_size=len(found))

    async def ListDiagnostics(
        self, request: Any, context: Any
    ) -> catalog_pb2.ListDiagnosticsResponse:
        self.seen.append(request)
        found = [d for d in self.diagnostics if request.entity in {"", d.entity}]
        return catalog_pb2.ListDiagnosticsResponse(diagnostics=found, total_size=len(found))

    async def GetClosure(self, request: Any, context: Any) -> catalog_pb2.Closure:
        self.seen.append(request)
        return catalog_pb2.Closure(entity=request.entity, revision=REVISION, digest="ab" * 32)

    async def FetchTrees(
        self, request: Any, context: Any
    ) -> AsyncIterator[catalog_pb2.FetchTreesResponse]:
        yield catalog_pb2.FetchTreesResponse(tree_end=True)


@dataclass
class Story:
    """A check and its events."""

    check: check_pb2.Check
    events: list[check_pb2.CheckEvent] = field(default_factory=list)
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def tell(self, **body: Any) -> None:
        """Adds an event, and wakes whoever watches."""
        sequence = len(self.events) + 1
        event = check_pb2.CheckEvent(
            check=self.check.name,
            attempt=self.check.attempt,
            sequence=sequence,
            resume_token=f"{self.check.attempt}.{sequence}",
            event_time=stamp(time.time()),
            **body,
        )
        async with self.grown:
            self.events.append(event)
            self.grown.notify_all()

    @property
    def done(self) -> bool:
        """Whether there will be no more events."""
        return self.check.state == S.STATE_FINISHED


class FakeScheduler(scheduler_pb2_grpc.SchedulerServiceServicer):
    """Keeps checks in memory, newest first, and runs new ones by itself."""

    def __init__(self, *, pace: float = 0.02) -> None:
        self.pace = pace
        self.stories: dict[str, Story] = {}
        self.runs: dict[str, check_pb2.Run] = {}
        self.artefacts: dict[str, tuple[str, bytes]] = {}
        self.seen: list[Any] = []
        self.list_calls = 0
        self.watchers = 0
        self.lines = 12
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
            ("STREAM_STDOUT", "  step 1000, largest error 3.1e-07\n  step 2000, largest error 4.4e-07\n"),
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
        begin = int(request.page_token or 0)
        end = begin + (request.page_size or 50)
        return scheduler_pb2.ListChecksResponse(
            checks=found[begin:end], next_page_token=str(end) if end < len(found) else ""
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
            f"entities/{key}" for key, kind, *_ in _ENTITIES if kind in {1, 4, 6}
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

    async def ListRunners(self, request: Any, context: Any) -> scheduler_pb2.ListRunnersResponse:
        self.seen.append(request)
        return scheduler_pb2.ListRunnersResponse(
            runners=[check_pb2.RunnerStatus(name="runners/workshop-1", slots=2)]
        )


class FakeRunner(runner_pb2_grpc.RunnerServiceServicer):
    """Answers for itself."""

    async def GetRunner(self, request: Any, context: Any) -> runner_pb2.Runner:
        return runner_pb2.Runner(name=request.name, slots=2)

    async def ListEnvironments(
        self, request: Any, context: Any
    ) -> runner_pb2.ListEnvironmentsResponse:
        return runner_pb2.ListEnvironmentsResponse()

    async def PrepareEnvironment(
        self, request: Any, context: Any
    ) -> AsyncIterator[runner_pb2.PrepareEnvironmentResponse]:
        yield runner_pb2.PrepareEnvironmentResponse(message="step 1 of 2", fraction=0.5)
        yield runner_pb2.PrepareEnvironmentResponse(
            environment=runner_pb2.Environment(name=request.name, state="STATE_READY")  # type: ignore[arg-type]
        )

    async def DrainRunner(self, request: Any, context: Any) -> runner_pb2.Runner:
        return runner_pb2.Runner(name=request.name, draining=True)


@dataclass(frozen=True)
class FakeServices:
    """The three services and where they listen."""

    catalog: FakeCatalog
    scheduler: FakeScheduler
    runner: FakeRunner
    address: str


@contextlib.asynccontextmanager
async def fake_services(*, pace: float = 0.02) -> AsyncIterator[FakeServices]:
    """Serves all three on one port."""
    catalog, scheduler, runner = FakeCatalog(), FakeScheduler(pace=pace), FakeRunner()

    def register(server: grpc.aio.Server) -> None:
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(catalog, server)
        scheduler_pb2_grpc.add_SchedulerServiceServicer_to_server(scheduler, server)
        runner_pb2_grpc.add_RunnerServiceServicer_to_server(runner, server)

    async with rpc.serving(
        address="127.0.0.1:0",
        token=TOKEN,
        register=register,
        services=[
            "ackrep.catalog.v1.CatalogService",
            "ackrep.scheduler.v1.SchedulerService",
            "ackrep.runner.v1.RunnerService",
        ],
        grace=0.1,
    ) as port:
        yield FakeServices(catalog, scheduler, runner, f"127.0.0.1:{port}")


def pretty(value: Any) -> str:
    """Prints a JSON value for a failing assertion."""
    return json.dumps(value, indent=1)
