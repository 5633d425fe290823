"""What becomes of a job: every way an attempt can go, over memory."""

import asyncio
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ackrep.scheduler.v1 import check_pb2
from services.errors import ArtefactMissingError, EnvironmentUnavailableError
from services.plans import Plan
from services.runner.domain.attempts import Assignment, Directive, Report
from services.runner.sessions.outcome import (
    Event,
    FileEvent,
    LogEvent,
    Outcome,
    PhaseEvent,
    ResultEvent,
    Verdict,
)
from services.runner.sessions.session import Tree
from tests.runner_builders import assignment, small_runner, until, write_definition

PLOT = b"\x89PNG"


def talking(plan: Plan, trees: Sequence[Tree]) -> list[Event]:
    """A check that prints, makes a plot, and is right."""
    return [
        PhaseEvent(name="import", seconds=0.1),
        LogEvent(sequence=0, stream="stdout", time=0.0, text="hello\n"),
        LogEvent(sequence=1, stream="stderr", time=0.0, text="oh\n"),
        FileEvent(
            path="models/plot.png",
            size=len(PLOT),
            sha256=hashlib.sha256(PLOT).hexdigest(),
            body=io.BytesIO(PLOT),
        ),
        ResultEvent(outcome=Outcome(verdict=Verdict.SUCCESS, phases={"import": 0.1})),
    ]


def silent(plan: Plan, trees: Sequence[Tree]) -> list[Event]:
    """A check that ends without a result."""
    return []


async def test_a_check_from_job_to_verdict(tmp_path: Path) -> None:
    """Artefacts and log are stored before the check is finished; events are in order."""
    async with small_runner(tmp_path) as runner:
        runner.backend.script = talking
        runner.add(assignment())
        report = await runner.dispatch.report("checks/1")
        assert Verdict.SUCCESS == report.outcome.verdict
        assert ["models/plot.png"] == [artefact.path for artefact in report.artefacts]
        assert PLOT == runner.dispatch.artefacts[report.artefacts[0].name]
        assert [("checks/1", 1)] == runner.dispatch.started
        events = runner.sent()
        assert list(range(1, report.last_sequence + 1)) == [event.sequence for event in events]
        states = [e.check_changed.state for e in events if e.HasField("check_changed")]
        assert [check_pb2.Check.STATE_PREPARING, check_pb2.Check.STATE_RUNNING] == states
        assert ["hello\n", "oh\n"] == [e.log.text for e in events if e.HasField("log")]
        assert "1/1/1" == runner.events.sent[0][0]
        lines = runner.dispatch.artefacts[report.log].splitlines()
        assert [f"1.{event.sequence}" for event in events] == [
            json.loads(line)["resumeToken"] for line in lines
        ]
        assert {"prepare", "fetch", "container", "import", "upload"} == {
            p for p, _ in report.phases
        }
        await until(lambda: runner.slots.free == 1 and not runner.worker.checks)


async def test_a_check_sees_exactly_its_closure(tmp_path: Path) -> None:
    """Nothing but the folders of the closure is laid out."""
    seen: list[str] = []

    def script(plan: Plan, trees: Sequence[Tree]) -> list[Event]:
        seen.extend(tree.path for tree in trees)
        return [ResultEvent(outcome=Outcome(verdict=Verdict.SUCCESS))]

    async with small_runner(tmp_path) as runner:
        runner.backend.script = script
        runner.add(assignment())
        await runner.dispatch.report("checks/1")
    assert ["models"] == seen


async def test_what_cannot_be_claimed_is_dropped(tmp_path: Path) -> None:
    """A job for a check that is finished or held by another is acknowledged and forgotten."""
    async with small_runner(tmp_path) as runner:
        job = runner.jobs.put("checks/gone")
        await until(lambda: job.answer == "done")
        assert {} == runner.dispatch.reports


async def test_a_scheduler_that_is_away_gets_its_result(tmp_path: Path) -> None:
    """Claims and results are repeated until the scheduler answers."""
    async with small_runner(tmp_path) as runner:
        runner.backend.go.clear()
        runner.add(assignment())
        await until(lambda: runner.dispatch.started)
        runner.dispatch.down = 6
        runner.backend.go.set()
        async with asyncio.timeout(10):
            report = await runner.dispatch.report("checks/1")
        assert Verdict.SUCCESS == report.outcome.verdict


