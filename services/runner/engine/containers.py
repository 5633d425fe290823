"""The Docker engine: the only module that imports `docker`.

Blocking calls of docker-py run in threads. Nothing of the host is ever mounted into a container.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import docker
import requests
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig
from docker.utils import kwargs_from_env

from services.errors import EnvironmentUnavailableError, UnavailableError
from services.runner.domain.workplaces import CAPABILITIES
from services.runner.engine.channel import ContainerChannel

RUNNER_LABEL: Final = "dev.ackrep.runner"
INCARNATION_LABEL: Final = "dev.ackrep.incarnation"
ENVIRONMENT_LABEL: Final = "dev.ackrep.environment"
RUNTIME_LABEL: Final = "dev.ackrep.runtime"
"""An image carries it if it was made for our runtime."""
RECIPE_LABEL: Final = "dev.ackrep.recipe"
"""sha256 of the Dockerfile and the requirements that an image was built from."""

_T = TypeVar("_T")
_CALL_SECONDS = 60
_BUILD_SECONDS = 3600
_LAST_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Image:
    """A local image."""

    id: str
    """`sha256:…`, the digest that results name."""
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a container may use."""

    memory_bytes: int
    cpus: float
    processes: int
    shm_bytes: int
    disk_bytes: int = 1024**3
    """Of the folders of a check; its temporary files elsewhere get half of that."""


