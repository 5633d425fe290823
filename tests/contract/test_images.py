"""Images at a real registry: published, pulled, pinned, kept fresh, refused."""

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.errors import (
    AlreadyExistsError,
    DeadlineExceededError,
    EnvironmentUnavailableError,
    InvalidArgumentError,
    PreconditionError,
    UnavailableError,
)
from services.runner.domain.environments import Definition
from services.runner.domain.images import (
    DESCRIPTION_LABEL,
    REVISION_LABEL,
    RUNTIME_LABEL,
    VERSION_LABEL,
    Image,
    Release,
)
from services.runner.engine.images import Images
from services.runner.environments import Environments
from services.runner.workplaces.images import ContainerImages
from tests.backends import quiet
from tests.engine import engine_or_reason, write_bare_environment
from tests.registries import PASSWORD, USER, free_port, running_registry
from tests.requirements import need

pytestmark = pytest.mark.engine

NAME = f"shelved{os.getpid()}_environment"
DOCKERFILE = "FROM scratch\nCOPY requirements_{name}.txt /\nENV CONTENT={content}\n"
"""Nothing ever runs in these images, so they are made in a moment."""


class Host:
    """One machine with an engine, as far as the images of one environment are concerned."""

    def __init__(self, images: Images, folder: Path, *, registry: str) -> None:
        self.images = images
        self.folder = folder
        self.registry = registry
        self.store = ContainerImages(images, registry=registry, seconds=60)

    @property
    def place(self) -> str:
        """Where its images are at the registry."""
        return f"{self.registry}/{NAME}"

    def definition(self, reference: str = "", *, tag: str = "") -> Definition:
        """The environment as it is defined now, or one image of it."""
        name = f"{NAME}@{reference}" if reference else NAME
        return Environments([self.folder]).get(name, tag=tag)

    def write(self, content: str) -> None:
        """Changes what the next image has in it."""
        (self.folder / f"Dockerfile_{NAME}").write_text(
            DOCKERFILE.format(name=NAME, content=content)
        )

    async def build(self, content: str, *, tag: str = "") -> str:
        """Builds an image; its digest."""
        self.write(content)
        return await self.store.build(self.definition(), tag=tag, no_cache=False, progress=quiet)

    async def publish(self, content: str, version: str, *, force: bool = False) -> str:
        """Builds and publishes one; the digest of what was published."""
        await self.build(content)
        release = Release(version=version, message=content, revision="ackrep 1234567", force=force)
        return (await self.store.push(self.definition(), release, quiet)).digest

    async def publish_elsewhere(self, content: str, *, tag: str = "latest") -> str:
        """As if another machine published it: nothing in use changes here."""
        image = await self.found(await self.build(content, tag="elsewhere"))
        await self.images.tag(image, f"{self.place}:{tag}")
        return await self.images.push(f"{self.place}:{tag}", quiet, seconds=60)

    async def found(self, name: str) -> Image:
        """An image that must be there."""
        image = await self.images.find(name)
        assert image is not None, name
        return image

    async def forget(self) -> None:
        """Removes every image of the environment from this machine."""
        for image in await self.images.all():  # newest first: what was made from others before them
            if image.belongs_to(NAME, f"ackrep/{NAME}", self.place):
                await self.images.remove(image.id)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that the tests share; each publishes below a path of its own."""
    with running_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
async def host(registry: str, tmp_path: Path) -> AsyncIterator[Host]:
    """A machine with an empty part of the registry."""
    engine, reason = engine_or_reason()
    need(engine, what=f"Docker engine: {reason}")
    assert engine is not None
    write_bare_environment(tmp_path, NAME)
    (tmp_path / f"requirements_{NAME}.txt").write_text(f"# {tmp_path}\n")
    place = f"{registry}/{tmp_path.name.replace('_', '-').lower()}"
    host = Host(engine.images, tmp_path, registry=place)
    yield host
    await host.forget()
    await engine.close()


async def test_publishing_says_what_is_inside_and_changes_nothing(host: Host) -> None:
    """A published image has the same content and labels; it is what checks use from then on."""
    built = await host.build("one")
    release = Release(version="1.2.0", message="the first one", revision="ackrep 1234567")
    published = await host.store.push(host.definition(), release, quiet)
    image = await host.found(published.digest)
    assert ("1.2.0", "the first one", "ackrep 1234567") == tuple(
        image.labels[label] for label in (VERSION_LABEL, DESCRIPTION_LABEL, REVISION_LABEL)
    )
    layers = [(await host.images.config(one))["Env"] for one in (built, published.digest)]
    assert layers[0] == layers[1]
    assert (await host.found(built)).size == image.size
    assert (f"{host.place}:1.2.0", f"{host.place}:latest") == published.references
    for reference in published.references:
        assert published.registry_digest == await host.images.digest_at_registry(reference)
    for reference in ("", "1.2.0", published.digest):
        current = await host.store.current(host.definition(reference))
        assert current is not None
        assert published.digest == current.id
    (shown,) = await host.store.shown(host.definition())
    assert (published.digest, ("1.2.0", "latest")) == (shown.image.id, shown.tags)
    assert (published.registry_digest, True) == (shown.registry_digest, shown.current_recipe)


async def test_a_published_version_stays(host: Host) -> None:
    """Publishing a version again is refused, also from another machine, unless it is forced."""
    first = await host.publish("one", "1.0.0")
    await host.forget()
    await host.build("two")
    with pytest.raises(AlreadyExistsError, match=r"1\.0\.0 is published already.*--force"):
        await host.publish("two", "1.0.0")
    assert first != await host.publish("two", "1.0.0", force=True)
    await host.publish("three", "1.0.1")


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "1.0.0-rc1", "01.0.0", "latest", ""])
async def test_a_version_has_three_numbers(host: Host, version: str) -> None:
    """What is no version is refused before anything is built or sent."""
    with pytest.raises(InvalidArgumentError, match=r"MAJOR\.MINOR\.PATCH"):
        await host.store.push(host.definition(), Release(version=version), quiet)


async def test_nothing_to_publish(host: Host) -> None:
    """Without an image, and without a registry, publishing says what to do."""
    with pytest.raises(PreconditionError, match="ackrep env build"):
        await host.store.push(host.definition(), Release(version="1.0.0"), quiet)
    alone = ContainerImages(host.images, registry="", seconds=60)
    with pytest.raises(PreconditionError, match="ACKREP_RUNNER_REGISTRY"):
        await alone.push(host.definition(), Release(version="1.0.0"), quiet)


async def test_pulled_where_it_is_not_here(host: Host) -> None:
    """Latest and a version come from the registry with progress; what is here is taken as it is."""
    first = await host.publish("one", "1.0.0")
    second = await host.publish("two", "2.0.0")
    await host.forget()
    heard: list[tuple[str, float | None]] = []
    assert "" == _id(await host.store.current(host.definition()))
    assert second == await host.store.prepare(host.definition(), lambda *one: heard.append(one))
    assert f"pulling {host.place}:latest" == heard[0][0]
    assert (f"{NAME} is ready", 1.0) == heard[-1]
    assert first == await host.store.prepare(host.definition("1.0.0"), quiet)
    assert second == _id(await host.store.current(host.definition()))
    heard.clear()
    assert first == await host.store.prepare(
        host.definition("1.0.0"), lambda *one: heard.append(one)
    )
    assert [] == heard
    with pytest.raises(EnvironmentUnavailableError, match=r":3\.0\.0: .*does not have it"):
        await host.store.prepare(host.definition("3.0.0"), quiet)


async def test_one_image_by_its_digits(host: Host) -> None:
    """Digits name an image of this environment alone; a tag says where it can be had, checked."""
    first = await host.publish("one", "1.0.0")
    digits = first.removeprefix("sha256:")[:12]
    await host.publish("two", "2.0.0")
    assert first == await host.store.prepare(host.definition(digits), quiet)
    debian = await host.found("debian:bookworm-slim")
    with pytest.raises(EnvironmentUnavailableError, match="not on this machine"):
        await host.store.prepare(host.definition(debian.id), quiet)
    await host.forget()
    with pytest.raises(EnvironmentUnavailableError, match="nothing says under which tag"):
        await host.store.prepare(host.definition(digits), quiet)
    assert first == await host.store.prepare(host.definition(digits, tag="1.0.0"), quiet)
    assert "" == _id(await host.store.current(host.definition())), "what is in use stays"
    await host.forget()
    with pytest.raises(EnvironmentUnavailableError, match=r":2\.0\.0 is another one by now"):
        await host.store.prepare(host.definition(digits, tag="2.0.0"), quiet)


async def test_an_installation_pins_an_image(host: Host) -> None:
    """A pinned digest is pulled whatever is latest; another registry than ours is refused."""
    await host.publish("one", "1.0.0")
    digest = await host.images.digest_at_registry(f"{host.place}:1.0.0")
    await host.publish("two", "2.0.0")
    await host.forget()
    definition = host.folder / f"{NAME}.toml"
    before = definition.read_text()
    definition.write_text(f'{before}image = "{host.place}@{digest}"\n')
    pinned = await host.store.prepare(host.definition(), quiet)
    assert "1.0.0" == (await host.found(pinned)).labels[VERSION_LABEL]
    assert not await host.store.freshen(host.definition(), quiet)
    later = await host.images.digest_at_registry(f"{host.place}:2.0.0")
    definition.write_text(f'{before}image = "{host.place}@{later}"\n')
    assert pinned != await host.store.prepare(host.definition(), quiet), "a new pin counts"
    await host.forget()
    definition.write_text(f'{before}image = "registry.invalid/{NAME}@{digest}"\n')
    with pytest.raises(EnvironmentUnavailableError, match="not at the configured registry"):
        await host.store.prepare(host.definition(), quiet)


async def test_images_of_other_products_are_refused(host: Host) -> None:
    """An image without our label is never used, wherever it came from."""
    (host.folder / "Dockerfile_other").write_text("FROM scratch\nENV OTHER=1\n")
    for name in (f"{host.place}:latest", f"ackrep/{NAME}:foreign"):
        await host.images.build(
            name, folder=host.folder, dockerfile="Dockerfile_other", labels={}, on_line=print
        )
    await host.images.push(f"{host.place}:latest", quiet, seconds=60)
    with pytest.raises(EnvironmentUnavailableError, match=RUNTIME_LABEL):
        await host.store.prepare(host.definition(), quiet)
    assert await host.images.find(f"ackrep/{NAME}:latest") is None, "it did not get our name"
    with pytest.raises(EnvironmentUnavailableError, match=RUNTIME_LABEL):
        await host.store.prepare(host.definition("foreign"), quiet)
    assert [] == await host.store.shown(host.definition())


async def test_a_newer_image_takes_its_place(host: Host) -> None:
    """What came from the registry follows its latest; what was built here stays."""
    first = await host.publish("one", "1.0.0")
    assert not await host.store.freshen(host.definition(), quiet)
    assert host.store.freshness_time(host.definition()) is not None
    digest = await host.publish_elsewhere("two")
    host.write("one")
    assert await host.store.freshen(host.definition(), quiet)
    image = await host.store.current(host.definition())
    assert image is not None
    assert first != image.id
    assert (digest,) == image.manifests_in(host.place)
    assert not await host.store.freshen(host.definition(), quiet)
    mine = await host.build("three")
    await host.publish_elsewhere("four")
    assert not await host.store.freshen(host.definition(), quiet)
    assert mine == _id(await host.store.current(host.definition()))


async def test_a_registry_that_is_not_there(host: Host) -> None:
    """Its address stands in the error, of a pull and of a question alike."""
    nowhere = f"127.0.0.1:{free_port()}"
    store = ContainerImages(host.images, registry=nowhere, seconds=60)
    with pytest.raises(UnavailableError, match=nowhere):
        await store.prepare(host.definition(), quiet)
    with pytest.raises(UnavailableError, match=nowhere):
        await host.images.digest_at_registry(f"{nowhere}/{NAME}:latest")


async def test_a_silent_registry_has_a_deadline(host: Host) -> None:
    """A registry that accepts and says nothing is given up when the time is over."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = f"127.0.0.1:{silent.getsockname()[1]}"
        store = ContainerImages(host.images, registry=registry, seconds=0.5)
        started = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineExceededError, match="ACKREP_RUNNER_PULL_SECONDS"):
            await store.prepare(host.definition(), quiet)
        assert 5 > asyncio.get_running_loop().time() - started