async def test_cancelled_while_it_runs(tmp_path: Path) -> None:
    """The harness is told to stop, and the verdict is CANCELLED."""
    async with small_runner(tmp_path) as runner:
        runner.backend.go.clear()
        runner.add(assignment())
        await until(lambda: runner.dispatch.started)
        runner.dispatch.directives["checks/1"] = Directive.CANCEL
        report = await runner.dispatch.report("checks/1")
        assert Verdict.CANCELLED == report.outcome.verdict


async def test_cancelled_while_it_is_prepared(tmp_path: Path) -> None:
    """A check that waits for its environment is cancelled at once; the preparation goes on."""
    async with small_runner(tmp_path) as runner:
        runner.backend.prepared.clear()
        runner.add(assignment())
        await until(lambda: runner.backend.preparations == 1)
        runner.dispatch.directives["checks/1"] = Directive.CANCEL
        report = await runner.dispatch.report("checks/1")
        assert Verdict.CANCELLED == report.outcome.verdict
        assert runner.dispatch.artefacts[report.log]
        runner.backend.prepared.set()


async def test_a_stale_attempt_changes_nothing(tmp_path: Path) -> None:
    """It is stopped, reports nothing, and its workplace is not used again."""
    async with small_runner(tmp_path) as runner:
        runner.backend.go.clear()
        runner.add(assignment())
        await until(lambda: runner.dispatch.started)
        runner.dispatch.directives["checks/1"] = Directive.STALE
        await until(lambda: not runner.worker.checks)
        await until(lambda: runner.backend.opened[0].closed)
        assert {} == runner.dispatch.reports
        assert {} == runner.dispatch.released
        assert 1 == runner.slots.free


async def test_a_slow_broker_never_makes_a_check_wait(tmp_path: Path) -> None:
    """With the broker stuck a check ends all the same; its log has every line, the stream a gap."""

    def script(plan: Plan, trees: Sequence[Tree]) -> list[Event]:
        lines = [
            LogEvent(sequence=n, stream=("stdout", "stderr")[n % 2], time=0.0, text=f"line {n}\n")
            for n in range(3000)
        ]
        return [*lines, ResultEvent(outcome=Outcome(verdict=Verdict.SUCCESS))]

    async with small_runner(tmp_path) as runner:
        runner.backend.script = script
        runner.events.open.clear()
        runner.add(assignment())
        async with asyncio.timeout(10):
            report = await runner.dispatch.report("checks/1")
        text = runner.dispatch.artefacts[report.log].decode()
        assert 3000 == text.count('"text"')
        assert report.last_sequence == text.count("\n")


async def test_after_a_jam_the_stream_says_what_it_lost(tmp_path: Path) -> None:
    """Dropped events are replaced by one gap event that has the number of the last of them."""
    async with small_runner(tmp_path) as runner:
        runner.events.open.clear()
        runner.backend.go.clear()
        runner.add(assignment())
        await until(lambda: runner.dispatch.started)

        def script(plan: Plan, trees: Sequence[Tree]) -> list[Event]:
            many: list[Event] = [PhaseEvent(name="import", seconds=0.1)] * 1000
            return [*many, ResultEvent(outcome=Outcome(verdict=Verdict.SUCCESS))]

        runner.backend.script = script
        runner.backend.go.set()
        asyncio.get_running_loop().call_later(0.2, runner.events.open.set)
        report = await runner.dispatch.report("checks/1")
        events = runner.sent()
        gaps = [event for event in events if event.HasField("gap")]
        assert 1 == len(gaps)
        assert report.last_sequence == len(events) - 1 + gaps[0].gap.events
        assert gaps[0].sequence == max(event.sequence for event in events)


async def test_an_unknown_environment_is_ours(tmp_path: Path) -> None:
    """The verdict is INFRASTRUCTURE_ERROR, and the message says what to do."""
    async with small_runner(tmp_path) as runner:
        runner.add(assignment(environment="unknown_environment"))
        report = await runner.dispatch.report("checks/1")
        assert Verdict.INFRASTRUCTURE_ERROR == report.outcome.verdict
        assert "unknown_environment" in report.outcome.message
        assert "demo_environment" in report.outcome.message


