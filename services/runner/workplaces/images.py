"""Which image of an environment is in use, how it gets here, and how it is published.

The image in use is `ackrep/<name>:latest`. What a registry gives gets that name too, so that names
on this machine say the same wherever an image came from.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from services.errors import (
    AlreadyExistsError,
    EnvironmentUnavailableError,
    InvalidArgumentError,
    PreconditionError,
)
from services.runner.domain.environments import Definition
from services.runner.domain.images import (
    ENVIRONMENT_LABEL,
    LATEST,
    RECIPE_LABEL,
    RUNTIME_LABEL,
    Image,
    Published,
    Release,
    Shown,
    is_digits,
    require_ours,
    require_registry,
    require_release,
    require_tag,
)
from services.runner.engine.images import Images
from services.runner.environments import recipe
from services.runner.ports import Progress

_STEP = re.compile(r"Step (\d+)/(\d+)")


class ContainerImages:
    """The images of all environments on one engine.

    Args:
        images: Of the engine.
        registry: Where images are pulled from and pushed to, `host[:port][/path]`; empty: they are
            built here.
        seconds: How long a pull or push may take.

    Raises InvalidArgumentError for a registry that is none.
    """

    def __init__(self, images: Images, *, registry: str, seconds: float) -> None:
        self._images = images
        self._registry = require_registry(registry)
        self._seconds = seconds
        self._locks: dict[str, asyncio.Lock] = {}
        self._asked: dict[str, datetime] = {}

    def repository(self, definition: Definition) -> str:
        return f"{self._registry}/{definition.name}" if self._registry else ""

    def freshness_time(self, definition: Definition) -> datetime | None:
        return self._asked.get(definition.name)

    async def current(self, definition: Definition) -> Image | None:
        """The image that checks would run in; None if it has to be made or pulled first.

        Raises EnvironmentUnavailableError if there is one that is not made for ACKREP.
        """
        if is_digits(definition.reference):
            return await self._with_digits(definition)
        image = await self._images.find(definition.image)
        if image is None:
            return None
        require_ours(image, name=definition.image)
        if definition.reference:
            return image
        built_from = image.labels.get(RECIPE_LABEL)
        if built_from is not None and not self._registry and built_from != recipe(definition):
            return None  # its Dockerfile or requirements have changed since
        place, _, wanted = definition.pinned.partition("@")
        pulled = image.manifests_in(place)
        if pulled and wanted not in pulled:
            return None  # another one was pinned before; what was built here stays
        return image

    async def _with_digits(self, definition: Definition) -> Image | None:
        image = await self._images.find(definition.reference)
        places = (definition.repository, self.repository(definition))
        if (
            image is None
            or not image.id.startswith(f"sha256:{definition.reference}")
            or not image.belongs_to(definition.name, *places)
        ):
            return None
        return require_ours(image, name=definition.identity)

    async def config(self, image: Image) -> Mapping[str, object]:
        return await self._images.config(image.id)

    async def shown(self, definition: Definition) -> list[Shown]:
        place, current_recipe = self.repository(definition), recipe(definition)
        return [
            Shown(
                image=image,
                tags=image.tags(definition.repository, place),
                registry_digest=next(iter(image.manifests_in(place)), ""),
                current_recipe=image.labels.get(RECIPE_LABEL) == current_recipe,
            )
            for image in await self._images.all()
            if RUNTIME_LABEL in image.labels
            and image.belongs_to(definition.name, definition.repository, place)
        ]

    # Getting one

    async def prepare(self, definition: Definition, progress: Progress) -> str:
        """Makes or pulls the image where it is not here; returns its digest.

        Raises EnvironmentUnavailableError, UnavailableError or DeadlineExceededError.
        """
        async with self._lock(definition):
            image = await self.current(definition)
            if image is None:
                image = await self._get(definition, progress)
                progress(f"{definition.identity} is ready", 1.0)
            return image.id

    async def _get(self, definition: Definition, progress: Progress) -> Image:
        if is_digits(definition.reference):
            return await self._pull_digits(definition, progress)
        if definition.reference or self._registry or definition.pinned:
            return await self._pull(definition, progress)

        def tell(line: str, fraction: float | None) -> None:
            progress(f"{definition.name}: {line}", fraction)

        progress(f"building {definition.image}", 0.0)
        return await self._build(definition, definition.image, progress=tell)

    async def _pull(self, definition: Definition, progress: Progress) -> Image:
        source = self._source(definition)
        progress(f"pulling {source}", None)
        image = await self._images.pull(source, progress, seconds=self._seconds)
        require_ours(image, name=source)
        await self._images.tag(image, definition.image)
        return image

    def _source(self, definition: Definition) -> str:
        """Where the image of a definition is pulled from."""
        if not self._registry:
            raise EnvironmentUnavailableError(
                f"there is no local image {definition.pinned or definition.image}, and no registry "
                "to pull it from (ACKREP_RUNNER_REGISTRY)",
                environment=definition.name,
            )
        place = self.repository(definition)
        if definition.reference or not definition.pinned:
            return f"{place}:{definition.reference or LATEST}"
        if not definition.pinned.startswith(f"{place}@"):
            raise EnvironmentUnavailableError(
                f"{definition.name} is pinned to {definition.pinned}, which is not at the "
                f"configured registry, {self._registry} (ACKREP_RUNNER_REGISTRY)",
                environment=definition.name,
            )
        return definition.pinned

    async def _pull_digits(self, definition: Definition, progress: Progress) -> Image:
        what = f"the image {definition.reference[:12]} of {definition.name} is not on this machine"
        if not definition.tag:
            raise EnvironmentUnavailableError(
                f"{what}, and nothing says under which tag a registry has it: publish it with "
                "`ackrep env push`, or build it here",
                environment=definition.name,
            )
        if not self._registry:
            raise EnvironmentUnavailableError(
                f"{what}, and there is no registry to pull it from (ACKREP_RUNNER_REGISTRY)",
                environment=definition.name,
            )
        source = f"{self.repository(definition)}:{require_tag(definition.tag)}"
        progress(f"pulling {source}", None)
        image = await self._images.pull(source, progress, seconds=self._seconds)
        if not image.id.startswith(f"sha256:{definition.reference}"):
            raise EnvironmentUnavailableError(
                f"{what}, and {source} is another one by now, {image.id}",
                environment=definition.name,
            )
        return require_ours(image, name=source)

    async def build(
        self, definition: Definition, *, tag: str, no_cache: bool, progress: Progress
    ) -> str:
        name = f"{definition.repository}:{require_tag(tag or LATEST)}"
        async with self._locked(name):
            image = await self._build(definition, name, no_cache=no_cache, progress=progress)
            return image.id

    async def _build(
        self, definition: Definition, name: str, *, progress: Progress, no_cache: bool = False
    ) -> Image:
        fraction = 0.0

        def on_line(line: str) -> None:
            nonlocal fraction
            if step := _STEP.match(line):
                fraction = (int(step[1]) - 1) / int(step[2])
            progress(line, fraction)

        await self._images.build(
            name,
            folder=definition.folder,
            dockerfile=definition.dockerfile,
            labels={
                RECIPE_LABEL: recipe(definition),
                RUNTIME_LABEL: "1",
                ENVIRONMENT_LABEL: definition.name,
            },
            on_line=on_line,
            no_cache=no_cache,
        )
        image = await self._images.find(name)
        if image is None:
            raise EnvironmentUnavailableError(f"the image {name} was not made")
        return image

    async def pull(self, definition: Definition, progress: Progress) -> str:
        if is_digits(definition.reference):
            raise InvalidArgumentError(
                f"{definition.reference} is a digest of an image; images are pulled by tag"
            )
        if not self._registry:
            raise PreconditionError("there is no registry to pull from (ACKREP_RUNNER_REGISTRY)")
        async with self._lock(definition):
            return (await self._pull(definition, progress)).id

    async def freshen(self, definition: Definition, progress: Progress) -> bool:
        """As `Backend.freshen`."""
        place = self.repository(definition)
        if not place or definition.reference or definition.pinned:
            return False
        async with self._lock(definition):
            image = await self.current(definition)
            if image is None or not (known := image.manifests_in(place)):
                return False  # none yet, or built here
            there = await self._images.digest_at_registry(f"{place}:{LATEST}")
            self._asked[definition.name] = datetime.now(UTC)
            if not there or there in known:
                return False
            return (await self._pull(definition, progress)).id != image.id

    # Publishing

    async def push(self, definition: Definition, release: Release, progress: Progress) -> Published:
        require_release(release)
        place = self.repository(definition)
        if not place:
            raise PreconditionError("there is no registry to push to (ACKREP_RUNNER_REGISTRY)")
        image = await self.current(definition)
        if image is None:
            raise PreconditionError(
                f"there is no image of {definition.identity} to push: `ackrep env build "
                f"{definition.name}` makes one"
            )
        references = tuple(f"{place}:{tag}" for tag in (release.version, LATEST))
        progress(f"asking {self._registry} for {references[0]}", None)
        if not release.force and await self._images.digest_at_registry(references[0]):
            raise AlreadyExistsError(
                f"{references[0]} is published already: take another version, or --force"
            )
        labels = {**release.labels(), ENVIRONMENT_LABEL: definition.name}
        published = await self._images.label(image, labels)
        digest = ""
        for reference in references:
            await self._images.tag(published, reference)
            digest = await self._images.push(reference, progress, seconds=self._seconds)
        for tag in (release.version, LATEST):
            await self._images.tag(published, f"{definition.repository}:{tag}")
        return Published(references=references, registry_digest=digest, digest=published.id)

    def _lock(self, definition: Definition) -> asyncio.Lock:
        digits = is_digits(definition.reference)
        return self._locked(definition.identity if digits else definition.image)

    def _locked(self, name: str) -> asyncio.Lock:
        """One preparation of an image at a time, whoever asks for it."""
        return self._locks.setdefault(name, asyncio.Lock())
