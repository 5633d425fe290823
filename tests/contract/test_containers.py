"""The promises of containers alone."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import docker
import pytest

from services.errors import EnvironmentUnavailableError, UnavailableError
from services.runner.domain.environments import Definition
from services.runner.domain.pools import PoolPolicy
from services.runner.domain.workplaces import CAPABILITIES
from services.runner.engine.containers import Bounds, Engine
from services.runner.environments import Environments
from services.runner.sessions.outcome import Verdict
from services.runner.sessions.session import Limits, SessionBrokenError
from services.runner.workplaces.conformance import TOP_RUNG
from services.runner.workplaces.containers import ContainerBackend
from services.runner.workplaces.pool import Pool
from tests.backends import MEMORY, containers, opened, output, quiet, run
from tests.engine import engine_or_reason, write_bare_environment
from tests.requirements import need

pytestmark = pytest.mark.engine


async def test_containers_are_tight(environments: Environments) -> None:
    """No network, no writable root, no rights: seen from inside by the check itself."""
    backend = containers()
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


def loosen(monkeypatch: pytest.MonkeyPatch, change: dict[str, object]) -> None:
    """From now on containers differ from ours in this."""
    tight: Any = docker.APIClient.create_host_config

    def loose(client: docker.APIClient, **facts: object) -> object:
        return tight(client, **{**facts, **change})

    monkeypatch.setattr(docker.APIClient, "create_host_config", loose)
    create: Any = docker.APIClient.create_container

    def create_loose(client: docker.APIClient, *names: object, **facts: object) -> object:
        return create(client, *names, **{**facts, "network_disabled": False})

    if "network_mode" in change:
        monkeypatch.setattr(docker.APIClient, "create_container", create_loose)


NEEDED = sorted(capability.upper() for capability in CAPABILITIES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"read_only": False}, "writable"),
        ({"cap_add": [*NEEDED, "NET_RAW"]}, "net_raw"),
        ({"security_opt": []}, "no_new_privs"),
        ({"network_mode": "host"}, "network"),
    ],
)
async def test_loose_containers_are_refused(
    environments: Environments,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    words: str,
) -> None:
    """Real containers that are not tight enough take no check, and the error says why."""
    loosen(monkeypatch, change)
    backend = containers()
    try:
        with pytest.raises(EnvironmentUnavailableError, match="not tight enough") as refused:
            await opened(backend, environments)
        assert words in refused.value.message
    finally:
        await backend.close()


async def use(backend: ContainerBackend, definition: Definition, digest: str) -> None:
    """What a check does with an image."""
    assert digest == await backend.digest(definition)
    await backend.open(definition, digest=digest)


@pytest.mark.parametrize(
    ("line", "words"), [("VOLUME /data", "VOLUME (/data)"), ("ONBUILD RUN id", "ONBUILD")]
)
async def test_images_that_bring_more_are_refused(
    docker_engine: Engine, tmp_path: Path, line: str, words: str
) -> None:
    """A volume would be a place to write that is no memory; ONBUILD runs where there is network."""
    name = f"more{os.getpid()}_environment"
    write_bare_environment(tmp_path, name)
    definition = Environments([tmp_path]).get(name)
    with (tmp_path / definition.dockerfile).open("a") as file:
        file.write(line + "\n")
    backend = containers()
    try:
        digest = await backend.prepare(definition, quiet)
        with pytest.raises(EnvironmentUnavailableError, match=re.escape(words)):
            await use(backend, definition, digest)
    finally:
        await backend.close()
        await docker_engine.images.remove(definition.image)
    filters = {"label": f"dev.ackrep.environment={name}"}
    assert [] == await asyncio.to_thread(
        docker_engine._client.containers, all=True, filters=filters
    )


async def test_health_checks_of_images_do_not_run(docker_engine: Engine, tmp_path: Path) -> None:
    """They would run as root beside the checks."""
    name = f"healthy{os.getpid()}_environment"
    write_bare_environment(tmp_path, name)
    definition = Environments([tmp_path]).get(name)
    with (tmp_path / definition.dockerfile).open("a") as file:
        file.write("HEALTHCHECK --interval=1s CMD true\n")
    backend = containers()
    try:
        place = await backend.open(definition, digest=await backend.prepare(definition, quiet))
        found = await asyncio.to_thread(docker_engine._client.inspect_container, place.info.id)
        assert ["NONE"] == found["Config"]["Healthcheck"]["Test"]
        assert "Health" not in found["State"]
        outcome, _ = await run(place, "pass")
        assert Verdict.SUCCESS == outcome.verdict
        await place.close()
    finally:
        await backend.close()
        await docker_engine.images.remove(definition.image)


@pytest.mark.parametrize(
    ("change", "confinement", "words"),
    [
        (
            {"security_opt": ["no-new-privileges", "seccomp=unconfined"]},
            f"container+{TOP_RUNG}",
            "no seccomp profile",
        ),
        ({"pids_limit": 0}, f"container+{TOP_RUNG}", "does not limit the processes"),
        ({"cap_add": []}, "container+landlock+seccomp+fresh", "own user id"),
    ],
)
async def test_degraded_containers_say_so(
    environments: Environments,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    confinement: str,
    words: str,
) -> None:
    """Checks run in containers that lack something less, and every result says what."""
    loosen(monkeypatch, change)
    backend = containers()
    try:
        workplace = await opened(backend, environments)
        assert confinement == workplace.info.confinement
        (remark,) = workplace.info.remarks
        assert words in remark
        outcome, _ = await run(workplace, "pass")
        assert Verdict.SUCCESS == outcome.verdict, outcome.traceback
    finally:
        await backend.close()


async def test_files_count_as_memory(environments: Environments) -> None:
    """Files that fill the memory of a container end the check, not the harness."""
    backend = containers()
    try:
        workplace = await opened(backend, environments)
        limits = Limits(wall_seconds=30, memory_bytes=MEMORY // 4)
        body = "for n in range(10**6): open(str(n), 'wb').write(bytes(2**20))"
        outcome, _ = await run(workplace, body, limits=limits)
        assert (Verdict.LIMIT_EXCEEDED, "memory") == (outcome.verdict, outcome.limit)
        assert outcome.cleanliness.oom_kills
        assert not outcome.cleanliness.clean
    finally:
        await backend.close()


async def test_a_strict_runner_refuses_what_is_outdated(environments: Environments) -> None:
    """Known ways out of a container are a warning in the reason; strictly, no engine."""
    engine, reason = engine_or_reason()
    need(engine, what=f"Docker engine: {reason}")
    assert engine is not None
    assert "runc" in engine.components, "as every engine since 18.09 tells"
    engine.components = {"runc": "1.1.11"}
    facts = {
        "runner": "test-strict",
        "incarnation": "now",
        "bounds": Bounds(memory_bytes=MEMORY, cpus=1, processes=64, shm_bytes=2**20),
        "reason": "a test",
    }
    assert "CVE-2024-21626" in ContainerBackend(engine, **facts).reason  # type: ignore[arg-type]
    with pytest.raises(UnavailableError, match="CVE-2024-21626"):
        ContainerBackend(engine, **facts, strict=True)  # type: ignore[arg-type]
    await engine.close()


async def test_a_killed_container_breaks_its_session_only(
    docker_engine: Engine, environments: Environments
) -> None:
    """The check in it is told at once; another container takes the next one."""
    backend = containers()
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


async def test_only_own_earlier_containers_are_removed(
    docker_engine: Engine, environments: Environments
) -> None:
    """A runner removes what its earlier incarnation left, and nobody else's."""
    earlier = containers(runner="test-a", incarnation="1")
    other = containers(runner="test-b", incarnation="1")
    now = containers(runner="test-a", incarnation="2")
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


