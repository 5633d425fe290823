"""Every way in which a check can end, by running real ones."""

import asyncio
import sys
from collections.abc import Iterator

from services.runner.sessions.outcome import LogEvent, Outcome, ResultEvent, Verdict
from services.runner.sessions.session import Limits, Tree
from tests.unit.runner.harness_process import check, harness, model


async def outcome(simulation: str, *, limits: Limits | None = None) -> Outcome:
    async with harness() as session:
        return (await check(session, model(simulation), limits=limits)).outcome


async def test_success_tells_what_happened() -> None:
    """A successful check tells score, phases, files read, its output, and brings its plot."""
    simulation = """
import os, system_model
here = os.path.dirname(os.path.abspath(__file__))
def simulate():
    print("grüße")
    os.mkdir(os.path.join(here, "_data"))
    with open(os.path.join(here, "_data", "plot.png"), "w") as file: file.write("PNG")
"""
    async with harness() as session:
        seen = await check(session, model(simulation))
    assert Verdict.SUCCESS == seen.outcome.verdict
    assert 1.0 == seen.outcome.score
    assert "grüße\n" == seen.stdout
    assert {"system_models/m/_data/plot.png": b"PNG"} == seen.files
    assert ("system_models/m/simulation.py", "system_models/m/system_model.py") == (
        seen.outcome.files_read
    )
    assert {"import", "simulate", "evaluate", "clean"} <= set(seen.phases)
    assert seen.outcome.cleanliness.clean


async def test_numbers_are_kept() -> None:
    """Scalars, arrays, complex and not-finite values all survive the way to the host."""
    simulation = """
def simulate():
    return dict(steps=7, gain=[[1.0, float("nan")], [2.0, 3.0]], name="x", big=2.5 + 1j, flag=True,
                score=0.5, final_state_errors=[0.1, float("inf"), 3 + 4j], func=print, _hidden=1)
import ackrep_core
class Given(ackrep_core.ResultContainer): pass
"""
    evaluate = """
def evaluate_simulation(data): return Given(success=True, **data)
"""
    async with harness(preload=("numpy",)) as session:
        seen = await check(session, model(simulation, end=evaluate))
    assert Verdict.SUCCESS == seen.outcome.verdict
    assert 0.5 == seen.outcome.score
    assert (0.1, float("inf"), 5.0) == seen.outcome.final_state_errors
    numbers = {number.name: number for number in seen.outcome.numbers}
    assert {"steps", "gain", "name", "big", "flag"} == set(numbers)
    assert (2, 2) == numbers["gain"].shape
    assert "float64" == numbers["gain"].dtype
    assert "[1.0, nan, 2.0, 3.0]" == str(list(numbers["gain"].data))
    assert ("(2.5+1j)",) == numbers["big"].data


async def test_false_is_inaccurate() -> None:
    """`success` false means that the numbers are not the expected ones."""
    assert Verdict.INACCURATE == (await outcome("def simulate(): return False")).verdict


async def test_exception_is_a_script_error_with_the_entity_s_traceback() -> None:
    """The traceback starts in the entity, with repository paths, and ends with the exception."""
    found = await outcome("def simulate():\n    deep()\ndef deep():\n    raise ValueError('no: 7')")
    assert Verdict.SCRIPT_ERROR == found.verdict
    assert "ValueError: no: 7" == found.message
    lines = found.traceback.splitlines()
    assert "Traceback (most recent call last):" == lines[0]
    assert '  File "system_models/m/simulation.py", line 2, in simulate' == lines[1]
    assert "ValueError: no: 7" == lines[-1]
    assert "ackrep_harness" not in found.traceback


async def test_syntax_error_is_a_script_error() -> None:
    """Code that cannot be compiled is the entity's error, with its place."""
    found = await outcome("def simulate(:")
    assert Verdict.SCRIPT_ERROR == found.verdict
    assert 'File "system_models/m/simulation.py", line 1' in found.traceback
    assert found.message.startswith("SyntaxError")


