"""Shells and commands in a real container, over gRPC."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ackrep.runner.v1 import workbench_pb2, workbench_pb2_grpc
from services import rpc
from services.errors import (
    InvalidArgumentError,
    PreconditionError,
    ResourceExhaustedError,
    UnavailableError,
)
from services.runner.engine.containers import Engine
from services.runner.environments import Environments
from services.runner.servicer.workbench import WorkbenchServicer
from tests.workbench_sessions import ENVIRONMENTS, TOKEN, Request, Session, Sessions, sessions

pytestmark = pytest.mark.engine
TERMINAL: dict[str, Any] = {"size": workbench_pb2.TerminalSize(rows=30, columns=100)}
ESCAPES = """
import os, socket
def tried(what, attempt):
    try: attempt()
    except OSError as error: print(what, "refused")
    else: print(what, "WORKED")
tried("root", lambda: open("/etc/x", "w"))
tried("runtime", lambda: open("/run/ackrep/site/x", "w"))
tried("harness", lambda: os.listdir("/run/ackrep"))
tried("network", lambda: socket.create_connection(("1.1.1.1", 53), 2))
tried("supervisor", lambda: os.kill(1, 9))
tried("becoming root", lambda: os.setuid(0))
"""


@pytest.fixture
async def server(docker_engine: Engine) -> AsyncIterator[Sessions]:
    """A server of two sessions at once."""
    async with sessions(docker_engine) as found:
        yield found


async def gone(server: Sessions) -> None:
    """Waits until the server has no container."""
    async with asyncio.timeout(20):
        while await server.containers():  # noqa: ASYNC110  # asked of the engine, bounded
            await asyncio.sleep(0.05)


async def test_a_command_runs_on_the_files(server: Sessions) -> None:
    """It sees what was sent, where it was asked to start; both outputs and its status come back."""
    script = "pwd; python one.py; cat ../link; echo oops >&2; exit 7"
    async with server.session(
        command=["sh", "-c", script], folder="models", links={"link": "README.md"}
    ) as session:
        assert 7 == await session.ended()
        assert b"/check/data/models\none\n# Hi\n" == session.output
        assert b"oops\n" == session.errors
        assert {} == await session.collected()
        assert "container+landlock+seccomp+uid" == session.started.confinement
        assert session.started.environment_digest.startswith("sha256:")
        assert [session.started.container] == await server.containers()
    await gone(server)


async def test_code_behaves_as_in_a_check(server: Sessions) -> None:
    """Entities import our `ackrep_core` and each other from the data root, and plot into files."""
    code = (
        "import ackrep_core, models.one, os; from ackrep_core import ResultContainer\n"
        "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.savefig('plot.png')\n"
        "print(os.environ['PYTHONHASHSEED'])"
    )
    async with server.session(command=["python", "-c", code]) as session:
        assert 0 == await session.ended(), session.errors
        assert b"one\n0\n" == session.output
        assert ["plot.png"] == list(await session.collected())


async def test_a_session_is_confined(server: Sessions) -> None:
    """It writes its own folders, reaches no network and nobody else's processes."""
    async with server.session(command=["python", "-c", ESCAPES]) as session:
        assert 0 == await session.ended(), session.errors
        lines = session.output.decode().splitlines()
        assert 6 == len(lines)
        assert [] == [line for line in lines if not line.endswith("refused")]


