"""Landlock, the filter of system calls, and what control groups say: piece by piece."""

import errno
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.runner.runtime.harness import (
    calls,
    confinement,
    groups,
    landlock,
    reach,
    trial,
    verdicts,
)
from services.runner.sessions.outcome import Verdict
from services.runner.sessions.session import Limits
from tests.requirements import need
from tests.unit.runner.harness_process import check, harness, model

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("machine", list(HEADERS))
def test_numbers_of_system_calls_are_those_of_the_kernel(machine: str) -> None:
    """Every number in the filter is the one that the kernel's own headers give that name."""
    header = HEADERS[machine]
    need(header.exists(), what="kernel headers (Debian: linux-libc-dev)")
    pattern = re.compile(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$", re.MULTILINE)
    known = {name: int(number) for name, number in pattern.findall(header.read_text())}
    column = calls.ARCHITECTURES[machine].column
    for name, numbers in {**calls.REFUSED, **calls.LOOKED_AT}.items():
        assert known.get(name) == numbers[column], name


def run(program: list[calls.Instruction], *arguments: int, audit: int, number: int) -> int:
    """What a filter answers to one call, by the rules of classic BPF."""
    words = {calls.NUMBER: number, calls.ARCHITECTURE: audit}
    for place, argument in enumerate(arguments):
        words[calls.ARGUMENTS + 8 * place] = argument & 0xFFFFFFFF
    at = accumulator = 0
    while True:
        code, if_true, if_false, constant = program[at]
        at += 1
        if code == calls.RETURN:
            return constant
        if code == calls.LOAD:
            accumulator = words.get(constant, 0)
            continue
        holds = {
            calls.EQUAL: accumulator == constant,
            calls.AT_LEAST: accumulator >= constant,
            calls.ANY_BIT: bool(accumulator & constant),
        }[code]
        at += if_true if holds else if_false


@pytest.mark.parametrize("machine", list(calls.ARCHITECTURES))
def test_the_filter_answers_as_it_says(machine: str) -> None:
    """Each refused call fails, each other goes through; of some the arguments decide."""
    program = calls.program(machine)
    audit, column = calls.ARCHITECTURES[machine]
    refused, unseen = calls.ERROR | errno.EPERM, calls.ERROR | errno.ENOSYS

    def answer(name: str, *arguments: int) -> int:
        number = {**calls.REFUSED, **calls.LOOKED_AT}[name][column]
        assert number is not None
        return run(program, *arguments, audit=audit, number=number)

    for name, numbers in calls.REFUSED.items():
        if numbers[column] is not None:
            assert refused == answer(name), name
    assert calls.ALLOW == answer("socket", 1, 1)
    assert calls.ALLOW == answer("socketpair", 1, 1)
    assert calls.ERROR | errno.EOPNOTSUPP == answer("socket", 16, 3)
    for family in (2, 10, 17, 38, 40):
        assert refused == answer("socket", family, 1), family
        assert refused == answer("socketpair", family, 1), family
    thread = 0x3D0F00
    assert [calls.ALLOW] * 2 == [answer("clone", thread), answer("clone", 17)]
    for flag in (0x8000, 0x20000, 0x10000000, 0x40000000):
        assert refused == answer("clone", thread | flag), hex(flag)
    assert unseen == answer("clone3")
    assert calls.ALLOW == answer("prlimit64", 0)
    assert refused == answer("prlimit64", 1)
    assert calls.ALLOW == answer("ioctl", 0, 0x5401)
    assert [refused] * 2 == [answer("ioctl", 0, 0x5412), answer("ioctl", 0, 0x541C)]
    for number in (0, 1, 2, 3, 500):
        assert calls.ALLOW == run(program, audit=audit, number=number)
    assert calls.KILL == run(program, audit=0x40000003, number=1)
    if machine == "x86_64":
        assert refused == run(program, audit=audit, number=0x40000000 | 1)


V1 = {
    "proc": "9:name=systemd:/d/ab\n4:memory:/d/ab\n2:cpuacct,cpu:/d/ab\n0::/d/ab\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    "memory/memory.usage_in_bytes": "4096\n",
    "memory/memory.limit_in_bytes": "1048576\n",
    "pids/pids.events": "max 5\n",
    "pids/pids.max": "64\n",
    "cpu/cpu.stat": "nr_periods 1\nnr_throttled 0\n",
    "cpuacct/cpuacct.usage": "2500000000\n",
}
V2 = {
    "proc": "0::/\n",
    "memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 0\n",
    "memory.current": "4096\n",
    "memory.max": "1048576\n",
    "pids.events": "max 5\n",
    "pids.max": "64\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\nsystem_usec 1\n",
}
V2_HOST = {
    "proc": "0::/system.slice/docker-ab.scope\n",
    **{f"system.slice/docker-ab.scope/{name}": text for name, text in V2.items() if name != "proc"},
}


def _groups(folder: Path, files: Mapping[str, str]) -> groups.Groups:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return groups.Groups(str(folder), str(folder / "proc"))


@pytest.mark.parametrize("files", [V1, V2, V2_HOST], ids=["v1", "v2", "v2 with a path"])
def test_both_versions_of_control_groups_are_read(tmp_path: Path, files: Mapping[str, str]) -> None:
    """Kills for memory, refused forks, usage and limits are found wherever they are told."""
    found = _groups(tmp_path, files)
    assert 3 == found.oom_kills()
    assert 5 == found.fork_refusals()
    assert 4096 == found.memory_bytes()
    assert 2.5 == found.cpu_seconds()
    assert (1048576, 64) == (found.limit("memory"), found.limit("pids"))


@pytest.mark.parametrize(
    "files",
    [
        {"proc": "0::/\n", "memory.max": "max\n", "pids.max": "max\n"},
        {
            "proc": "4:memory:/\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
            "pids/pids.max": "max\n",
        },
        {},
    ],
    ids=["v2", "v1", "nothing"],
)
def test_no_limit_is_no_number(tmp_path: Path, files: Mapping[str, str]) -> None:
    """`max`, version 1's huge number and a missing file all mean that there is no limit."""
    found = _groups(tmp_path, files)
    assert (None, None) == (found.limit("memory"), found.limit("pids"))
    assert (0, 0, None) == (found.oom_kills(), found.fork_refusals(), found.cpu_seconds())


def test_a_kill_for_memory_is_told_by_the_counter() -> None:
    """SIGKILL alone is no reason; with a kill in the control group it is the memory limit."""
    seen = verdicts.Seen(
        report=None,
        stopped="",
        reason="",
        exit_status=None,
        signal=9,
        oom_kills=0,
        fork_refusals=0,
        cpu_seconds=0.0,
        limits={},
    )
    assert ("SCRIPT_ERROR", "") == verdicts.judge(seen)[:2]
    assert ("LIMIT_EXCEEDED", "memory") == verdicts.judge(seen._replace(oom_kills=1))[:2]


def test_rungs_name_what_they_need() -> None:
    """The best rung that seems possible comes first, and nothing at all is always possible."""
    found = confinement.possible([])
    assert "none" == found[-1]
    assert found == [rung for rung in confinement.RUNGS if rung in found]
    assert ("landlock+seccomp" in found) == (landlock.abi() > 0 and calls.available())


def test_reach_is_narrow(tmp_path: Path) -> None:
    """Homes, the runtime's root and shadow passwords are not in reach; Python is."""
    configuration = {
        "data_root": str(tmp_path / "data"),
        "work_root": str(tmp_path / "work"),
        "clean": ["/tmp"],
    }
    shared = reach.reach(configuration, str(tmp_path / "run"), isolated=False)
    own = reach.reach(configuration, str(tmp_path / "run"), isolated=True)
    assert str(Path(sys.base_prefix).resolve()) in shared["readable"]
    everything = {path for paths in shared.values() for path in paths}
    forbidden = {"/", "/root", "/home", "/etc", "/etc/shadow", "/run", "/var", "/tmp", "/dev"}
    assert set() == forbidden & everything
    assert "/tmp" in own["writable"]
    assert "/dev/shm" in shared["writable"]


TRIAL = """
import json, os, sys, tempfile
sys.path.insert(0, sys.argv[1])
from harness import calls, landlock, reach, trial
if sys.argv[2] == "calls": calls.enter = lambda: None
if sys.argv[2] == "landlock": landlock.enter = lambda *_: None
if sys.argv[2] == "broken": calls.program = lambda *_: []
folder = tempfile.mkdtemp()
for name in ("data", "work", "run"): os.mkdir(os.path.join(folder, name))
places = reach.reach({"data_root": folder + "/data", "work_root": folder + "/work"}, folder, False)
found = trial.best(["landlock+seccomp", "none"], places, False, 20000, folder + "/run")
print(json.dumps([found.rung, found.refused, found.limits]))
"""


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("nothing", ""),
        ("calls", "network sockets, ptrace"),
        ("landlock", "reading foreign folders, writing foreign folders"),
        ("broken", "OSError"),
    ],
)
def test_a_rung_that_does_not_hold_is_not_taken(missing: str, words: str) -> None:
    """A rung is tried before it is named: what leaks, or cannot be entered, is refused."""
    need(landlock.abi() and calls.available(), what="Landlock (Linux 5.13) and seccomp")
    runtime = str(Path(trial.__file__).parents[1])
    said = subprocess.run(
        [sys.executable, "-c", TRIAL, runtime, missing], check=True, capture_output=True, text=True
    ).stdout
    rung, refused, limits = json.loads(said)
    assert ("none" if words else "landlock+seccomp") == rung
    assert words in refused.get("landlock+seccomp", "")
    assert {"file": True, "open_files": True, "address_space": True} == limits