async def test_a_registry_that_wants_a_password(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without `docker login` the error says what to do; with it all works, and nothing is told."""
    caplog.set_level("DEBUG")
    config = tmp_path / "docker" / "config.json"
    config.parent.mkdir()
    config.write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(config.parent))
    (tmp_path / "guarded").mkdir()
    with running_registry(tmp_path / "guarded", guarded=True) as registry:
        store = ContainerImages(host.images, registry=registry, seconds=60)
        await host.build("one")
        release = Release(version="1.0.0", message="one")
        with pytest.raises(EnvironmentUnavailableError, match=f"`docker login {registry}`"):
            await store.push(host.definition(), release, quiet)
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config.write_text(json.dumps({"auths": {registry: {"auth": secret}}}))
        published = await store.push(host.definition(), release, quiet)
        await host.forget()
        await host.images.remove(f"{registry}/{NAME}:latest")
        assert published.digest == await store.prepare(host.definition(), quiet)
        assert not await store.freshen(host.definition(), quiet)
        config.write_text("{}")
        await host.forget()
        with pytest.raises(EnvironmentUnavailableError, match="docker login"):
            await store.prepare(host.definition(), quiet)
    assert PASSWORD not in caplog.text
    assert secret not in caplog.text


async def test_a_build_gets_its_tag(host: Host) -> None:
    """A candidate is built beside what is in use; without a registry other tags are not had."""
    used = await host.build("one")
    candidate = await host.build("two", tag="candidate")
    assert used != candidate
    host.write("one")
    assert used == _id(await host.store.current(host.definition()))
    assert candidate == await host.store.prepare(host.definition("candidate"), quiet)
    with pytest.raises(InvalidArgumentError, match="is no tag"):
        await host.build("three", tag="0123456789ab")
    alone = ContainerImages(host.images, registry="", seconds=60)
    with pytest.raises(EnvironmentUnavailableError, match="no registry to pull it from"):
        await alone.prepare(host.definition("other"), quiet)


async def test_two_callers_share_a_pull(host: Host) -> None:
    """The second waits for the first, and finds the image there."""
    published = await host.publish("one", "1.0.0")
    await host.forget()
    heard: list[str] = []

    def hear(message: str, fraction: float | None) -> None:
        heard.append(message)

    both = await asyncio.gather(
        host.store.prepare(host.definition(), hear), host.store.prepare(host.definition(), hear)
    )
    assert (published, published) == tuple(both)
    assert 1 == heard.count(f"{NAME} is ready")


def _id(image: Image | None) -> str:
    return image.id if image is not None else ""