async def test_an_environment_that_cannot_be_had(tmp_path: Path) -> None:
    """The reason is the message, for this check and for the next, and it is tried only once."""
    async with small_runner(tmp_path) as runner:
        runner.backend.failure = EnvironmentUnavailableError("asks for Python ==2.7")
        for number in (1, 2):
            runner.add(assignment(f"checks/{number}"))
            report = await runner.dispatch.report(f"checks/{number}")
            assert Verdict.INFRASTRUCTURE_ERROR == report.outcome.verdict
            assert "asks for Python ==2.7" == report.outcome.message
        assert 1 == runner.backend.preparations


async def test_a_broken_environment_is_ours(tmp_path: Path) -> None:
    """A harness that goes away without a result is no fault of the entity."""
    async with small_runner(tmp_path) as runner:
        runner.backend.script = silent
        runner.add(assignment())
        report = await runner.dispatch.report("checks/1")
        assert Verdict.INFRASTRUCTURE_ERROR == report.outcome.verdict
        await until(lambda: runner.backend.opened[0].closed)


async def test_a_result_that_cannot_be_reported_is_ours(tmp_path: Path) -> None:
    """Whatever is wrong with a result, the attempt ends with a verdict and not with silence."""
    async with small_runner(tmp_path) as runner:
        finish = runner.dispatch.finish

        async def picky(one: Assignment, report: Report) -> None:
            if report.log:
                raise ValueError("a result that no message can hold")
            await finish(one, report)

        runner.dispatch.finish = picky  # type: ignore[method-assign, assignment]
        runner.add(assignment())
        report = await runner.dispatch.report("checks/1")
        assert Verdict.INFRASTRUCTURE_ERROR == report.outcome.verdict
        assert "no message can hold" in report.outcome.message


async def test_a_store_that_forgets_artefacts_ends_the_attempt(tmp_path: Path) -> None:
    """Artefacts that are missing again after a second upload do not make a runner try for ever."""
    async with small_runner(tmp_path) as runner:
        finish = runner.dispatch.finish

        async def forgetful(one: Assignment, report: Report) -> None:
            if report.log:
                raise ArtefactMissingError("upload first")
            await finish(one, report)

        runner.dispatch.finish = forgetful  # type: ignore[method-assign, assignment]
        runner.add(assignment())
        report = await runner.dispatch.report("checks/1")
        assert Verdict.INFRASTRUCTURE_ERROR == report.outcome.verdict


async def test_no_unexpected_error_ends_the_runners_loops(tmp_path: Path) -> None:
    """After an error that nobody foresaw, jobs are taken and leases renewed as before."""
    async with small_runner(tmp_path) as runner:
        failed: list[str] = []

        def failing_once(name: str, work: Any) -> Any:
            async def call(*arguments: object, **more: object) -> object:
                if name not in failed:
                    failed.append(name)
                    raise RuntimeError("nobody foresaw this")
                return await work(*arguments, **more)

            return call

        runner.dispatch.heartbeat = failing_once("beat", runner.dispatch.heartbeat)  # type: ignore[method-assign]
        runner.jobs.next = failing_once("pull", runner.jobs.next)  # type: ignore[method-assign]
        for number in (1, 2):
            runner.add(assignment(f"checks/{number}"))
            report = await runner.dispatch.report(f"checks/{number}")
            assert Verdict.SUCCESS == report.outcome.verdict
        assert {"beat", "pull"} == set(failed)
        beats = len(runner.dispatch.heartbeats)
        await until(lambda: len(runner.dispatch.heartbeats) > beats)


async def test_environments_are_made_outside_the_slot(tmp_path: Path) -> None:
    """While one environment is built, the only slot runs a check in another one."""
    async with small_runner(tmp_path) as runner:
        runner.add(assignment())
        await runner.dispatch.report("checks/1")
        runner.backend.prepared.clear()
        write_definition(tmp_path / "environments", "slow_environment")
        runner.add(assignment("checks/2", environment="slow_environment"))
        await until(lambda: runner.backend.preparations == 2)
        runner.add(assignment("checks/3"))
        await runner.dispatch.report("checks/3")
        assert "checks/2" not in runner.dispatch.reports
        runner.backend.prepared.set()
        await runner.dispatch.report("checks/2")


