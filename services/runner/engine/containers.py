"""The Docker engine and its containers. Only this folder imports `docker`.

Blocking calls of docker-py run in threads. Nothing of the host is ever mounted into a container.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import docker
import requests
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, NotFound
from docker.types import LogConfig
from docker.utils import kwargs_from_env

from services.errors import EnvironmentUnavailableError, UnavailableError
from services.runner.domain.workplaces import CAPABILITIES
from services.runner.engine.calls import call
from services.runner.engine.channel import ContainerChannel
from services.runner.engine.images import Images
from services.runner.engine.leftovers import leftovers

RUNNER_LABEL: Final = "dev.ackrep.runner"
INCARNATION_LABEL: Final = "dev.ackrep.incarnation"

_CALL_SECONDS = 60
_PROMPT_SECONDS = 10.0
"""For what takes milliseconds and has to be done before a check can go on."""
_PING_SECONDS = 4.0


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
        self.images = Images(client)

    async def start(
        self, name: str, *, image: str, command: Sequence[str], labels: Mapping[str, str],
        bounds: Bounds,
    ) -> ContainerChannel:  # fmt: skip
        """Creates, attaches to and starts a container, as tight as the engine allows.

        Raises EnvironmentUnavailableError for an image with volumes.
        """

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
                healthcheck={"test": ["NONE"]},  # the image's would run beside checks, as root
            )
            try:
                self._require_no_mounts(name)
                # Attached before it starts: nothing it says is lost, and nothing is buffered yet.
                response = self._client.attach_socket(
                    name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                )
                self._client.start(name)
            except BaseException:
                self._remove(name)
                raise
            return response

        response = await call(start)
        return ContainerChannel(response)

    def _require_no_mounts(self, name: str) -> None:
        """A volume that an image declares would be writable, and not in memory."""
        mounts = self._client.inspect_container(name).get("Mounts") or ()
        if found := [str(one["Destination"]) for one in mounts if one.get("Type") != "tmpfs"]:
            raise EnvironmentUnavailableError(
                f"the image declares a VOLUME ({', '.join(found)}), which checks could write to; "
                "build it without"
            )

    async def bound(self, name: str, *, memory_bytes: int) -> None:
        """Changes the memory limit of a running container."""
        await call(
            lambda: self._client.update_container(
                name, mem_limit=memory_bytes, memswap_limit=memory_bytes
            ),
            seconds=_PROMPT_SECONDS,
        )

    async def starved(self, name: str) -> bool:
        """Whether a container has ended because memory ran out; False if it is gone or lives."""

        def inspect() -> bool:
            try:
                state = self._client.inspect_container(name)["State"]
            except NotFound:
                return False
            return bool(state.get("OOMKilled")) and not state.get("Running")

        return await call(inspect, seconds=_PROMPT_SECONDS)

    async def answers(self) -> bool:
        """Whether the engine answers at all, within seconds."""

        def ping() -> None:
            url = f"{self._client.base_url}/_ping"
            self._client.get(url, timeout=_PING_SECONDS).raise_for_status()

        try:
            await call(ping, seconds=_PING_SECONDS)
        except UnavailableError:
            return False
        return True

    async def remove(self, name: str) -> None:
        """Kills and removes a container; one that is gone already counts as removed."""
        await call(lambda: self._remove(name))

    async def remove_leftovers(self, *, runner: str, incarnation: str, ended_seconds: float) -> int:
        """Removes what earlier incarnations of this runner left, and what has ended long ago.

        Returns how many. See `leftovers` for what stays.
        """

        def remove() -> int:
            found = leftovers(
                self._client,
                labels=(RUNNER_LABEL, INCARNATION_LABEL),
                runner=runner,
                incarnation=incarnation,
                ended_seconds=ended_seconds,
            )
            for container in found:
                self._remove(container)
            return len(found)

        return await call(remove)

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