async def test_ending_without_a_result_is_a_script_error() -> None:
    """Whatever the exit status: no structured result, no success."""
    async with harness() as session:
        left = (await check(session, model("import sys\ndef simulate(): sys.exit(0)"))).outcome
        gone = (await check(session, model("import os\ndef simulate(): os._exit(0)"))).outcome
        killed = (
            await check(session, model("import os\ndef simulate(): os.kill(os.getpid(), 11)"))
        ).outcome
    assert [Verdict.SCRIPT_ERROR] * 3 == [left.verdict, gone.verdict, killed.verdict]
    assert "sys.exit(0) before there was a result" == left.message
    assert "the process ended with exit status 0 before there was a result" == gone.message
    assert "the process was killed by SIGSEGV" == killed.message
    assert 11 == killed.signal


async def test_missing_package_is_named_with_the_reason() -> None:
    """A package that the environment cannot have is named, with the environment's reason."""
    async with harness(unavailable={"assimulo": "no wheel"}) as session:
        seen = await check(session, model("from assimulo.solvers import IDA\ndef simulate(): 0"))
    assert Verdict.SCRIPT_ERROR == seen.outcome.verdict
    assert "assimulo" == seen.outcome.missing_module
    assert "No module named 'assimulo'" in seen.outcome.message
    assert "no wheel" in seen.outcome.message


async def test_missing_repository_file_is_told() -> None:
    """What lies outside of the closure is named, so that the dependency can be declared."""
    found = await outcome("def simulate(): open('../other/data.csv')")
    assert Verdict.SCRIPT_ERROR == found.verdict
    assert ("system_models/other/data.csv",) == found.files_missing


async def test_endless_loop_times_out_and_says_where() -> None:
    """Beyond its time a check is stopped; where it was is in the log."""
    async with harness() as session:
        limits = Limits(wall_seconds=0.5)
        seen = await check(session, model("def simulate():\n    while True: pass"), limits=limits)
        again = await check(session, model("def simulate(): pass"))
    assert Verdict.TIMED_OUT == seen.outcome.verdict
    assert "wall" == seen.outcome.limit
    assert "simulation.py" in seen.stderr
    assert seen.outcome.usage.wall_seconds < 5
    assert Verdict.SUCCESS == again.outcome.verdict


async def test_processor_time_is_limited() -> None:
    """More processor time than allowed is a timeout too."""
    found = await outcome("def simulate():\n    while True: pass", limits=Limits(cpu_seconds=1))
    assert (Verdict.TIMED_OUT, "cpu") == (found.verdict, found.limit)


async def test_memory_and_file_size_are_limited() -> None:
    """Too much memory, or too large a file, exceeds a limit and names it."""
    async with harness() as session:
        memory = await check(
            session,
            model("def simulate(): return bytearray(10**10)"),
            limits=Limits(memory_bytes=2 * 10**9),
        )
        file = await check(
            session,
            model("def simulate(): open('big', 'wb').write(bytes(10**6))"),
            limits=Limits(file_bytes=10**5),
        )
    assert (Verdict.LIMIT_EXCEEDED, "memory") == (memory.outcome.verdict, memory.outcome.limit)
    assert (Verdict.LIMIT_EXCEEDED, "file") == (file.outcome.verdict, file.outcome.limit)


async def test_output_is_bounded_with_head_and_tail() -> None:
    """Of too much output the beginning and the end are kept, and the rest is counted."""
    simulation = "def simulate():\n    for i in range(20000): print('line äöü', i)"
    async with harness() as session:
        limits = Limits(output_bytes=8000)
        seen = await check(session, model(simulation), limits=limits)
    assert Verdict.SUCCESS == seen.outcome.verdict
    assert seen.stdout.startswith("line äöü 0\n")
    assert seen.stdout.endswith("line äöü 19999\n")
    assert len(seen.stdout.encode()) <= 8000
    assert "\ufffd" not in seen.stdout
    assert seen.outcome.output_dropped == seen.dropped > 0
    assert seen.outcome.output_bytes == len(seen.stdout.encode()) + seen.dropped
    assert list(range(len(seen.sequences))) == seen.sequences


