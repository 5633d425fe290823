"""Tokens over the whole system: made, used, recorded and revoked, on two gateways."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ackrep.scheduler.v1 import access_pb2, access_pb2_grpc, scheduler_pb2
from services import rpc
from tests.integration.test_gateway import Gateway, running_gateway, system
from tests.whole_systems import System

__all__ = ["system"]

PUBLIC = {
    "ACKREP_GATEWAY_REQUIRE_LOGIN": "1",
    "ACKREP_GATEWAY_DEBUG": "0",
}


@contextlib.asynccontextmanager
async def access_of(system: System) -> AsyncIterator[access_pb2_grpc.AccessServiceStub]:
    """A client of the scheduler's access service."""
    token = system.services["scheduler"].environment["ACKREP_TOKEN"]
    async with rpc.dial(f"127.0.0.1:{system.ports['scheduler']}", token=token) as channel:
        yield access_pb2_grpc.AccessServiceStub(channel)


def bearer(made: access_pb2.CreateTokenResponse) -> dict[str, str]:
    """The header that shows a token."""
    return {"authorization": f"Bearer {made.secret}"}


async def refused_within(gateway: Gateway, headers: dict[str, str], *, seconds: float) -> float:
    """Seconds until a gateway refuses a token."""
    begin = time.monotonic()
    async with asyncio.timeout(seconds):
        while 401 != (await gateway.client.get("/v1/checks", headers=headers)).status_code:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return time.monotonic() - begin


@pytest.mark.timeout(180)
async def test_a_token_from_its_making_to_its_end(system: System) -> None:
    """It opens what its scope says, signs what it does, is recorded, and ends everywhere in 5 s."""
    async with (
        access_of(system) as access,
        running_gateway(system, **PUBLIC) as one,
        running_gateway(system, **PUBLIC) as other,
    ):
        assert 401 == (await one.client.get("/v1/checks")).status_code
        ask = access_pb2.CreateTokenRequest(
            display_name="ci", scope=access_pb2.ACCESS_SCOPE_CHECK, creator="tests"
        )
        made = await access.CreateToken(ask)
        ci = bearer(made)
        body = {"entity": "entities/RAISE", "requester": "somebody else"}
        created = await one.client.post("/v1/checks", json=body, headers=ci)
        assert 200 == created.status_code, created.text
        name = created.json()["name"]
        watched = await other.client.get(f"/v1/{name}:watch", headers=ci, timeout=120)
        assert watched.text.endswith("event: end\ndata: {}\n\n")
        assert "a secret of the code" not in watched.text
        paused = await one.client.post("/v1/queue:pause", json={}, headers=ci)
        assert (403, True) == (paused.status_code, "scope maintain" in paused.text)

        ask.display_name, ask.scope = "mira", access_pb2.ACCESS_SCOPE_ADMIN
        mira = bearer(await access.CreateToken(ask))
        check = (await one.client.get(f"/v1/{name}", headers=mira)).json()
        assert "a secret of the code" in check["result"]["traceback"]
        log = (await one.client.get("/v1/auditEntries", headers=mira)).json()["entries"]
        told = [(entry["principal"], entry["action"], entry["status"]) for entry in log]
        assert [
            ("ci", "QueueService.PauseQueue", 403),
            ("ci", "SchedulerService.CreateCheck", 200),
        ] == told

        await access.RevokeToken(access_pb2.RevokeTokenRequest(name=made.token.name))
        both = await asyncio.gather(
            *(refused_within(gateway, ci, seconds=8) for gateway in (one, other))
        )
        assert max(both) < 5
    async with system.scheduler() as scheduler:
        listed = await scheduler.ListChecks(scheduler_pb2.ListChecksRequest())
        assert name in [one.name for one in listed.checks]
    assert made.secret not in system.logs
    assert mira["authorization"].removeprefix("Bearer ") not in system.logs
    assert not secrets_below(system.folder, made.secret)


def secrets_below(folder: Path, secret: str) -> list[Path]:
    """Files that hold a secret, databases included."""
    found = []
    for parent, _, names in os.walk(folder):
        for path in (Path(parent) / name for name in names):
            with contextlib.suppress(OSError):
                if path.is_file() and secret.encode() in path.read_bytes():
                    found.append(path)
    return found


@pytest.mark.timeout(120)
async def test_a_session_outlives_gateway_and_scheduler(system: System) -> None:
    """It is the scheduler's: another gateway knows the cookie, and a restart forgets none."""
    async with access_of(system) as access, running_gateway(system, **PUBLIC) as first:
        ask = access_pb2.CreateTokenRequest(display_name="mira", scope=access_pb2.ACCESS_SCOPE_READ)
        made = await access.CreateToken(ask)
        origin = {"origin": str(first.client.base_url).rstrip("/")}
        answer = await first.client.post("/login", data={"token": made.secret}, headers=origin)
        assert 303 == answer.status_code, answer.text
        cookie = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
        assert 200 == (await first.client.get("/v1/checks", headers=cookie)).status_code
    system.services["scheduler"].stop()
    system.services["scheduler"].start()
    async with running_gateway(system, **PUBLIC) as second:
        second.client.cookies = httpx.Cookies()
        assert 200 == (await second.client.get("/v1/checks", headers=cookie)).status_code