async def test_a_terminal_is_one(server: Sessions) -> None:
    """Prompt, job control, signals from the keyboard, and another size when it is told."""
    async with server.session(**TERMINAL, variables={"TERM": "xterm"}) as session:
        await session.shows("(demo_environment)")
        await session.type("PS1='<\\#> '\n")  # counts, so that one can wait for each prompt
        await session.shows("<2> ")
        await session.type("tty; stty size; echo $TERM\n")
        await session.shows("/dev/pts/0\r\n30 100\r\nxterm")
        await session.shows("<3> ")
        size = workbench_pb2.TerminalSize(rows=50, columns=132)
        await session.send(Request(resize=size))
        await session.type("stty size\n")
        await session.shows("50 132")
        await session.shows("<4> ")
        code = 'import time; print(f"first-{1 + 1}", flush=True); time.sleep(60); print(6 * 7)'
        await session.type(f"python -c '{code}'\n")
        await session.shows("first-2")
        await session.type("\x03")
        await session.shows("<5> ")
        await session.type("sh -c 'echo second-$((1+1)); exec cat'\n")
        await session.shows("second-2")
        await session.type("\x1a")
        await session.shows("Stopped")
        await session.shows("<6> ")
        await session.type("kill -9 %1; echo ended-$((1+1))\n")
        await session.shows("ended-2")
        await session.shows("<7> ")
        await session.type("exit 3\n")
        assert 3 == await session.ended()
        assert b"KeyboardInterrupt" in session.output


async def test_ctrl_d_leaves(server: Sessions) -> None:
    """The end of input ends a shell, and with it what it left in the background."""
    async with server.session(**TERMINAL) as session:
        await session.shows("$ ")
        await session.type("PS1='prompt-$((40+2))> '; sleep 1000 & nohup sleep 1000 &\n")
        await session.shows("prompt-42> ")
        await session.type("\x04")
        assert 0 == await session.ended()


async def test_input_flows(server: Sessions) -> None:
    """Three megabytes through a program that starts to read late, each byte once."""
    content = bytes(range(256)) * 12_288
    script = "sleep 0.5; sha256sum; wc -c < models/data.csv"
    async with server.session(command=["sh", "-c", script]) as session:
        left = 1 << 20  # what may be on its way

        async def feed() -> None:
            nonlocal left
            for first in range(0, len(content), 1 << 16):
                while left < 1 << 16:
                    left += (await session.next()).input_consumed
                left -= 1 << 16
                await session.send(Request(input=content[first : first + (1 << 16)]))
            await session.send(Request(input=b""))

        async with asyncio.timeout(60):
            await feed()
        assert 0 == await session.ended()

        digest = hashlib.sha256(content).hexdigest()
        assert f"{digest}  -\n4\n".encode() == session.output


async def test_changes_come_back(server: Sessions) -> None:
    """New, changed and removed files, large ones whole; what must not come back is named."""
    script = (
        "head -c 700000 /dev/zero > big; echo 3,4 >> models/data.csv; rm README.md;"
        "ln -s /etc/passwd evil; mkfifo pipe; ln -s models inner; chmod +x models/one.py;"
        "mkdir -p .git/hooks; echo x > .git/hooks/pre-commit"
    )
    async with server.session(command=["sh", "-c", script]) as session:
        await session.ended()
        for _ in range(2):  # as often as one likes
            found = await session.collected()
            assert bytes(700_000) == found["big"].data
            assert b"1,2\n3,4\n" == found["models/data.csv"].data
            assert found["README.md"].removed
            assert found["models/one.py"].executable
            assert "models" == found["inner"].link
            assert 5 == len(found)
            assert ["evil", "pipe"] == [line.partition(":")[0] for line in session.skipped]


async def test_a_client_that_leaves_takes_its_container_along(server: Sessions) -> None:
    """Cancelled while a program runs, and by the end of its stream."""
    async with server.session(command=["sleep", "1000"]):
        assert 1 == len(await server.containers())
    await gone(server)
    async with server.session(command=["sleep", "1000"]) as session:
        await session.call.done_writing()  # type: ignore[attr-defined]
        with pytest.raises(EOFError):
            await session.ended()
        await gone(server)


async def test_there_are_only_so_many(server: Sessions) -> None:
    """Beyond the setting a session is refused, and possible again when another has ended."""
    async with server.session(**TERMINAL), server.session(**TERMINAL):
        with pytest.raises(ResourceExhaustedError, match="ACKREP_RUNNER_WORKBENCHES"):
            async with server.session(**TERMINAL):
                pass
    await gone(server)
    async with server.session(command=["true"]) as session:
        assert 0 == await session.ended()


async def test_a_stopping_runner_says_so(server: Sessions) -> None:
    """Its sessions end, and their clients are told why."""
    async with server.session(**TERMINAL) as session:
        await server.workbenches.close()
        with pytest.raises(UnavailableError, match="the runner stops"):
            await session.ended()
    await gone(server)


