"""Images of one Docker engine: found, built, pulled, labelled and pushed.

Credentials of registries are those of the Docker command line (`docker login`); docker-py sends
them with each request, and nothing here sees them.
"""

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import APIError, ImageNotFound

from services.errors import DeadlineExceededError, EnvironmentUnavailableError, UnavailableError
from services.runner.domain.images import Image
from services.runner.engine.calls import call
from services.runner.engine.transfers import Transfer

Progress = Callable[[str, float | None], None]

_BUILD_SECONDS: Final = 3600
_LAST_LINES: Final = 15
_TELL_SECONDS: Final = 0.25
_ABSENT = ("not found", "manifest unknown", "name unknown", "repository does not exist")
_DENIED = ("denied", "unauthorized", "authentication required", "no basic auth")


class Images:
    """The images of one engine."""

    def __init__(self, client: docker.APIClient) -> None:
        self._client = client

    async def find(self, name: str) -> Image | None:
        """The local image of that name, or of those first digits of a digest."""

        def inspect() -> Image | None:
            try:
                return _image_of(self._inspect(name))
            except ImageNotFound:
                return None

        return await call(inspect)

    async def all(self) -> list[Image]:
        """Every local image that is not only a step on the way to another, newest first."""

        def listed() -> list[Image]:
            found = [_listed_image(one) for one in self._client.images()]
            oldest = datetime.fromtimestamp(0, UTC)
            return sorted(found, key=lambda image: image.create_time or oldest, reverse=True)

        return await call(listed)

    async def config(self, name: str) -> dict[str, Any]:
        """How containers of an image start: `User`, `Volumes`, … as the engine names them."""
        return await call(lambda: dict(self._inspect(name).get("Config") or {}))

    async def build(
        self, name: str, *, folder: Path, dockerfile: str, labels: Mapping[str, str],
        on_line: Callable[[str], None], no_cache: bool = False,
        arguments: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Builds an image; lines of output go to `on_line`, in the event loop's thread.

        `arguments` are values of the Dockerfile's ARGs.

        Raises EnvironmentUnavailableError with the last lines.
        """
        lines: list[str] = []

        def on_message(message: Mapping[str, Any]) -> None:
            for line in str(message.get("stream") or message.get("error") or "").splitlines():
                if line.strip():
                    lines.append(line.strip())
                    del lines[:-_LAST_LINES]
                    on_line(line.strip())

        def start() -> Iterable[Mapping[str, Any]]:
            found: Iterable[Mapping[str, Any]] = self._client.build(
                path=str(folder),
                dockerfile=dockerfile,
                tag=name,
                network_mode="host",  # only while it is built: packages come from the network
                labels=dict(labels),
                buildargs=dict(arguments or {}),
                decode=True,
                rm=True,
                forcerm=True,
                nocache=no_cache,
                timeout=_BUILD_SECONDS,
            )
            return found

        if await self._follow(start, on_message):
            raise EnvironmentUnavailableError(
                f"the image {name} cannot be built: " + " | ".join(lines)
            )

    async def label(self, image: Image, labels: Mapping[str, str]) -> Image:
        """An image with the same content and further labels; untagged."""

        def derive() -> Image:
            messages = self._client.build(
                fileobj=io.BytesIO(f"FROM {image.id}\n".encode()),
                labels=dict(labels),
                decode=True,
                rm=True,
                forcerm=True,
                timeout=_BUILD_SECONDS,
            )
            made = ""
            for message in messages:
                if message.get("error"):
                    raise EnvironmentUnavailableError(
                        f"the image {image.id} cannot be labelled: {message['error']}"
                    )
                made = str((message.get("aux") or {}).get("ID") or made)
            return _image_of(self._inspect(made))

        return await call(derive)

    async def tag(self, image: Image, name: str) -> None:
        """Gives an image a further name, `<repository>:<tag>`."""
        repository, _, tag = name.rpartition(":")
        await call(lambda: self._client.tag(image.id, repository, tag))

    async def pull(self, reference: str, progress: Progress, *, seconds: float) -> Image:
        """Pulls an image within a time.

        Raises EnvironmentUnavailableError where the registry does not have it or does not give it,
        UnavailableError where it does not answer, DeadlineExceededError.
        """
        transfer = Transfer(f"pulling {reference}")

        def start() -> Iterable[Mapping[str, Any]]:
            self._log_in_anew()
            found: Iterable[Mapping[str, Any]] = self._client.pull(
                reference, stream=True, decode=True
            )
            return found

        with _about(reference, doing="pull"):
            async with _deadline(seconds, f"{reference} was not pulled"):
                error = await self._follow(start, _calmly(transfer, progress))
        if error:
            raise _refusal(reference, error, doing="pull")
        return await call(lambda: _image_of(self._inspect(reference)))

    async def push(self, reference: str, progress: Progress, *, seconds: float) -> str:
        """Pushes an image under one of its names; returns the digest of its manifest there.

        Raises as `pull` does.
        """
        tell = _calmly(Transfer(f"pushing {reference}"), progress)
        digest = ""

        def start() -> Iterable[Mapping[str, Any]]:
            self._log_in_anew()
            found: Iterable[Mapping[str, Any]] = self._client.push(
                reference, stream=True, decode=True
            )
            return found

        def on_message(message: Mapping[str, Any]) -> None:
            nonlocal digest
            digest = str((message.get("aux") or {}).get("Digest") or digest)
            tell(message)

        with _about(reference, doing="push"):
            async with _deadline(seconds, f"{reference} was not pushed"):
                error = await self._follow(start, on_message)
        if error:
            raise _refusal(reference, error, doing="push")
        return digest

    async def digest_at_registry(self, reference: str) -> str:
        """Digest of a manifest at its registry, without pulling it; empty if it is not there.

        Raises EnvironmentUnavailableError where the registry does not tell, UnavailableError where
        it does not answer.
        """

        def ask() -> str:
            self._log_in_anew()
            try:
                found = self._client.inspect_distribution(reference)  # type: ignore[no-untyped-call]
            except APIError as error:
                said = str(error.explanation or error)
                if error.status_code == 404 or _says(said, _ABSENT):
                    return ""
                raise _refusal(reference, said, doing="look up") from error
            return str(found["Descriptor"]["digest"])

        return await call(ask)

    async def remove(self, name: str) -> None:
        """Removes a local image; one that is gone already counts as removed."""

        def remove() -> None:
            with contextlib.suppress(ImageNotFound):
                self._client.remove_image(name, force=True)

        await call(remove)

    def _inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.inspect_image(name)  # type: ignore[no-untyped-call]
        return found

    def _log_in_anew(self) -> None:
        """Somebody may have logged in or out since the runner started."""
        self._client.reload_config()

    async def _follow(
        self,
        start: Callable[[], Iterable[Mapping[str, Any]]],
        on_message: Callable[[Mapping[str, Any]], None],
    ) -> str:
        """Hands on messages in the event loop's thread; returns the engine's error, or empty."""
        loop = asyncio.get_running_loop()
        given_up = threading.Event()

        def follow() -> str:
            error = ""
            for message in start():
                if given_up.is_set():
                    break  # the engine stops the work of a client that is gone
                loop.call_soon_threadsafe(on_message, message)
                error = str(message.get("error") or error)
            return error

        try:
            return await call(follow)  # what was handed on before is heard before
        finally:
            given_up.set()


def _calmly(transfer: Transfer, progress: Progress) -> Callable[[Mapping[str, Any]], None]:
    """Hears everything and tells a few times a second: people read it, and watchers store it."""
    told = 0.0

    def hear(message: Mapping[str, Any]) -> None:
        nonlocal told
        said = transfer.hear(message)
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            progress(*said)

    return hear


@contextlib.asynccontextmanager
async def _deadline(seconds: float, what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise DeadlineExceededError(
            f"{what} within {seconds:.0f} s (ACKREP_RUNNER_PULL_SECONDS)"
        ) from error


@contextlib.contextmanager
def _about(reference: str, *, doing: str) -> Iterator[None]:
    """The engine's refusal of a request says what it was about."""
    try:
        yield
    except UnavailableError as error:
        cause = error.__cause__
        if isinstance(cause, APIError):
            raise _refusal(reference, str(cause.explanation or cause), doing=doing) from cause
        raise


def _refusal(
    reference: str, said: str, *, doing: str
) -> EnvironmentUnavailableError | UnavailableError:
    """What a registry or the way to it refuses, told apart by what the engine says."""
    registry = reference.partition("/")[0]
    if _says(said, _DENIED):
        return EnvironmentUnavailableError(
            f"cannot {doing} {reference}: the registry {registry} does not allow it; "
            f"`docker login {registry}` as the user that runs the runner"
        )
    if _says(said, _ABSENT):
        return EnvironmentUnavailableError(
            f"cannot {doing} {reference}: the registry {registry} does not have it"
        )
    return UnavailableError(f"cannot {doing} {reference}: {said}")


def _says(text: str, words: Iterable[str]) -> bool:
    return any(word in text.lower() for word in words)


def _image_of(found: Mapping[str, Any]) -> Image:
    labels = (found.get("Config") or {}).get("Labels") or {}
    return Image(
        id=found["Id"],
        labels=labels,
        references=tuple(found.get("RepoTags") or ()),
        manifests=tuple(found.get("RepoDigests") or ()),
        size=int(found.get("Size") or 0),
        create_time=_time(str(found.get("Created") or "")),
        triggers=bool((found.get("Config") or {}).get("OnBuild")),
    )


def _listed_image(found: Mapping[str, Any]) -> Image:
    created = found.get("Created")
    return Image(
        id=found["Id"],
        labels=found.get("Labels") or {},
        references=tuple(one for one in found.get("RepoTags") or () if "<none>" not in one),
        manifests=tuple(one for one in found.get("RepoDigests") or () if "<none>" not in one),
        size=int(found.get("Size") or 0),
        create_time=datetime.fromtimestamp(created, UTC) if created else None,
    )


def _time(text: str) -> datetime | None:
    """A time as the engine writes it, with nanoseconds."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year > 1970 else None