ESCAPES = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, work):
    try: print(name, work())
    except OSError as error: print(name, type(error).__name__)
def simulate():
    attempt("write", lambda: open(OUTSIDE + "/x", "w"))
    attempt("read", lambda: open(OUTSIDE + "/secret").read())
    attempt("list", lambda: os.listdir(OUTSIDE))
    attempt("link", lambda: os.link(OUTSIDE + "/secret", "own"))
    attempt("through", lambda: [os.symlink(OUTSIDE, "s"), os.listdir("s")])
    attempt("net", lambda: socket.create_connection(("127.0.0.1", 9)))
    attempt("kill", lambda: os.kill(os.getppid(), 0))
    attempt("home", lambda: os.listdir("/root"))
    attempt("device", lambda: os.mknod("dev", 0o20600, 0x103))
    attempt("owner", lambda: os.chown(OUTSIDE + "/secret", 1, 1))
    print("ptrace", libc.ptrace(0, 0, 0, 0), "unshare", libc.unshare(0x10000000))
"""


async def test_a_check_reaches_nothing_but_its_own(tmp_path: Path) -> None:
    """Without a container too: no foreign file, no network, no signal, no device."""
    need(landlock.abi() and calls.available(), what="Landlock (Linux 5.13) and seccomp")
    (tmp_path / "secret").write_text("x")
    async with harness() as session:
        assert "landlock+seccomp" in session.ready.confinement, session.hello.conformance
        seen = await check(session, model(f"OUTSIDE = {str(tmp_path)!r}" + ESCAPES))
        again = await check(session, model("def simulate(): pass"))
    assert Verdict.SUCCESS == seen.outcome.verdict, seen.outcome.traceback
    lines = dict(line.split(" ", 1) for line in seen.stdout.splitlines())
    assert "-1 unshare -1" == lines.pop("ptrace")
    assert "OSError" == lines.pop("link"), "as between two file systems"
    assert {"PermissionError"} == set(lines.values()), lines
    assert ["secret"] == [path.name for path in tmp_path.iterdir()]
    assert again.outcome.cleanliness.clean


USEFUL = """
import multiprocessing, multiprocessing.shared_memory, os, socket, subprocess, sys, tempfile
import threading
def square(x): return x * x
def simulate():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(square, range(4)))
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=100)
    memory.buf[0] = 7
    memory.close(); memory.unlink()
    lock = multiprocessing.Lock()
    with lock: print("locked")
    print(subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True).stdout)
    with tempfile.TemporaryDirectory() as folder:
        server = socket.socket(socket.AF_UNIX); server.bind(folder + "/s"); server.listen()
        client = socket.socket(socket.AF_UNIX); client.connect(folder + "/s")
    thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
    os.rename(__file__, "moved"); os.mkdir("folder"); os.rename("moved", "folder/moved")