async def test_a_stopping_runner_waits_for_what_ends(server: Sessions) -> None:
    """A session that is about to end by itself leaves no container behind either."""
    async with server.session(command=["sleep", "1000"]):
        (workbench,) = server.workbenches._open
        ending = workbench.end("somebody was quicker")
        await asyncio.sleep(0)  # it has begun
        await server.workbenches.close()
        assert ending.done()
        assert [] == await server.containers()


@pytest.mark.parametrize(
    ("facts", "kind", "words"),
    [
        ({"environment": "absent_environment"}, PreconditionError, "not defined here"),
        ({"folder": "../.."}, InvalidArgumentError, "no folder"),
        ({"folder": "nowhere"}, InvalidArgumentError, "no folder 'nowhere'"),
        ({"files": {"../x": b""}}, InvalidArgumentError, "cannot be laid out"),
        ({"links": {"x": "/etc"}}, InvalidArgumentError, "leads out"),
        ({"files": {"a": b"x", "a/b": b"x"}}, InvalidArgumentError, "cannot be laid out"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    server: Sessions, facts: dict[str, Any], kind: type[Exception], words: str
) -> None:
    """The status says what is wrong, and no container stays."""
    with pytest.raises(kind, match=words):
        async with server.session(**facts):
            pass
    await gone(server)


@pytest.mark.parametrize(
    "late",
    [
        Request(file=workbench_pb2.WorkbenchFile(path="link/planted", data=b"x")),
        Request(files_end=workbench_pb2.FilesEnd()),
    ],
)
async def test_nothing_is_laid_out_beside_the_program(server: Sessions, late: Request) -> None:
    """Files are laid out by root, who must not meet what the program made of folders."""
    command = ["sh", "-c", "ln -s /run/ackrep link; echo made; sleep 1000"]
    async with server.session(command=command) as session:
        await session.shows("made")
        await session.send(late)
        with pytest.raises(InvalidArgumentError, match="has begun"):
            await session.ended()
    await gone(server)


async def test_a_silent_session_ends(docker_engine: Engine) -> None:
    """A client that stays and says nothing does not keep its place; one that talks does."""
    async with sessions(docker_engine, most=1, idle_seconds=5) as server:
        async with server.session(**TERMINAL) as session:
            for number in range(4):
                await asyncio.sleep(1.5)  # longer than the bound in all
                await session.type(f"echo $(({number} + 100))\n")
                await session.shows(str(number + 100))
            with pytest.raises(UnavailableError, match="ACKREP_RUNNER_WORKBENCH_IDLE_SECONDS"):
                await session.ended()
        await gone(server)
        async with server.session(command=["true"]) as session:
            assert 0 == await session.ended()


async def test_memory_ends_the_program_alone(server: Sessions) -> None:
    """A program that takes too much is killed; what it had written still comes back."""
    code = "open('kept', 'w').write('1')\nx = []\nwhile True: x.append(bytes(10**7))"
    async with server.session(command=["python", "-c", code]) as session:
        assert 137 == await session.ended()
        assert ["kept"] == list(await session.collected())


async def test_no_sessions_without_containers(tmp_path: Path) -> None:
    """The process backend refuses, and says what to do."""
    servicer = WorkbenchServicer(None, definition=Environments([ENVIRONMENTS]).get)
    async with (
        rpc.serving(
            address="127.0.0.1:0",
            token=TOKEN,
            register=lambda it: workbench_pb2_grpc.add_WorkbenchServiceServicer_to_server(
                servicer, it
            ),
            services=(),
        ) as port,
        rpc.dial(f"127.0.0.1:{port}", token=TOKEN) as channel,
    ):
        session = Session(workbench_pb2_grpc.WorkbenchServiceStub(channel).RunWorkbench())
        opening = workbench_pb2.OpenWorkbench(environment="environments/demo_environment")
        await session.send(Request(open=opening))
        with pytest.raises(PreconditionError, match="--backend docker"):
            await session.next()
