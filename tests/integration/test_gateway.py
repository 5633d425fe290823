"""The gateway over the whole system: real broker, catalog, scheduler and runner, as processes."""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine import write_bare_environment
from tests.whole_systems import System, running_system

LINES = 400
SIMULATION = """
import pathlib, time
from ackrep_core import ResultContainer
def simulate():
    {body}
def evaluate_simulation(data):
    return ResultContainer(success={success}, score=1.0, final_state_errors=[0.25])
"""
PLOT = "<svg xmlns='http://www.w3.org/2000/svg'/>"
MODELS = {
    "NOMIN": (f"print('computed 42'); pathlib.Path('plot.svg').write_text({PLOT!r})", True),
    "WRONG": ("print('computed 41')", "1 > 2"),
    "RAISE": ("print('computing'); raise ValueError('a secret of the code')", True),
    "CHATS": (f"[(print(n, flush=True), time.sleep(0.01)) for n in range({LINES})]", True),
}
BARE = "name: bare_environment\nkey: BARE1\ntype: environment_specification\n"


def write_repository(folder: Path) -> Path:
    """A data repository with one model for each of `MODELS`."""
    environment = folder / "environment_specifications" / "bare"
    environment.mkdir(parents=True)
    (environment / "metadata.yml").write_text(BARE)
    for key, (body, success) in MODELS.items():
        model = folder / "system_models" / key.lower()
        model.mkdir(parents=True)
        (model / "metadata.yml").write_text(
            f"name: model {key}\nkey: {key}\ntype: system_model\ncreator: nobody\n"
            "compatible_environment: BARE1\n"
        )
        (model / "system_model.py").write_text("")
        (model / "simulation.py").write_text(SIMULATION.format(body=body, success=success))
    return folder


class Gateway:
    """A gateway process."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.client = httpx.AsyncClient(base_url=address, timeout=60)

    async def ready(self) -> None:
        """Waits until the services behind it serve."""
        async with asyncio.timeout(60):
            while (await self.client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def check(self, key: str) -> dict[str, Any]:
        """Checks an entity over HTTP, to its end."""
        created = await self.client.post(
            "/v1/checks", json={"entity": f"entities/{key}", "force": True}
        )
        assert 200 == created.status_code, created.text
        name = created.json()["name"]
        watched = await self.client.get(f"/v1/{name}:watch", timeout=120)
        assert watched.text.endswith("event: end\ndata: {}\n\n")
        check: dict[str, Any] = (await self.client.get(f"/v1/{name}")).json()
        return check


@contextlib.asynccontextmanager
async def running_gateway(system: System, **settings: str) -> AsyncIterator[Gateway]:
    """Runs a gateway while the block runs; `settings` are environment variables."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        env={
            **system.services["scheduler"].environment,
            "PATH": "/usr/bin:/bin",
            "ACKREP_GATEWAY_ADDRESS": "127.0.0.1:0",
            **{
                f"ACKREP_GATEWAY_{name.upper()}": f"127.0.0.1:{port}"
                for name, port in system.ports.items()
            },
            **settings,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    address = ""
    try:
        async with asyncio.timeout(30):
            while not address and (line := (await process.stderr.readline()).decode()):
                address = "".join(re.findall(r"http://\S+", line))
        gateway = Gateway(process, address)
        async with gateway.client:
            await gateway.ready()
            yield gateway
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), 20)


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """The whole system over a small repository, without an engine."""
    write_bare_environment(tmp_path / "environments")
    async with running_system(
        tmp_path,
        source=write_repository(tmp_path / "data"),
        backend="process",
        environments=tmp_path / "environments",
        more={"ACKREP_RUNNER_SLOTS": "2", "ACKREP_RUNNER_DRAIN_SECONDS": "1"},
    ) as running:
        yield running


def content(html: str) -> str:
    """The text of a page's content."""
    main = re.search("<main.*</main>", html, re.DOTALL)
    assert main
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", main.group()))


