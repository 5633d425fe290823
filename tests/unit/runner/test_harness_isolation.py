"""Nothing of one check reaches the next, and nothing of a check escapes it."""

import asyncio
import os
import signal
import time
import venv
from pathlib import Path

import pytest

from services.runner.sessions.outcome import LogEvent, Verdict
from services.runner.sessions.session import HarnessSession, Limits, SessionBrokenError
from tests.requirements import need
from tests.unit.runner.harness_process import check, harness, model

SEARCH = """
import re
def simulate():
    pattern = re.compile(b"SECRET" + b"-[0-9a-f]{16}")
    found = set()
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            bounds, permissions = line.split()[:2]
            if permissions[0] != "r" or "[v" in line:
                continue
            first, end = (int(bound, 16) for bound in bounds.split("-"))
            try:
                memory.seek(first)
                found.update(pattern.findall(memory.read(end - first)))
            except (OSError, ValueError, OverflowError):
                continue
    print(len(found))
"""
"""Counts what looks like the other check's secret in its own memory."""


async def test_memory_of_an_earlier_check_is_gone() -> None:
    """The next check cannot find the former one's data in its own memory."""
    secret = os.urandom(8).hex()
    keeper = f"kept = 'SECRET-{secret}' * 100\ndef simulate(): print(kept[:10])"
    async with harness(preload=("json",)) as session:
        first = await check(session, model(keeper))
        second = await check(session, model(SEARCH))
        # The same search does find what is there.
        control = await check(session, model(f"kept = 'SECRET-{secret}' * 100" + SEARCH))
    assert "SECRET-" in first.stdout
    assert (Verdict.SUCCESS, "0\n") == (second.outcome.verdict, second.stdout)
    assert (Verdict.SUCCESS, "1\n") == (control.outcome.verdict, control.stdout)


async def test_modules_files_and_variables_do_not_survive() -> None:
    """What a check patches, writes or exports is gone for the next one."""
    first = """
import os, json, builtins, tempfile
def simulate():
    json.loads = builtins.open = None
    os.environ["LEFT"] = "1"
    with os.fdopen(os.open(os.path.expanduser("~/left"), os.O_CREAT | os.O_WRONLY), "w") as file:
        file.write("1")
"""
    second = """
import os, json
def simulate():
    print(json.loads("1"), os.environ.get("LEFT"), os.listdir(os.path.expanduser("~")),
          os.listdir(os.environ["TMPDIR"]))
"""
    async with harness() as session:
        await check(session, model(first))
        seen = await check(session, model(second))
    assert "1 None ['.ackrep_context.json'] []\n" == seen.stdout


async def test_temporary_folder_is_the_check_s_own(tmp_path: Path) -> None:
    """Also where a preloaded library has asked for it before there was a check."""
    tmp_path.chmod(0o755)
    venv.create(tmp_path / "venv", symlinks=True)
    packages = next(tmp_path.glob("venv/lib/*/site-packages"))
    (packages / "early.py").write_text("import tempfile\ntempfile.gettempdir()\n")
    simulation = """
import os, tempfile
def simulate():
    print(tempfile.gettempdir() == os.environ["TMPDIR"])
"""
    python = str(tmp_path / "venv/bin/python")
    async with harness(python=python, preload=("early",)) as session:
        seen = await check(session, model(simulation))
    assert "True\n" == seen.stdout


async def test_daemon_that_holds_stdout_is_killed_and_told() -> None:
    """A process that left its session and keeps our pipe open neither hangs us nor survives."""
    simulation = """
import os, time
def simulate():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    os.wait()
    while not os.path.exists(f"/proc/{os.getpid()}"): pass
"""
    async with harness() as session:
        started = time.monotonic()
        seen = await check(session, model(simulation))
        assert time.monotonic() - started < 5
        group = "import os, time\ndef simulate():\n    if os.fork() == 0: time.sleep(600)"
        in_group = await check(session, model(group))
        again = await check(session, model("def simulate(): pass"))
    assert Verdict.SUCCESS == seen.outcome.verdict
    assert 1 == in_group.outcome.cleanliness.processes_killed
    assert 1 == seen.outcome.cleanliness.processes_killed
    assert not seen.outcome.cleanliness.clean
    assert again.outcome.cleanliness.clean


async def test_links_and_pipes_are_no_artefacts() -> None:
    """Only regular files of the check's own are sent; nothing is read through a link."""
    simulation = """
import os
def simulate():
    with open("real.txt", "w") as file: file.write("real")
    os.symlink("/etc/passwd", "symbolic.txt")
    os.symlink("/etc", "folder")
    os.link("real.txt", "hard.txt")
    with open("single.txt", "w") as file: file.write("single")
    os.mkfifo("pipe.txt")
    os.mkdir("__pycache__")
    with open("__pycache__/x.pyc", "w") as file: file.write("x")
"""
    async with harness() as session:
        seen = await check(session, model(simulation))
    assert {"system_models/m/single.txt": b"single"} == seen.files
    assert 5 == seen.outcome.artefacts_skipped


