"""The promises of a backend, kept by processes and by containers alike."""

import asyncio
import io
import os
import tarfile
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from services.errors import EnvironmentUnavailableError
from services.runner.conformance import TOP_RUNG
from services.runner.container_backend import ContainerBackend
from services.runner.containers import Bounds, Engine
from services.runner.domain import PoolPolicy
from services.runner.environments import Environments
from services.runner.outcome import Event, FileEvent, LogEvent, Outcome, ResultEvent, Verdict
from services.runner.plan import Folder, plan_of
from services.runner.pool import Pool
from services.runner.ports import Backend, Workplace
from services.runner.processes import ProcessBackend
from services.runner.session import HarnessSession, Limits, SessionBrokenError, Tree
from tests.engine import engine_or_reason, write_bare_environment
from tests.requirements import need

MEMORY = 256 * 1024**2
SIMULATION = """
from ackrep_core import ResultContainer
def simulate():
    {body}
def evaluate_simulation(data):
    return ResultContainer(success=True, score=0.5)
"""


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    """Definitions: one without packages, one that cannot be made."""
    folder = tmp_path_factory.mktemp("environments")
    write_bare_environment(folder)
    write_bare_environment(folder, "hopeless_environment")
    (folder / "requirements_hopeless_environment.txt").write_text("ackrep-no-such-thing==0.0.1\n")
    (folder / "Dockerfile_hopeless_environment").write_text(
        "FROM debian:bookworm-slim\nRUN echo no such thing as this package && false\n"
    )
    return Environments([folder])


@pytest.fixture(
    params=["process", pytest.param("docker", marks=pytest.mark.engine)],
)
async def backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Backend]:
    """Each backend in turn; what it started is gone afterwards."""
    made = _processes(tmp_path_factory) if request.param == "process" else _containers()
    yield made
    await made.close()


def _processes(tmp_path_factory: pytest.TempPathFactory) -> ProcessBackend:
    # One folder for all tests: the virtual environment is made once.
    return ProcessBackend(tmp_path_factory.getbasetemp() / "runner", reason="a test")


def _containers(*, runner: str = "", incarnation: str = "now") -> ContainerBackend:
    # An engine for each test: closing a backend closes its connections.
    engine, reason = engine_or_reason()
    need(engine, what=f"Docker engine: {reason}")
    assert engine is not None
    return ContainerBackend(
        engine,
        runner=runner or f"test-{os.getpid()}",
        incarnation=incarnation,
        bounds=Bounds(memory_bytes=2 * MEMORY, cpus=1, processes=128, shm_bytes=2**20),
        reason="a test",
    )


def quiet(message: str, fraction: float | None) -> None:
    """Nobody listens."""


async def opened(backend: Backend, environments: Environments) -> Workplace:
    """A workplace of the environment without packages."""
    definition = environments.get("bare_environment")
    digest = await backend.prepare(definition, quiet)
    return await backend.open(definition, digest=digest)