async def test_pages_and_api(system: System) -> None:
    """From nothing to a verdict over HTTP: API, artefact, log, every page, and a whole run."""
    async with running_gateway(system) as gateway:
        client = gateway.client
        assert "Nothing was checked yet" in content((await client.get("/")).text)

        check = await gateway.check("NOMIN")

        assert "VERDICT_SUCCESS" == check["verdict"], system.logs
        (plot,) = check["result"]["artefacts"]
        file = await client.get(f"/{plot['name']}/plot.svg")
        assert PLOT == file.text
        assert "image/svg+xml" == file.headers["content-type"]
        assert file.headers["content-security-policy"].startswith("sandbox;")
        assert "computed 42\n" == (await client.get(f"/{check['name']}/log")).text
        assert f'src="/{plot["name"]}/plot.svg"' in (await client.get("/e/NOMIN")).text
        for path in ("/", "/entities", "/e/NOMIN", "/checks", "/diagnostics", "/e/BARE1"):
            assert 200 == (await client.get(path)).status_code, path
        missing = await client.get("/e/NOMIM")
        assert 404 == missing.status_code
        assert "/e/NOMIN" in missing.text

        run = await client.post("/runs", data={"title": "everything"})
        assert 303 == run.status_code
        stream = await client.get(f"/v1{run.headers['location']}:watch", timeout=120)
        assert "event: end" in stream.text
        text = content((await client.get(run.headers["location"])).text)
        assert "4 of 4" in text
        assert "the run is complete" in text
        assert "2 of 4" in content((await client.get("/")).text)


async def test_error_propagation(system: System) -> None:
    """The table of error propagation, column by column, over real verdicts."""
    async with (
        running_gateway(system, ACKREP_GATEWAY_DEBUG="1") as open_gateway,
        running_gateway(system, ACKREP_GATEWAY_DEBUG="0") as closed_gateway,
    ):
        names = {
            key: (await open_gateway.check(key))["name"] for key in ("NOMIN", "WRONG", "RAISE")
        }
        debug = {key: (await open_gateway.client.get(f"/{n}")).text for key, n in names.items()}
        plain = {key: (await closed_gateway.client.get(f"/{n}")).text for key, n in names.items()}

    for pages in (debug, plain):
        assert "success" in content(pages["NOMIN"])
        assert "computed 42" in content(pages["NOMIN"])
        assert "inaccurate" in content(pages["WRONG"])
        assert "computed 41" in content(pages["WRONG"])
        assert "script error" in content(pages["RAISE"])
    assert 'class="traceback"' in debug["RAISE"]
    assert "a secret of the code" in debug["RAISE"]
    assert "computing" in content(debug["RAISE"])
    assert "a secret" not in plain["RAISE"]
    assert "Traceback (most" not in plain["RAISE"]
    assert "computing" not in plain["RAISE"]


async def test_watch_survives_a_killed_gateway(system: System) -> None:
    """When a gateway dies, its readers go on through another one, without gap or repetition."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def take(line: str, token: list[str]) -> None:
        if line.startswith("id: "):
            token[:] = [line[4:]]
        elif line.startswith("data: ") and line != "data: {}":
            seen.append((token[0], json.loads(line[6:])))

    async with running_gateway(system) as first:
        created = await first.client.post("/v1/checks", json={"entity": "entities/CHATS"})
        name = created.json()["name"]
        with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
            async with first.client.stream("GET", f"/v1/{name}:watch") as answer:
                token = [""]
                async for line in answer.aiter_lines():
                    take(line, token)
                    if first.process.returncode is None and len(seen) > 30:
                        with contextlib.suppress(ProcessLookupError):
                            first.process.kill()
        before = len(seen)
        assert "checkChanged" not in seen[-1][1] or not seen[-1][1]["checkChanged"]["verdict"]
    async with running_gateway(system) as second:
        answer = await second.client.get(
            f"/v1/{name}:watch", headers={"last-event-id": seen[-1][0]}, timeout=120
        )
        token = [""]
        for line in answer.text.splitlines():
            take(line, token)
        whole = await second.client.get(f"/v1/{name}:watch", timeout=60)

    assert before < len(seen), system.logs
    assert "event: end" in answer.text
    assert "VERDICT_SUCCESS" == seen[-1][1]["checkChanged"]["verdict"]
    tokens = [token for token, _ in seen]
    assert len(set(tokens)) == len(tokens)
    text = "".join(event["log"]["text"] for _, event in seen if "log" in event)
    assert "".join(f"{n}\n" for n in range(LINES)) == text
    # Whoever comes later and reads it from its beginning gets the same attempt.
    later = re.findall("(?m)^id: (.*)$", whole.text)
    assert [t for t in later if t.startswith("1.")] == [t for t in tokens if t.startswith("1.")]