async def test_flood_is_stopped() -> None:
    """A check that never stops printing is stopped for it."""
    found = await outcome(
        "def simulate():\n    while True: print('x' * 10000)",
        limits=Limits(flood_bytes=3_000_000, output_bytes=1000),
    )
    assert (Verdict.LIMIT_EXCEEDED, "output") == (found.verdict, found.limit)


async def test_cancel_stops_it() -> None:
    """A cancelled check ends at once, and the session goes on."""
    async with harness() as session:
        plan, trees = model("import time\ndef simulate():\n    print('up')\n    time.sleep(100)")
        found: Outcome | None = None
        async for event in session.run(plan, trees=trees, limits=Limits(), seed=1):
            if isinstance(event, LogEvent):
                await session.cancel("somebody stopped it")
            elif isinstance(event, ResultEvent):
                found = event.outcome
        again = await check(session, model("def simulate(): pass"))
    assert found is not None
    assert (Verdict.CANCELLED, "somebody stopped it") == (found.verdict, found.message)
    assert Verdict.SUCCESS == again.outcome.verdict


async def test_cancel_before_its_start_is_not_lost() -> None:
    """A cancel that comes while the folders are still on their way stops the check too."""
    async with harness() as session:
        plan, trees = model("import time\ndef simulate(): time.sleep(100)")
        cancelling: list[asyncio.Task[None]] = []

        def arriving() -> Iterator[Tree]:
            cancelling.append(asyncio.create_task(session.cancel("early")))
            yield from trees

        found = [
            event.outcome.verdict
            async for event in session.run(plan, trees=arriving(), limits=Limits(), seed=1)
            if isinstance(event, ResultEvent)
        ]
        await asyncio.gather(*cancelling)
    assert [Verdict.CANCELLED] == found


async def test_fresh_process_gives_the_same() -> None:
    """Without a zygote a check runs in a fresh interpreter, by the same rules."""
    async with harness(zygote=False) as session:
        good = await check(session, model("def simulate(): print('hello')"))
        bad = await check(session, model("def simulate(): 1 / 0"))
        gone = await check(session, model("import os\ndef simulate(): os._exit(3)"))
        slow = await check(
            session,
            model("import time\ndef simulate(): time.sleep(60)"),
            limits=Limits(wall_seconds=0.5),
        )
    assert (Verdict.SUCCESS, "hello\n") == (good.outcome.verdict, good.stdout)
    assert "ZeroDivisionError: division by zero" == bad.outcome.message
    assert (Verdict.SCRIPT_ERROR, 3) == (gone.outcome.verdict, gone.outcome.exit_status)
    assert Verdict.TIMED_OUT == slow.outcome.verdict


async def test_many_checks_one_after_another() -> None:
    """A harness serves check after check, in milliseconds each."""
    async with harness() as session:
        async with asyncio.timeout(60):
            for number in range(30):
                seen = await check(session, model(f"def simulate(): print({number})"))
                assert f"{number}\n" == seen.stdout
        assert 30 == session.checks
        assert session.hello.python == ".".join(map(str, sys.version_info[:3]))


async def test_an_error_that_names_what_is_no_utf8() -> None:
    """An exception about a file with a strange name is the entity's error, told readably."""
    simulation = """
import os
def simulate():
    raise ValueError(os.fsdecode(b"caf\\xe9.csv"))
"""
    seen = await outcome(simulation)
    assert (Verdict.SCRIPT_ERROR, "ValueError: caf\\udce9.csv") == (seen.verdict, seen.message)
