"""Many readers of a check that writes much: `python -m bench.sse [--readers N] [--seconds N]`.

A check writes 1,000 lines a second while 200 readers follow it over HTTP, and again while nobody
does. Exits with 1 if a reader lacks a line or has one twice.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ackrep.scheduler.v1.check_pb2 import Check, Verdict
from ackrep.scheduler.v1.scheduler_pb2 import CreateCheckRequest, WatchCheckRequest
from ackrep.scheduler.v1.scheduler_pb2_grpc import SchedulerServiceStub
from bench import repository
from bench.table import Row, keep, show
from cli.embedded import Options, joined
from cli.source import Source
from cli.state import System
from services.rpc import dial

RESULT = Path("build/bench_sse.json")
KEY = "CHAT1"
LINES_PER_SECOND = 1_000

CHATTY = """\
import time

from ackrep_core import ResultContainer


def simulate():
    begin = time.perf_counter()
    for number in range({lines}):
        due = begin + number / {rate}
        if (wait := due - time.perf_counter()) > 0:
            time.sleep(wait)
        print(f"{{number}} " + "x" * 60, flush=True)


def evaluate_simulation(data):
    return ResultContainer(success=True, score=1.0, final_state_errors=[0.0])
"""


@dataclass(frozen=True)
class Load:
    """What a process has used."""

    memory: int
    """Resident bytes."""
    largest: int
    """Most that it ever had."""
    processor: float
    """Seconds of processor time."""


def load(process: int) -> Load:
    """Reads what a process has used."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines()
    )
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return Load(
        memory=int(status["VmRSS"].split()[0]) * 1024,
        largest=int(status["VmHWM"].split()[0]) * 1024,
        processor=ticks / os.sysconf("SC_CLK_TCK"),
    )


def process_of(module: str, *, parent: int) -> int:
    """Finds the process of a system's service."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            above = (folder / "stat").read_text().rpartition(") ")[2].split()[1]
        except OSError:  # it just ended
            continue
        if module.encode() in words and int(above) == parent:
            return int(folder.name)
    raise SystemExit(f"no process of {module} was found below {parent}")


def write(root: Path, *, lines: int, rate: int) -> None:
    """Writes a data repository with one chatty model."""
    repository.write(root, noop_models=1)
    folder = root / "system_models" / "chatty"
    folder.mkdir(parents=True)
    (folder / "metadata.yml").write_text(repository.METADATA.format(key=KEY, title="chatty"))
    (folder / "system_model.py").write_text("")
    (folder / "parameters.py").write_text("")
    (folder / "simulation.py").write_text(CHATTY.format(lines=lines, rate=rate))


async def check(system: System, *, readers: int) -> tuple[Check, list[dict[str, object]]]:
    """Runs the chatty check once, with so many readers over HTTP."""
    async with dial(system.scheduler, token=system.token) as channel:
        scheduler = SchedulerServiceStub(channel)
        made = await scheduler.CreateCheck(CreateCheckRequest(entity=f"entities/{KEY}", force=True))
        page = urlsplit(system.page)
        found = []
        if readers:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.sse_readers", str(page.hostname), str(page.port)),
                *(f"/v1/{made.name}:watch", str(readers)),
                stdout=asyncio.subprocess.PIPE,
            )
            output, _ = await process.communicate()
            found.append(json.loads(output))
        last = made
        async for event in scheduler.WatchCheck(WatchCheckRequest(name=made.name)):
            if event.WhichOneof("body") == "check_changed":
                last = event.check_changed
    if last.verdict != Verdict.VERDICT_SUCCESS:
        raise SystemExit(f"{KEY}: {Verdict.Name(last.verdict)}: {last.result.message}")
    return last, found


def complaints(found: dict[str, object], *, readers: int, lines: int) -> list[str]:
    """Says what readers lack or have twice."""
    expected = "".join(f"{number} {'x' * 60}\n" for number in range(lines))
    wrong = {
        "readers differ in what they got": found["digests"] != found["digests"][:1],  # type: ignore[index]
        "messages came twice": bool(found["repeated"]),
        "readers did not come to the end": found["ended"] != readers,
        "lines are missing or in disorder": found["log"] != expected,
        "lines were left out": bool(found["gaps"]),
    }
    return [text for text, holds in wrong.items() if holds]


async def measure(system: System, *, readers: int, lines: int) -> tuple[list[Row], list[str]]:
    """Measures with and without readers on a running system, and says what was wrong."""
    gateway = process_of("gateway", parent=system.pid)
    await check(system, readers=2)  # warm
    before = load(gateway)
    alone, _ = await check(system, readers=0)
    quiet = load(gateway)
    begin = time.perf_counter()
    watched, (found,) = await check(system, readers=readers)
    elapsed = time.perf_counter() - begin
    after = load(gateway)
    times = [one.result.usage.wall_seconds for one in (watched, alone)]
    used = after.processor - quiet.processor
    rows = [
        Row(
            f"the check's own run time, {readers} readers beside none",
            f"{times[0]:.2f} s",
            f"{times[1]:.2f} s",
            times[0] / times[1],
            "≤ 1.05 of none",
        ),
        Row(
            f"lines that {readers} readers got, each of {lines}",
            f"{readers * lines:,} in {elapsed:.1f} s",
            "",
            None,
            "none lost, none twice",
        ),
        Row(
            "gateway: most memory, beside before",
            f"{after.largest / 2**20:.0f} MiB",
            f"{before.memory / 2**20:.0f} MiB",
            after.largest / before.memory,
            "bounded",
        ),
        Row("gateway: processor time", f"{100 * used / elapsed:.0f} % of one", "", None, ""),
    ]
    return rows, complaints(found, readers=readers, lines=lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line, measures and reports."""
    parser = argparse.ArgumentParser(prog="python -m bench.sse", description=__doc__)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=10, help="how long the check writes")
    parser.add_argument("--backend", choices=["auto", "docker", "process"], default="process")
    options = parser.parse_args(arguments)
    lines = options.seconds * LINES_PER_SECOND
    with tempfile.TemporaryDirectory(prefix="ackrep-bench-") as scratch:
        root = Path(scratch) / "bench_data"
        write(root, lines=lines, rate=LINES_PER_SECOND)
        os.environ["ACKREP_STATE"] = str(Path(scratch) / "state")
        with joined(
            Source(str(root)), options=Options(backend=options.backend), notify=lambda _: None
        ) as system:
            rows, wrong = asyncio.run(measure(system, readers=options.readers, lines=lines))
    show(rows, title=f"measured with `python -m bench.sse --readers {options.readers}`")
    keep(rows, RESULT)
    if wrong:
        raise SystemExit("; ".join(wrong))


if __name__ == "__main__":
    main()
