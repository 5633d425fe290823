"""The promises of a backend, kept by processes and by containers alike."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.errors import EnvironmentUnavailableError
from services.runner.environments import Environments
from services.runner.ports import Backend
from services.runner.sessions.outcome import FileEvent, Verdict
from services.runner.sessions.session import HarnessSession, Limits, SessionBrokenError
from services.runner.workplaces.conformance import TOP_RUNG
from services.runner.workplaces.containers import ContainerBackend
from services.runner.workplaces.processes import ProcessBackend
from tests.backends import MEMORY, containers, opened, output, quiet, run


@pytest.fixture(
    params=["process", pytest.param("docker", marks=pytest.mark.engine)],
)
async def backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Backend]:
    """Each backend in turn; what it started is gone afterwards."""
    made = _processes(tmp_path_factory) if request.param == "process" else containers()
    yield made
    await made.close()


def _processes(tmp_path_factory: pytest.TempPathFactory) -> ProcessBackend:
    # One folder for all tests: the virtual environment is made once.
    return ProcessBackend(tmp_path_factory.getbasetemp() / "runner", reason="a test")


async def test_an_environment_is_made_once(backend: Backend, environments: Environments) -> None:
    """It is made with progress, has a digest from then on, and is at hand the next time."""
    definition = environments.get("bare_environment")
    digest = await backend.prepare(definition, quiet)
    assert digest.startswith("sha256:")
    heard: list[str] = []
    assert digest == await backend.prepare(definition, lambda message, _: heard.append(message))
    assert [] == heard
    assert digest == await backend.digest(definition)


async def test_what_cannot_be_made_says_why(backend: Backend, environments: Environments) -> None:
    """A requirement that does not exist is an unavailable environment, with the tool's words."""
    heard: list[str] = []
    definition = environments.get("hopeless_environment")
    assert "" == await backend.digest(definition)
    with pytest.raises(EnvironmentUnavailableError, match=r"no.such.thing"):
        await backend.prepare(definition, lambda message, _: heard.append(message))
    assert heard
    assert "" == await backend.digest(definition)


async def test_a_check(backend: Backend, environments: Environments) -> None:
    """Output, result and files come out; the rung, Python and digest are named."""
    workplace = await opened(backend, environments)
    outcome, events = await run(workplace, "print('hello')\nopen('out.txt', 'w').write('x')")
    assert (Verdict.SUCCESS, 0.5) == (outcome.verdict, outcome.score)
    assert "hello\n" == output(events)
    files = [event for event in events if isinstance(event, FileEvent)]
    assert ["m/out.txt"] == [file.path for file in files]
    assert b"x" == files[0].body.read()
    info = workplace.info
    assert info.python.startswith("3.")
    assert info.environment_digest == await backend.digest(environments.get("bare_environment"))
    # The top rung, wherever it can be had: another one here is a defect.
    if backend.name == "docker":
        assert f"container+{TOP_RUNG}" == info.confinement, info.remarks
        assert () == info.remarks
    else:
        own = {TOP_RUNG, "uid"} if os.getuid() == 0 else set()
        assert info.confinement in own | {"landlock+seccomp", "none"}
    assert not workplace.broken
    await workplace.close()


async def test_nothing_survives_a_check(backend: Backend, environments: Environments) -> None:
    """The next check finds no file, variable, module state or process of the one before."""
    workplace = await opened(backend, environments)
    await run(
        workplace,
        "import os, json, tempfile\n"
        "os.environ['LEAK'] = 'x'\njson.leak = 1\n"
        "open(os.path.join(tempfile.gettempdir(), 'leak'), 'w').write('x')\n"
        "open('leak.txt', 'w').write('x')\n",
    )
    outcome, events = await run(
        workplace,
        "import os, json, tempfile\n"
        "print('LEAK' in os.environ, hasattr(json, 'leak'), os.listdir(tempfile.gettempdir()),"
        " sorted(os.listdir('.')))",
    )
    assert Verdict.SUCCESS == outcome.verdict
    assert "False False []" in output(events)
    assert "leak" not in output(events)
    await workplace.close()


async def test_errors_leave_a_usable_workplace(
    backend: Backend, environments: Environments
) -> None:
    """After a script error and a time limit the next check runs in the same workplace."""
    workplace = await opened(backend, environments)
    wrong, _ = await run(workplace, "raise ValueError('no')")
    assert (Verdict.SCRIPT_ERROR, "ValueError: no") == (wrong.verdict, wrong.message)
    slow, _ = await run(
        workplace, "import time\nwhile True: time.sleep(1)", limits=Limits(wall_seconds=0.5)
    )
    assert Verdict.TIMED_OUT == slow.verdict
    fine, _ = await run(workplace, "pass")
    assert Verdict.SUCCESS == fine.verdict
    await workplace.close()


async def test_memory_is_limited(backend: Backend, environments: Environments) -> None:
    """More memory than allowed ends the check, as a limit or as Python's own error; not ours."""
    workplace = await opened(backend, environments)
    outcome, _ = await run(
        workplace,
        "data = []\nwhile True: data.append(bytearray(2**24))",
        limits=Limits(wall_seconds=30, memory_bytes=MEMORY),
    )
    assert outcome.verdict in {Verdict.LIMIT_EXCEEDED, Verdict.SCRIPT_ERROR}
    assert "emory" in outcome.message + outcome.limit
    await workplace.close()


async def test_cancelling_takes_a_moment(backend: Backend, environments: Environments) -> None:
    """A running check is cancelled within two seconds, and the workplace goes on."""
    workplace = await opened(backend, environments)
    running = asyncio.create_task(
        run(workplace, "import time\nprint(1)\nwhile True: time.sleep(1)")
    )
    await asyncio.sleep(0.5)
    async with asyncio.timeout(2):
        await workplace.cancel("enough")
        outcome, _ = await running
    assert Verdict.CANCELLED == outcome.verdict
    fine, _ = await run(workplace, "pass")
    assert Verdict.SUCCESS == fine.verdict
    await workplace.close()


async def test_closed_means_gone(backend: Backend, environments: Environments) -> None:
    """A closed workplace takes no check, and closing it again does nothing."""
    workplace = await opened(backend, environments)
    await workplace.close()
    await workplace.close()
    assert workplace.broken
    with pytest.raises(SessionBrokenError):
        await run(workplace, "pass")


async def test_a_start_that_is_given_up_leaves_nothing(
    backend: Backend,
    environments: Environments,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cancelled while the harness gets ready: neither folder nor container nor process stays."""
    definition = environments.get("bare_environment")
    digest = await backend.prepare(definition, quiet)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    begun = asyncio.Event()

    async def never(*_: object, **__: object) -> HarnessSession:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(HarnessSession, "open", never)
    starting = asyncio.create_task(backend.open(definition, digest=digest))
    await begun.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert [] == list(tmp_path.iterdir())
    if isinstance(backend, ContainerBackend):
        later = containers(incarnation="later")
        assert 0 == await later.sweep()
        await later.close()