async def test_an_undeclared_dependency_is_found_and_named(tmp_path: Path) -> None:
    """Failing for a repository file outside its closure, a check runs again and says what to do."""
    seen: list[list[str]] = []

    def script(plan: Plan, trees: Sequence[Tree]) -> list[Event]:
        seen.append([tree.path for tree in trees])
        if len(seen) == 1:
            outcome = Outcome(verdict=Verdict.SCRIPT_ERROR, files_missing=("others/data.csv",))
            return [ResultEvent(outcome=outcome)]
        return talking(plan, trees)

    async with small_runner(tmp_path) as runner:
        runner.backend.script = script
        runner.add(assignment())
        report = await runner.dispatch.report("checks/1")
        assert Verdict.SUCCESS == report.outcome.verdict
        assert [["models"], [""]] == seen
        (remark,) = report.remarks
        assert remark.startswith("undeclared dependency: declare OTHER in metadata.yml")


async def test_a_missing_file_that_is_nowhere_stays_an_error(tmp_path: Path) -> None:
    """What the repository does not have either is the entity's error, run once."""

    def script(plan: Plan, trees: Sequence[Tree]) -> list[Event]:
        outcome = Outcome(verdict=Verdict.SCRIPT_ERROR, missing_module="assimulo")
        return [ResultEvent(outcome=outcome)]

    async with small_runner(tmp_path) as runner:
        runner.backend.script = script
        runner.add(assignment())
        report = await runner.dispatch.report("checks/1")
        assert Verdict.SCRIPT_ERROR == report.outcome.verdict
        assert () == report.remarks
        assert 1 == runner.backend.opened[0].runs


async def test_leases_are_kept_and_the_runner_registers_again(tmp_path: Path) -> None:
    """Heartbeats name what is held; a scheduler that forgot the runner is told again."""
    async with small_runner(tmp_path) as runner:
        runner.backend.go.clear()
        runner.add(assignment())
        await until(lambda: [("checks/1", 1)] in runner.dispatch.heartbeats)
        runner.dispatch.unknown_runner = True
        await until(lambda: len(runner.dispatch.registrations) == 2)
        runner.backend.go.set()
        await runner.dispatch.report("checks/1")


async def test_draining_finishes_what_runs_and_takes_nothing_new(tmp_path: Path) -> None:
    """`drain` returns when the running check is finished; a job that comes then is given back."""
    async with small_runner(tmp_path) as runner:
        runner.backend.go.clear()
        runner.add(assignment())
        await until(lambda: runner.dispatch.started)
        draining = asyncio.create_task(runner.worker.drain())
        await until(lambda: runner.worker.draining)
        runner.backend.go.set()
        await draining
        assert "checks/1" in runner.dispatch.reports
        runner.add(assignment("checks/2"))
        await asyncio.sleep(0.05)
        assert "checks/2" not in runner.dispatch.claimed


async def test_a_drained_runner_gives_jobs_back_until_it_is_resumed(tmp_path: Path) -> None:
    """A claim says so before the next heartbeat does; the job is for others, and not dropped."""
    async with small_runner(tmp_path) as runner:
        runner.dispatch.drain = True
        job = runner.add(assignment())
        await until(lambda: job.answer)
        assert "later" == job.answer
        assert runner.worker.draining
        runner.dispatch.drain = False
        await until(lambda: not runner.worker.draining)
        runner.add(assignment())
        await runner.dispatch.report("checks/1")


async def test_stopping_hands_back_what_still_runs(tmp_path: Path) -> None:
    """Beyond the grace a check is released without a verdict, and its workplace removed."""
    async with small_runner(tmp_path) as runner:
        runner.backend.go.clear()
        runner.add(assignment())
        await until(lambda: runner.dispatch.started)
    assert {"checks/1": "the runner stops"} == runner.dispatch.released
    assert {} == runner.dispatch.reports
    assert runner.backend.opened[0].closed