"""


async def test_what_entities_need_goes_on_working() -> None:
    """Pools, shared memory, locks, further processes, threads, local sockets, moving files."""
    async with harness() as session:
        seen = await check(session, model(USEFUL))
    assert Verdict.SUCCESS == seen.outcome.verdict, seen.outcome.traceback + seen.stderr
    assert "[0, 1, 4, 9]\nlocked\nb'child\\n'\nthread\n" == seen.stdout
    assert seen.outcome.cleanliness.clean, seen.outcome.cleanliness


ENDLESS = "kept = []\n    while True: kept.append(open('/dev/null'))"
MANY = "for n in range(60): open(f'{n}.txt', 'w').close()"
LARGE = "with open('x', 'wb') as file: file.write(bytes(2000))"


@pytest.mark.parametrize(
    ("body", "limits", "limit"),
    [
        (ENDLESS, Limits(open_files=64), "open_files"),
        (MANY, Limits(left_count=50), "files"),
        (LARGE, Limits(left_bytes=1000), "disk"),
        (LARGE, Limits(file_bytes=1000), "file"),
        ("raise OSError(28, 'No space left on device')", Limits(), "disk"),
    ],
)
async def test_a_limit_is_named(body: str, limits: Limits, limit: str) -> None:
    """Whichever limit a check runs into, its verdict and its message say which."""
    async with harness() as session:
        seen = await check(session, model(f"def simulate():\n    {body}\n"), limits=limits)
    found = seen.outcome
    assert (Verdict.LIMIT_EXCEEDED, limit) == (found.verdict, found.limit), found.message
    assert verdicts.LIMITS[limit][0] in found.message