class Engine:
    """One Docker engine. Made by `find_engine`."""

    def __init__(
        self, client: docker.APIClient, *, version: str, host: str, components: Mapping[str, str]
    ) -> None:
        self._client = client
        self.version = version
        self.host = host
        self.components = components
        """Version of each of its parts, by name."""

    # Images

    async def image(self, name: str) -> Image | None:
        """The local image of that name."""

        def inspect() -> Image | None:
            try:
                found = self._inspect(name)
            except ImageNotFound:
                return None
            return Image(id=found["Id"], labels=(found.get("Config") or {}).get("Labels") or {})

        return await _call(inspect)

    async def build(
        self, name: str, *, folder: Path, dockerfile: str, labels: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Builds an image; lines of output go to `on_line`, in the event loop's thread.

        Raises EnvironmentUnavailableError with the last lines.
        """
        loop = asyncio.get_running_loop()
        given_up = threading.Event()

        def build() -> None:
            lines: list[str] = []
            stream = self._client.build(
                path=str(folder),
                dockerfile=dockerfile,
                tag=name,
                network_mode="host",  # only while it is built: packages come from the network
                labels=dict(labels),
                decode=True,
                rm=True,
                forcerm=True,
                timeout=_BUILD_SECONDS,
            )
            for message in stream:
                if given_up.is_set():
                    return  # the engine stops a build whose client is gone
                for line in str(message.get("stream") or message.get("error") or "").splitlines():
                    if line.strip():
                        lines.append(line.strip())
                        del lines[:-_LAST_LINES]
                        loop.call_soon_threadsafe(on_line, line.strip())
                if message.get("error"):
                    raise EnvironmentUnavailableError(
                        f"the image {name} cannot be built: " + " | ".join(lines)
                    )

        try:
            await _call(build)
        finally:
            given_up.set()

    async def pull(self, reference: str, *, name: str) -> None:
        """Pulls an image and gives it its local name, if it carries our runtime label.

        Raises EnvironmentUnavailableError.
        """

        def pull() -> None:
            for message in self._client.pull(reference, stream=True, decode=True):
                if message.get("error"):
                    raise EnvironmentUnavailableError(
                        f"cannot pull {reference}: {message['error']}"
                    )
            labels = (self._inspect(reference).get("Config") or {}).get("Labels") or {}
            if RUNTIME_LABEL not in labels:
                raise EnvironmentUnavailableError(
                    f"{reference} lacks the label {RUNTIME_LABEL}: it is not made for ACKREP"
                )
            repository, _, tag = name.rpartition(":")
            self._client.tag(reference, repository, tag)

        await _call(pull)

    async def remove_image(self, name: str) -> None:
        """Removes a local image; one that is gone already counts as removed."""

        def remove() -> None:
            with contextlib.suppress(ImageNotFound):
                self._client.remove_image(name, force=True)

        await _call(remove)

    def _inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.inspect_image(name)  # type: ignore[no-untyped-call]
        return found

    # Containers

    async def start(
        self, name: str, *, image: str, command: Sequence[str], labels: Mapping[str, str],
        bounds: Bounds,
    ) -> ContainerChannel:  # fmt: skip
        """Creates, attaches to and starts a container, as tight as the engine allows."""

        def start() -> Any:
            host_config = self._client.create_host_config(
                network_mode="none",
                read_only=True,
                tmpfs={
                    "/run": "rw,nosuid,nodev,exec,mode=0755,size=64m",
                    "/check": f"rw,nosuid,nodev,exec,mode=0755,size={bounds.disk_bytes}",
                    "/tmp": f"rw,nosuid,nodev,mode=1777,size={bounds.disk_bytes // 2}",  # noqa: S108  # the container's own
                },
                cap_drop=["ALL"],
                cap_add=[capability.upper() for capability in sorted(CAPABILITIES)],
                security_opt=["no-new-privileges"],
                pids_limit=bounds.processes,
                mem_limit=bounds.memory_bytes,
                memswap_limit=bounds.memory_bytes,
                nano_cpus=int(bounds.cpus * 1e9) or None,
                shm_size=bounds.shm_bytes,
                ipc_mode="private",
                log_config=LogConfig(type="none"),
            )
            self._client.create_container(
                image,
                entrypoint=list(command),
                command=[],
                name=name,
                user="0:0",
                labels=dict(labels),
                stdin_open=True,
                tty=False,
                network_disabled=True,
                host_config=host_config,
                working_dir="/",
            )
            try:
                # Attached before it starts: nothing it says is lost, and nothing is buffered yet.
                response = self._client.attach_socket(
                    name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                )
                self._client.start(name)
            except BaseException:
                self._remove(name)
                raise
            return response

        response = await _call(start)
        return ContainerChannel(response)

    async def bound(self, name: str, *, memory_bytes: int) -> None:
        """Changes the memory limit of a running container."""
        await _call(
            lambda: self._client.update_container(
                name, mem_limit=memory_bytes, memswap_limit=memory_bytes
            )
        )

    async def starved(self, name: str) -> bool:
        """Whether a container has ended because memory ran out; False if it is gone or lives."""

        def inspect() -> bool:
            try:
                state = self._client.inspect_container(name)["State"]
            except NotFound:
                return False
            return bool(state.get("OOMKilled")) and not state.get("Running")

        return await _call(inspect)

    async def remove(self, name: str) -> None:
        """Kills and removes a container; one that is gone already counts as removed."""
        await _call(lambda: self._remove(name))

    async def remove_earlier(self, *, runner: str, incarnation: str) -> int:
        """Removes what earlier incarnations of this runner left; returns how many."""

        def remove() -> int:
            found = self._client.containers(
                all=True, filters={"label": [f"{RUNNER_LABEL}={runner}"]}
            )
            stale = [c for c in found if c["Labels"].get(INCARNATION_LABEL) != incarnation]
            for container in stale:
                self._remove(container["Id"])
            return len(stale)

        return await _call(remove)

    def _remove(self, name: str) -> None:
        try:
            self._client.remove_container(name, force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:  # being removed already
                raise

    async def close(self) -> None:
        """Closes connections."""
        await asyncio.to_thread(self._client.close)


def find_engine() -> Engine:
    """The engine that the Docker command line would use: DOCKER_HOST, else the current context.

    Blocking. Raises UnavailableError saying where it looked.
    """
    host = "?"
    try:
        arguments, host = _endpoint()
        client = docker.APIClient(version="auto", timeout=_CALL_SECONDS, num_pools=16, **arguments)
        said = client.version()
        version = str(said["Version"])
    except (DockerException, requests.RequestException, OSError, KeyError) as error:
        # What the libraries say of a socket that is not there fills lines and says no more.
        raise UnavailableError(f"no Docker engine answers at {host}") from error
    return Engine(client, version=version, host=host, components=_components(said))


def _components(said: Mapping[str, Any]) -> dict[str, str]:
    """Versions by name. A distribution's own, which says more, stands in place of the commit."""
    found = {}
    for part in said.get("Components") or ():
        version, details = str(part.get("Version", "")), part.get("Details") or {}
        commit = str(details.get("GitCommit", ""))
        found[str(part.get("Name", ""))] = commit if commit.startswith(version) else version
    return found


def _endpoint() -> tuple[dict[str, Any], str]:
    if os.environ.get("DOCKER_HOST"):
        arguments: dict[str, Any] = dict(kwargs_from_env())
        arguments["use_ssh_client"] = True
        return arguments, os.environ["DOCKER_HOST"]
    context = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT") or None)
    if context is None:
        raise DockerException(f"there is no Docker context {os.environ.get('DOCKER_CONTEXT')!r}")
    return {
        "base_url": context.Host,
        "tls": context.TLSConfig or False,
        "use_ssh_client": True,
    }, str(context.Host)


async def _call(work: Callable[[], _T]) -> _T:
    """Runs a blocking call in a thread. Raises UnavailableError for what the engine does not do."""
    try:
        return await asyncio.to_thread(work)
    except (DockerException, requests.RequestException) as error:
        raise UnavailableError(f"the Docker engine failed: {error}") from error