async def test_artefacts_are_bounded() -> None:
    """Too many or too large files are left out and counted."""
    simulation = """
def simulate():
    for number in range(5):
        with open(f"{number}.txt", "w") as file: file.write("x" * 10 ** number)
"""
    limits = Limits(artefact_bytes=5000, artefact_count=3)
    async with harness() as session:
        seen = await check(session, model(simulation), limits=limits)
    assert ["0.txt", "1.txt", "2.txt"] == [Path(path).name for path in seen.files]
    assert 2 == seen.outcome.artefacts_skipped


async def test_large_artefact_arrives_whole() -> None:
    """A file of several parts is put together and verified."""
    simulation = "def simulate():\n    open('a.bin', 'wb').write(bytes(range(256)) * 20000)"
    async with harness() as session:
        seen = await check(session, model(simulation))
    assert {"system_models/m/a.bin": bytes(range(256)) * 20000} == seen.files


async def test_own_user_where_it_may() -> None:
    """As root, every check has a user of its own and cannot touch the harness."""
    python = "/usr/bin/python3"
    need(os.getuid() == 0 and Path(python).exists(), what="root and the system's Python")
    simulation = """
import os
def simulate():
    print(os.getuid(), os.getgid(), os.getgroups())
    for pid in (os.getppid(), PARENT):
        try: os.kill(pid, 9)
        except PermissionError: print("no")
    try: open(os.path.join(os.path.dirname(os.environ["PYTHONPATH"].split(":")[1]), "x"), "w")
    except PermissionError: print("no")
"""
    async with harness(python=python) as session:
        parent = session.hello.conformance["pid"]
        first = await check(session, model(f"PARENT = {parent}" + simulation))
        second = await check(session, model(f"PARENT = {parent}" + simulation))
    assert "landlock+seccomp+uid" == first.outcome.confinement
    assert "20000 20000 []\nno\nno\nno\n" == first.stdout
    assert "20001 20001 []\nno\nno\nno\n" == second.stdout


async def test_end_of_the_stream_ends_everything() -> None:
    """When the runner is gone, the harness ends with its zygote and its check."""
    async with harness() as session:
        pid = int(str(session.hello.conformance["pid"]))
        children = Path(f"/proc/{pid}/task/{pid}/children")
        need(children.exists(), what="a Linux /proc with lists of children")
        zygote = int(children.read_text().split()[0])
        assert Path(f"/proc/{zygote}").exists()
    async with asyncio.timeout(10):
        while Path(f"/proc/{pid}").exists() or Path(f"/proc/{zygote}").exists():  # noqa: ASYNC110 - nobody tells us of the end of a stranger's process
            await asyncio.sleep(0.01)


async def test_broken_stream_is_an_error_of_ours() -> None:
    """A harness that dies during a check breaks the session, once and for all."""
    async with harness() as session:
        pid = int(str(session.hello.conformance["pid"]))
        waiting = model("import time\ndef simulate():\n    print(1)\n    time.sleep(60)")

        async def until_killed() -> None:
            async for event in session.run(waiting[0], trees=waiting[1], limits=Limits(), seed=1):
                if isinstance(event, LogEvent):
                    os.kill(pid, signal.SIGKILL)

        with pytest.raises(SessionBrokenError):
            await until_killed()
        assert session.broken
        await _breaks(session, "def simulate(): pass")


async def _breaks(session: HarnessSession, simulation: str) -> None:
    with pytest.raises(SessionBrokenError):
        await check(session, model(simulation))


async def test_what_cannot_be_laid_out_is_not_the_entity_s_fault() -> None:
    """A tree that leads outside is refused, and nothing is run."""
    plan, trees = model("def simulate(): pass")
    outside = [type(trees[0])(path="../elsewhere", tar=trees[0].tar)]
    async with harness() as session:
        seen = await check(session, (plan, outside))
        again = await check(session, model("def simulate(): pass"))
    assert Verdict.INFRASTRUCTURE_ERROR == seen.outcome.verdict
    assert seen.outcome.cleanliness.clean, "the spare child is no stray"
    assert Verdict.SUCCESS == again.outcome.verdict


async def test_nonsense_on_the_result_pipe_confuses_nobody() -> None:
    """Whatever an entity writes where its result belongs, the session stays usable."""
    forms = [
        "b'nonsense' * 100",
        """frame({"type": "report", "kind": "done", "success": True, "score": "much"})""",
        """frame({"type": "report", "kind": "done", "success": True, "numbers": [7]})""",
        """frame({"type": "phase", "name": 1, "seconds": "x"})""",
    ]
    simulation = """
import json, os, struct
def frame(header):
    text = json.dumps(header).encode()
    return struct.pack(">II", len(text), 0) + text
def simulate():
    os.write(4, {form})
    os._exit(0)
"""
    async with harness() as session:
        for form in forms:
            seen = await check(session, model(simulation.replace("{form}", form)))
            assert Verdict.SCRIPT_ERROR == seen.outcome.verdict, form
        again = await check(session, model("def simulate(): pass"))
    assert Verdict.SUCCESS == again.outcome.verdict


async def test_a_fork_that_comes_back_is_not_heard() -> None:
    """Only the process that was started speaks for the entity."""
    simulation = """
import os, time
def simulate():
    if os.fork():
        time.sleep(0.2)
        return True
    return False
"""
    async with harness() as session:
        seen = await check(session, model(simulation))
    assert Verdict.SUCCESS == seen.outcome.verdict
