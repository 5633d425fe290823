"""What the gateway costs, beside asking the services directly: `python -m bench.gateway`.

A system of its own over the demo data repository, in the process backend. Direct gRPC is one client
in this process with one channel, as the gateway has; HTTP is one kept connection for latencies, and
`wrk` (Debian, eight connections, one thread) for requests per second. *Kept* is an unchanged
resource, which the gateway answers by itself; *asked* is the same resource at an address that was
never seen, so that the catalog answers.
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from bench.table import Row, keep, percentile, show
from cli.embedded import Options, joined
from cli.source import Source
from cli.state import System
from services import rpc

RESULT: Final = Path("build/bench-gateway.json")
DEMO: Final = Path(__file__).parents[1] / "examples/demo_data"
ENTITY: Final = "entities/LRNZ4"
_CONNECTIONS: Final = 8

Fresh = Callable[[], str]
"""Makes the address of one request."""


class Connection:
    """One kept HTTP connection, with no more of HTTP than a measurement needs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, page: str) -> "Connection":
        """Connects to a gateway."""
        place = urlsplit(page)
        return cls(*await asyncio.open_connection(place.hostname, place.port))

    async def get(self, address: str) -> bytes:
        """Asks for one address."""
        head = f"GET {address} HTTP/1.1\r\nhost: localhost\r\n\r\n"
        self._writer.write(head.encode())
        headers = await self._reader.readuntil(b"\r\n\r\n")
        assert headers.startswith(b"HTTP/1.1 200"), headers
        size = re.search(rb"content-length: (\d+)", headers)
        assert size is not None
        return await self._reader.readexactly(int(size[1]))

    def close(self) -> None:
        """Hangs up."""
        self._writer.close()


def asked_anew() -> Fresh:
    """Addresses of the entity that were never seen: no answer to them can be kept.

    They say the same, with other letters percent-encoded each time.
    """
    numbers: Iterator[int] = count()
    letters = "revisions/current"

    def fresh() -> str:
        number = next(numbers)
        said = "".join(
            f"%{ord(letter):02X}" if number >> place & 1 else letter
            for place, letter in enumerate(letters)
        )
        return f"/v1/{ENTITY}?revision={said}"

    return fresh


async def durations(ask: Callable[[], Awaitable[object]], *, rounds: int) -> list[float]:
    """Seconds of each of so many requests, one after the other."""
    for _ in range(20):
        await ask()
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        await ask()
        found.append(time.perf_counter() - begin)
    return found


async def grpc_throughput(stub: catalog_pb2_grpc.CatalogServiceStub, *, seconds: float) -> float:
    """Requests per second of as many askers at once, over gRPC."""
    done, begin = 0, time.perf_counter()

    async def ask() -> None:
        nonlocal done
        while time.perf_counter() - begin < seconds:
            await stub.GetEntity(catalog_pb2.GetEntityRequest(name=ENTITY))
            done += 1

    await asyncio.gather(*(ask() for _ in range(_CONNECTIONS)))
    return done / (time.perf_counter() - begin)


_FRESH_IN_LUA: Final = """
local letters, number = "revisions/current", 0
request = function()
  number = number + 1
  local said, bits = "", number
  for place = 1, #letters do
    local letter = letters:sub(place, place)
    if bits % 2 == 1 then letter = string.format("%%%02X", letter:byte()) end
    said, bits = said .. letter, math.floor(bits / 2)
  end
  return wrk.format("GET", "/v1/ENTITY?revision=" .. said)
end
"""


def http_throughput(address: str, *, seconds: int, script: Path | None = None) -> float:
    """Requests per second by `wrk`."""
    command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s"]
    command += ["-s", str(script)] if script else []
    output = subprocess.run([*command, address], check=True, capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec:\s*([\d.]+)", output)
    assert found is not None, output
    assert "Non-2xx" not in output, output
    return float(found[1])


async def latencies(system: System, *, rounds: int) -> dict[str, list[float]]:
    """Seconds of single requests, one after the other, of every kind."""
    connection = await Connection.open(system.page)
    fresh = asked_anew()
    async with rpc.dial(system.catalog, token=system.token) as channel:
        stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        request = catalog_pb2.GetEntityRequest(name=ENTITY)
        found = {
            "grpc": await durations(lambda: stub.GetEntity(request), rounds=rounds),
            "kept": await durations(lambda: connection.get(f"/v1/{ENTITY}"), rounds=rounds),
            "asked": await durations(lambda: connection.get(fresh()), rounds=rounds),
            "page": await durations(
                lambda: connection.get(f"/e/{ENTITY.partition('/')[2]}"), rounds=rounds // 4
            ),
        }
    connection.close()
    return found


async def direct(system: System, *, seconds: float) -> float:
    """Requests per second over gRPC."""
    async with rpc.dial(system.catalog, token=system.token) as channel:
        return await grpc_throughput(catalog_pb2_grpc.CatalogServiceStub(channel), seconds=seconds)


def quantiles(seconds: list[float]) -> str:
    """Median and 99th percentile."""
    return f"{percentile(seconds, 50):.2f} ms (p99 {percentile(seconds, 99):.2f})"


def measure(system: System, *, rounds: int, seconds: int, scratch: Path) -> list[Row]:
    """All rows."""
    seen = asyncio.run(latencies(system, rounds=rounds))
    rows = [
        Row(
            what,
            quantiles(seen[name]),
            quantiles(seen["grpc"]),
            percentile(seen[name], 50) / percentile(seen["grpc"], 50),
            "",
        )
        for what, name in (
            ("entity as JSON, kept, beside gRPC", "kept"),
            ("entity as JSON, asked, beside gRPC", "asked"),
            ("page of an entity, beside one gRPC call", "page"),
        )
    ]
    if shutil.which("wrk") is None:
        print("requests per second: left out, `wrk` is not installed", file=sys.stderr)
        return rows
    script = scratch / "fresh.lua"
    script.write_text(_FRESH_IN_LUA.replace("ENTITY", ENTITY))
    page = system.page.rstrip("/")
    straight = asyncio.run(direct(system, seconds=seconds))
    key = ENTITY.partition("/")[2]
    for what, address, with_script, goal in (
        ("entity as JSON, kept", f"{page}/v1/{ENTITY}", None, "≥ 5,000/s"),
        ("entity as JSON, asked", page, script, "≥ 2,000/s"),
        ("page of an entity", f"{page}/e/{key}", None, ""),
    ):
        ours = http_throughput(address, seconds=seconds, script=with_script)
        rows.append(
            Row(
                f"{what}, {_CONNECTIONS} connections, beside gRPC",
                f"{ours:,.0f}/s",
                f"{straight:,.0f}/s",
                ours / straight,
                goal,
            )
        )
    return rows


def main() -> None:
    """Parses the command line, measures and reports."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000, help="single requests to time")
    parser.add_argument("--seconds", type=int, default=5, help="of each measured throughput")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ackrep-bench-") as scratch:
        repository = Path(scratch) / "demo_data"
        shutil.copytree(DEMO, repository)
        os.environ["ACKREP_STATE"] = str(Path(scratch) / "state")
        with joined(
            Source(str(repository)), options=Options(backend="process"), notify=lambda _: None
        ) as system:
            rows = measure(
                system, rounds=options.rounds, seconds=options.seconds, scratch=Path(scratch)
            )
    show(rows, title="measured with `python -m bench.gateway`")
    keep(rows, RESULT)


if __name__ == "__main__":
    main()