async def test_an_image_that_vanishes_is_made_again(docker_engine: Engine, tmp_path: Path) -> None:
    """A pool whose image was removed behind its back builds it and goes on."""
    write_bare_environment(tmp_path, "vanishing_environment")
    definition = Environments([tmp_path]).get("vanishing_environment")
    with (tmp_path / definition.dockerfile).open("a") as file:
        file.write("ENV VANISHING=1\n")
    pool = Pool(containers(), policy=PoolPolicy(slots=1))
    try:
        await pool.prepare(definition, quiet)
        await docker_engine.images.remove(definition.image)
        async with pool.workplace(definition, quiet) as borrowed:
            outcome, _ = await run(borrowed.workplace, "pass")
        assert Verdict.SUCCESS == outcome.verdict
    finally:
        await pool.close()
        await docker_engine.images.remove(definition.image)


async def test_two_images_of_one_environment(docker_engine: Engine, tmp_path: Path) -> None:
    """What is in use and a candidate run checks beside each other, each in its own containers."""
    name = f"double{os.getpid()}_environment"  # others may test on this engine
    write_bare_environment(tmp_path, name)
    environments = Environments([tmp_path])
    dockerfile = tmp_path / f"Dockerfile_{name}"
    before = dockerfile.read_text()
    backend = containers()
    pool = Pool(backend, policy=PoolPolicy(slots=2))
    try:
        digests = []
        for tag in ("latest", "candidate"):
            dockerfile.write_text(f"{before}RUN echo {tag} > /usr/share/content\n")
            digests.append(
                await backend.images.build(
                    environments.get(name), tag=tag, no_cache=False, progress=quiet
                )
            )
        dockerfile.write_text(f"{before}RUN echo latest > /usr/share/content\n")
        promoted = environments.get(f"{name}@{digests[1]}")
        async with (
            pool.workplace(environments.get(name), quiet) as used,
            pool.workplace(promoted, quiet) as other,
        ):
            for borrowed, digest, content in (
                (used, digests[0], "latest\n"),
                (other, digests[1], "candidate\n"),
            ):
                info = borrowed.workplace.info
                assert (name, digest) == (info.environment, info.environment_digest)
                assert info.id.startswith(f"{name}_run_")
                _, events = await run(
                    borrowed.workplace, "print(open('/usr/share/content').read(), end='')"
                )
                assert content == output(events)
    finally:
        await pool.close()
        for tag in ("latest", "candidate"):
            await docker_engine.images.remove(f"ackrep/{name}:{tag}")


async def test_an_image_follows_its_recipe(docker_engine: Engine, tmp_path: Path) -> None:
    """An edited Dockerfile makes the image absent until it is built again, with steps told."""
    write_bare_environment(tmp_path, "recipe_environment")
    environments = Environments([tmp_path])
    backend = containers()
    image = environments.get("recipe_environment").image
    await docker_engine.images.remove(image)
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
        await docker_engine.images.remove(image)
        await backend.close()