def archive(files: Mapping[str, str]) -> bytes:
    """A tar archive of text files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


async def run(
    workplace: Workplace, body: str, *, limits: Limits | None = None
) -> tuple[Outcome, list[Event]]:
    """Checks a model whose simulation is `body`."""
    files = {
        "metadata.yml": "key: MODEL\n",
        "system_model.py": "",
        "simulation.py": SIMULATION.format(body=body.replace("\n", "\n    ")),
    }
    folder = Folder(key="MODEL", type="system_model", path="m", files=frozenset(files))
    events: list[Event] = [
        event
        async for event in workplace.run(
            plan_of("MODEL", [folder]),
            trees=[Tree(path="m", tar=archive(files))],
            limits=limits or Limits(wall_seconds=30, memory_bytes=2 * MEMORY),
            seed=1,
            check="checks/1",
        )
    ]
    last = events[-1]
    assert isinstance(last, ResultEvent)
    return last.outcome, events


def output(events: list[Event]) -> str:
    """What the entity printed."""
    return "".join(event.text for event in events if isinstance(event, LogEvent))


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


@pytest.mark.engine
async def test_containers_are_tight(environments: Environments) -> None:
    """No network, no writable root, no rights: seen from inside by the check itself."""
    backend = _containers()
    try:
        workplace = await opened(backend, environments)
        outcome, events = await run(
            workplace,
            "import os\n"
            "status = open('/proc/self/status').read()\n"
            "print([l.split()[1] for l in status.splitlines() if l[:6] in ('CapEff', 'NoNewP')])\n"
            "print(os.getuid() >= 20000, os.access('/', os.W_OK), os.access('/etc', os.W_OK))\n",
        )
        assert Verdict.SUCCESS == outcome.verdict, outcome.traceback
        lines = output(events).splitlines()
        assert "['0000000000000000', '1']" == lines[0]
        assert "True False False" == lines[1]
        assert workplace.info.id.startswith("bare_environment_run_")
    finally:
        await backend.close()


@pytest.mark.engine
async def test_a_killed_container_breaks_its_session_only(
    docker_engine: Engine, environments: Environments
) -> None:
    """The check in it is told at once; another container takes the next one."""
    backend = _containers()
    try:
        workplace = await opened(backend, environments)
        running = asyncio.create_task(run(workplace, "import time\ntime.sleep(60)"))
        await asyncio.sleep(0.5)
        await docker_engine.remove(workplace.info.id)
        async with asyncio.timeout(5):
            with pytest.raises(SessionBrokenError):
                await running
        assert workplace.broken
        await workplace.close()
        another = await opened(backend, environments)
        fine, _ = await run(another, "pass")
        assert Verdict.SUCCESS == fine.verdict
    finally:
        await backend.close()


@pytest.mark.engine
async def test_only_own_earlier_containers_are_removed(
    docker_engine: Engine, environments: Environments
) -> None:
    """A runner removes what its earlier incarnation left, and nobody else's."""
    earlier = _containers(runner="test-a", incarnation="1")
    other = _containers(runner="test-b", incarnation="1")
    now = _containers(runner="test-a", incarnation="2")
    try:
        left = await opened(earlier, environments)
        theirs = await opened(other, environments)
        ours = await opened(now, environments)
        assert 1 == await now.sweep()
        assert 0 == await now.sweep()
        for workplace in (theirs, ours):
            fine, _ = await run(workplace, "pass")
            assert Verdict.SUCCESS == fine.verdict
        with pytest.raises(SessionBrokenError):
            await run(left, "pass")
    finally:
        for backend in (earlier, other, now):
            await backend.close()


@pytest.mark.engine
async def test_an_image_that_vanishes_is_made_again(docker_engine: Engine, tmp_path: Path) -> None:
    """A pool whose image was removed behind its back builds it and goes on."""
    write_bare_environment(tmp_path, "vanishing_environment")
    definition = Environments([tmp_path]).get("vanishing_environment")
    with (tmp_path / definition.dockerfile).open("a") as file:
        file.write("ENV VANISHING=1\n")
    pool = Pool(_containers(), policy=PoolPolicy(slots=1))
    try:
        await pool.prepare(definition, quiet)
        await docker_engine.remove_image(definition.image)
        async with pool.workplace(definition, quiet) as borrowed:
            outcome, _ = await run(borrowed.workplace, "pass")
        assert Verdict.SUCCESS == outcome.verdict
    finally:
        await pool.close()
        await docker_engine.remove_image(definition.image)


@pytest.mark.engine
async def test_an_image_follows_its_recipe(docker_engine: Engine, tmp_path: Path) -> None:
    """An edited Dockerfile makes the image absent until it is built again, with steps told."""
    write_bare_environment(tmp_path, "recipe_environment")
    environments = Environments([tmp_path])
    backend = _containers()
    image = environments.get("recipe_environment").image
    await docker_engine.remove_image(image)
    try:
        heard: list[tuple[str, float | None]] = []

        def hear(message: str, fraction: float | None) -> None:
            heard.append((message, fraction))

        first = await backend.prepare(environments.get("recipe_environment"), hear)
        assert any("Step 2/" in message for message, _ in heard)
        assert all(f is not None and 0 <= f <= 1 for _, f in heard)
        with (tmp_path / "Dockerfile_recipe_environment").open("a") as file:
            file.write("ENV RECIPE=2\n")
        assert "" == await backend.digest(environments.get("recipe_environment"))
        second = await backend.prepare(environments.get("recipe_environment"), hear)
        assert first != second
    finally:
        await docker_engine.remove_image(image)
        await backend.close()


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
        later = _containers(incarnation="later")
        assert 0 == await later.sweep()
        await later.close()
